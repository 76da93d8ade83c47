"""The map on disk: brick files, and after them the scans that came since, replayed when it is opened."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robomem.config import SpatialConfig
from robomem.errors import StoreCorruptError
from robomem.store import brick_files
from robomem.store.brick_files import Bricks
from robomem.store.records import Records
from robomem.store.rows import DeltaRow

if TYPE_CHECKING:  # Numba takes half a second to import, and a question about things needs no map
    from robomem.spatial.octree import MapDelta, Octree

MAX_FILES = 8  # then they are merged into one
READ_ATTEMPTS = 5  # a writer may merge the files that a reader is about to open


class StoredMap:
    """An octree that follows its folder.

    A scan is journalled in the transaction of its observation; `refresh` adds to the octree what was
    committed since, for the writer as for a reader, so the map never holds what was not acknowledged.
    A checkpoint turns the journal into a brick file. Nothing is read before it is asked for.
    """

    def __init__(self, path: Path, records: Records, config: SpatialConfig) -> None:
        self._path = path
        self._records = records
        self._config = config
        self._files: list[str] | None = None
        self._last_seq = 0
        self._octree: Octree | None = None

    @property
    def octree(self) -> "Octree":
        """The map as of the last `refresh`."""
        if self._octree is None:
            self.refresh()
        assert self._octree is not None
        return self._octree

    def refresh(self) -> None:
        """Take in what was committed since, by whomever."""
        for attempt in range(READ_ATTEMPTS):
            try:
                self._read()
            except StoreCorruptError:
                if self._records.brick_files() == self._files or attempt == READ_ATTEMPTS - 1:
                    raise
                self._files = None
            else:
                return

    def journal(self, delta: "MapDelta", *, stamp_ns: int) -> None:
        """Write a scan, inside the caller's transaction; `refresh` after it adds it to the octree."""
        seq = self._records.next_id("delta")
        self._records.deltas.save(
            DeltaRow(seq, stamp_ns, delta.keys.tobytes(), delta.hit.tobytes(), delta.free.tobytes())
        )

    def checkpoint(self) -> None:
        """Write the changed bricks to a new file and clear the journal; merge files when there are many."""
        self.refresh()
        if not self._records.deltas.count():
            return
        assert self._files is not None
        is_full = len(self._files) + 1 >= MAX_FILES
        bricks = self.octree.bricks() if is_full else self.octree.dirty()
        name = f"{self._last_seq:012d}.brk"
        brick_files.write(self._path / name, Bricks(*bricks))
        replaced = self._files if is_full else []
        with self._records.transaction():
            self._records.drop_brick_files(replaced)
            self._records.add_brick_file(name)
            self._records.deltas.delete("seq <= ?", self._last_seq)
        self.octree.mark_clean()
        self._files = [*(f for f in self._files if f not in replaced), name]
        for file in replaced:
            (self._path / file).unlink(missing_ok=True)

    def remove_orphans(self) -> None:
        """Remove the files of a checkpoint that died before it was recorded."""
        files = set(self._records.brick_files())
        for file in self._path.glob("*"):
            if file.name not in files:
                file.unlink()

    def _read(self) -> None:
        from robomem.spatial.octree import Octree

        with self._records.snapshot():
            files = self._records.brick_files()
            if files != self._files or self._octree is None:
                self._files, self._last_seq, self._octree = files, 0, Octree(self._config)
                for name in files:
                    bricks = brick_files.read(self._path / name)
                    self._octree.put(bricks.keys, bricks.stamps_ns, bricks.log_odds)
            for row in self._records.deltas.select("seq > ?", self._last_seq):
                self._octree.add(_delta(row), stamp_ns=row.stamp_ns)
                self._last_seq = row.seq
        if files and not self._last_seq:
            self._last_seq = int(Path(files[-1]).stem)


def _delta(row: DeltaRow) -> "MapDelta":
    from robomem.spatial.octree import MapDelta

    hit, free = (np.frombuffer(blob, np.uint64).reshape(-1, 8) for blob in (row.hit, row.free))
    return MapDelta(np.frombuffer(row.keys, np.int64), hit, free)
