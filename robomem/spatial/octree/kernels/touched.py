"""The bricks that a scan touches, found by where they lie in a cube of bricks."""

from typing import NamedTuple

import numpy as np

from robomem.jit import jit, jit_inline
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, Masks, Slots, brick_key

ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class Touched(NamedTuple):
    """The bricks touched, and room for more; rows beyond `count` are stale.

    Attributes:
        rows: The row of the brick at x + side * (y + side * z), (side**3,); EMPTY where it is not touched.
        places: Where in `rows` it is, (N,) int32.
        hit: The voxels in which rays end, (N, 8).
        free: Those that rays pass, (N, 8).
        count: How many there are, (1,) int64.
        side: Bricks along the side of the cube.
    """

    rows: Slots
    places: Slots
    hit: Masks
    free: Masks
    count: Keys
    side: int


@jit_inline
def has_room(touched: Touched, more: int) -> bool:
    """Tell whether so many more bricks may be touched."""
    return touched.count[0] + more <= len(touched.places)


@jit_inline
def touch(touched: Touched, x: int, y: int, z: int) -> int:
    """Return the row of a voxel's brick; ask `has_room` before."""
    place = _place(touched, x, y, z)
    row = np.int64(touched.rows[place])
    return row if row != EMPTY else _add(touched, place)


@jit
def _add(touched: Touched, place: int) -> int:
    row = touched.count[0]
    touched.count[0] = row + 1
    touched.rows[place] = row
    touched.places[row] = place
    for z in range(8):
        touched.hit[row, z] = touched.free[row, z] = 0
    return row


@jit_inline
def _place(touched: Touched, x: int, y: int, z: int) -> int:
    return (x >> 3) + touched.side * ((y >> 3) + touched.side * (z >> 3))


@jit_inline
def bit(x: int, y: int) -> np.uint64:
    """Return the bit of a voxel in its word."""
    return np.uint64(1) << np.uint64((x & 7) | (y & 7) << 3)


@jit_inline
def seen_at(touched: Touched, x: int, y: int, z: int) -> np.uint64:
    """Return the word of a voxel: which ones are hit or free already."""
    row = touched.rows[_place(touched, x, y, z)]
    return np.uint64(0) if row == EMPTY else touched.hit[row, z & 7] | touched.free[row, z & 7]


@jit
def take_bricks(touched: Touched, first: Keys) -> tuple[Keys, Masks, Masks]:
    """Return the bricks, keys (N,), hit and free (N, 8), and forget them; a hit wins over a pass.

    `first` (3,) is the brick at the lowest corner of the cube.
    """
    n, side = touched.count[0], touched.side
    keys, hit, free = (
        np.empty(n, np.int64),
        np.empty((n, 8), np.uint64),
        np.empty((n, 8), np.uint64),
    )
    for row in range(n):
        place = np.int64(touched.places[row])
        x, y, z = place % side, place // side % side, place // (side * side)
        keys[row] = brick_key(first[0] + x, first[1] + y, first[2] + z)
        for w in range(8):
            hit[row, w] = touched.hit[row, w]
            free[row, w] = touched.free[row, w] & ~hit[row, w]
        touched.rows[place] = EMPTY
    touched.count[0] = 0
    return keys, hit, free
