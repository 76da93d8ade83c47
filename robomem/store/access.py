"""Who may touch a memory's records, and when: readers see one state, one writer changes it whole or not at all."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from robomem.errors import StoreReadOnlyError
from robomem.store.records import Records


class Access:
    """The one way to the records of an open memory: every part of it reads and writes through this.

    Attributes:
        records: All tables.
        lock: Held while the memory is used; re-entrant.
        is_writer: Whether `writing` is allowed.
    """

    def __init__(self, records: Records, path: Path, *, is_writer: bool) -> None:
        self.records = records
        self.lock = threading.RLock()
        self.is_writer = is_writer
        self._path = path
        self._depth = 0
        self._undo: list[Callable[[], object]] = []
        self._before_commit: list[Callable[[], object]] = []
        self._waiting = 0
        self._counting = threading.Lock()

    def on_rollback(self, undo: Callable[[], object]) -> None:
        """Call this after every transaction that was undone: what was cached of it is wrong."""
        self._undo.append(undo)

    def before_commit(self, finish: Callable[[], object]) -> None:
        """Call this as the last part of every transaction: what must hold after each is seen to there."""
        self._before_commit.append(finish)

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for the lock to read or write."""
        return self._waiting > 0

    @contextmanager
    def writing(self) -> Iterator[Records]:
        """Do everything inside in one transaction; on any error as if nothing had happened. May be nested.

        Raises:
            StoreReadOnlyError: The memory was opened for reading.
        """
        if not self.is_writer:
            raise StoreReadOnlyError(f"{self._path} was opened for reading: open it with mode='w'")
        with self._locked():
            if self._depth:
                yield self.records
                return
            self._depth += 1
            try:
                with self.records.transaction():
                    yield self.records
                    for finish in self._before_commit:
                        finish()
            except BaseException:
                for undo in self._undo:
                    undo()
                raise
            finally:
                self._depth -= 1

    @contextmanager
    def reading(self) -> Iterator[Records]:
        """Let every read inside see the same state; may be nested, also in `writing`."""
        with self._locked(), self.records.snapshot():
            yield self.records

    def _count_waiting(self, more: int) -> None:
        with self._counting:
            self._waiting += more

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._count_waiting(1)
        try:
            self.lock.acquire()
        finally:
            self._count_waiting(-1)
        try:
            yield
        finally:
            self.lock.release()
