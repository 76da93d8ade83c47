"""A box of voxels as a dense array."""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit
from robomem.spatial.octree.kernels.layout import PAGED, UNIFORM, Bricks, Nodes
from robomem.spatial.octree.kernels.levels import corner_of
from robomem.spatial.octree.kernels.morton import EMPTY, KEY_BITS, Keys


@jit
def fill_box(
    bricks: Bricks, nodes: Nodes, first: NDArray[np.int64], values: NDArray[np.int16]
) -> Keys:
    """Write into values (nx, ny, nz) the log-odds of the voxels from `first` (3,) on.

    What is unknown or on disk is left as it is: begin with zeros. With regions in memory one after the other
    give `nodes._replace(root=the row of one)` for each.

    Returns:
        The keys (N,) of the regions that the box touches and that are on disk.
    """
    regions = np.empty(len(nodes.keys), np.int64)
    stack = np.empty(8 * KEY_BITS, np.int32)
    count, height = 0, 0
    if nodes.root != EMPTY:
        stack[0] = nodes.root
        height = 1
    while height:
        height -= 1
        row = stack[height]
        below = np.int64(nodes.levels[row]) - 1
        is_paged = False
        for c in range(8):
            child = nodes.children[row, c]
            if child == EMPTY or not _touches(8 * nodes.keys[row] + c, below, first, values):
                continue
            if child == PAGED:
                is_paged = True
            elif below == 0:
                _copy_brick(bricks, child, first, values)
            else:
                stack[height] = child
                height += 1
        if is_paged:
            regions[count] = nodes.keys[row]
            count += 1
    return regions[:count]


@jit
def _touches(key: int, level: int, first: NDArray[np.int64], values: NDArray[np.int16]) -> bool:
    """Tell whether a cell and the box have a voxel in common."""
    corner = corner_of(key, level)
    edge = 8 << level
    for a in range(3):
        if corner[a] + edge <= first[a] or corner[a] >= first[a] + values.shape[a]:
            return False
    return True


@jit
def _copy_brick(
    bricks: Bricks, slot: int, first: NDArray[np.int64], values: NDArray[np.int16]
) -> None:
    """Copy that part of a brick that is in the box."""
    cx, cy, cz = corner_of(bricks.keys[slot], 0)
    cx, cy, cz = cx - first[0], cy - first[1], cz - first[2]  # the corner in the box
    low, high = max(0, -cz), min(8, values.shape[2] - cz)
    block = bricks.blocks[slot]
    for x in range(max(0, -cx), min(8, values.shape[0] - cx)):
        for y in range(max(0, -cy), min(8, values.shape[1] - cy)):
            column = values[cx + x, cy + y, cz + low : cz + high]
            if block == UNIFORM:
                column[:] = bricks.uniform[slot]
            else:
                for z in range(low, high):
                    column[z - low] = bricks.log_odds[block, x + 8 * y + 64 * z]
