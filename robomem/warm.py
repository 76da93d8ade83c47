"""Compile all kernels ahead of time, so that neither a robot's first frame nor its first search waits for them."""

import importlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numba.extending import is_jitted

from robomem.episodic import warm as events
from robomem.spatial import warm as map_


@dataclass(frozen=True, slots=True)
class Warmth:
    """What `warm_up` found and did.

    Attributes:
        kernels: How many are ready in this process, each type of arguments counted.
        compiled: How many of them had to be compiled; the others were ready or came from the disk.
        cache_dirs: Where compiled kernels are kept; nothing where Numba finds no folder to write to.
    """

    kernels: int
    compiled: int
    cache_dirs: tuple[Path, ...]


def warm_up() -> Warmth:
    """Do all that kernels are for, once, on a scene of a few voxels and a log of a few events.

    What is compiled is kept on disk: by user (unless the package's own folder can be written to), CPU and
    version of the sources. So it is for the user who runs the robot to call this, on the robot.
    """
    every = list(find_kernels())
    compiled = -_count_compiled(every)
    with tempfile.TemporaryDirectory() as folder:
        map_.use_kernels(Path(folder))
    events.use_kernels()
    compiled += _count_compiled(every)
    return Warmth(
        kernels=sum(len(kernel.signatures) for kernel in every),
        compiled=compiled,
        cache_dirs=tuple(sorted({Path(k.stats.cache_path) for k in every if k.stats.cache_path})),
    )


def find_kernels() -> Iterator[Any]:
    """Yield every compiled function of the modules that hold kernels, whoever imported it."""
    for module in map(importlib.import_module, (*map_.kernel_modules(), *events.kernel_modules())):
        yield from (
            value
            for value in vars(module).values()
            if is_jitted(value) and value.py_func.__module__ == module.__name__
        )


def _count_compiled(every: list[Any]) -> int:
    return sum(sum(kernel.stats.cache_misses.values()) for kernel in every)
