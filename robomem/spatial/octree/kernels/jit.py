"""How the octree's inner loops are compiled: by Numba, once for all processes, without the GIL."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba as nb

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def jit(function: Kernel) -> Kernel:
    """Compile a function at its first call and keep it on disk; its type stays what it was."""
    compiled: Kernel = nb.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled
