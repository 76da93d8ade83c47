"""What does a ray meet first? The inner nodes let it skip what holds nothing."""

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.jit import jit
from robomem.spatial.octree.kernels.layout import REGION_LEVEL, UNIFORM, Bits, Bricks, Nodes
from robomem.spatial.octree.kernels.morton import (
    EMPTY,
    KEY_OFFSET,
    Keys,
    gather_bits,
    spread_bits,
)

NOTHING = 0  # statuses of a ray: nothing within range
HIT = 1  # an occupied voxel
UNKNOWN = 2  # an unknown voxel, where the ray was to stop
NEEDS = 3  # a region that is on disk

_FIRST_VOXEL = 8 * KEY_OFFSET  # voxel 0 as keys count, from 0 up
_FAR = 2.0**40  # voxels: an origin farther away is nowhere
_FLAT = 1e-12  # a direction's component below this moves a ray by less than a rounding error
_NEVER = 1e300  # in place of 1 / 0: the border across a flat ray is not met
_NUDGE = 1e-6  # voxels: a ray that goes on lies past the border where it stopped, rounding or not
_INSIDE = 8 | 8 << 5 | 8 << 10  # three fields of five bits that hold 8 + (0..7) inside a brick


@jit
def cast_rays(
    bricks: Bricks,
    nodes: Nodes,
    origins: Points,
    directions: Points,
    resolution_m: float,
    max_range_m: float,
    stops_at_unknown: bool,
    start_m: NDArray[np.float64],
) -> tuple[NDArray[np.float64], Bits, Keys]:
    """Follow rays from cell to cell: large ones where a node says nothing is there, voxels in bricks.

    The walk in a brick: Amanatides and Woo, "A fast voxel traversal algorithm", 1987. It is one function because
    it is the inner loop: cut into descent, crossing and walk, each compiled into it, the same rays took a quarter longer.

    Args:
        bricks: The leaves.
        nodes: The inner nodes; what is outside the root is unknown.
        origins: Where the rays begin, (N, 3) metres in map.
        directions: Where they go, (N, 3), of any length.
        resolution_m: The edge of a voxel.
        max_range_m: A ray ends there.
        stops_at_unknown: An unknown voxel ends a ray too.
        start_m: How far along the rays the search begins, (N,): 0, or where a region was needed.

    Returns:
        distances: Metres from the origins to where the rays enter the voxel that ends them, (N,); inf
            where nothing does, nan where a direction has no length or a number is not finite.
        statuses: HIT, UNKNOWN, NEEDS or NOTHING, (N,).
        regions: For NEEDS the key of the region, (N,): with it in memory cast the ray again from its
            distance. Else EMPTY.
    """
    distances = np.full(len(origins), np.inf)
    statuses = np.full(len(origins), NOTHING, np.uint8)
    regions = np.full(len(origins), EMPTY, np.int64)
    stop = np.uint8(0xFF if stops_at_unknown else 0)
    lowest = 0 if stops_at_unknown else 1  # the lowest value that ends a ray
    outside = UNKNOWN if stops_at_unknown else NOTHING
    end = max_range_m / resolution_m
    top, low_x, low_y, low_z, size = _root_cell(nodes)
    path = np.zeros(32, np.int32)  # the rows of the nodes from the root down to where the ray is
    path[top] = nodes.root

    for r in range(len(origins)):
        ox, oy, oz = origins[r, 0], origins[r, 1], origins[r, 2]
        dx, dy, dz = _normalise(directions[r, 0], directions[r, 1], directions[r, 2])
        # In voxels from the origin's on: as exact a kilometre away as at home.
        ax, fx, dx, ix, ux = _aim(ox / resolution_m, dx)
        ay, fy, dy, iy, uy = _aim(oy / resolution_m, dy)
        az, fz, dz, iz, uz = _aim(oz / resolution_m, dz)
        t = start_m[r] / resolution_m
        # The root's cell is entered where the last of three slabs is, left where the first is.
        enter = max(
            _meet(low_x + (1 - ux) * size, ax, fx, ix),
            _meet(low_y + (1 - uy) * size, ay, fy, iy),
            _meet(low_z + (1 - uz) * size, az, fz, iz),
        )
        leave = min(
            _meet(low_x + ux * size, ax, fx, ix),
            _meet(low_y + uy * size, ay, fy, iy),
            _meet(low_z + uz * size, az, fz, iz),
        )
        status = NOTHING
        x, y, z, level = 0, 0, 0, top
        if np.isnan(dx) or not (np.isfinite(ox) and np.isfinite(oy) and np.isfinite(oz)):
            distances[r] = np.nan
            continue
        if enter >= leave or leave <= t or (stops_at_unknown and enter > t):
            level = top + 1
        else:
            past = t + _NUDGE if t > 0 else t
            t, past = max(t, enter), max(past, enter)
            x = _voxel_at(past, ax, fx, dx, low_x, size)
            y = _voxel_at(past, ay, fy, dy, low_y, size)
            z = _voxel_at(past, az, fz, dz, low_z, size)

        while status == NOTHING and t <= end and level <= top:
            # Down to the largest cell of nothing, or to a brick.
            block = np.int64(UNIFORM)
            edge = 0
            while True:
                row = path[level]
                edge = 4 << level
                c = (x >> level + 2 & 1) | (y >> level + 2 & 1) << 1 | (z >> level + 2 & 1) << 2
                if not (nodes.occupied[row] | nodes.unknown[row] & stop) >> c & 1:
                    break
                child = nodes.children[row, c]
                if child < 0:
                    status = UNKNOWN if child == EMPTY else NEEDS
                    break
                if level == 1:
                    block = np.int64(bricks.blocks[child])
                    value = bricks.uniform[child]
                    if block == UNIFORM and value >= lowest:
                        status = HIT if value > 0 else UNKNOWN
                    break
                level -= 1
                path[level] = child
            if status != NOTHING:
                break

            from_x, from_y, from_z = x, y, z
            if block == UNIFORM:
                # Over the cell, out at the nearest of its three far borders.
                cx, cy, cz = x & -edge, y & -edge, z & -edge
                tx = _meet(cx + ux * edge, ax, fx, ix)
                ty = _meet(cy + uy * edge, ay, fy, iy)
                tz = _meet(cz + uz * edge, az, fz, iz)
                t = min(tx, ty, tz)
                x = _voxel_at(t, ax, fx, dx, cx, edge)
                y = _voxel_at(t, ay, fy, dy, cy, edge)
                z = _voxel_at(t, az, fz, dz, cz, edge)
                if tx <= ty and tx <= tz:
                    x = cx + ux * edge + ux - 1
                elif ty <= tz:
                    y = cy + uy * edge + uy - 1
                else:
                    z = cz + uz * edge + uz - 1
            else:
                # Through the brick, voxel by voxel.
                tx = _meet(x + ux, ax, fx, ix)
                ty = _meet(y + uy, ay, fy, iy)
                tz = _meet(z + uz, az, fz, iz)
                gx, gy, gz = 2 * ux - 1, (2 * uy - 1) << 5, (2 * uz - 1) << 10
                g = _INSIDE | (x & 7) | (y & 7) << 5 | (z & 7) << 10
                while g & _INSIDE == _INSIDE:
                    value = bricks.log_odds[block, (g & 7) | (g >> 2 & 56) | (g >> 4 & 448)]
                    if value >= lowest:
                        status = HIT if value > 0 else UNKNOWN
                        break
                    # Selects, not branches: which axis is next cannot be predicted.
                    goes_x = tx <= ty and tx <= tz
                    goes_y = not goes_x and ty <= tz
                    goes_z = not goes_x and not goes_y
                    t = min(tx, ty, tz)
                    g += (gx if goes_x else 0) + (gy if goes_y else 0) + (gz if goes_z else 0)
                    tx += abs(ix) if goes_x else 0.0
                    ty += abs(iy) if goes_y else 0.0
                    tz += abs(iz) if goes_z else 0.0
                x = (x & ~7) + (g & 31) - 8
                y = (y & ~7) + (g >> 5 & 31) - 8
                z = (z & ~7) + (g >> 10 & 31) - 8

            # Up to the node that has both cells below it.
            moved = ((x ^ from_x) | (y ^ from_y) | (z ^ from_z)) >> level + 3
            while moved != 0 and level <= top:
                level += 1
                moved >>= 1
        if level > top:
            status = outside
        if status != NOTHING and t <= end:
            statuses[r] = status
            distances[r] = t * resolution_m
            if status == NEEDS:
                shift = 3 + REGION_LEVEL
                regions[r] = _interleave(x >> shift, y >> shift, z >> shift)
    return distances, statuses, regions


@jit
def _root_cell(nodes: Nodes) -> tuple[int, int, int, int, int]:
    """Return the root's level, its lowest voxel and its edge, which is 0 where there is no root."""
    if nodes.root == EMPTY:
        return 0, 0, 0, 0, 0
    level = np.int64(nodes.levels[nodes.root])
    key = nodes.keys[nodes.root] << 3 * level
    return (
        level,
        8 * gather_bits(key),
        8 * gather_bits(key >> 1),
        8 * gather_bits(key >> 2),
        8 << level,
    )


@jit
def _normalise(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Give a direction length 1; nan where it has none."""
    longest = max(abs(x), abs(y), abs(z))  # divided by first, lest squares vanish or overflow
    if not (longest > 0 and longest < np.inf):
        return np.nan, np.nan, np.nan
    x, y, z = x / longest, y / longest, z / longest
    scale = 1.0 / np.sqrt(x * x + y * y + z * z)
    return x * scale, y * scale, z * scale


@jit
def _aim(origin: float, slope: float) -> tuple[int, float, float, float, int]:
    """Return along one axis: the origin's voxel as keys count, where in it it is, slope, 1 / slope, goes up?"""
    voxel = np.floor(min(max(origin, -_FAR), _FAR))
    is_flat = abs(slope) <= _FLAT
    inverse = _NEVER if is_flat else 1.0 / slope
    return (
        np.int64(voxel) + _FIRST_VOXEL,
        origin - voxel,
        0.0 if is_flat else slope,
        inverse,
        1 if inverse > 0 else 0,
    )


@jit
def _meet(border: int, voxel: int, part: float, inverse: float) -> float:
    """Return how far along a ray it meets a border across one axis."""
    return (border - voxel - part) * inverse


@jit
def _voxel_at(t: float, voxel: int, part: float, slope: float, low: int, edge: int) -> int:
    """Return the voxel at t along one axis: one of the cell that begins at `low`, whatever the rounding."""
    return min(max(np.int64(np.floor(part + t * slope)) + voxel, low), low + edge - 1)


@jit
def _interleave(x: int, y: int, z: int) -> int:
    return spread_bits(x) | spread_bits(y) << 1 | spread_bits(z) << 2
