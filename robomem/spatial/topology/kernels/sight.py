"""What a robot's disc can reach in a straight line, on a grid of clearances.

A line between the centres of two cells is free when every cell that it touches has the clearance that is needed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit

Cells = NDArray[np.int64]  # (N, 2) rows and columns
BLOCKED = -1.0


class Field(NamedTuple):
    """Clearances (H, W) in metres, and how much a cell needs for the robot to be anywhere in it."""

    clearance_m: NDArray[np.float32]
    needed_m: float


@jit
def sweep(field: Field, a: Cells, b: Cells) -> float:
    """Return the least clearance of the cells that the line from a to b touches; BLOCKED if that is too little."""
    steps_r, steps_c = abs(b[0] - a[0]), abs(b[1] - a[1])
    r, c = a[0], a[1]
    step_r, step_c = np.sign(b[0] - r), np.sign(b[1] - c)
    done_r = done_c = 0
    least = field.clearance_m[r, c]
    while least >= field.needed_m and (done_r < steps_r or done_c < steps_c):
        side = (1 + 2 * done_c) * steps_r - (1 + 2 * done_r) * steps_c
        if side == 0:  # through a corner: it touches the cells on both sides
            least = min(least, field.clearance_m[r + step_r, c], field.clearance_m[r, c + step_c])
        if side >= 0:
            r += step_r
            done_r += 1
        if side <= 0:
            c += step_c
            done_c += 1
        least = min(least, field.clearance_m[r, c])
    return least if least >= field.needed_m else BLOCKED


@jit
def sweep_pairs(field: Field, a: Cells, b: Cells) -> NDArray[np.float32]:
    """Return `sweep` of each pair, (N,)."""
    least = np.empty(len(a), np.float32)
    for i in range(len(a)):
        least[i] = sweep(field, a[i], b[i])
    return least


@jit
def cover(field: Field, tile: Cells, seeds: Cells, reach: float) -> Cells:
    """Choose cells of a tile so that each cell with the needed clearance sees one of them, or a seed, in reach.

    The clearest cell that sees none comes next: first the middles of open space, then along its ridges, then corners.

    Args:
        field: The clearances.
        tile: Its first cell and one beyond the last, (2, 2).
        seeds: Cells outside that were chosen before, (K, 2).
        reach: In cells.
    """
    shape = tile[1] - tile[0]
    is_covered = np.zeros((shape[0], shape[1]), np.bool_)
    for i in range(len(seeds)):
        _mark(field, tile, seeds[i], reach, is_covered)
    clearance_m = field.clearance_m[tile[0, 0] : tile[1, 0], tile[0, 1] : tile[1, 1]].copy()
    chosen = np.empty((shape[0] * shape[1], 2), np.int64)
    count = 0
    for flat in np.argsort(-clearance_m.reshape(-1), kind="mergesort"):
        r, c = flat // shape[1], flat % shape[1]
        if clearance_m[r, c] < field.needed_m:
            break
        if not is_covered[r, c]:
            chosen[count, 0], chosen[count, 1] = tile[0, 0] + r, tile[0, 1] + c
            _mark(field, tile, chosen[count], reach, is_covered)
            count += 1
    return chosen[:count]


@jit
def _mark(
    field: Field, tile: Cells, place: Cells, reach: float, is_covered: NDArray[np.bool_]
) -> None:
    """Mark the cells of a tile that see a place in reach."""
    span = int(reach)
    cell = np.empty(2, np.int64)
    for r in range(max(tile[0, 0], place[0] - span), min(tile[1, 0], place[0] + span + 1)):
        for c in range(max(tile[0, 1], place[1] - span), min(tile[1, 1], place[1] + span + 1)):
            if is_covered[r - tile[0, 0], c - tile[0, 1]]:
                continue
            cell[0], cell[1] = r, c
            is_near = (r - place[0]) ** 2 + (c - place[1]) ** 2 <= reach * reach
            if is_near and sweep(field, place, cell) != BLOCKED:
                is_covered[r - tile[0, 0], c - tile[0, 1]] = True


@jit
def nearest_seen(field: Field, tile: Cells, places: Cells, reach: float) -> NDArray[np.int64]:
    """Return which place is the nearest that each cell of a tile sees in reach, the first of equals; -1 if none."""
    shape = tile[1] - tile[0]
    nearest = np.full((shape[0], shape[1]), -1)
    squared = np.full((shape[0], shape[1]), reach * reach + 0.5)
    cell = np.empty(2, np.int64)
    span = int(reach)
    for i in range(len(places)):
        low = np.maximum(tile[0], places[i] - span)
        high = np.minimum(tile[1], places[i] + span + 1)
        for r in range(low[0], high[0]):
            for c in range(low[1], high[1]):
                cell[0], cell[1] = r, c
                away = (r - places[i, 0]) ** 2 + (c - places[i, 1]) ** 2
                at = r - tile[0, 0], c - tile[0, 1]
                if away < squared[at] and sweep(field, cell, places[i]) != BLOCKED:
                    nearest[at], squared[at] = i, away
    return nearest


@jit
def seen_from(field: Field, cell: Cells, places: Cells) -> NDArray[np.bool_]:
    """Tell which places (N, 2) a cell (2,) sees."""
    is_seen = np.empty(len(places), np.bool_)
    for i in range(len(places)):
        is_seen[i] = sweep(field, cell, places[i]) != BLOCKED
    return is_seen


@jit
def pull_straight(field: Field, path: Cells, ahead: int) -> NDArray[np.int64]:
    """Return which cells of a path (N, 2) make it shortest, each seen by the next and at most `ahead` before it.

    By dynamic programming; among the cells there must be such a path.
    """
    n = len(path)
    length = np.full(n, np.inf)
    came_from = np.zeros(n, np.int64)
    length[0] = 0.0
    for j in range(1, n):
        for i in range(j - 1, max(-1, j - 1 - ahead), -1):
            away = np.sqrt(float((path[j, 0] - path[i, 0]) ** 2 + (path[j, 1] - path[i, 1]) ** 2))
            if length[i] + away < length[j] and sweep(field, path[i], path[j]) != BLOCKED:
                length[j], came_from[j] = length[i] + away, i
    kept = [n - 1]
    while kept[-1] > 0:
        kept.append(came_from[kept[-1]])
    return np.array(kept)[::-1]
