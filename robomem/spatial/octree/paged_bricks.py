"""Bricks and the nodes above them, in memory as far as the budget goes and on disk beyond it.

What goes and comes is a region, 4x4x4 bricks below one node. The nodes of regions stay in memory, with
what they know of the space below, so most questions need nothing from the disk.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robomem.spatial.octree.brick_pool import BLOCK_BYTES, BrickPool
from robomem.spatial.octree.codebook import Codebook
from robomem.spatial.octree.inner_nodes import InnerNodes
from robomem.spatial.octree.kernels.layout import Bricks, Nodes
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, Slots
from robomem.spatial.octree.semantic_layer import SemanticBlocks
from robomem.spatial.octree.spill import Spill
from robomem.spatial.octree.values import Labels, MapDelta
from robomem.store.brick_files import Region
from robomem.store.bricks import REGION_BITS, BrickRows, RegionSummaries

REGION_BRICKS = 1 << REGION_BITS
# Of the budget; the rest is for the nodes and the codebook.
BLOCK_SHARE, SLOT_SHARE, CODE_SHARE = 0.68, 0.10, 0.10
SLOT_BYTES = 90  # what a brick takes without its blocks: arrays, and a quarter-full hash table
CODE_BYTES = 3 * 512  # of a brick in which something was named
BATCH = 2048  # bricks


class Home(Protocol):
    """Where the regions are that are not in memory and did not change since they were written."""

    @property
    def spill_folder(self) -> Path | None:
        """Where changed regions go that do not fit in memory; None for the system's temporary folder."""

    @property
    def extra(self) -> bytes:
        """The codebook as bytes, none where nothing was named."""

    def regions(self) -> RegionSummaries:
        """Return what is known of every region."""

    def read(self, region_key: int) -> BrickRows:
        """Return all bricks of a region."""


class PagedBricks:
    """The octree's bricks by key.

    `bricks` and `nodes` are what kernels are given; a region that they need and that is not there is
    PAGED in `nodes.children`, and comes into memory by `load`.
    """

    def __init__(self, *, budget_bytes: int | None = None, home: Home | None = None) -> None:
        self._pool, self._nodes = BrickPool(), InnerNodes()
        self._home, self._spill = home, Spill(home.spill_folder if home else None)
        self.semantics: SemanticBlocks | None = None
        if home is not None and home.extra:
            self.semantics = SemanticBlocks(Codebook.from_bytes(home.extra))
        self._max_blocks = self._max_slots = None
        self._max_coded = 0
        self._seen: dict[int, None] = {}  # regions in memory, the least recently seen first
        self._paged = 0
        if budget_bytes is not None:
            self._max_blocks = int(BLOCK_SHARE * budget_bytes / BLOCK_BYTES)
            self._max_slots = int(SLOT_SHARE * budget_bytes / SLOT_BYTES)
            self._max_coded = int(CODE_SHARE * budget_bytes / CODE_BYTES)
            self._pool = BrickPool(blocks=self._max_blocks)
        if home is not None:
            regions = home.regions()
            self._nodes.hang_paged(regions, self._pool.upkeep)
            self._paged = len(regions.keys)

    @property
    def bricks(self) -> Bricks:
        """The arrays of the bricks in memory."""
        return self._pool.bricks

    @property
    def nodes(self) -> Nodes:
        """The arrays of the nodes."""
        return self._nodes.nodes

    @property
    def is_whole(self) -> bool:
        """Whether all of it is in memory."""
        return self._paged == 0

    @property
    def memory_bytes(self) -> int:
        """What all of it takes in memory."""
        coded = 0 if self.semantics is None else self.semantics.memory_bytes
        return self._pool.memory_bytes + self._nodes.memory_bytes + coded

    def bricks_in_memory(self) -> int:
        """Count the bricks in memory."""
        return len(self._pool)

    def fuse(self, delta: MapDelta, model: tuple[int, int, int, int], *, stamp_ns: int) -> None:
        """Fuse a scan."""
        for wanted in self.parts(delta.keys):
            slots, new = self._pool.take(delta.keys[wanted])
            self._hang(new)
            masks = delta.hit[wanted], delta.free[wanted]
            self._tell(slots, self._pool.fuse(slots, masks, model, stamp_ns))

    def label(self, labels: Labels) -> None:
        """Fuse what a view said of which voxel is what; of bricks that are in the map only."""
        assert self.semantics is not None, "codes come from a codebook"
        for wanted in self.parts(labels.keys):
            keys = labels.keys[wanted]
            slots = self._pool.find(keys)
            is_known = slots != EMPTY
            self.semantics.observe(
                keys[is_known], labels.voxels[wanted][is_known], labels.codes[wanted][is_known]
            )
            self._pool.upkeep.is_dirty[slots[is_known]] = True

    def layer(self, keys: Keys, name: str) -> NDArray[np.int64]:
        """Return a column of `Upkeep` for bricks (N,), -1 where one is not in memory."""
        slots = self._pool.find(keys)
        column = getattr(self._pool.upkeep, name)
        values = np.full(len(keys), -1, np.int64)
        values[slots != EMPTY] = column[slots[slots != EMPTY]]
        return values

    def put(self, rows: BrickRows) -> None:
        """Set bricks, whatever they were."""
        for wanted in self.parts(rows.keys):
            self._put(rows.select(wanted))

    def load(self, region_keys: Keys) -> Iterator[Keys]:
        """Yield regions (unique, in order) in groups that are in memory together, with room to grow."""
        if self._max_blocks is None and self.is_whole:
            yield region_keys
            return
        group = len(region_keys) if self._max_blocks is None else self._group
        for first in range(0, len(region_keys), max(1, group)):
            part = region_keys[first : first + group]
            self.hold(part)
            yield part

    def hold(self, region_keys: Keys) -> None:
        """Bring a few regions (unique) into memory together, with room to grow; `load` takes any number."""
        for key in region_keys.tolist():
            self._seen.pop(key, None)
        self._make_room(len(region_keys) * REGION_BRICKS)
        self._seen.update(dict.fromkeys(region_keys.tolist()))
        rows = self._nodes.find_regions(region_keys)
        is_paged = self._nodes.is_paged(rows)
        for key, row in zip(region_keys[is_paged].tolist(), rows[is_paged].tolist(), strict=True):
            bricks = self._read(key)
            if key in self._spill:
                self._spill.take(key)
            self._nodes.expect(row)
            self._paged -= 1
            self._put(bricks)

    def is_paged(self, region_keys: Keys) -> NDArray[np.bool_]:
        """Tell which regions (N,) are on disk only."""
        return self._nodes.is_paged(self._nodes.find_regions(region_keys))

    def region_keys(self) -> Keys:
        """Return the keys (N,) of all regions, in order."""
        return self.nodes.keys[self._nodes.region_rows()]

    def region_rows(self, region_keys: Keys) -> Slots:
        """Return the row (N,) of each region's node, EMPTY where there is none."""
        return self._nodes.find_regions(region_keys)

    def each(self) -> Iterator[BrickRows]:
        """Yield all bricks by key, some at a time; none comes into memory by it."""
        if self.is_whole:
            slots = self._pool.slots()
            for first in range(0, len(slots), BATCH):
                yield self._copy(slots[first : first + BATCH])
            return
        for key, row in self._each_region():
            yield self._rows_of(key, row)

    def regions(self) -> Iterator[Region]:
        """Yield every region with all of its bricks, in order."""
        for key, row in self._each_region():
            yield Region(self._nodes.summaries(row), self._rows_of(key, row))

    def changed(self) -> Iterator[Region]:
        """Yield the regions with bricks that changed since `settle`, and those bricks, in order."""
        slots = self._pool.slots()
        dirty = slots[self._pool.upkeep.is_dirty[slots]]
        changed = set((self._pool.bricks.keys[dirty] >> REGION_BITS).tolist())
        for key in sorted(changed.union(self._spill.keys())):
            row = self._nodes.find_regions(np.array([key]))
            rows = self._rows_of(key, row)
            yield Region(self._nodes.summaries(row), rows.select(rows.is_dirty))

    def settle(self, home: Home) -> None:
        """Take note that everything is in these files now."""
        self._home = home
        self._pool.upkeep.is_dirty[:] = False
        self._spill.clear()

    @property
    def _group(self) -> int:
        """How many regions can be worked on at once."""
        assert self._max_blocks is not None
        assert self._max_slots is not None
        least = min(self._max_blocks, self._max_slots)
        if self.semantics is not None:
            least = min(least, self._max_coded)
        return max(1, least // REGION_BRICKS // 2)

    def parts(self, keys: Keys) -> Iterator[NDArray[np.bool_] | slice]:
        """Select from bricks (N,) those of regions that are in memory together."""
        if self._max_blocks is None and self.is_whole:
            yield slice(None)
            return
        regions = keys >> REGION_BITS
        for part in self.load(np.unique(regions)):
            yield np.isin(regions, part)

    def _make_room(self, bricks: int) -> None:
        """Let the least recently seen regions go until so many bricks fit in."""
        if self._max_blocks is None or self._max_slots is None:
            return
        while self._seen and (
            self._pool.blocks_used + bricks > self._max_blocks
            or len(self._pool) + bricks > self._max_slots
            or (self.semantics is not None and len(self.semantics) + bricks > self._max_coded)
        ):
            key = next(iter(self._seen))
            del self._seen[key]
            self._evict(key)

    def _evict(self, key: int) -> None:
        row = int(self._nodes.find_regions(np.array([key]))[0])
        if row < 0:
            return  # it was asked for, and is not known
        slots = self._nodes.bricks_below(row)
        if not len(slots):
            return
        rows = self._copy(slots)
        if rows.is_dirty.any():
            self._spill.put(key, rows)
        if self.semantics is not None:
            self.semantics.drop(rows.keys)
        self._pool.drop(slots)
        self._nodes.unhang(row)
        self._paged += 1

    def _put(self, rows: BrickRows) -> None:
        slots, new, summaries = self._pool.put(rows)
        self._hang(new)
        self._tell(slots, summaries)
        if self.semantics is not None:
            self.semantics.drop(rows.keys[~rows.is_coded])
            self.semantics.put(rows.keys[rows.is_coded], rows.codes, rows.weights)

    def _hang(self, new: Slots) -> None:
        if len(new):
            self._nodes.hang(new, self._pool.bricks, self._pool.upkeep)

    def _tell(self, slots: Slots, summaries: NDArray[np.uint8]) -> None:
        self._nodes.propagate(slots, summaries, self._pool.bricks, self._pool.upkeep)

    def _each_region(self) -> Iterator[tuple[int, Slots]]:
        rows = self._nodes.region_rows()
        for key, row in zip(self._nodes.nodes.keys[rows].tolist(), rows, strict=True):
            yield key, np.array([row])

    def _rows_of(self, key: int, row: Slots) -> BrickRows:
        if self._nodes.is_paged(row)[0]:
            return self._read(key)
        return self._copy(self._nodes.bricks_below(int(row[0])))

    def _copy(self, slots: Slots) -> BrickRows:
        """Copy bricks (N,) out, with their codes."""
        rows = self._pool.rows(slots)
        if self.semantics is None or not len(self.semantics):
            return rows
        codes, weights = self.semantics.take(rows.keys)
        is_coded = np.asarray(codes.any(axis=1))
        return replace(rows, is_coded=is_coded, codes=codes[is_coded], weights=weights[is_coded])

    def _read(self, key: int) -> BrickRows:
        """Return a region from the disk."""
        if key in self._spill:
            return self._spill.read(key)
        assert self._home is not None, "a region that is paged is somewhere"
        return self._home.read(key)
