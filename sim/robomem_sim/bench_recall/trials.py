"""The tasks, as they are learned and as they are tested."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """

    name: str
    task: str
    settings: Settings
    tests: Mapping[str, Settings]
    learn: Settings = field(default_factory=dict)
    memories: Mapping[str, Settings] = field(default_factory=dict)


def _ballet(dancers: int) -> Trial:
    return Trial(
        f"ballet-{dancers}",
        "robomem/Ballet-v0",
        {"dancers": dancers, "delay_steps": 16},
        {"delay 16": AS_LEARNED, "delay 48": {"delay_steps": 48}},
    )


TRIALS = (
    _ballet(8),
    Trial(
        "colour",
        "robomem/RememberColour-v0",
        {"delay_steps": 32},
        {"delay 32": AS_LEARNED, "delay 64": {"delay_steps": 64}},
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
QUICK_MEMORIES = ("none", "gru")
