"""Memories that a policy is trained with, behind one small protocol (`memory`)."""

from robomem.policy.memories.attentive import Attended, AttentiveMemory, dependency_loss
from robomem.policy.memories.memory import Moments, PolicyMemory, State
from robomem.policy.memories.registry import MEMORIES, make_memory, minds_places

__all__ = [
    "MEMORIES",
    "Attended",
    "AttentiveMemory",
    "Moments",
    "PolicyMemory",
    "State",
    "dependency_loss",
    "make_memory",
    "minds_places",
]
