"""What is stored at points: keys, bricks and values in passes, so that the memory is never waited for twice."""

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.jit import jit
from robomem.spatial.octree.kernels.layout import UNIFORM, Bricks
from robomem.spatial.octree.kernels.morton import (
    EMPTY,
    KEY_OFFSET,
    KEY_REACH,
    Keys,
    find,
    spread_bits,
)

BATCH = 256  # points in one pass: what a pass leaves for the next stays in the first-level cache


@jit
def look_up(bricks: Bricks, points: Points, resolution_m: float) -> NDArray[np.int16]:
    """Return the stored value (N,) at every point (N, 3), contiguous, in map; 0 where there is none."""
    values = np.zeros(len(points), np.int16)
    coordinates = points.reshape(-1)
    table_keys, table_slots = bricks.table_keys, bricks.table_slots
    blocks, uniform, log_odds = bricks.blocks, bricks.uniform, bricks.log_odds.reshape(-1)
    voxels = np.empty(3 * BATCH, np.int64)
    keys = np.empty(BATCH, np.int64)
    inner = np.empty(BATCH, np.int64)
    slots = np.empty(BATCH, np.int64)
    last_key, slot = np.int64(EMPTY), np.int64(EMPTY)
    for first in range(0, len(points), BATCH):
        count = min(BATCH, len(points) - first)
        _place(coordinates[3 * first : 3 * (first + count)], resolution_m, voxels, keys, inner)
        for i in range(count):
            if keys[i] != last_key:  # neighbours in a batch are often neighbours in space
                last_key = keys[i]
                slot = np.int64(find(table_keys, table_slots, last_key))
            slots[i] = slot
        for i in range(count):
            if slots[i] != EMPTY:
                block = np.int64(blocks[slots[i]])
                values[first + i] = (
                    uniform[slots[i]] if block == UNIFORM else log_odds[512 * block + inner[i]]
                )
    return values


@jit
def _place(
    coordinates: NDArray[np.float64],
    resolution_m: float,
    voxels: NDArray[np.int64],
    keys: Keys,
    inner: NDArray[np.int64],
) -> None:
    """Write the brick's key and the place in the brick of points x, y, z, x, ...; no branches: it is vectorised.

    What is too far or no number goes where no brick has a key.
    """
    reach = 8.0 * KEY_REACH
    for i in range(len(coordinates)):
        voxel = np.floor(coordinates[i] / resolution_m)
        voxels[i] = np.int32(voxel if abs(voxel) < reach else reach) + 8 * KEY_OFFSET
    for i in range(len(coordinates) // 3):
        x, y, z = voxels[3 * i], voxels[3 * i + 1], voxels[3 * i + 2]
        inner[i] = (x & 7) | (y & 7) << 3 | (z & 7) << 6
        keys[i] = spread_bits(x >> 3) | spread_bits(y >> 3) << 1 | spread_bits(z >> 3) << 2
