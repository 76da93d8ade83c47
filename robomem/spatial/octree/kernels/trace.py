"""Exact rays: which voxels does a scan pass through, and in which does it end?"""

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Points, Pose
from robomem.spatial.octree.kernels.jit import jit
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, Masks, Slots, brick_key, find_or_add


@jit
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


@jit
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


@jit
def trace_rays(
    points: Points,
    origin: Points,
    voxel_size: float,
    max_range: float,
    table_keys: Keys,
    table_slots: Slots,
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
