"""The octree's inner loops, compiled by Numba; `octree.py` is their only caller.

A voxel is a triple of integers, floor(p / voxel size). Three low bits of each say where it lies in its
brick of 8x8x8: bit x + 8 y of word z. The rest, shifted to be positive, is interleaved to the brick's
Morton key, so a brick's parent in the octree is `key >> 3`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba as nb
import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Points, Pose

KEY_BITS = 21
KEY_OFFSET = 1 << (KEY_BITS - 1)  # bricks -2**20 .. 2**20 - 1 along each axis
EMPTY = -1

Keys = NDArray[np.int64]
Masks = NDArray[np.uint64]  # (N, 8): one bit a voxel
LogOdds = NDArray[np.int16]  # (N, 512)

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def _jit(function: Kernel) -> Kernel:
    """Compile a function at its first call, once for all processes; its type stays what it was."""
    compiled: Kernel = nb.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


@_jit
def spread_bits(value: int) -> int:
    """Put two zero bits between the 21 low bits of a value (Morton code)."""
    v = np.uint64(value) & np.uint64(0x1FFFFF)
    v = (v | (v << np.uint64(32))) & np.uint64(0x1F00000000FFFF)
    v = (v | (v << np.uint64(16))) & np.uint64(0x1F0000FF0000FF)
    v = (v | (v << np.uint64(8))) & np.uint64(0x100F00F00F00F00F)
    v = (v | (v << np.uint64(4))) & np.uint64(0x10C30C30C30C30C3)
    v = (v | (v << np.uint64(2))) & np.uint64(0x1249249249249249)
    return np.int64(v)


@_jit
def gather_bits(code: int) -> int:
    """Undo `spread_bits`."""
    v = np.uint64(code) & np.uint64(0x1249249249249249)
    v = (v | (v >> np.uint64(2))) & np.uint64(0x10C30C30C30C30C3)
    v = (v | (v >> np.uint64(4))) & np.uint64(0x100F00F00F00F00F)
    v = (v | (v >> np.uint64(8))) & np.uint64(0x1F0000FF0000FF)
    v = (v | (v >> np.uint64(16))) & np.uint64(0x1F00000000FFFF)
    v = (v | (v >> np.uint64(32))) & np.uint64(0x1FFFFF)
    return np.int64(v)


@_jit
def brick_key(bx: int, by: int, bz: int) -> int:
    """Return the Morton key of a brick."""
    return (
        spread_bits(bx + KEY_OFFSET)
        | (spread_bits(by + KEY_OFFSET) << 1)
        | (spread_bits(bz + KEY_OFFSET) << 2)
    )


@_jit
def _home(key: int, capacity: int) -> int:
    """First place of a key in an open-addressed table; Fibonacci hashing (Knuth, vol. 3, 6.4)."""
    h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(h >> np.uint64(20)) & (capacity - 1)


@_jit
def find(table_keys: Keys, table_slots: NDArray[np.int32], key: int) -> int:
    """Return the slot of a key, or EMPTY."""
    capacity = len(table_keys)
    i = _home(key, capacity)
    while table_keys[i] != EMPTY:
        if table_keys[i] == key:
            return table_slots[i]
        i = (i + 1) & (capacity - 1)
    return EMPTY


@_jit
def find_or_add(table_keys: Keys, table_slots: NDArray[np.int32], key: int, new_slot: int) -> int:
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


@_jit
def place_depth(depth_m: Depth, K: NDArray[np.float64], T_map_cam: Pose, beyond_m: float) -> Points:
    """Return the returns (N, 3) of a depth image in map; NaN is left out, depth ends at `beyond_m`."""
    height, width = depth_m.shape
    points = np.empty((height * width, 3), np.float64)
    count = 0
    for v in range(height):
        for u in range(width):
            z = np.float64(depth_m[v, u])
            if not z > 0:
                continue
            z = min(z, beyond_m)
            x, y = (u - K[0, 2]) / K[0, 0] * z, (v - K[1, 2]) / K[1, 1] * z
            for a in range(3):
                points[count, a] = (
                    T_map_cam[a, 0] * x
                    + T_map_cam[a, 1] * y
                    + T_map_cam[a, 2] * z
                    + T_map_cam[a, 3]
                )
            count += 1
    return points[:count]


@_jit
def _axis(
    origin: float, ray: float, last: float, voxel_size: float
) -> tuple[int, int, int, float, float]:
    """Return along one axis: first voxel, last voxel, step, t of the first border, t between borders."""
    v = np.int64(np.floor(origin / voxel_size))
    v_end = np.int64(np.floor(last / voxel_size))
    if v == v_end:
        return v, v_end, 0, np.inf, np.inf
    step = 1 if v_end > v else -1
    border = (v + (1 if step > 0 else 0)) * voxel_size
    return v, v_end, step, (border - origin) / ray, voxel_size / abs(ray)


@_jit
def trace_rays(
    points: Points,
    origin: Points,
    voxel_size: float,
    max_range: float,
    table_keys: Keys,
    table_slots: NDArray[np.int32],
    keys: Keys,
    hit: Masks,
    free: Masks,
) -> int:
    """Mark the voxels that every ray passes (free) and ends in (hit), one bit a voxel.

    Exact traversal: Amanatides and Woo, "A fast voxel traversal algorithm", 1987. A return farther than
    max_range clears the space up to there and hits nothing; a row that is not finite is skipped.

    Returns:
        The number of bricks touched, or EMPTY when `keys` has no room for them: grow it and call again.
    """
    count = 0
    limit = min(len(keys), len(table_keys) // 2)
    ox, oy, oz = origin[0], origin[1], origin[2]
    one = np.uint64(1)
    for r in range(len(points)):
        dx, dy, dz = points[r, 0] - ox, points[r, 1] - oy, points[r, 2] - oz
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        if not np.isfinite(length):
            continue
        is_hit = length <= max_range
        if not is_hit:
            scale = max_range / length
            dx, dy, dz = dx * scale, dy * scale, dz * scale
        x, x_end, sx, tx, ux = _axis(ox, dx, points[r, 0] if is_hit else ox + dx, voxel_size)
        y, y_end, sy, ty, uy = _axis(oy, dy, points[r, 1] if is_hit else oy + dy, voxel_size)
        z, z_end, sz, tz, uz = _axis(oz, dz, points[r, 2] if is_hit else oz + dz, voxel_size)
        remaining = abs(x_end - x) + abs(y_end - y) + abs(z_end - z)
        bx, by, bz = x >> 3, y >> 3, z >> 3
        slot = EMPTY
        while True:
            if slot == EMPTY or (x >> 3) != bx or (y >> 3) != by or (z >> 3) != bz:
                bx, by, bz = x >> 3, y >> 3, z >> 3
                key = brick_key(bx, by, bz)
                slot = find_or_add(table_keys, table_slots, key, count)
                if slot == count:
                    if count == limit:
                        return EMPTY
                    keys[count] = key
                    hit[count, :] = 0
                    free[count, :] = 0
                    count += 1
            bit = one << np.uint64((x & 7) + 8 * (y & 7))
            if remaining == 0:
                if is_hit:
                    hit[slot, z & 7] |= bit
                break
            free[slot, z & 7] |= bit
            remaining -= 1
            # Selects, not branches: which axis is next cannot be predicted.
            goes_x = tx <= ty and tx <= tz
            goes_y = not goes_x and ty <= tz
            goes_z = not goes_x and not goes_y
            x += sx if goes_x else 0
            y += sy if goes_y else 0
            z += sz if goes_z else 0
            tx += (ux if x != x_end else np.inf) if goes_x else 0.0
            ty += (uy if y != y_end else np.inf) if goes_y else 0.0
            tz += (uz if z != z_end else np.inf) if goes_z else 0.0
    for b in range(count):
        for w in range(8):
            free[b, w] &= ~hit[b, w]
    return count


@_jit
def apply_masks(
    slots: NDArray[np.int32],
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


@_jit
def add_bricks(
    new_keys: Keys, table_keys: Keys, table_slots: NDArray[np.int32], keys: Keys, count: int
) -> tuple[NDArray[np.int32], int]:
    """Give every key its slot, new ones at the end; return the slots (N,) and the new count."""
    slots = np.empty(len(new_keys), np.int32)
    for i in range(len(new_keys)):
        slots[i] = find_or_add(table_keys, table_slots, new_keys[i], count)
        if slots[i] == count:
            keys[count] = new_keys[i]
            count += 1
    return slots, count


@_jit
def look_up(
    points: Points,
    voxel_size: float,
    table_keys: Keys,
    table_slots: NDArray[np.int32],
    log_odds: LogOdds,
) -> NDArray[np.int16]:
    """Return the stored value at every point (N, 3); 0 where it is unknown."""
    values = np.zeros(len(points), np.int16)
    reach = 8.0 * KEY_OFFSET
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


@_jit
def brick_origins(keys: Keys) -> NDArray[np.int64]:
    """Return the lowest voxel (N, 3) of every brick."""
    voxels = np.empty((len(keys), 3), np.int64)
    for i in range(len(keys)):
        for a in range(3):
            voxels[i, a] = (gather_bits(keys[i] >> a) - KEY_OFFSET) * 8
    return voxels


@_jit
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
