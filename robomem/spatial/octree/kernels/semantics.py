"""The kernels of the semantic layer: codes of the points of one view, fused voxel by voxel over views.

Code 0 is none: nothing was said, or nothing is known.
"""

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.jit import jit
from robomem.spatial.octree.kernels.morton import KEY_REACH, Keys, Slots, brick_key

Codes = NDArray[np.uint16]
Weights = NDArray[np.uint8]
Voxels = NDArray[np.int16]  # 0 .. 511: x + 8 y + 64 z in the brick

HEAVIEST = 255


def reduce_view(points: Points, codes: Codes, resolution_m: float) -> tuple[Keys, Voxels, Codes]:
    """Return one observation per voxel of a view: what most of its points there say, else the lowest code.

    The order, by brick key and voxel, does not depend on that of the points.

    Args:
        points: Returns, (N, 3) metres in map; rows not finite or out of the addressable space are skipped.
        codes: What each of them is, (N,); 0 is skipped.
        resolution_m: Edge of a voxel.

    Returns:
        Brick keys (M,), voxels (M,), codes (M,).
    """
    keys, voxels, run_codes, lengths = find_runs(points, codes, resolution_m)
    order = np.lexsort((run_codes, voxels, keys))
    return elect(keys[order], voxels[order], run_codes[order], lengths[order])


@jit
def find_runs(
    points: Points, codes: Codes, resolution_m: float
) -> tuple[Keys, Voxels, Codes, Slots]:
    """Return runs of points that follow each other, in one voxel and of one code: key, voxel, code, length.

    Neighbours in an image are neighbours in space: so there is ten times less to sort.
    """
    keys = np.empty(len(points), np.int64)
    voxels = np.empty(len(points), np.int16)
    run_codes = np.empty(len(points), np.uint16)
    lengths = np.empty(len(points), np.int32)
    reach = 8.0 * KEY_REACH
    count = 0
    last_x, last_y, last_z, last_code = 0.0, 0.0, 0.0, np.uint16(0)
    for i in range(len(points)):
        x = np.floor(points[i, 0] / resolution_m)
        y = np.floor(points[i, 1] / resolution_m)
        z = np.floor(points[i, 2] / resolution_m)
        if codes[i] == 0 or not (abs(x) < reach and abs(y) < reach and abs(z) < reach):  # NaN too
            continue
        if codes[i] == last_code and x == last_x and y == last_y and z == last_z:
            lengths[count - 1] += 1
            continue
        last_x, last_y, last_z, last_code = x, y, z, codes[i]
        vx, vy, vz = np.int64(x), np.int64(y), np.int64(z)
        keys[count] = brick_key(vx >> 3, vy >> 3, vz >> 3)
        voxels[count] = (vx & 7) + 8 * (vy & 7) + 64 * (vz & 7)
        run_codes[count] = codes[i]
        lengths[count] = 1
        count += 1
    return keys[:count], voxels[:count], run_codes[:count], lengths[:count]


@jit
def elect(keys: Keys, voxels: Voxels, codes: Codes, lengths: Slots) -> tuple[Keys, Voxels, Codes]:
    """Return for every voxel the code with the most points, of runs sorted by key, voxel and code."""
    winner = np.empty(len(keys), np.int64)  # of a voxel, as the first run of its code
    count = 0
    most = 0
    i = 0
    while i < len(keys):
        first, votes = i, 0
        while (
            i < len(keys)
            and keys[i] == keys[first]
            and voxels[i] == voxels[first]
            and codes[i] == codes[first]
        ):
            votes += lengths[i]
            i += 1
        previous = winner[count - 1] if count > 0 else -1
        if previous < 0 or keys[previous] != keys[first] or voxels[previous] != voxels[first]:
            winner[count] = first
            count += 1
            most = votes
        elif votes > most:
            winner[count - 1] = first
            most = votes
    winner = winner[:count]
    return keys[winner], voxels[winner], codes[winner]


@jit
def fuse(
    code_blocks: Codes, weight_blocks: Weights, rows: Slots, voxels: Voxels, codes: Codes
) -> None:
    """Vote once for every observation: a code that more than half of the views saw stands in the end.

    Boyer and Moore, "MJRTY: a fast majority vote algorithm", 1991. A weight stops at 255, so what was
    seen without end can still be outvoted.

    Args:
        code_blocks: What each voxel is, (B, 512); changed in place.
        weight_blocks: By how many votes, (B, 512); changed in place.
        rows: The block of each observation, (M,).
        voxels: Its voxel in the brick, (M,).
        codes: What was seen there, (M,), not 0.
    """
    for i in range(len(rows)):
        row, voxel = rows[i], voxels[i]
        weight = weight_blocks[row, voxel]
        if weight == 0:
            code_blocks[row, voxel] = codes[i]
            weight_blocks[row, voxel] = 1
        elif code_blocks[row, voxel] != codes[i]:
            weight_blocks[row, voxel] = weight - 1
        elif weight < HEAVIEST:
            weight_blocks[row, voxel] = weight + 1


@jit
def select(code_blocks: Codes, rows: Slots, is_wanted: NDArray[np.bool_]) -> tuple[Slots, Voxels]:
    """Return where the wanted codes are: the index into `rows` and the voxel, in that order.

    Args:
        code_blocks: Codes, (B, 512).
        rows: The blocks to look into, (R,).
        is_wanted: One answer per code, (codes,).
    """
    count = 0
    for r in range(len(rows)):
        for v in range(512):
            count += is_wanted[code_blocks[rows[r], v]]
    indices = np.empty(count, np.int32)
    voxels = np.empty(count, np.int16)
    i = 0
    for r in range(len(rows)):
        for v in range(512):
            if is_wanted[code_blocks[rows[r], v]]:
                indices[i] = r
                voxels[i] = v
                i += 1
    return indices, voxels
