"""The memories by their names, for the command line, checkpoints and tables."""

import math
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
    if min(input_size, output_size) < 1:
        raise ConfigError(f"memory {name} takes in {input_size} numbers and gives {output_size}")
    known = [field.name for field in fields(kind_settings)]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ConfigError(
            f"memory {name} has no setting {', '.join(unknown)}, only {', '.join(known)}"
        )
    checked = kind_settings(**settings)
    _check(name, asdict(checked), asdict(kind_settings()))
    made: PolicyMemory = kind(input_size, output_size, checked)
    return made


def minds_places(name: str) -> bool:
    """Tell whether it makes a difference to a memory where the robot was."""
    kind: type[PolicyMemory] = _kind(name)[0]
    return kind.minds_places


def _check(name: str, settings: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Refuse a setting of another type than its default, or out of range."""
    for key, default in defaults.items():
        value, least = settings[key], 0 if default == 0 else 1
        if isinstance(default, int) and (type(value) is not int or value < least):
            raise ConfigError(
                f"{key} of memory {name} is {value!r}, not a whole number from {least}"
            )
        if isinstance(default, float) and not _is_positive(value):
            raise ConfigError(f"{key} of memory {name} is {value!r}, not a number above 0")
    if settings.get("frequency_weight", 0.0) > 1.0:
        raise ConfigError(f"frequency_weight of memory {name} is above 1")
    if settings["size"] % settings.get("heads", 1):
        raise ConfigError(
            f"size {settings['size']} of memory {name} is no multiple of its {settings['heads']} heads"
        )


def _is_positive(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value) and value > 0.0


def _kind(name: str) -> tuple[Any, Any]:
    if name not in _KINDS:
        raise ConfigError(f"there is no memory {name!r}, only {', '.join(MEMORIES)}")
    return _KINDS[name]
