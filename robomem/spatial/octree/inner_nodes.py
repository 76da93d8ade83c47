"""The inner nodes in memory: their arrays, and the room in them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.spatial.octree.brick_pool import (
    enlarged,
    enlarged_spare,
    grown,
    new_spare,
    unused,
    used,
)
from robomem.spatial.octree.kernels import nodes as kernels
from robomem.spatial.octree.kernels.layout import PAGED, Bricks, Nodes, Upkeep
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, Slots
from robomem.store.bricks import RegionSummaries

HANG_AT_ONCE = 64  # bricks or regions, for which room is made beforehand


class InnerNodes:
    """Arrays of nodes that grow as needed, below one root that rises as needed."""

    def __init__(self) -> None:
        self.nodes = Nodes(
            children=np.empty((0, 8), np.int32),
            occupied=np.empty(0, np.uint8),
            unknown=np.empty(0, np.uint8),
            highest=np.empty(0, np.int16),
            keys=np.empty(0, np.int64),
            levels=np.empty(0, np.uint8),
            parents=np.empty(0, np.int32),
            root=EMPTY,
        )
        self._spare = new_spare()

    def __len__(self) -> int:
        """Count the nodes."""
        return used(self._spare)

    @property
    def memory_bytes(self) -> int:
        """What the arrays take, without the rows that were never used: those are not there."""
        row_bytes = sum(array.itemsize for array in self.nodes[1:-1]) + 8 * 4 + 4
        return row_bytes * int(self._spare.counts[1])

    def hang(self, new_slots: Slots, bricks: Bricks, upkeep: Upkeep) -> None:
        """Hang new bricks (N,) below nodes, which are made where they are not."""
        for first in range(0, len(new_slots), HANG_AT_ONCE):
            part = new_slots[first : first + HANG_AT_ONCE]
            self._reserve(kernels.MAX_NEW * len(part))
            root = kernels.hang(part, self.nodes.root, self.nodes, bricks, upkeep, self._spare)
            self.nodes = self.nodes._replace(root=int(root))

    def propagate(
        self, slots: Slots, summaries: NDArray[np.uint8], bricks: Bricks, upkeep: Upkeep
    ) -> None:
        """Keep true what the nodes above these bricks (N,) say of the space below them."""
        kernels.propagate(slots, summaries, self.nodes, bricks, upkeep)

    def hang_paged(self, regions: RegionSummaries, upkeep: Upkeep) -> None:
        """Make the nodes of regions that are on disk."""
        for first in range(0, len(regions.keys), HANG_AT_ONCE):
            part = regions.select(slice(first, first + HANG_AT_ONCE))
            self._reserve(kernels.MAX_NEW * len(part.keys))
            root = kernels.hang_paged(part, self.nodes.root, self.nodes, upkeep, self._spare)
            self.nodes = self.nodes._replace(root=int(root))

    def find_regions(self, region_keys: Keys) -> Slots:
        """Return the row (N,) of each region's node, EMPTY where there is none."""
        return kernels.find_regions(region_keys, self.nodes)

    def is_paged(self, rows: Slots) -> NDArray[np.bool_]:
        """Tell which regions (N,) are on disk, not in memory."""
        if not len(self.nodes.children):
            return np.zeros(len(rows), np.bool_)
        has_paged = (self.nodes.children[rows] == PAGED).any(axis=1)
        return np.asarray(has_paged & (rows != EMPTY))

    def summaries(self, rows: Slots) -> RegionSummaries:
        """Return what the nodes of regions (N,) say of them."""
        n = self.nodes
        has_child = (n.children[rows] != EMPTY).astype(np.uint8)
        return RegionSummaries(
            keys=n.keys[rows],
            children=np.packbits(has_child, axis=1, bitorder="little")[:, 0],
            occupied=n.occupied[rows],
            unknown=n.unknown[rows],
            highest=n.highest[rows],
        )

    def bricks_below(self, row: int) -> Slots:
        """Return the slots (N,) of a region's bricks, in Morton order."""
        return kernels.bricks_below(row, self.nodes)

    def unhang(self, row: int) -> None:
        """Say that a region is on disk."""
        kernels.unhang(row, self.nodes, self._spare)

    def expect(self, row: int) -> None:
        """Say that a region is on its way from the disk."""
        self.nodes.children[row] = EMPTY

    def region_rows(self) -> Slots:
        """Return the rows (N,) of all regions, in Morton order."""
        return kernels.all_regions(self.nodes)

    def _reserve(self, count: int) -> None:
        missing = count - unused(self._spare)
        if missing > 0:
            capacity = grown(len(self._spare.rows), missing)
            n = self.nodes
            arrays: dict[str, Any] = n._asdict() | {
                name: enlarged(array, capacity)
                for name, array in n._asdict().items()
                if name != "root"
            }
            self.nodes = Nodes(**arrays)
            self._spare = enlarged_spare(self._spare, capacity)
