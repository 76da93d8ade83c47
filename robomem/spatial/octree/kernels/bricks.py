"""The kernels of bricks: updates, look-ups, slices."""

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.spatial.octree.kernels.jit import jit
from robomem.spatial.octree.kernels.morton import (
    EMPTY,
    KEY_REACH,
    Keys,
    LogOdds,
    Masks,
    Slots,
    brick_key,
    find,
)


@jit
def apply_masks(
    slots: Slots,
    hit: Masks,
    free: Masks,
    log_odds: LogOdds,
    update_hit: int,
    update_miss: int,
    lowest: int,
    highest: int,
) -> None:
    """Add one hit or one miss to every marked voxel, clamped; 0 stays reserved for unknown."""
    for b in range(len(slots)):
        voxels = log_odds[slots[b]]
        for w in range(8):
            touched = hit[b, w] | free[b, w]
            if touched == 0:
                continue
            for i in range(64):
                bit = np.uint64(1) << np.uint64(i)
                if not touched & bit:
                    continue
                update = update_hit if hit[b, w] & bit else update_miss
                value = min(max(voxels[64 * w + i] + update, lowest), highest)
                voxels[64 * w + i] = value if value != 0 else 1


@jit
def look_up(
    points: Points,
    voxel_size: float,
    table_keys: Keys,
    table_slots: Slots,
    log_odds: LogOdds,
) -> NDArray[np.int16]:
    """Return the stored value at every point (N, 3); 0 where it is unknown."""
    values = np.zeros(len(points), np.int16)
    reach = 8.0 * KEY_REACH
    for i in range(len(points)):
        fx = np.floor(points[i, 0] / voxel_size)
        fy = np.floor(points[i, 1] / voxel_size)
        fz = np.floor(points[i, 2] / voxel_size)
        if not (abs(fx) < reach and abs(fy) < reach and abs(fz) < reach):  # NaN too
            continue
        x, y, z = np.int64(fx), np.int64(fy), np.int64(fz)
        slot = find(table_keys, table_slots, brick_key(x >> 3, y >> 3, z >> 3))
        if slot != EMPTY:
            values[i] = log_odds[slot, (x & 7) + 8 * (y & 7) + 64 * (z & 7)]
    return values


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
