"""Exact rays: which voxels does a scan pass through, and in which does it end?

A scan is marked in a box of whole bricks, one bit a voxel: bit x + (y << shifts[0]) + (z << shifts[1]),
counted from the box's lowest voxel, the lowest bit of a byte first. A ray is followed along each axis for
itself, from one border between voxels to the next (Siddon, "Fast calculation of the exact radiological
path", 1985). Amanatides and Woo ("A fast voxel traversal algorithm", 1987) merge the three sequences into
the order of the path; a union of bits needs no order, so nothing waits for a comparison.
"""

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Points, Pose
from robomem.jit import jit, jit_inline
from robomem.spatial.octree.kernels.layout import Bits
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, Masks, Slots, brick_key

# Along its way a ray's coordinates are in fixed point, so that any part of it comes out as the whole does.
FRACTION_BITS = 38  # 24 bits more hold every addressable voxel
ONE_VOXEL = 2.0**FRACTION_BITS
LONGEST_RAY = 1 << 15  # voxels along an axis: up to there rounding adds up to less than BIAS
# Where a ray crosses two borders at once, each has to find the other behind it, or the voxel after both is
# left out: at a border, the ray is taken to be so much farther along the other axes. In voxels.
BIAS = 2.0**-22
# Ends of rays keep so far from the border of their voxel, in voxels, that BIAS does not lead out of it.
NUDGE = 2 * BIAS

Voxel = NDArray[np.int64]
Shifts = tuple[int, int]
# Of a ray along one axis: where it starts in its voxel, how far it goes, the voxels where it starts and
# ends, the shift of that axis, and how many voxels the box has.
Line = tuple[float, float, int, int, int, int]


@jit
def bounds_of(
    points: Points, origin: Points, voxel_size: float, max_range: float
) -> NDArray[np.float64]:
    """Return the lowest and the highest corner (2, 3), in voxels, of a box that holds every ray."""
    low, high = origin.copy(), origin.copy()
    for r in range(len(points)):
        x, y, z = points[r, 0], points[r, 1], points[r, 2]
        if np.isfinite(x + y + z):
            low[0], high[0] = min(low[0], x), max(high[0], x)
            low[1], high[1] = min(low[1], y), max(high[1], y)
            low[2], high[2] = min(low[2], z), max(high[2], z)
    bounds = np.empty((2, 3), np.float64)
    bounds[0] = np.maximum(low, origin - max_range) / voxel_size
    bounds[1] = np.minimum(high, origin + max_range) / voxel_size
    return bounds


@jit
def choose_rays(
    points: Points,
    origin: Points,
    voxel_size: float,
    max_range: float,
    low: Voxel,
    shape: Voxel,
    shifts: Shifts,
    split: int,
    seen: Bits,
) -> Points:
    """Return of all points whose rays end in one cell the first and the last.

    A cell is a voxel, or an eighth of one: `split` is 1 or 2. The first and the last of a scan in rows see
    the farthest apart. Rays that are cut at max_range are told from those that are not.

    Args:
        points: Returns, (N, 3) metres.
        origin: Where the sensor was, (3,) metres.
        voxel_size: Metres.
        max_range: Metres.
        low: The lowest voxel of the box.
        shape: How many voxels it has along each axis.
        shifts: Where the bits of y and z begin.
        split: Cells along the edge of a voxel.
        seen: Room for two bits a cell, all zero; left so.
    """
    cells = np.full(len(points), EMPTY, np.int32)
    is_chosen = np.zeros(len(points), np.bool_)
    ox, oy, oz = origin[0], origin[1], origin[2]
    lx, ly, lz = split * low[0], split * low[1], split * low[2]
    sy, sz = shifts[0] + split - 1, shifts[1] + 2 * (split - 1)
    count = (split * shape[2]) << sz
    for r in range(len(points)):
        x, y, z, length = _cut(points[r, 0], points[r, 1], points[r, 2], ox, oy, oz, max_range)
        if np.isnan(length):
            continue
        i = np.int64(np.floor(x / voxel_size * split)) - lx
        j = np.int64(np.floor(y / voxel_size * split)) - ly
        k = np.int64(np.floor(z / voxel_size * split)) - lz
        cells[r] = i + (j << sy) + (k << sz) + (count if length > max_range else 0)
    _choose_first(cells, seen, is_chosen)
    _choose_first(cells[::-1], seen, is_chosen[::-1])
    return points[is_chosen]


@jit
def _choose_first(cells: Slots, seen: Bits, is_chosen: NDArray[np.bool_]) -> None:
    for r in range(len(cells)):
        if cells[r] != EMPTY:
            byte, bit = cells[r] >> 3, np.uint8(1 << (cells[r] & 7))
            is_chosen[r] |= not seen[byte] & bit
            seen[byte] |= bit
    for r in range(len(cells)):
        if cells[r] != EMPTY:
            seen[cells[r] >> 3] = 0


@jit
def mark_rays(
    points: Points,
    origin: Points,
    voxel_size: float,
    max_range: float,
    low: Voxel,
    shape: Voxel,
    shifts: Shifts,
    clips: bool,
    hit: Bits,
    free: Bits,
) -> None:
    """Mark the voxels that every ray passes (free) and ends in (hit).

    A return farther than max_range clears the space up to there and hits nothing; a row that is not finite
    is skipped. A voxel that a ray enters by less than BIAS may be left out.

    Args:
        points: Returns, (N, 3) metres.
        origin: Where the sensor was, (3,) metres.
        voxel_size: Metres.
        max_range: Metres.
        low: The lowest voxel of the box.
        shape: How many voxels it has along each axis.
        shifts: Where the bits of y and z begin.
        clips: Whether rays may leave the box, or be longer than LONGEST_RAY.
        hit: The bits of the box.
        free: The same; a voxel may be in both.
    """
    ox, oy, oz = origin[0], origin[1], origin[2]
    first = np.floor(origin / voxel_size)
    start = np.minimum(np.maximum(origin / voxel_size - first, NUDGE), 1 - NUDGE)
    fx, fy, fz = first[0], first[1], first[2]
    gx, gy, gz = start[0], start[1], start[2]
    bx, by, bz = np.int64(fx) - low[0], np.int64(fy) - low[1], np.int64(fz) - low[2]
    ex, ey, ez = shape[0], shape[1], shape[2]
    sy, sz = shifts
    leaves = False
    for r in range(len(points)):
        x, y, z, length = _cut(points[r, 0], points[r, 1], points[r, 2], ox, oy, oz, max_range)
        if np.isnan(length):
            continue
        nx, dx, tx, ux = _aim(x / voxel_size, fx, gx)
        ny, dy, ty, uy = _aim(y / voxel_size, fy, gy)
        nz, dz, tz, uz = _aim(z / voxel_size, fz, gz)
        i, j, k = bx + nx, by + ny, bz + nz
        if length <= max_range and (not clips or (0 <= i < ex and 0 <= j < ey and 0 <= k < ez)):
            _set_bit(hit, i + (j << sy) + (k << sz))
        leaves |= nx != 0 or ny != 0 or nz != 0
        of_x, of_y, of_z = (gx, dx, bx, i, 0, ex), (gy, dy, by, j, sy, ey), (gz, dz, bz, k, sz, ez)
        if nx != 0:
            _march(free, clips, nx, tx, ux, of_x, of_y, of_z)
        if ny != 0:
            _march(free, clips, ny, ty, uy, of_y, of_x, of_z)
        if nz != 0:
            _march(free, clips, nz, tz, uz, of_z, of_x, of_y)
    if leaves and 0 <= bx < ex and 0 <= by < ey and 0 <= bz < ez:
        _set_bit(free, bx + (by << sy) + (bz << sz))


@jit_inline
def _cut(
    x: float, y: float, z: float, ox: float, oy: float, oz: float, max_range: float
) -> tuple[float, float, float, float]:
    """Return where a ray ends, at max_range at the farthest, and its whole length; NaN where it has none."""
    dx, dy, dz = x - ox, y - oy, z - oz
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    if length > max_range:
        scale = max_range / length
        x, y, z = ox + dx * scale, oy + dy * scale, oz + dz * scale
    return x, y, z, length if np.isfinite(length) else np.nan


@jit_inline
def _aim(end: float, first: float, start: float) -> tuple[int, float, float, float]:
    """Return of a ray along one axis: borders to cross, how far it goes, t of the first and between two."""
    v = np.floor(end)
    count = v - first
    ray = min(max(end, v + NUDGE), v + 1 - NUDGE) - first - start
    t_step = 1.0 / abs(ray)
    t_first = (1.0 - start if count > 0 else start) * t_step
    return np.int64(count), ray, t_first, t_step


@jit_inline
def _march(
    free: Bits,
    clips: bool,
    count: int,
    t_first: float,
    t_step: float,
    of_x: Line,
    of_y: Line,
    of_z: Line,
) -> None:
    """Mark the voxel behind each border that a ray crosses along one axis, here called x; not its end."""
    _, _, x, _, x_shift, x_size = of_x
    _, _, _, y_end, y_shift, y_size = of_y
    _, _, _, z_end, z_shift, z_size = of_z
    step = 1 if count > 0 else -1
    first, count = 0, abs(count)
    x += step
    y, dy = _follow(count, t_first, t_step, of_y)
    z, dz = _follow(count, t_first, t_step, of_z)
    if (y + (count - 1) * dy) >> FRACTION_BITS == y_end and (
        z + (count - 1) * dz
    ) >> FRACTION_BITS == z_end:
        count -= 1
    if clips:
        first, count = _clip(first, count, x, step, x_size)
        first, count = _clip(first, count, y, dy, y_size << FRACTION_BITS)
        first, count = _clip(first, count, z, dz, z_size << FRACTION_BITS)
        x, y, z = x + first * step, y + first * dy, z + first * dz
    x <<= x_shift
    step <<= x_shift
    for _ in range(count - first):
        i = np.uint64(x + ((y >> FRACTION_BITS) << y_shift) + ((z >> FRACTION_BITS) << z_shift))
        free[i >> np.uint64(3)] |= np.uint8(1) << np.uint8(i & np.uint64(7))
        x += step
        y += dy
        z += dz


@jit_inline
def _follow(count: int, t_first: float, t_step: float, line: Line) -> tuple[int, int]:
    """Return where a ray is on one axis at the first border of another, and how far it goes to the next."""
    start, ray, first, _, _, _ = line
    y = start + t_first * ray + (BIAS if ray > 0 else -BIAS)
    # A ray that crosses one border may be so steep that the way to the next fits in no integer.
    dy = np.int64(ray * t_step * ONE_VOXEL) if count > 1 else 0
    return np.int64(y * ONE_VOXEL) + (first << FRACTION_BITS), dy


@jit
def _clip(first: int, end: int, start: int, slope: int, limit: int) -> tuple[int, int]:
    """Narrow the range first .. end - 1 to the k for which 0 <= start + k slope < limit."""
    if slope < 0:
        start, slope = limit - 1 - start, -slope
    if slope == 0:
        return first, end if 0 <= start < limit else first
    return max(first, -(start // slope)), min(end, (limit - 1 - start) // slope + 1)


@jit_inline
def _set_bit(bits: Bits, i: int) -> None:
    bits[i >> 3] |= np.uint8(1 << (i & 7))


@jit
def take_bricks(
    hit: Bits, free: Bits, low: Voxel, shape: Voxel, shifts: Shifts
) -> tuple[Keys, Masks, Masks]:
    """Return the marked bricks, keys (N,), hit and free (N, 8), and clear the box; a hit wins over a pass."""
    nx, ny, nz = shape[0] >> 3, shape[1] >> 3, shape[2] >> 3
    sy, sz = shifts[0] - 3, shifts[1] - 3  # a byte is a row of a brick
    is_marked = np.zeros((nz, ny, nx), np.uint8)
    for z in range(shape[2]):
        for y in range(shape[1]):
            i = (y << sy) + (z << sz)
            marked, hit_row, free_row = is_marked[z >> 3, y >> 3], hit[i : i + nx], free[i : i + nx]
            for x in range(nx):
                marked[x] |= hit_row[x] | free_row[x]
    bricks = np.flatnonzero(is_marked)
    keys = np.empty(len(bricks), np.int64)
    masks = np.zeros((2, len(bricks), 8), np.uint64)
    for n in range(len(bricks)):
        b = bricks[n]
        bx, by, bz = b % nx, b // nx % ny, b // nx // ny
        keys[n] = brick_key((low[0] >> 3) + bx, (low[1] >> 3) + by, (low[2] >> 3) + bz)
        for z in range(8):
            for y in range(8):
                i = bx + ((8 * by + y) << sy) + ((8 * bz + z) << sz)
                masks[0, n, z] |= np.uint64(hit[i]) << np.uint64(8 * y)
                masks[1, n, z] |= np.uint64(free[i]) << np.uint64(8 * y)
                hit[i] = free[i] = 0
            masks[1, n, z] &= ~masks[0, n, z]
    return keys, masks[0], masks[1]


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
