"""A shortest path for a round robot through the free cells of a 2-D slice of the map."""

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robomem.errors import QueryError, UnreachableError
from robomem.geometry import Points

if TYPE_CHECKING:
    from robomem.spatial.octree import OccupancyGrid

HALF_DIAGONAL_CELLS = 0.5**0.5  # a thing may fill its cell up to the corner
Cells = NDArray[np.bool_]
Cell = tuple[int, int]
NEIGHBOURS = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]


def plan(
    grid: "OccupancyGrid",
    start_map: tuple[float, float],
    goal_map: tuple[float, float],
    *,
    radius_m: float,
    standoff_m: float = 0.0,
    driven_map: Points | None = None,
) -> Points:
    """Return waypoints (N, 2) from start to within `standoff_m` of the goal, metres in map.

    Every cell nearer than `radius_m` to the path is free; unknown is not. The path is A*'s on eight
    neighbours (Hart et al., 1968), then shortened where a straight line stays free.

    Args:
        grid: The slice of the map at the height of the robot.
        start_map: Where the robot is, (x, y).
        goal_map: Where it should go, (x, y); with a stand-off it may be occupied.
        radius_m: The robot's radius.
        standoff_m: How near to the goal is near enough.
        driven_map: Where the robot once stood, (N, 2); its own footprint there is free.

    Raises:
        QueryError: A number is not finite, or negative where it is a distance.
        UnreachableError: The start is not free, or no free path leads near the goal.
    """
    if not np.isfinite([*start_map, *goal_map, radius_m, standoff_m]).all():
        raise QueryError(f"a route needs finite numbers, got {start_map} to {goal_map}")
    if radius_m < 0 or standoff_m < 0:
        raise QueryError(f"radius {radius_m} m and stand-off {standoff_m} m must not be negative")
    free = _free_cells(grid, driven_map, radius_m)
    traversable = inflate(free, radius_m / grid.resolution_m + HALF_DIAGONAL_CELLS)
    start, goal = _cell(grid, start_map), _cell(grid, goal_map)
    if not _contains(traversable, start):
        start = _nearest(
            traversable, start, reach=radius_m / grid.resolution_m + 1, what="the start"
        )
    reach = standoff_m / grid.resolution_m
    if standoff_m == 0 and not _contains(traversable, goal):
        raise UnreachableError(
            f"{goal_map} is not known to be free for a robot of {radius_m} m radius"
        )
    path = _shorten(_search(traversable, start, goal, reach), traversable)
    return np.array([_centre(grid, cell) for cell in path])


def inflate(free: Cells, radius_cells: float) -> Cells:
    """Return the cells (H, W) whose whole disc of that radius is free; what lies outside is not."""
    if 2 * radius_cells >= min(free.shape):
        return np.zeros_like(free)  # a disc larger than the grid always reaches outside
    reach = int(np.ceil(radius_cells))
    padded = np.pad(~free, reach, constant_values=True)
    blocked = np.zeros_like(free)
    height, width = free.shape
    for row in range(-reach, reach + 1):
        for column in range(-reach, reach + 1):
            if row * row + column * column <= radius_cells * radius_cells:
                blocked |= padded[
                    reach + row : reach + row + height, reach + column : reach + column + width
                ]
    return ~blocked


def _free_cells(grid: "OccupancyGrid", driven_map: Points | None, radius_m: float) -> Cells:
    """Return the cells known to be free, and those where the robot itself once stood."""
    free: Cells = grid.values == 0
    if driven_map is None or not free.size:
        return free
    rows, columns = np.indices(free.shape)
    for x, y in np.unique(np.round(driven_map[:, :2], 1), axis=0):
        row, column = _cell(grid, (x, y))
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= (
            radius_m / grid.resolution_m + 1
        ) ** 2
        free |= disc & (grid.values == -1)
    return free


def _search(traversable: Cells, start: Cell, goal: Cell, reach: float) -> list[Cell]:
    came_from: dict[Cell, Cell] = {}
    cost = {start: 0.0}
    queue = [(max(0.0, np.hypot(start[0] - goal[0], start[1] - goal[1]) - reach), start)]
    closed: set[Cell] = set()
    while queue:
        _, cell = heapq.heappop(queue)
        if np.hypot(cell[0] - goal[0], cell[1] - goal[1]) <= reach + 1e-9:
            return _trace_back(came_from, cell)
        if cell in closed:
            continue
        closed.add(cell)
        for neighbour, step in _steps(traversable, cell):
            new_cost = cost[cell] + step
            if new_cost < cost.get(neighbour, np.inf):
                cost[neighbour], came_from[neighbour] = new_cost, cell
                away = np.hypot(neighbour[0] - goal[0], neighbour[1] - goal[1])
                heapq.heappush(queue, (new_cost + max(0.0, away - reach), neighbour))
    raise UnreachableError("no path through remembered free space leads there")


def _steps(traversable: Cells, cell: Cell) -> Iterator[tuple[Cell, float]]:
    for row, column in NEIGHBOURS:
        neighbour = (cell[0] + row, cell[1] + column)
        if _contains(traversable, neighbour):
            yield neighbour, float(np.hypot(row, column))


def _trace_back(came_from: dict[Cell, Cell], cell: Cell) -> list[Cell]:
    path = [cell]
    while path[-1] in came_from:
        path.append(came_from[path[-1]])
    return path[::-1]


def _shorten(path: list[Cell], traversable: Cells) -> list[Cell]:
    """Keep only the corners: from each, go straight to the farthest cell in free sight."""
    corners, i = [path[0]], 0
    while i < len(path) - 1:
        j = len(path) - 1
        while j > i + 1 and not _is_line_free(traversable, path[i], path[j]):
            j -= 1
        corners.append(path[j])
        i = j
    return corners


def _is_line_free(traversable: Cells, a: Cell, b: Cell) -> bool:
    """Tell whether every cell on the line between two cells' centres is free."""
    steps = 2 * max(abs(b[0] - a[0]), abs(b[1] - a[1]), 1)
    rows, columns = np.rint(np.linspace(a, b, steps + 1)).astype(np.intp).T
    return bool(traversable[rows, columns].all())


def _nearest(traversable: Cells, cell: Cell, *, reach: float, what: str) -> Cell:
    rows, columns = np.nonzero(traversable)
    distance = np.hypot(rows - cell[0], columns - cell[1])
    if not len(rows) or distance.min() > reach:
        raise UnreachableError(f"{what} is not in remembered free space")
    best = int(distance.argmin())
    return int(rows[best]), int(columns[best])


def _contains(cells: Cells, cell: Cell) -> bool:
    row, column = cell
    return bool(0 <= row < cells.shape[0] and 0 <= column < cells.shape[1] and cells[row, column])


def _cell(grid: "OccupancyGrid", p_map: tuple[float, float]) -> Cell:
    x, y = p_map[0] - grid.origin_map[0], p_map[1] - grid.origin_map[1]
    return int(np.floor(y / grid.resolution_m)), int(np.floor(x / grid.resolution_m))


def _centre(grid: "OccupancyGrid", cell: Cell) -> tuple[float, float]:
    return (
        grid.origin_map[0] + (cell[1] + 0.5) * grid.resolution_m,
        grid.origin_map[1] + (cell[0] + 0.5) * grid.resolution_m,
    )
