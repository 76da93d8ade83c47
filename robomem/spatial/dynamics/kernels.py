"""The inner loops: what scans say of how long space stayed free, and which points lie in such space.

Of every voxel there are two counters of two bits and two bits more, as bits of the words of its brick: the
looks that saw it free since it was last hit, the hits that nothing passed through since, whether it was
seen free since the last look that counted, and whether it is ever-free.
"""
# to Numba np.int64 and int are one type, to mypy they are two
# mypy: disable-error-code="arg-type, assignment, no-any-return, return-value"

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Points, Pose
from robomem.jit import jit
from robomem.spatial.octree.kernels import morton
from robomem.spatial.octree.kernels.morton import EMPTY, KEY_REACH, Keys, Masks, Slots

FREE_0, FREE_1, HIT_0, HIT_1, SEEN, CLEAR = range(6)  # the planes of a brick
PLANES = 6
OF_FREE = [FREE_0, FREE_1, SEEN, CLEAR]
LOOKS = 3  # saturated, and as many as make a voxel ever-free

# What a point lies in: something solid, what is not known to be, ever-free space.
STRUCTURE, LOOSE, SEED = range(3)

Planes = NDArray[np.uint64]  # (S, PLANES, 8)
Cells = NDArray[np.int64]  # (C,): x, y and z in 21 bits each, with an offset
CELL_OFFSET = 1 << 20
UNREACHED = -1


class Bricks(NamedTuple):
    """What is known of space: planes by slot, and the hash table of `morton` from keys to slots."""

    table_keys: Keys
    table_slots: Slots
    planes: Planes


@jit
def take_slots(keys: Keys, table_keys: Keys, table_slots: Slots, count: int) -> Slots:
    """Return the slot (N,) of every key; keys that are new get `count` and on."""
    slots = np.empty(len(keys), np.int32)
    for i in range(len(keys)):
        slots[i] = morton.find_or_add(table_keys, table_slots, keys[i], count)
        if slots[i] == count:
            count += 1
    return slots


@jit
def learn(  # noqa: PLR0913, PLR0917
    planes: Planes,
    counted_ns: NDArray[np.int64],
    slots: Slots,
    hit: Masks,
    free: Masks,
    near: Masks,
    stamp_ns: int,
    look_ns: int,
) -> None:
    """Fuse what a scan hit, passed, and passed near to an end; a look counts `look_ns` after a brick's last."""
    for i in range(len(slots)):
        brick = planes[slots[i]]
        counts = abs(stamp_ns - counted_ns[slots[i]]) >= look_ns
        if counts:
            counted_ns[slots[i]] = stamp_ns
        for w in range(8):
            hits, passes = hit[i, w], free[i, w]
            more = hits & ~(brick[HIT_0, w] & brick[HIT_1, w])
            brick[HIT_1, w] ^= brick[HIT_0, w] & more
            brick[HIT_0, w] ^= more
            fewer = passes & (brick[HIT_0, w] | brick[HIT_1, w])
            brick[HIT_1, w] ^= fewer & ~brick[HIT_0, w]
            brick[HIT_0, w] ^= fewer
            brick[FREE_0, w] &= ~(hits | near[i, w])
            brick[FREE_1, w] &= ~(hits | near[i, w])
            brick[CLEAR, w] &= ~(hits & brick[HIT_0, w] & brick[HIT_1, w])
            brick[SEEN, w] = (brick[SEEN, w] | (passes & ~near[i, w])) & ~hits
            if counts:
                more = brick[SEEN, w] & ~(brick[FREE_0, w] & brick[FREE_1, w])
                brick[FREE_1, w] ^= brick[FREE_0, w] & more
                brick[FREE_0, w] ^= more
                brick[SEEN, w] = 0
                empty = ~(brick[HIT_0, w] | brick[HIT_1, w])
                brick[CLEAR, w] |= brick[FREE_0, w] & brick[FREE_1, w] & empty


@jit
def mark_near(
    points: Points, origin: Points, reach_m: float, resolution_m: float, back_m: float, keys: Keys
) -> Masks:
    """Return the voxels (N, 8) of bricks (N,) that rays pass on their last metres.

    Args:
        points: Where the rays end, (M, 3) metres in map; NaN rows are skipped.
        origin: Where they begin, (3,).
        reach_m: Longer rays are skipped.
        resolution_m: The edge of a voxel.
        back_m: How many metres count.
        keys: Of the bricks, each once.
    """
    capacity = 64
    while capacity < 2 * len(keys):
        capacity *= 2
    table_keys = np.full(capacity, EMPTY, np.int64)
    table_slots = np.zeros(capacity, np.int32)
    for i in range(len(keys)):
        morton.find_or_add(table_keys, table_slots, keys[i], i)
    near = np.zeros((len(keys), 8), np.uint64)
    last_x = last_y = last_z = np.int64(1) << 60
    end_x = end_y = end_z = np.int64(1) << 60
    row = EMPTY
    for i in range(len(points)):
        dx, dy, dz = points[i, 0] - origin[0], points[i, 1] - origin[1], points[i, 2] - origin[2]
        range_m = np.sqrt(dx * dx + dy * dy + dz * dz)
        if not 0 < range_m <= reach_m:  # nor NaN
            continue
        steps = np.int64(min(back_m, range_m) / resolution_m) + 1
        per_voxel = 1.0 / resolution_m
        for k in range(steps):
            s = 1.0 - k * resolution_m / range_m
            x = np.int64(np.floor((origin[0] + s * dx) * per_voxel))
            y = np.int64(np.floor((origin[1] + s * dy) * per_voxel))
            z = np.int64(np.floor((origin[2] + s * dz) * per_voxel))
            if k == 0:
                if x == end_x and y == end_y and z == end_z:
                    break  # its neighbour ended there
                end_x, end_y, end_z = x, y, z
            if x >> 3 != last_x or y >> 3 != last_y or z >> 3 != last_z:
                last_x, last_y, last_z = x >> 3, y >> 3, z >> 3
                row = morton.find(table_keys, table_slots, morton.brick_key(last_x, last_y, last_z))
            if row != EMPTY:
                near[row, z & 7] |= np.uint64(1) << np.uint64((x & 7) + 8 * (y & 7))
    return near


@jit
def place_pixels(depth_m: Depth, K: NDArray[np.float64], T_map_cam: Pose) -> Points:
    """Return the points (H*W, 3) of a depth image in map, NaN where there is no return."""
    height, width = depth_m.shape
    points = np.full((height * width, 3), np.nan)
    for v in range(height):
        for u in range(width):
            z = np.float64(depth_m[v, u])
            if not 0 < z < np.inf:
                continue
            x, y = (u - K[0, 2]) / K[0, 0] * z, (v - K[1, 2]) / K[1, 1] * z
            for a in range(3):
                points[v * width + u, a] = (
                    T_map_cam[a, 0] * x + T_map_cam[a, 1] * y + T_map_cam[a, 2] * z
                ) + T_map_cam[a, 3]
    return points


@jit
def _is_solid(x: int, y: int, z: int, bricks: Bricks) -> bool:
    """Tell whether a voxel was hit, nothing passed through it since, and it is not ever-free."""
    slot = morton.find(
        bricks.table_keys, bricks.table_slots, morton.brick_key(x >> 3, y >> 3, z >> 3)
    )
    if slot == EMPTY:
        return False
    brick, bit = bricks.planes[slot], np.uint64((x & 7) + 8 * (y & 7))
    word = (brick[HIT_0, z & 7] | brick[HIT_1, z & 7]) & ~brick[CLEAR, z & 7]
    return (word >> bit) & np.uint64(1) == 1


@jit
def _kind_of(x: int, y: int, z: int, bricks: Bricks) -> int:
    """Return what a voxel is: SEED only where none of the 26 around it is solid (Khronos)."""
    slot = morton.find(
        bricks.table_keys, bricks.table_slots, morton.brick_key(x >> 3, y >> 3, z >> 3)
    )
    if slot == EMPTY:
        return LOOSE
    brick, bit = bricks.planes[slot], np.uint64((x & 7) + 8 * (y & 7))
    if (brick[CLEAR, z & 7] >> bit) & np.uint64(1) == 0:
        hits = (brick[HIT_0, z & 7] | brick[HIT_1, z & 7]) >> bit
        return STRUCTURE if hits & np.uint64(1) == 1 else LOOSE
    for dz in range(-1, 2):
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                if _is_solid(x + dx, y + dy, z + dz, bricks):
                    return LOOSE
    return SEED


@jit
def sort_points(
    points: Points,
    origin: Points,
    resolution_m: float,
    max_range_m: float,
    noise: NDArray[np.float64],
    bricks: Bricks,
) -> NDArray[np.uint8]:
    """Return STRUCTURE, LOOSE or SEED for every point (N, 3) in map; STRUCTURE beyond the range.

    Args:
        points: Metres in map; neighbours in the image next to each other.
        origin: Where the sensor is, (3,) metres in map.
        resolution_m: The edge of a voxel.
        max_range_m: Farther points are not looked at.
        noise: How far before a surface a return of it may be: (3,), noise[0] + noise[1] range² metres, at
            most noise[2].
        bricks: What is known of space.
    """
    kinds = np.zeros(len(points), np.uint8)
    last_x = last_y = last_z = np.int64(1) << 60
    kind = STRUCTURE
    reach = 8.0 * KEY_REACH - 2.0
    for i in range(len(points)):
        dx, dy, dz = points[i, 0] - origin[0], points[i, 1] - origin[1], points[i, 2] - origin[2]
        range_m = np.sqrt(dx * dx + dy * dy + dz * dz)
        if not range_m <= max_range_m:  # nor NaN
            continue
        fx, fy, fz = (
            points[i, 0] / resolution_m,
            points[i, 1] / resolution_m,
            points[i, 2] / resolution_m,
        )
        if abs(fx) >= reach or abs(fy) >= reach or abs(fz) >= reach:
            continue
        x, y, z = np.int64(np.floor(fx)), np.int64(np.floor(fy)), np.int64(np.floor(fz))
        if x != last_x or y != last_y or z != last_z:  # neighbours in an image share voxels
            last_x, last_y, last_z = x, y, z
            kind = _kind_of(x, y, z, bricks)
            if kind == SEED and range_m > 0:
                margin_m = min(noise[0] + noise[1] * range_m * range_m, noise[2])
                steps = int(np.ceil(margin_m / resolution_m))
                for k in range(1, steps + 1):
                    s = k * margin_m / steps / range_m / resolution_m
                    if _is_solid(
                        np.int64(np.floor(fx + s * dx)),
                        np.int64(np.floor(fy + s * dy)),
                        np.int64(np.floor(fz + s * dz)),
                        bricks,
                    ):
                        kind = LOOSE
                        break
        kinds[i] = kind
    return kinds


@jit
def pick_near(points: Points, kinds: NDArray[np.uint8], boxes: Points) -> NDArray[np.intp]:
    """Return which points (N, 3) lie in one of the boxes (B, 2, 3) and not in structure."""
    picked = np.empty(len(points), np.intp)
    count = 0
    for i in range(len(points)):
        if kinds[i] == STRUCTURE:
            continue
        for box in boxes:
            if (
                box[0, 0] <= points[i, 0] <= box[1, 0]
                and box[0, 1] <= points[i, 1] <= box[1, 1]
                and box[0, 2] <= points[i, 2] <= box[1, 2]
            ):
                picked[count] = i
                count += 1
                break
    return picked[:count]


@jit
def connect(cells: Cells) -> NDArray[np.int32]:
    """Return the component (C,) of each cell, joined over 26 neighbours; cells are ascending, each once."""
    labels = np.full(len(cells), UNREACHED, np.int32)
    queue = np.empty(len(cells), np.int64)
    count = 0
    for first in range(len(cells)):
        if labels[first] != UNREACHED:
            continue
        labels[first] = count
        queue[0] = first
        head, tail = 0, 1
        while head < tail:
            cell = cells[queue[head]]
            head += 1
            for n in range(27):
                at = _find_neighbour(cells, cell, n)
                if at >= 0 and labels[at] == UNREACHED:
                    labels[at] = count
                    queue[tail] = at
                    tail += 1
        count += 1
    return labels


@jit
def grow(cells: Cells, labels: NDArray[np.int32], bounds: NDArray[np.int64]) -> None:
    """Give cells the label of a neighbour, those nearest to labelled ones first, within a label's bounds.

    Args:
        cells: Each once, ascending.
        labels: (C,), UNREACHED where not known yet; changed in place.
        bounds: The lowest and the highest cell that may have a label, (L, 2, 3): x, y, z with the offset.
    """
    queue = np.empty(len(cells), np.int64)
    head = tail = 0
    for i in range(len(cells)):
        if labels[i] != UNREACHED:
            queue[tail] = i
            tail += 1
    while head < tail:
        here = queue[head]
        head += 1
        label = labels[here]
        for n in range(27):
            at = _find_neighbour(cells, cells[here], n)
            if at < 0 or labels[at] != UNREACHED:
                continue
            is_inside = True
            for a in range(3):
                v = (cells[at] >> (42 - 21 * a)) & 0x1FFFFF
                is_inside = is_inside and bounds[label, 0, a] <= v <= bounds[label, 1, a]
            if is_inside:
                labels[at] = label
                queue[tail] = at
                tail += 1


@jit
def _find_neighbour(cells: Cells, cell: int, number: int) -> int:
    """Return where one of the 27 cells around a cell is among the cells, -1 where it is not."""
    dx, dy, dz = number // 9 - 1, number // 3 % 3 - 1, number % 3 - 1
    wanted = cell + (np.int64(dx) << 42) + (np.int64(dy) << 21) + dz
    at = np.searchsorted(cells, wanted)
    return at if at < len(cells) and cells[at] == wanted else -1
