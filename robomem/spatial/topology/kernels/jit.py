"""How the topology's inner loops are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba as nb

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def jit(function: Kernel) -> Kernel:
    """Compile a function at its first call and keep it on disk; its type stays what it was.

    Numba's cache is stale when the file of the outermost kernel changes, so kernels call only kernels of their own file.
    """
    options = {"nogil": True, "error_model": "numpy"}
    try:
        kernel: Kernel = nb.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder can be written to
        kernel = nb.njit(**options)(function)
    return kernel
