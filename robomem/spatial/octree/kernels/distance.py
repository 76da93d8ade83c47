"""How far is every voxel of a box from the nearest occupied one?"""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit

TILE = 16  # columns copied out together: neighbours of 4 bytes share a cache line of 64


@jit
def measure_distances(is_occupied: NDArray[np.bool_], resolution_m: float) -> NDArray[np.float32]:
    """Return the metres (nx, ny, nz) from each voxel's centre to that of the nearest occupied one.

    inf where the box (nx, ny, nz), contiguous, holds none. Exact, in time linear in the voxels: Felzenszwalb and
    Huttenlocher, "Distance Transforms of Sampled Functions", 2012, one axis after the other.
    """
    nx, ny, nz = is_occupied.shape
    squared = np.empty((nx, ny, nz), np.float32)  # in voxels
    for x in range(nx):
        for y in range(ny):
            _scan_row(is_occupied[x, y], squared[x, y])
        _sweep(squared[x])
    _sweep(squared.reshape(nx, ny * nz))
    distances = squared.reshape(-1)
    for i in range(len(distances)):
        distances[i] = np.sqrt(distances[i]) * resolution_m
    return squared


@jit
def _scan_row(is_occupied: NDArray[np.bool_], squared: NDArray[np.float32]) -> None:
    """Write the squared distances along one row, forth and back."""
    n = len(is_occupied)
    away = np.float32(np.inf)
    for i in range(n):
        away = np.float32(0) if is_occupied[i] else away + np.float32(1)
        squared[i] = away
    away = np.float32(np.inf)
    for i in range(n - 1, -1, -1):
        away = min(away + np.float32(1), squared[i])
        squared[i] = away * away


@jit
def _sweep(squared: NDArray[np.float32]) -> None:
    """Transform the columns of (n, m) in place."""
    n, m = squared.shape
    tile = np.empty((TILE, n), np.float32)
    places = np.empty(n, np.int64)
    heights = np.empty(n, np.float64)
    begins = np.empty(n, np.float64)
    halves = 0.5 / np.maximum(np.arange(n), 1)
    for first in range(0, m, TILE):
        width = min(TILE, m - first)
        for i in range(n):
            for j in range(width):
                tile[j, i] = squared[i, first + j]
        for j in range(width):
            _lower_envelope(tile[j], places, heights, begins, halves)
        for i in range(n):
            for j in range(width):
                squared[i, first + j] = tile[j, i]


@jit
def _lower_envelope(
    f: NDArray[np.float32],
    places: NDArray[np.int64],
    heights: NDArray[np.float64],
    begins: NDArray[np.float64],
    halves: NDArray[np.float64],
) -> None:
    """Replace f(q) by min over p of (q - p)^2 + f(p): the lower envelope of parabolas, Algorithm 1.

    Args:
        f: Squared distances so far, (n,).
        places: Scratch, (n,): where the parabolas of the envelope have their lowest points, v in the paper.
        heights: Scratch, (n,): f(p) + p^2 of each.
        begins: Scratch, (n,): from where on each is the lowest, z in the paper.
        halves: 1 / (2 i), (n,): a table, for a division takes longer than all the rest.
    """
    n = len(f)
    k = -1
    for q in range(n):
        if f[q] == np.inf:
            continue
        height = np.float64(f[q]) + np.float64(q * q)
        begin = -np.inf
        while k >= 0:
            begin = (height - heights[k]) * halves[q - places[k]]
            if begin > begins[k]:
                break
            k -= 1
            begin = -np.inf
        k += 1
        places[k], heights[k], begins[k] = q, height, begin
    if k < 0:
        return
    last, k = k, 0
    for q in range(n):
        while k < last and begins[k + 1] < q:
            k += 1
        f[q] = heights[k] + np.float64(q * (q - 2 * places[k]))
