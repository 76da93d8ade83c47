"""How inner loops are compiled: by Numba, once for all processes, without the GIL."""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba as nb
from numba.core.caching import FunctionCache, IndexDataCacheFile

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
    compiled: Any = nb.njit(nogil=True, error_model="numpy", **options)(function)
    with suppress(RuntimeError):  # no folder can be written to: `robomem doctor --warm` says so
        compiled._cache = _Cache(function)  # noqa: SLF001  # where njit(cache=True) puts Numba's own
    kernel: Kernel = compiled
    return kernel


class _Cache(FunctionCache):  # type: ignore[misc]  # Numba is untyped
    """Numba's cache, stale when any source changed that went into a kernel.

    Kernels are compiled into each other across files, but Numba asks only of the file of the outermost:
    after an upgrade it would load what the inner ones were, and run it on arrays laid out anew.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = _stamp(Path(function.__code__.co_filename))
        self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled kernel, or None: it is compiled then, and replaces what is damaged."""
        try:
            return super().load_overload(sig, target_context)
        except EOFError:  # a file that a power cut left empty
            self.flush()
            return None


PACKAGE = Path(__file__).parent
IMPORT = re.compile(r"^from robomem\.(spatial[\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)


@cache
def _stamp(file: Path) -> str:
    """Hash a file of kernels, and those of this package's kernels that it imports."""
    source = file.read_text(encoding="utf-8")
    return hashlib.sha256("".join([source, *map(_stamp, _imported(source))]).encode()).hexdigest()


def _imported(source: str) -> list[Path]:
    """Return the files of the spatial package that a source imports from, in order."""
    files = set()
    for module, names in IMPORT.findall(source):
        path = PACKAGE / module.replace(".", "/")
        files |= {
            path.with_suffix(".py"),
            *(path / f"{name}.py" for name in re.findall(r"\w+", names)),
        }
    return sorted(file for file in files if file.exists() and file.name != "jit.py")
