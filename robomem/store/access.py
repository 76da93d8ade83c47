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

    def on_rollback(self, undo: Callable[[], object]) -> None:
        """Call this after every transaction that was undone: what was cached of it is wrong."""
        self._undo.append(undo)

    @contextmanager
    def writing(self) -> Iterator[Records]:
        """Do everything inside in one transaction; on any error as if nothing had happened. May be nested.

        Raises:
            StoreReadOnlyError: The memory was opened for reading.
        """
        if not self.is_writer:
            raise StoreReadOnlyError(f"{self._path} was opened for reading: open it with mode='w'")
        with self.lock:
            if self._depth:
                yield self.records
                return
            self._depth += 1
            try:
                with self.records.transaction():
                    yield self.records
            except BaseException:
                for undo in self._undo:
                    undo()
                raise
            finally:
                self._depth -= 1

    @contextmanager
    def reading(self) -> Iterator[Records]:
        """Let every read inside see the same state; may be nested, also in `writing`."""
        with self.lock, self.records.snapshot():
            yield self.records
