"""Open a memory for a command, and know what its times are relative to."""

from pathlib import Path

from robomem.ask.timebase import Timebase
from robomem.memory import Memory
from robomem.store import folder


def open_to_read(path: str, *, timezone: str | None = None) -> Memory:
    """Open an existing memory for reading, with its settings but for the zone of clock times."""
    config = folder.read_manifest(Path(path))
    if timezone is not None:
        ask = config.ask.model_copy(update={"timezone": timezone})
        config = config.model_copy(update={"ask": ask})
    return Memory.open(path, "r", config=config)


def timebase_of(memory: Memory) -> Timebase:
    """Return what times in words are relative to."""
    first_ns, last_ns = memory.span_ns or (0, 0)
    return Timebase(last_ns, first_ns, memory.config.ask.timezone)
