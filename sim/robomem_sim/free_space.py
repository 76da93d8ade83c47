"""Where the robot can be, by the truth: exact clearances, routes, and the check of a route.

This is the simulator's own; the memory plans on what it has seen.
"""

import heapq
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem_sim.shapes import Part, bounds

XY = NDArray[np.float64]  # (2,) metres in map
Mask = NDArray[np.bool_]
Cell = tuple[int, int]  # row (y), column (x)

LOW_M = 0.02  # lower than this the robot drives over it
HIGH_M = 1.2  # higher than this it drives under it: the robot ends here
CHECK_STEP_M = 0.02
CELL_M = 0.1
NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


class FreeSpace:
    """The floor plane with the footprints of everything that stands in the robot's way."""

    def __init__(self, parts: Sequence[Part], *, low: ArrayLike, high: ArrayLike) -> None:
        """Take the obstacles.

        Args:
            parts: Everything in the house, metres in map.
            low: Least x, y of the house, (2,) metres in map.
            high: Greatest x, y of the house, (2,) metres in map.
        """
        self._obstacles = _obstacles(parts)
        self._low = np.asarray(low, dtype=np.float64)
        size = np.asarray(high, dtype=np.float64) - self._low
        self._columns, self._rows = (int(n) for n in np.floor(size / CELL_M))
        self._clearance_m = self.clearance(self._centers()).reshape(self._rows, self._columns)

    def clearance(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return the distance of points (N, 2) to the nearest obstacle, metres; inside is <= 0."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        nearest = np.full(len(points), np.inf)
        for x, y, half_x, half_y, radius in self._obstacles:
            dx = np.maximum(np.abs(points[:, 0] - x) - half_x, 0)
            dy = np.maximum(np.abs(points[:, 1] - y) - half_y, 0)
            np.minimum(nearest, np.hypot(dx, dy) - radius, out=nearest)
        return nearest

    def is_free(self, path: ArrayLike, *, radius_m: float) -> bool:
        """Tell whether a disc can follow a path of straight legs (N, 2) without touching anything."""
        return self.least_clearance(path) >= radius_m

    def least_clearance(self, path: ArrayLike) -> float:
        """Return how near a path of straight legs (N, 2) comes to any obstacle, metres."""
        dense = np.vstack(list(_densified(np.asarray(path, dtype=np.float64)[:, :2])))
        return float(self.clearance(dense).min())

    def reachable(self, start: ArrayLike, *, radius_m: float) -> XY:
        """Return the cell centres (N, 2) in map that a disc at `start` (2,) can get to."""
        free = self._clearance_m >= radius_m
        reached = np.zeros_like(free)
        reached[self._nearest_free(start, free)] = True
        while True:
            grown = _grown(reached) & free
            if (grown == reached).all():
                return self._centers().reshape(self._rows, self._columns, 2)[reached]
            reached = grown

    def route(self, start: ArrayLike, goal: ArrayLike, *, radius_m: float) -> XY:
        """Return the shortest route of a disc on the grid, pulled straight, (N, 2) in map.

        Raises:
            ValueError: There is none.
        """
        start, goal = np.asarray(start, dtype=np.float64), np.asarray(goal, dtype=np.float64)
        free = self._clearance_m >= radius_m
        cells = _search(free, self._nearest_free(start, free), self._nearest_free(goal, free))
        return self._pulled(np.array([start, *map(self._center, cells[1:-1]), goal]), radius_m)

    def _pulled(self, path: XY, radius_m: float) -> XY:
        kept = [0]
        while kept[-1] < len(path) - 1:
            ends = range(len(path) - 1, kept[-1], -1)
            straight = (e for e in ends if self.is_free(path[[kept[-1], e]], radius_m=radius_m))
            kept.append(next(straight, kept[-1] + 1))
        return path[kept]

    def _centers(self) -> XY:
        columns, rows = np.meshgrid(np.arange(self._columns), np.arange(self._rows))
        cells = np.stack([columns, rows], axis=-1).reshape(-1, 2)
        centers: XY = self._low + (cells + 0.5) * CELL_M
        return centers

    def _center(self, cell: Cell) -> XY:
        center: XY = self._low + (np.array(cell[::-1]) + 0.5) * CELL_M
        return center

    def _nearest_free(self, point: ArrayLike, free: Mask) -> Cell:
        cells = np.argwhere(free)
        centers = self._low + (cells[:, ::-1] + 0.5) * CELL_M
        row, column = cells[np.linalg.norm(centers - np.asarray(point), axis=1).argmin()]
        return int(row), int(column)


def _obstacles(parts: Sequence[Part]) -> NDArray[np.float64]:
    """Return footprints (N, 5): centre x, y, half extents of the box, radius round it."""
    rows = []
    for part in parts:
        low, high = bounds([part])[:, 2]
        if high > LOW_M and low < HIGH_M:
            half_x, half_y, radius = part.size[0] / 2, part.size[1] / 2, 0.0
            if part.is_round:
                half_x, half_y, radius = 0.0, 0.0, half_x
            rows.append((part.center[0], part.center[1], half_x, half_y, radius))
    return np.array(rows)


def _densified(path: XY) -> Iterator[XY]:
    yield path[:1]
    for start, end in itertools.pairwise(path):
        steps = max(1, int(np.ceil(np.linalg.norm(end - start) / CHECK_STEP_M)))
        yield start + (end - start) * (np.arange(1, steps + 1) / steps)[:, None]


def _grown(mask: Mask) -> Mask:
    """Add the four neighbours of every cell."""
    padded = np.pad(mask, 1)
    grown: Mask = mask | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return grown


def _search(free: Mask, start: Cell, goal: Cell) -> list[Cell]:
    """Return the cells of the shortest path; Hart, Nilsson and Raphael, "A*", 1968."""
    came_from: dict[Cell, Cell] = {start: start}
    cost = {start: 0.0}
    queue = [(_distance(start, goal), start)]
    while queue:
        _, cell = heapq.heappop(queue)
        if cell == goal:
            return _traced(came_from, goal)
        for step in _steps(free, cell):
            through = cost[cell] + _distance(cell, step)
            if through < cost.get(step, np.inf):
                cost[step], came_from[step] = through, cell
                heapq.heappush(queue, (through + _distance(step, goal), step))
    raise ValueError(f"no way from cell {start} to cell {goal}")


def _steps(free: Mask, cell: Cell) -> Iterator[Cell]:
    rows, columns = free.shape
    for d_row, d_column in NEIGHBOURS:
        row, column = cell[0] + d_row, cell[1] + d_column
        if 0 <= row < rows and 0 <= column < columns and free[row, column]:
            yield row, column


def _distance(a: Cell, b: Cell) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _traced(came_from: dict[Cell, Cell], goal: Cell) -> list[Cell]:
    cells = [goal]
    while came_from[cells[-1]] != cells[-1]:
        cells.append(came_from[cells[-1]])
    return cells[::-1]
