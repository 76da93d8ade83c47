"""Which cells belong together: basins of a field of clearances, parted where it narrows."""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit

NONE = -1
Labels = NDArray[np.int64]


@jit
def part_basins(clearance_m: NDArray[np.float32], widest_m: float, drop_m: float) -> Labels:
    """Number the basins of the cells (H, W) of positive clearance from 0, in the order of their first cells.

    Cells come by descending clearance and join their neighbours' basins. Where two basins meet, the lower one ends
    if the pass is wider than `widest_m` to a side, or lies less than `drop_m` below its peak: a watershed by
    persistence, as Chazal et al., "Persistence-Based Clustering in Riemannian Manifolds", 2013. NONE elsewhere.
    """
    height, width = clearance_m.shape
    flat = clearance_m.reshape(-1)
    parent = np.full(height * width, NONE)
    cells = np.flatnonzero(flat > 0)
    for cell in cells[np.argsort(-flat[cells], kind="mergesort")]:
        parent[cell] = cell
        for side in range(4):
            other = _neighbour(cell, side, height, width)
            if other == NONE or parent[other] == NONE:
                continue
            a, b = _root(parent, cell), _root(parent, other)
            if flat[a] < flat[b] or (flat[a] == flat[b] and a > b):
                a, b = b, a  # a is the higher one
            if a != b and (flat[cell] > widest_m or flat[b] - flat[cell] < drop_m):
                parent[b] = a
    labels, number_of_root = np.full(height * width, NONE), np.full(height * width, NONE)
    count = 0
    for cell in cells:
        root = _root(parent, int(cell))
        if number_of_root[root] == NONE:
            number_of_root[root] = count
            count += 1
        labels[cell] = number_of_root[root]
    return labels.reshape(height, width)


@jit
def _neighbour(cell: int, side: int, height: int, width: int) -> int:
    """Return the cell to the right, left, below or above, NONE beyond the edge."""
    r, c = cell // width, cell % width
    if side == 0:
        return cell + 1 if c + 1 < width else NONE
    if side == 1:
        return cell - 1 if c > 0 else NONE
    if side == 2:
        return cell + width if r + 1 < height else NONE
    return cell - width if r > 0 else NONE


@jit
def _root(parent: Labels, cell: int) -> int:
    while parent[cell] != cell:
        parent[cell] = parent[parent[cell]]
        cell = parent[cell]
    return cell
