"""Memories that attend, and the supervision of their attention by memory dependency pairs.

Yue, Liu and Stone, "Learning Memory Mechanisms for Decision Making through Demonstrations" (AttentionTuner), 2024: a
pair (p, q) says that what to do at moment q depends on what was seen at moment p, so one head is asked to look from q
at p; the others stay free.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from robomem.policy.memories.memory import Moments, PolicyMemory, State

LEAST_WEIGHT = 1e-6
"""Below it a weight counts as this, so that the loss of a moment that cannot be seen stays finite."""


class Attended(NamedTuple):
    """What `forward` returns, and where it was looked.

    Attributes:
        outputs: (B, R, output_size).
        state: after the last moment.
        weights: (B, H, R, T) share of each head's look at each moment of the sequence; what went to moments
            before the sequence is left out, so a row sums to one or less.
    """

    outputs: Tensor
    state: State
    weights: Tensor


class AttentiveMemory(PolicyMemory):
    """A memory that can say which moments it looked at."""

    @abstractmethod
    def attend(self, moments: Moments, state: State | None = None, *, reads: Tensor) -> Attended:
        """Do as `forward` does, and say where each of the `reads` looked."""

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Read at `reads`, or everywhere."""
        if reads is None:
            everywhere = torch.arange(moments.stamps_s.shape[1], device=moments.stamps_s.device)
            reads = everywhere.expand(moments.stamps_s.shape)
        attended = self.attend(moments, state, reads=reads)
        return attended.outputs, attended.state


def dependency_loss(weights: Tensor, depends: Tensor, *, head: int = 0) -> Tensor:
    """Return how far one head is from looking only at what the actions depended on.

    The mean over reads with pairs of -log of the share that their moments got.

    Args:
        weights: (B, H, R, T) from `AttentiveMemory.attend`.
        depends: (B, R, T) true where the action at a read depends on a moment.
        head: the one that is asked.
    """
    share = (weights[:, head] * depends).sum(dim=-1)
    asked = depends.any(dim=-1)
    losses = -share.clamp(min=LEAST_WEIGHT).log() * asked
    return losses.sum() / asked.sum().clamp(min=1)
