"""Clocks and meters: CPU time on one core, memory bandwidth, peak memory."""

import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

COPY_BYTES = 256 << 20  # beyond every cache
COPIES = 7


class Steps:
    """How much of a run is done; `on_step` is told the steps done and all steps."""

    def __init__(self, count: int, on_step: Callable[[int, int], None] | None = None) -> None:
        self._count = count
        self._done = 0
        self._on_step = on_step

    def advance(self, count: int = 1) -> None:
        """Take note that so many are done."""
        self._done = min(self._done + count, self._count)
        if self._on_step:
            self._on_step(self._done, self._count)


@contextmanager
def one_core() -> Iterator[None]:
    """Stay on one core meanwhile, with every thread that a library starts, where the system can do so.

    Then a library's idle threads do not spin beside the next one's turn, and nothing moves from cache to cache.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def cpu_ms(call: Callable[[], object]) -> float:
    """Return the CPU milliseconds of this process, all threads, during a call."""
    begin_ns = time.process_time_ns()
    call()
    return (time.process_time_ns() - begin_ns) / 1e6


def copy_gb_s() -> float:
    """Return how fast large arrays are copied, the best of several times; bytes read and bytes written count."""
    source, target = np.ones(COPY_BYTES, np.uint8), np.zeros(COPY_BYTES, np.uint8)
    best_ms = min(cpu_ms(lambda: np.copyto(target, source)) for _ in range(COPIES))
    return 2 * COPY_BYTES / (best_ms * 1e6)


def peak_bytes() -> int:
    """Return the most memory that this process ever had resident.

    Linux hands the peak of getrusage down to children, so there the kernel's own mark of this program is read.
    """
    status = Path("/proc/self/status")
    if status.exists() and (mark := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(mark[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
