"""Bricks: taking them in, fusing a scan into them, pruning what became uniform."""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit
from robomem.spatial.octree.kernels.layout import UNIFORM, Bricks, Spare, Upkeep
from robomem.spatial.octree.kernels.morton import (
    EMPTY,
    Keys,
    LogOdds,
    Masks,
    Slots,
    erase,
    find,
    find_or_add,
)

ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
HAS_OCCUPIED, HAS_UNKNOWN = 1, 2  # a brick's summary


@jit
def take(spare: Spare) -> int:
    """Return an unused row; there must be one."""
    if spare.counts[0] > 0:
        spare.counts[0] -= 1
        return np.int64(spare.rows[spare.counts[0]])
    spare.counts[1] += 1
    return spare.counts[1] - 1


@jit
def give_back(spare: Spare, row: int) -> None:
    """Let a row be used again."""
    spare.rows[spare.counts[0]] = row
    spare.counts[0] += 1


@jit
def find_slots(keys: Keys, bricks: Bricks) -> Slots:
    """Return the slot (N,) of every key, EMPTY where it has none."""
    slots = np.empty(len(keys), np.int32)
    for i in range(len(keys)):
        slots[i] = find(bricks.table_keys, bricks.table_slots, keys[i])
    return slots


@jit
def take_slots(
    keys: Keys, bricks: Bricks, upkeep: Upkeep, spare_slots: Spare
) -> tuple[Slots, Slots]:
    """Return the slot (N,) of every key, and which of them are new (M,): unknown all over."""
    slots = np.empty(len(keys), np.int32)
    new = np.empty(len(keys), np.int32)
    count = 0
    for i in range(len(keys)):
        slot = find(bricks.table_keys, bricks.table_slots, keys[i])
        if slot == EMPTY:
            slot = take(spare_slots)
            find_or_add(bricks.table_keys, bricks.table_slots, keys[i], slot)
            bricks.keys[slot] = keys[i]
            bricks.blocks[slot] = UNIFORM
            bricks.uniform[slot] = 0
            upkeep.highest[slot] = 0
            upkeep.stamps_ns[slot] = 0
            upkeep.hits[slot] = 0
            upkeep.is_dirty[slot] = False
            upkeep.parents[slot] = EMPTY
            new[count] = slot
            count += 1
        slots[i] = slot
    return slots, new[:count]


@jit
def drop_slots(slots: Slots, bricks: Bricks, spare_slots: Spare, spare_blocks: Spare) -> None:
    """Take bricks (N,) out of memory."""
    for slot in slots:
        erase(bricks.table_keys, bricks.table_slots, bricks.keys[slot])
        if bricks.blocks[slot] != UNIFORM:
            give_back(spare_blocks, bricks.blocks[slot])
        give_back(spare_slots, slot)


@jit
def rehash(slots: Slots, keys: Keys, table_keys: Keys, table_slots: Slots) -> None:
    """Fill an empty table with the keys of these slots."""
    for slot in slots:
        find_or_add(table_keys, table_slots, keys[slot], slot)


@jit
def fuse(
    slots: Slots,
    hit: Masks,
    free: Masks,
    model: tuple[int, int, int, int],
    stamp_ns: int,
    bricks: Bricks,
    upkeep: Upkeep,
    spare_blocks: Spare,
) -> NDArray[np.uint8]:
    """Add one hit or one miss to every marked voxel, clamped; 0 stays reserved for unknown.

    Args:
        slots: The bricks that the scan touched, (N,) each once; there must be N spare blocks.
        hit: One bit a voxel, (N, 8).
        free: The same, disjoint from `hit`.
        model: What a hit and a miss add, the lowest and the highest value, in units.
        stamp_ns: When the scan was taken.
        bricks: Changed in place.
        upkeep: Changed in place, but for `highest`, which is left to `nodes.propagate`.
        spare_blocks: The unused rows of `bricks.log_odds`.

    Returns:
        The summary (N,) of every brick.
    """
    summaries = np.empty(len(slots), np.uint8)
    for b in range(len(slots)):
        slot = slots[b]
        upkeep.stamps_ns[slot] = max(upkeep.stamps_ns[slot], stamp_ns)
        upkeep.is_dirty[slot] = True
        hits = _count_bits(hit[b])
        upkeep.hits[slot] = min(np.int64(upkeep.hits[slot]) + hits, np.int64(0xFFFFFFFF))
        if bricks.blocks[slot] == UNIFORM:
            if hits == 512 or (hits == 0 and _is_full(free[b])):
                update = model[0] if hits else model[1]
                value = min(max(bricks.uniform[slot] + update, model[2]), model[3])
                bricks.uniform[slot] = value if value != 0 else 1
                summaries[b] = HAS_OCCUPIED if value >= 0 else 0
                continue
            block = take(spare_blocks)
            bricks.log_odds[block, :] = bricks.uniform[slot]
            bricks.blocks[slot] = block
        voxels = bricks.log_odds[bricks.blocks[slot]]
        for w in range(8):
            if hit[b, w] | free[b, w]:
                _update(voxels[64 * w : 64 * w + 64], hit[b, w], free[b, w], model)
        summaries[b] = summarise(slot, bricks, spare_blocks)
    return summaries


@jit
def _update(
    voxels: NDArray[np.int16], hit: np.uint64, free: np.uint64, model: tuple[int, int, int, int]
) -> None:
    """Update 64 voxels by their bits; without branches, so that it is done eight at a time."""
    one = np.uint64(1)
    for i in range(64):
        is_hit = np.int64((hit >> np.uint64(i)) & one)
        is_free = np.int64((free >> np.uint64(i)) & one)
        old = np.int64(voxels[i])
        new = min(max(old + is_hit * model[0] + is_free * model[1], model[2]), model[3])
        new = new if new != 0 else 1
        voxels[i] = new if is_hit | is_free else old


@jit
def summarise(slot: int, bricks: Bricks, spare_blocks: Spare) -> int:
    """Return what a brick holds, and prune its block if all its voxels became equal."""
    block = bricks.blocks[slot]
    if block == UNIFORM:
        value = bricks.uniform[slot]
        return (HAS_OCCUPIED if value > 0 else 0) | (HAS_UNKNOWN if value == 0 else 0)
    voxels = bricks.log_odds[block]
    unknown, low, high = 0, np.int64(voxels[0]), np.int64(voxels[0])
    for i in range(512):
        value = np.int64(voxels[i])
        unknown += value == 0
        low, high = min(low, value), max(high, value)
    if low == high:
        bricks.blocks[slot], bricks.uniform[slot] = UNIFORM, low
        give_back(spare_blocks, block)
    return (HAS_OCCUPIED if high > 0 else 0) | (HAS_UNKNOWN if unknown else 0)


@jit
def highest_of(slot: int, bricks: Bricks) -> int:
    """Return the highest value of a known voxel, 0 where there is none."""
    if bricks.blocks[slot] == UNIFORM:
        return np.int64(bricks.uniform[slot])
    voxels = bricks.log_odds[bricks.blocks[slot]]
    highest = np.int64(-32768)
    for i in range(512):
        value = np.int64(voxels[i])
        highest = max(highest, value if value != 0 else -32768)
    return highest if highest != -32768 else 0


@jit
def store_values(
    slots: Slots,
    blocks_of: Slots,
    uniform: NDArray[np.int16],
    log_odds: LogOdds,
    bricks: Bricks,
    upkeep: Upkeep,
    spare_blocks: Spare,
) -> NDArray[np.uint8]:
    """Set bricks (N,) to uniform values (N,), or to the rows `blocks_of` (N,) of log_odds where not UNIFORM.

    There must be a spare block for each of the rows. Returns the summary (N,) of every brick.
    """
    summaries = np.empty(len(slots), np.uint8)
    for b in range(len(slots)):
        slot = slots[b]
        if blocks_of[b] == UNIFORM:
            if bricks.blocks[slot] != UNIFORM:
                give_back(spare_blocks, bricks.blocks[slot])
                bricks.blocks[slot] = UNIFORM
            bricks.uniform[slot] = uniform[b]
        else:
            if bricks.blocks[slot] == UNIFORM:
                bricks.blocks[slot] = take(spare_blocks)
            bricks.log_odds[bricks.blocks[slot]] = log_odds[blocks_of[b]]
        summaries[b] = summarise(slot, bricks, spare_blocks)
    return summaries


@jit
def expand(slots: Slots, bricks: Bricks) -> LogOdds:
    """Return the values (N, 512) of bricks, uniform ones too."""
    values = np.empty((len(slots), 512), np.int16)
    for b in range(len(slots)):
        if bricks.blocks[slots[b]] == UNIFORM:
            values[b, :] = bricks.uniform[slots[b]]
        else:
            values[b, :] = bricks.log_odds[bricks.blocks[slots[b]]]
    return values


@jit
def _is_full(mask: NDArray[np.uint64]) -> bool:
    common = ALL
    for w in range(8):
        common &= mask[w]
    return common == ALL


@jit
def _count_bits(mask: NDArray[np.uint64]) -> int:
    """Count the bits of a brick's mask (Warren, "Hacker's Delight", 5-1)."""
    count = 0
    for w in range(8):
        v = mask[w]
        if v:
            v -= (v >> np.uint64(1)) & np.uint64(0x5555555555555555)
            v = (v & np.uint64(0x3333333333333333)) + (
                (v >> np.uint64(2)) & np.uint64(0x3333333333333333)
            )
            v = (v + (v >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
            count += np.int64((v * np.uint64(0x0101010101010101)) >> np.uint64(56))
    return count


@jit
def project_columns(
    origins: NDArray[np.int64],
    log_odds: LogOdds,
    z_first: int,
    z_last: int,
    corner: NDArray[np.int64],
    values: NDArray[np.int8],
) -> None:
    """Write into values (H, W) what each column of voxels z_first..z_last holds: 100, 0 or -1 unknown."""
    for b in range(len(origins)):
        if origins[b, 2] > z_last or origins[b, 2] + 7 < z_first:
            continue
        for i in range(512):
            value = log_odds[b, i]
            z = origins[b, 2] + (i >> 6)
            if value == 0 or z < z_first or z > z_last:
                continue
            row = origins[b, 1] + ((i >> 3) & 7) - corner[1]
            column = origins[b, 0] + (i & 7) - corner[0]
            if value > 0:
                values[row, column] = 100
            elif values[row, column] == -1:
                values[row, column] = 0
