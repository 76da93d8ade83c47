"""RoboMem, the memory of a robot: perceive, remember, ask, act.

import robomem as rm

with rm.Memory.open("house.rmem") as memory:
    memory.observe(rm.Observation(stamp_ns=..., T_map_cam=..., depth_m=..., K=...))
    print(memory.ask("where did I last see the red mug?").text)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robomem.config import Config
    from robomem.episodic.search import EventFilter
    from robomem.errors import RobomemError
    from robomem.io import open_recording
    from robomem.memory import Memory
    from robomem.types import (
        Answer,
        Detection,
        Entity,
        Event,
        EventKind,
        Evidence,
        Happening,
        Hit,
        Keyframe,
        LogReceipt,
        Observation,
        Query,
        QueryKind,
        Receipt,
    )

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Config",
    "Detection",
    "Entity",
    "Event",
    "EventFilter",
    "EventKind",
    "Evidence",
    "Happening",
    "Hit",
    "Keyframe",
    "LogReceipt",
    "Memory",
    "Observation",
    "Query",
    "QueryKind",
    "Receipt",
    "RobomemError",
    "open_recording",
]

_HOMES = {
    "Config": "config",
    "EventFilter": "episodic.search",
    "Memory": "memory",
    "RobomemError": "errors",
    "open_recording": "io",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import robomem` itself stays light."""
    if name not in __all__:
        raise AttributeError(f"module 'robomem' has no attribute {name!r}")
    return getattr(import_module(f"robomem.{_HOMES.get(name, 'types')}"), name)
