"""How the inner loops of the view memory are compiled: by Numba, kept on disk, without the GIL."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba as nb

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def jit(function: Kernel) -> Kernel:
    """Compile a function at its first call and keep it on disk; its type stays what it was.

    Numba takes what it kept for current while the function's own file is the same: so a kernel may call
    only kernels of its own file.
    """
    kernel: Kernel
    try:
        kernel = nb.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder can be written to
        kernel = nb.njit(nogil=True, error_model="numpy")(function)
    return kernel
