"""The tasks, as they are learned and as they are tested."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from robomem.policy.memories import MEMORIES
from robomem.policy.training.settings import Setting

Settings = Mapping[str, Setting]
AS_LEARNED: Settings = {}


@dataclass(frozen=True, slots=True)
class Trial:
    """One task to be learned.

    Attributes:
        name: What the tables call it.
        task: A gymnasium id.
        settings: Of the task while it is learned.
        tests: Settings that differ when it is tested, by what the tables call them.
        learn: Settings of the training that differ from its defaults.
        memories: Settings of a memory that differ from its defaults, by its name.
        mixture: Settings of the task that differ in some of the episodes that are learned from.
    """

    name: str
    task: str
    settings: Settings
    tests: Mapping[str, Settings]
    learn: Settings = field(default_factory=dict)
    memories: Mapping[str, Settings] = field(default_factory=dict)
    mixture: tuple[Settings, ...] = ()


def _ballet(dancers: int) -> Trial:
    return Trial(
        f"ballet-{dancers}",
        "robomem/Ballet-v0",
        {"dancers": dancers, "delay_steps": 16},
        {"delay 16": AS_LEARNED, "delay 48": {"delay_steps": 48}},
        FAST,
    )


# What only fills in episodes longer than those learned from would be read for the first time when it is tested.
SOON_FULL: Mapping[str, Settings] = {"hcam": {"chunk": 8}, "compressed-window": {"window": 8}}
FAST: Settings = {"learning_rate": 2e-3, "enough_loss": 0.01}
TRIALS = (
    _ballet(8),
    Trial(
        "repeat-back",
        "robomem/RepeatBack-v0",
        {"back_steps": 4, "steps": 48},
        {"48 steps": AS_LEARNED, "96 steps": {"steps": 96}},
        FAST,
        SOON_FULL,
    ),
    Trial(
        "t-maze",
        "robomem/TMaze-v0",
        {"length": 16},
        {"16 cells": AS_LEARNED, "32 cells": {"length": 32}},
        # who is told its position learns where the junction is; one action in twenty is taken there
        {**FAST, "sees_position": False, "enough_loss": 1e-3},
        SOON_FULL,
        mixture=({"length": 4}, {"length": 8}, {"length": 12}),
    ),
    Trial(
        "drawer-search",
        "robomem/DrawerSearch-v0",
        {},
        {"delay 8": AS_LEARNED, "delay 32": {"delay_steps": 32}},
        {**FAST, "enough_loss": 1e-4},
        SOON_FULL,
    ),
    Trial(
        "colour",
        "robomem/RememberColour-v0",
        {"delay_steps": 32},
        {"delay 32": AS_LEARNED, "delay 64": {"delay_steps": 64}},
        FAST,
        SOON_FULL,
        mixture=({"delay_steps": 4}, {"delay_steps": 12}, {"delay_steps": 20}),
    ),
    Trial(
        "hidden-object",
        "robomem/HiddenObject-v0",
        {},
        {"delay 8": AS_LEARNED, "delay 32": {"delay_steps": 32}},
        # there are more tours of eight rooms than can be learned by heart
        {**FAST, "enough_loss": 3e-3, "steps": 20_000, "episodes": 1 << 16},
        SOON_FULL,
    ),
    Trial(
        "shell-game",
        "robomem/ShellGame-v0",
        {"swaps": 4},
        {"4 swaps": AS_LEARNED, "8 swaps": {"swaps": 8}},
        {**FAST, "steps": 20_000},
        SOON_FULL,
        # of four swaps at once nobody learns what one of them does
        mixture=({"swaps": 0}, {"swaps": 1}, {"swaps": 2}),
    ),
    Trial(
        "chain",
        "robomem/ChainOfColours-v0",
        {},
        {"as learned": AS_LEARNED},
        FAST,
    ),
    _ballet(2),
    _ballet(4),
)
QUICK_TRIALS = (
    Trial(
        "colour",
        "robomem/RememberColour-v0",
        {"delay_steps": 4},
        {"delay 4": AS_LEARNED, "delay 8": {"delay_steps": 8}},
        {"steps": 4, "batch": 4, "episodes": 16, "size": 16},
    ),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A memory, as it is trained.

    Attributes:
        name: What the tables call it.
        memory: Its name.
        learn: Settings of the training that differ.
    """

    name: str
    memory: str
    learn: Settings = field(default_factory=dict)


def _taught(memory: str) -> Variant:
    """Return a memory that is shown, too, which moments an action depends on."""
    return Variant(f"{memory}+pairs", memory, {"attention_weight": 1.0})


# What can be learned without a memory is learned soon.
SHORTER: Mapping[str, Settings] = {"none": {"steps": 500}}
VARIANTS = (
    *(Variant(memory, memory, SHORTER.get(memory, {})) for memory in MEMORIES),
    _taught("transformer"),
    _taught("hcam"),
)
QUICK_VARIANTS = (Variant("none", "none"), Variant("gru", "gru"))
