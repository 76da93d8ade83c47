"""Child processes that never outlive their parent, and leave nothing in shared memory."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from robomem.errors import RobomemError

STOP_TIMEOUT_S = 30.0
SHARED_MEMORY = "/dev/shm/"  # noqa: S108 - where Fast DDS puts it
PR_SET_PDEATHSIG = 1  # prctl(2)
LOG_TAIL_LINES = 5


class Child:
    """A Python module run as a process of its own session, its output in a log file.

    Leaving the context stops it: SIGINT, and SIGKILL when it does not end by itself.

    Args:
        module: As after `python -m`.
        arguments: Of its command line.
        log: Where its output goes.
        environment: Instead of this process's.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], *, log: Path, environment: Mapping[str, str]
    ) -> None:
        self._module = module
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    def check(self) -> None:
        """Raise a RobomemError if it ended."""
        code = self._process.poll()
        if code is not None:
            raise self._error(f"ended with exit code {code}")

    def stop(self) -> None:
        """Ask it to end and wait; raises RobomemError when it fails or has to be killed."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._error(f"did not end within {STOP_TIMEOUT_S:.0f} s and was killed") from None
        if code != 0:
            raise self._error(f"ended with exit code {code}")

    def kill(self) -> None:
        """End it at once, with all that it started, and remove its shared memory."""
        if self._process.poll() is not None:
            return
        leftovers = _shared_memory_of(self._process.pid)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for path in leftovers:
            path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with (
                nullcontext() if kind is None else suppress(RobomemError)
            ):  # the first error counts
                self.stop()
        finally:
            self.kill()

    def _error(self, what: str) -> RobomemError:
        tail = self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return RobomemError("\n  ".join([f"{self._module} {what}; its log is {self._log}", *tail]))


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _shared_memory_of(pid: int) -> set[Path]:
    """Return the files of Fast DDS in shared memory that a process uses, semaphores included."""
    process = Path(f"/proc/{pid}")
    try:
        mapped = [line.split()[-1] for line in (process / "maps").read_text().splitlines()]
        opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
    except OSError:  # it is gone, or there is no /proc
        return set()
    prefixes = tuple(f"{SHARED_MEMORY}{name}" for name in ("fast", "sem.fast"))
    return {Path(path) for path in (*mapped, *opened) if path.startswith(prefixes)}
