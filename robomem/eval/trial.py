"""Trials: memories for a while, and how long their calls take."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from robomem.config import Config
from robomem.memory import Memory


@contextmanager
def new_memory(config: Config | None = None) -> Iterator[Memory]:
    """Make a memory for a while."""
    with (
        TemporaryDirectory() as folder,
        Memory.open(Path(folder) / "trial.rmem", config=config) as memory,
    ):
        yield memory


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of calls: how many there were, the median and the 99th percentile."""

    count: int
    p50_ms: float
    p99_ms: float


class Stopwatch:
    """Takes the time of calls, as a user waits for them."""

    def __init__(self) -> None:
        self._ms: list[float] = []

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Take the time of what is inside."""
        begin_ns = time.perf_counter_ns()
        yield
        self._ms.append((time.perf_counter_ns() - begin_ns) / 1e6)

    @property
    def total_s(self) -> float:
        """All of it together."""
        return sum(self._ms) / 1e3

    def times(self) -> Times:
        """Sum the calls up."""
        if not self._ms:
            return Times(0, 0.0, 0.0)
        return Times(len(self._ms), median(self._ms), float(np.percentile(self._ms, 99)))


def median_of(values: Iterable[float]) -> float | None:
    """Return the median, None of nothing."""
    return median(found) if (found := list(values)) else None
