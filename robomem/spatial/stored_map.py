"""The map on disk: brick files, and after them the scans that came since, replayed when it is opened."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robomem.config import SpatialConfig
from robomem.errors import StoreCorruptError
from robomem.store import brick_files
from robomem.store.brick_files import BrickFile, BrickFiles, Region
from robomem.store.bricks import BrickRows, Keys, RegionSummaries
from robomem.store.records import Records
from robomem.store.rows import DeltaRow, LabelRow

if TYPE_CHECKING:  # Numba takes half a second to import, and a question about things needs no map
    from robomem.spatial.octree import Labels, MapDelta, Octree

Box = NDArray[np.float64]

READ_ATTEMPTS = 5  # a writer may merge the files that a reader is about to open
MERGE_RATIO = 2  # a file is merged with the newer ones before those outgrow it


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
        self._names: list[str] | None = None
        self._last_seq = 0
        self._octree: Octree | None = None
        self.version = 0
        self._changes: dict[int, Box] = {}  # what made each version of the one before

    def changed_since(self, version: int) -> "Box | None":
        """Return the box (2, 3) in map in which it changed since a version, None where it may be anywhere."""
        made = range(version + 1, self.version + 1)
        if not made or made[0] not in self._changes:
            return None
        boxes = np.array([self._changes[each] for each in made])
        return np.array([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)])

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
                if self._records.brick_files() == self._names or attempt == READ_ATTEMPTS - 1:
                    raise
                self._names = None
            else:
                return

    def journal(self, delta: "MapDelta", *, stamp_ns: int) -> None:
        """Write a scan, inside the caller's transaction; `refresh` after it adds it to the octree."""
        seq = self._records.next_id("delta")
        self._records.deltas.save(
            DeltaRow(seq, stamp_ns, delta.keys.tobytes(), delta.hit.tobytes(), delta.free.tobytes())
        )

    def journal_labels(self, labels: "Labels") -> None:
        """Write what a view named, inside the caller's transaction."""
        arrays = (labels.keys, labels.voxels, labels.codes, labels.born_rows, labels.born_scales)
        seq, dim = self._records.next_id("delta"), labels.born_rows.shape[1]
        self._records.labels.save(LabelRow(seq, dim, *(array.tobytes() for array in arrays)))

    def checkpoint(self) -> None:
        """Write the changed bricks to a new file and clear the journal; merge files that are small."""
        self.refresh()
        if not self._records.deltas.count() and not self._records.labels.count():
            return
        assert self._names is not None
        name = f"{self._last_seq:012d}.brk"
        self._write(name, self.octree.changed())
        with self._records.transaction():
            self._records.add_brick_file(name)
            self._records.deltas.delete("seq <= ?", self._last_seq)
            self._records.labels.delete("seq <= ?", self._last_seq)
        self._names = [*self._names, name]
        files = [BrickFile(self._path / name) for name in self._names]
        self.octree.settle(BrickFiles(files))
        newest = _to_merge([file.size_bytes for file in files])
        if newest > 1:
            self._merge(files, newest)

    def new_octree(self) -> "Octree":
        """Return an empty octree with the settings and the codebook of the map."""
        return self._octree_of(
            BrickFiles(spill_folder=self._spill_folder(), extra=self.octree.extra)
        )

    def replace(self, region_keys: Keys, octree: "Octree", *, also: Callable[[], None]) -> None:
        """Let regions of the map be what they are in another octree; durable when this returns.

        Args:
            region_keys: Which, (N,) in order.
            octree: Where they are; of a region that it has not nothing is known any more.
            also: What to do in the same transaction.
        """
        self.checkpoint()
        name = f"{self._records.next_id('delta'):012d}.brk"
        self._write(name, _whole_regions(region_keys, octree))
        with self._records.transaction():
            self._records.add_brick_file(name)
            also()
        self.refresh()

    def remove_orphans(self) -> None:
        """Remove the files of a checkpoint that died before it was recorded."""
        self._path.mkdir(exist_ok=True)
        files = set(self._records.brick_files())
        for file in self._path.glob("*"):
            if file.name not in files:
                file.unlink()

    def _merge(self, files: list[BrickFile], newest: int) -> None:
        """Make one of the newest files."""
        assert self._names is not None
        kept, replaced = self._names[:-newest], self._names[-newest:]
        name = _merged_name(replaced[-1])
        self._write(name, BrickFiles(files[-newest:]).merged())
        with self._records.transaction():
            self._records.drop_brick_files(replaced)
            self._records.add_brick_file(name)
        self._names = [*kept, name]
        self.octree.settle(BrickFiles([*files[:-newest], BrickFile(self._path / name)]))
        for old in replaced:
            (self._path / old).unlink(missing_ok=True)

    def _write(self, name: str, regions: Iterable[Region]) -> None:
        size_m, extra = self._config.voxel_size_m, self.octree.extra
        brick_files.write(self._path / name, regions, resolution_m=size_m, extra=extra)

    def _read(self) -> None:
        with self._records.snapshot():
            names = self._records.brick_files()
            if names != self._names or self._octree is None:
                self._octree = None
                self._names, self._last_seq = names, _last_seq(names)
                self._octree = self._open(names)
                self.version += 1
                self._changes.clear()
            octree, self._octree = self._octree, None  # whatever fails below, it is read anew
            for row in self._journalled():
                if isinstance(row, DeltaRow):
                    delta = _delta(row)
                    octree.add(delta, stamp_ns=row.stamp_ns)
                    self._note(delta)
                else:
                    octree.add_labels(_labels(row))
                self._last_seq = row.seq
            self._octree = octree

    def _note(self, delta: "MapDelta") -> None:
        """Take note of where the map changes."""
        from robomem.spatial.octree.kernels.morton import brick_origins

        if len(delta.keys):
            origins = brick_origins(delta.keys)
            box = np.array([origins.min(axis=0), origins.max(axis=0) + 8])
            self.version += 1
            self._changes[self.version] = box * self._config.voxel_size_m

    def _spill_folder(self) -> Path | None:
        """Return the folder of the map, where it is there and can be written to."""
        return self._path if os.access(self._path, os.W_OK) else None

    def _journalled(self) -> list[DeltaRow | LabelRow]:
        """Return what was journalled since, in order."""
        tables = self._records.deltas, self._records.labels
        rows = [row for table in tables for row in table.select("seq > ?", self._last_seq)]
        return sorted(rows, key=lambda row: row.seq)

    def _open(self, names: list[str]) -> "Octree":
        files = [BrickFile(self._path / name) for name in names]
        return self._octree_of(BrickFiles(files, spill_folder=self._spill_folder()))

    def _octree_of(self, home: BrickFiles) -> "Octree":
        from robomem.spatial.octree import OccupancyModel, Octree

        c = self._config
        return Octree(
            c.voxel_size_m,
            occupancy=OccupancyModel(
                c.log_odds_hit, c.log_odds_miss, c.log_odds_min, c.log_odds_max
            ),
            budget_bytes=c.budget_bytes,
            threads=c.threads,
            code_similarity=c.code_similarity,
            home=home,
        )


def _whole_regions(region_keys: Keys, octree: "Octree") -> Iterator[Region]:
    """Yield regions with all that an octree knows of them, in order."""
    coming = octree.changed()
    region = next(coming, None)
    for key in region_keys.tolist():
        while region is not None and region.summary.keys[0] < key:
            region = next(coming, None)
        if region is not None and region.summary.keys[0] == key:
            yield Region(region.summary, region.bricks, is_whole=True)
        else:
            yield Region(RegionSummaries.of_nothing(key), BrickRows.joined([]), is_whole=True)


def _labels(row: LabelRow) -> "Labels":
    from robomem.spatial.octree import Labels

    return Labels(
        keys=np.frombuffer(row.keys, np.int64).copy(),
        voxels=np.frombuffer(row.voxels, np.int16).copy(),
        codes=np.frombuffer(row.codes, np.uint16).copy(),
        born_rows=np.frombuffer(row.born_rows, np.int8).reshape(-1, row.dim).copy(),
        born_scales=np.frombuffer(row.born_scales, np.float32).copy(),
    )


def _last_seq(names: list[str]) -> int:
    """Return the number of the newest scan that is in a brick file."""
    return int(names[-1][:12]) if names else 0


def _merged_name(name: str) -> str:
    """Return the name of the file that replaces this one and older ones: "000000000042+1.brk"."""
    seq, _, merges = Path(name).stem.partition("+")
    return f"{seq}+{int(merges or 0) + 1}.brk"


def _to_merge(sizes: list[int]) -> int:
    """Return how many of the newest files to make one of: so that each is larger than the newer ones.

    A brick is then rewritten a logarithmic number of times (O'Neil et al., "The log-structured
    merge-tree", 1996).
    """
    count, total = 1, sizes[-1]
    while count < len(sizes) and sizes[-count - 1] < MERGE_RATIO * total:
        total += sizes[-count - 1]
        count += 1
    return count


def _delta(row: DeltaRow) -> "MapDelta":
    from robomem.spatial.octree import MapDelta

    keys = np.frombuffer(row.keys, np.int64)
    hit, free = (np.frombuffer(blob, np.uint64).reshape(-1, 8) for blob in (row.hit, row.free))
    return MapDelta(
        keys.copy(), hit.copy(), free.copy()
    )  # to Numba what is read-only is another type
