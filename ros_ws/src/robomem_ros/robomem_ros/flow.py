"""Send no faster than the receiver counts, so that a slow one loses nothing."""

from collections.abc import Callable
from threading import Condition

from robomem.errors import RobomemError


class StoppedError(RobomemError):
    """The process is ending."""


class Flow:
    """Counts what was sent and what was received; `wait` holds the sender back.

    Args:
        stall_s: What was not counted after this long is lost.
        start_s: How long to wait for the receiver's first count, by default as long.
    """

    def __init__(self, *, stall_s: float, start_s: float | None = None) -> None:
        self.lost = 0
        self._stall_s = stall_s
        self._start_s = stall_s if start_s is None else start_s
        self._changed = Condition()
        self._sent = 0
        self._heard: int | None = None  # the receiver's count
        self._start = 0  # the receiver's count when nothing was sent
        self._is_stopped = False

    def hear(self, count: int) -> None:
        """Take the receiver's count."""
        with self._changed:
            if self._heard is None:
                self._start = count - self._sent
            self._heard = count
            self._changed.notify_all()

    def sent(self) -> None:
        """Say that one more was sent."""
        with self._changed:
            self._sent += 1

    def stop(self) -> None:
        """Let every waiting sender go with a StoppedError."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def wait(self, *, at_most: int) -> None:
        """Wait until at most so many are on their way.

        Raises:
            RobomemError: The receiver was never heard of.
            StoppedError: `stop` was called.
        """
        with self._changed:
            while self._heard is None or self._on_way > at_most:
                if not self._hears_more():
                    self._give_up()

    def pause(self, seconds: float) -> None:
        """Wait that long, whatever is received; raises StoppedError."""
        with self._changed:
            self._wait_for(lambda: False, seconds)

    def _hears_more(self) -> bool:
        before = self._heard
        timeout_s = self._start_s if before is None else self._stall_s
        return self._wait_for(lambda: self._heard != before, timeout_s)

    def _wait_for(self, is_it: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something is so; returns whether it is, raises StoppedError."""
        is_so = self._changed.wait_for(lambda: self._is_stopped or is_it(), timeout_s)
        if self._is_stopped:
            raise StoppedError("stopped")
        return is_so

    @property
    def _on_way(self) -> int:
        return self._sent - ((self._heard or 0) - self._start)

    def _give_up(self) -> None:
        if self._heard is None:
            raise RobomemError(f"no memory node was heard of for {self._start_s} s: start it first")
        self.lost += self._on_way
        self._start = self._heard - self._sent
