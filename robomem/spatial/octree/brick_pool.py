"""The bricks in memory: their arrays, and the room in them."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from robomem.spatial.octree.kernels import bricks as kernels
from robomem.spatial.octree.kernels.layout import UNIFORM, Bricks, Spare, Upkeep
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, Slots
from robomem.store.bricks import BrickRows

BLOCK_BYTES = 1024
Scalar = TypeVar("Scalar", bound=np.generic)
GROWTH = 1.5


class BrickPool:
    """Arrays of bricks that grow as needed. A row that was never used takes no memory.

    Args:
        blocks: So many blocks have their place from the beginning: growing would need twice the memory.
    """

    def __init__(self, *, blocks: int = 0) -> None:
        self.bricks = Bricks(
            *_new_table(64),
            keys=np.empty(0, np.int64),
            blocks=np.empty(0, np.int32),
            uniform=np.empty(0, np.int16),
            log_odds=np.empty((blocks, 512), np.int16),
        )
        self.upkeep = Upkeep(
            highest=np.empty(0, np.int16),
            stamps_ns=np.empty(0, np.int64),
            hits=np.empty(0, np.uint32),
            is_dirty=np.empty(0, np.bool_),
            parents=np.empty(0, np.int32),
        )
        self._slots, self._blocks = new_spare(), enlarged_spare(new_spare(), blocks)

    def __len__(self) -> int:
        """Count the bricks."""
        return used(self._slots)

    @property
    def blocks_used(self) -> int:
        """How many bricks hold more than one value."""
        return used(self._blocks)

    @property
    def memory_bytes(self) -> int:
        """What the arrays take, without the rows that were never used: those are not there."""
        b, slots = self.bricks, (*self.bricks[2:5], *self.upkeep, self._slots.rows)
        return (
            b.table_keys.nbytes
            + b.table_slots.nbytes
            + sum(array.itemsize for array in slots) * int(self._slots.counts[1])
            + (BLOCK_BYTES + self._blocks.rows.itemsize) * int(self._blocks.counts[1])
        )

    def take(self, keys: Keys) -> tuple[Slots, Slots]:
        """Return the slot (N,) of every key and the new ones among them; there is room to fuse all of them."""
        self._reserve(len(keys))
        return kernels.take_slots(keys, self.bricks, self.upkeep, self._slots)

    def find(self, keys: Keys) -> Slots:
        """Return the slot (N,) of every key, EMPTY where there is none."""
        return kernels.find_slots(keys, self.bricks)

    def slots(self) -> Slots:
        """Return the slots (N,) of all bricks, by key."""
        slots: Slots = self.bricks.table_slots[self.bricks.table_keys != EMPTY]
        by_key: Slots = slots[np.argsort(self.bricks.keys[slots])]
        return by_key

    def fuse(
        self,
        slots: Slots,
        masks: tuple[NDArray[np.uint64], NDArray[np.uint64]],
        model: tuple[int, int, int, int],
        stamp_ns: int,
    ) -> NDArray[np.uint8]:
        """Fuse a scan's hit and free masks (N, 8) into bricks; returns their summaries (N,)."""
        return kernels.fuse(
            slots, *masks, model, stamp_ns, self.bricks, self.upkeep, self._blocks
        )  # fmt: skip

    def drop(self, slots: Slots) -> None:
        """Take bricks (N,) out."""
        kernels.drop_slots(slots, self.bricks, self._slots, self._blocks)

    def rows(self, slots: Slots) -> BrickRows:
        """Copy bricks (N,) out; codes are not kept here."""
        b, u = self.bricks, self.upkeep
        is_dense = b.blocks[slots] != UNIFORM
        return BrickRows.without_codes(
            keys=b.keys[slots],
            stamps_ns=u.stamps_ns[slots],
            hits=u.hits[slots],
            is_dirty=u.is_dirty[slots],
            uniform=np.where(is_dense, np.int16(0), b.uniform[slots]),
            is_dense=is_dense,
            log_odds=b.log_odds[b.blocks[slots[is_dense]]],
        )

    def put(self, rows: BrickRows) -> tuple[Slots, Slots, NDArray[np.uint8]]:
        """Set bricks; returns their slots (N,), the new ones among them (M,) and the summaries (N,)."""
        slots, new = self.take(rows.keys)
        blocks = np.full(len(rows.keys), UNIFORM, np.int32)
        blocks[rows.is_dense] = np.arange(len(rows.log_odds), dtype=np.int32)
        summaries = kernels.store_values(
            slots, blocks, rows.uniform, rows.log_odds, self.bricks, self.upkeep, self._blocks
        )
        self.upkeep.stamps_ns[slots] = rows.stamps_ns
        self.upkeep.hits[slots] = rows.hits
        self.upkeep.is_dirty[slots] = rows.is_dirty
        return slots, new, summaries

    def _reserve(self, count: int) -> None:
        """Make room for so many more bricks and blocks."""
        missing = count - unused(self._slots)
        if missing > 0:
            capacity = grown(len(self._slots.rows), missing)
            b, u = self.bricks, self.upkeep
            self.bricks = b._replace(
                keys=enlarged(b.keys, capacity),
                blocks=enlarged(b.blocks, capacity),
                uniform=enlarged(b.uniform, capacity),
            )
            self.upkeep = u._replace(
                **{name: enlarged(getattr(u, name), capacity) for name in u._fields}
            )
            self._slots = enlarged_spare(self._slots, capacity)
            if 2 * capacity > len(b.table_keys):
                self._rehash(2 * capacity)
        missing = count - unused(self._blocks)
        if missing > 0:
            capacity = grown(len(self._blocks.rows), missing)
            self.bricks = self.bricks._replace(log_odds=enlarged(self.bricks.log_odds, capacity))
            self._blocks = enlarged_spare(self._blocks, capacity)

    def _rehash(self, capacity: int) -> None:
        slots = self.bricks.table_slots[self.bricks.table_keys != EMPTY]
        table_keys, table_slots = _new_table(capacity)
        kernels.rehash(slots, self.bricks.keys, table_keys, table_slots)
        self.bricks = self.bricks._replace(table_keys=table_keys, table_slots=table_slots)


def new_spare() -> Spare:
    """Return that of an array without rows."""
    return Spare(np.empty(0, np.int32), np.zeros(2, np.int64))


def enlarged_spare(spare: Spare, capacity: int) -> Spare:
    """Return it for an array that grew."""
    return Spare(enlarged(spare.rows, capacity), spare.counts)


def unused(spare: Spare) -> int:
    """Return how many rows there are to take."""
    return len(spare.rows) - used(spare)


def used(spare: Spare) -> int:
    """Return how many rows are taken."""
    return int(spare.counts[1] - spare.counts[0])


def enlarged(array: NDArray[Scalar], capacity: int) -> NDArray[Scalar]:
    """Return a longer copy; what is behind it is not initialised, and not in memory until it is written."""
    longer = np.empty((capacity, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def grown(capacity: int, missing: int) -> int:
    """Return the capacity to grow to, so that growing costs little a brick."""
    return max(64, int(GROWTH * capacity), capacity + missing)


def _new_table(at_least: int) -> tuple[Keys, Slots]:
    capacity = 1 << (at_least - 1).bit_length()
    return np.full(capacity, EMPTY, np.int64), np.zeros(capacity, np.int32)
