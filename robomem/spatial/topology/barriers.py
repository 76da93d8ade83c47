"""Lines that nobody drives across: passages that the map says are free and the robot knows are not."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from robomem.spatial.topology.floor import FREE, Cells, Floor

STEP_CELLS = 0.25
Line = NDArray[np.float64]  # (2, 2): from (x, y) to (x, y), metres in map


def line_across(floor: Floor, a: Cells, b: Cells, *, reach_m: float) -> Line:
    """Return the line across the way between two cells where it is narrowest, up to what is not free.

    Args:
        floor: The cells.
        a: Where the way begins, (2,).
        b: Where it ends, (2,).
        reach_m: The line ends so far to each side of the way.
    """
    way = _between(a + 0.5, b + 0.5)
    narrowest = way[
        np.argmin(floor.clearance_m[tuple((np.floor(way).astype(int) - floor.first).T)])
    ]
    along = (b - a) / float(np.linalg.norm(b - a))
    ends = []
    for side in (-1.0, 1.0):
        beyond = narrowest + side * reach_m / floor.resolution_m * np.array([-along[1], along[0]])
        line = _between(narrowest, beyond)
        cells = np.floor(line).astype(np.int64) - floor.first
        is_inside = np.all((cells >= 0) & (cells < floor.body.shape), axis=1)
        cells = np.where(is_inside[:, None], cells, 0)
        is_free = is_inside & (floor.body[tuple(cells.T)] == FREE)
        ends.append(line[len(line) - 1 if is_free.all() else int(np.argmin(is_free))])
    return np.array(ends)[:, ::-1] * floor.resolution_m


def closed(floor: Floor, lines: Iterable[Line]) -> NDArray[np.float32]:
    """Return the clearances of a floor, 0 on these lines."""
    clearance_m = floor.clearance_m.copy()
    for line in lines:
        points = _between(*(line[:, ::-1] / floor.resolution_m))
        # The four cells round each point: no straight way slips through between two cells.
        for shift in ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)):
            cells = np.floor(points + shift).astype(np.int64) - floor.first
            is_inside = ((cells >= 0) & (cells < clearance_m.shape)).all(axis=1)
            clearance_m[tuple(cells[is_inside].T)] = 0.0
    return clearance_m


def _between(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return points (N, 2) from a to b, in cells."""
    steps = int(np.ceil(np.abs(b - a).max() / STEP_CELLS)) + 1
    return np.linspace(a, b, steps)
