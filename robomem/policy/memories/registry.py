"""The memories by their names, for the command line, checkpoints and tables."""

from dataclasses import asdict, fields
from typing import Any

from robomem.errors import ConfigError
from robomem.policy.memories.compressed_window import (
    CompressedWindow,
    CompressedWindowSettings,
)
from robomem.policy.memories.ffm import FFM, FFMSettings
from robomem.policy.memories.frame_stack import FrameStack, FrameStackSettings
from robomem.policy.memories.gru import GRU, GRUSettings
from robomem.policy.memories.hcam import HCAM, HCAMSettings
from robomem.policy.memories.memory import PolicyMemory
from robomem.policy.memories.neural import Neural, NeuralSettings
from robomem.policy.memories.no_memory import NoMemory, NoMemorySettings
from robomem.policy.memories.place_wise import PlaceWise, PlaceWiseSettings
from robomem.policy.memories.reversible import Reversible, ReversibleSettings
from robomem.policy.memories.short_term import ShortTerm, ShortTermSettings
from robomem.policy.memories.token_bank import TokenBank, TokenBankSettings
from robomem.policy.memories.transformer import Transformer, TransformerSettings

_KINDS: dict[str, tuple[Any, Any]] = {
    "none": (NoMemory, NoMemorySettings),
    "frame-stack": (FrameStack, FrameStackSettings),
    "gru": (GRU, GRUSettings),
    "transformer": (Transformer, TransformerSettings),
    "hcam": (HCAM, HCAMSettings),
    "ffm": (FFM, FFMSettings),
    "token-bank": (TokenBank, TokenBankSettings),
    "place-wise": (PlaceWise, PlaceWiseSettings),
    "reversible": (Reversible, ReversibleSettings),
    "short-term": (ShortTerm, ShortTermSettings),
    "compressed-window": (CompressedWindow, CompressedWindowSettings),
    "neural": (Neural, NeuralSettings),
}

MEMORIES = tuple(_KINDS)
"""Names that `make_memory` knows."""


def make_memory(name: str, input_size: int, output_size: int, **settings: Any) -> PolicyMemory:
    """Return an untrained memory.

    Args:
        name: one of `MEMORIES`.
        input_size: D of the features that come in.
        output_size: of what goes out.
        settings: of that memory; those left out have their defaults.
    """
    kind, kind_settings = _kind(name)
    known = [field.name for field in fields(kind_settings)]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ConfigError(
            f"memory {name} has no setting {', '.join(unknown)}, only {', '.join(known)}"
        )
    made: PolicyMemory = kind(input_size, output_size, kind_settings(**settings))
    return made


def default_settings(name: str) -> dict[str, Any]:
    """Return the settings of a memory, as `make_memory` takes them, with their defaults."""
    return asdict(_kind(name)[1]())


def _kind(name: str) -> tuple[Any, Any]:
    if name not in _KINDS:
        raise ConfigError(f"there is no memory {name!r}, only {', '.join(MEMORIES)}")
    return _KINDS[name]
