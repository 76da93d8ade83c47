"""Where a voxel lies: the Morton key of its brick, and the hash table from keys to slots.

A voxel is a triple of integers, floor(p / resolution). Three low bits of each say where it lies in its
brick of 8x8x8: bit x + 8 y of word z, voxel x + 8 y + 64 z. The rest, shifted to be positive, is
interleaved to the brick's Morton key, so a brick's parent in the octree is `key >> 3`.
"""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit

KEY_BITS = 21
# A third of the space: no large cell of the octree has its border at the origin.
KEY_OFFSET = 0x0AAAAA
KEY_REACH = KEY_OFFSET  # bricks -KEY_REACH .. KEY_REACH - 1 along each axis have a key
EMPTY = -1

Keys = NDArray[np.int64]
Slots = NDArray[np.int32]
Masks = NDArray[np.uint64]  # (N, 8): one bit a voxel
LogOdds = NDArray[np.int16]  # (N, 512)


@jit
def spread_bits(value: int) -> int:
    """Put two zero bits between the 21 low bits of a value (Morton code)."""
    v = np.uint64(value) & np.uint64(0x1FFFFF)
    v = (v | (v << np.uint64(32))) & np.uint64(0x1F00000000FFFF)
    v = (v | (v << np.uint64(16))) & np.uint64(0x1F0000FF0000FF)
    v = (v | (v << np.uint64(8))) & np.uint64(0x100F00F00F00F00F)
    v = (v | (v << np.uint64(4))) & np.uint64(0x10C30C30C30C30C3)
    v = (v | (v << np.uint64(2))) & np.uint64(0x1249249249249249)
    return np.int64(v)


@jit
def gather_bits(code: int) -> int:
    """Undo `spread_bits`."""
    v = np.uint64(code) & np.uint64(0x1249249249249249)
    v = (v | (v >> np.uint64(2))) & np.uint64(0x10C30C30C30C30C3)
    v = (v | (v >> np.uint64(4))) & np.uint64(0x100F00F00F00F00F)
    v = (v | (v >> np.uint64(8))) & np.uint64(0x1F0000FF0000FF)
    v = (v | (v >> np.uint64(16))) & np.uint64(0x1F00000000FFFF)
    v = (v | (v >> np.uint64(32))) & np.uint64(0x1FFFFF)
    return np.int64(v)


@jit
def brick_key(bx: int, by: int, bz: int) -> int:
    """Return the Morton key of a brick."""
    return (
        spread_bits(bx + KEY_OFFSET)
        | (spread_bits(by + KEY_OFFSET) << 1)
        | (spread_bits(bz + KEY_OFFSET) << 2)
    )


@jit
def brick_keys(points: NDArray[np.float64], voxel_size: float) -> Keys:
    """Return the key (N,) of the brick that each point (N, 3) lies in, EMPTY where there can be none."""
    keys = np.empty(len(points), np.int64)
    reach = 8.0 * KEY_REACH
    for i in range(len(points)):
        x = np.floor(points[i, 0] / voxel_size)
        y = np.floor(points[i, 1] / voxel_size)
        z = np.floor(points[i, 2] / voxel_size)
        if abs(x) < reach and abs(y) < reach and abs(z) < reach:  # not NaN either
            keys[i] = brick_key(np.int64(x) >> 3, np.int64(y) >> 3, np.int64(z) >> 3)
        else:
            keys[i] = EMPTY
    return keys


@jit
def _home(key: int, capacity: int) -> int:
    """First place of a key in an open-addressed table; Fibonacci hashing (Knuth, vol. 3, 6.4)."""
    h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(h >> np.uint64(20)) & (capacity - 1)


@jit
def find(table_keys: Keys, table_slots: Slots, key: int) -> int:
    """Return the slot of a key, or EMPTY."""
    capacity = len(table_keys)
    i = _home(key, capacity)
    while table_keys[i] != EMPTY:
        if table_keys[i] == key:
            return table_slots[i]
        i = (i + 1) & (capacity - 1)
    return EMPTY


@jit
def find_or_add(table_keys: Keys, table_slots: Slots, key: int, new_slot: int) -> int:
    """Return the slot of a key, which is `new_slot` where the key was not there yet."""
    capacity = len(table_keys)
    i = _home(key, capacity)
    while table_keys[i] != EMPTY:
        if table_keys[i] == key:
            return table_slots[i]
        i = (i + 1) & (capacity - 1)
    table_keys[i] = key
    table_slots[i] = new_slot
    return new_slot


@jit
def erase(table_keys: Keys, table_slots: Slots, key: int) -> None:
    """Take a key out; those behind it move up, so that no search breaks off early (Knuth, 6.4, R)."""
    mask = len(table_keys) - 1
    i = _home(key, mask + 1)
    while table_keys[i] != key:
        if table_keys[i] == EMPTY:
            return
        i = (i + 1) & mask
    hole = i
    while True:
        i = (i + 1) & mask
        if table_keys[i] == EMPTY:
            break
        home = _home(table_keys[i], mask + 1)
        if ((i - home) & mask) >= ((i - hole) & mask):
            table_keys[hole], table_slots[hole] = table_keys[i], table_slots[i]
            hole = i
    table_keys[hole] = EMPTY


@jit
def brick_origins(keys: Keys) -> NDArray[np.int64]:
    """Return the lowest voxel (N, 3) of every brick."""
    voxels = np.empty((len(keys), 3), np.int64)
    for i in range(len(keys)):
        for a in range(3):
            voxels[i, a] = (gather_bits(keys[i] >> a) - KEY_OFFSET) * 8
    return voxels
