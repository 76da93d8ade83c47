"""How the octree's inner loops are compiled: by Numba, once for all processes, without the GIL."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba as nb

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def jit(function: Kernel) -> Kernel:
    """Compile a function at its first call and keep it on disk; its type stays what it was."""
    return _compiled(function)


def jit_inline(function: Kernel) -> Kernel:
    """Compile as `jit` does, and into every caller: for what is called once a ray, or more often.

    LLVM leaves a function with a loop and a dozen arguments where it is; the call then costs 15 % of a scan.
    """
    return _compiled(function, forceinline=True)


def _compiled(function: Kernel, **options: bool) -> Kernel:
    dispatcher = nb.njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    # Numba takes what it kept for current while the function's own file is; but a kernel has those of other
    # files compiled into it, and an old one of them would write where nothing is any more.
    if not nb.config.DISABLE_JIT:
        dispatcher._cache._cache_file._source_stamp = SOURCES  # noqa: SLF001
    kernel: Kernel = dispatcher
    return kernel


def _stamp_of_sources() -> tuple[tuple[str, int, int], ...]:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((f.name, f.stat().st_mtime_ns, f.stat().st_size) for f in files)


SOURCES = _stamp_of_sources()
