"""Routes over a floor: onto the graph of places, through it, off it, and pulled straight."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.errors import UnreachableError
from robomem.geometry import Points
from robomem.spatial.topology.floor import Cells, Floor
from robomem.spatial.topology.graph import PositionGraph
from robomem.spatial.topology.kernels.flood import NONE
from robomem.spatial.topology.kernels.sight import (
    BLOCKED,
    Field,
    pull_straight,
    seen_from,
    sweep_pairs,
)
from robomem.spatial.topology.regions import Rooms

HALF_DIAGONAL = 0.5**0.5  # of a cell
STEP_CELLS = 4  # a path may turn once in so many cells
MOST_STEPS = 16  # between two places
PULLS = 3  # more gain little
AHEAD = 64  # steps that it may be pulled straight over: several places


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A way to drive.

    Attributes:
        waypoints_map: Where it turns, start and goal included, (N, 3) metres in map: centres of cells.
        clearance_m: How far each is from all that is not known to be free, at least, (N,).
        least_clearance_m: The same of the whole route.
        length_m: Of the route.
        place_ids: The places that it was found by; none where it is one straight line.
        region_ids: The rooms that it passes, in order.
    """

    waypoints_map: Points
    clearance_m: NDArray[np.float64]
    least_clearance_m: float
    length_m: float
    place_ids: tuple[int, ...]
    region_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What a robot of one size can drive on: the cells of a floor, and the graph of its places.

    Attributes:
        floor: Its cells.
        field: Their clearances, 0 in blocked passages, and what the robot needs.
        graph: The places, and the ways that are wide enough and open.
        cells: Of the places, (N, 2), in the order of the graph.
    """

    floor: Floor
    field: Field
    graph: PositionGraph[int]
    cells: Cells

    def nearest(self, p_map: Points, *, reach_m: float) -> Cells:
        """Return the cells (N, 2) in reach of a point that the robot can be in, the nearest first."""
        cell, size = self.floor.cells_of(p_map), self.floor.resolution_m
        reach = int(reach_m / size) + 1
        box = np.array([cell - reach, cell + reach + 1])
        low, high = np.maximum(box[0], self.floor.cells[0]), np.minimum(box[1], self.floor.cells[1])
        if (low >= high).any():
            return np.empty((0, 2), np.int64)
        (r0, c0), (r1, c1) = low - self.floor.first, high - self.floor.first
        cells = np.argwhere(self.field.clearance_m[r0:r1, c0:c1] >= self.field.needed_m) + low
        away_m = np.linalg.norm(self.floor.centres_of(cells)[:, :2] - p_map[:2], axis=1)
        is_near = away_m <= reach_m + HALF_DIAGONAL * size  # the cell that it is in, at least
        order = np.argsort(away_m[is_near], kind="stable")
        found: Cells = cells[is_near][order]
        return found

    def seen_from(self, cell: Cells) -> dict[int, float]:
        """Return the places that a cell sees, and how far they are in metres."""
        first = self.floor.first
        rows = np.flatnonzero(seen_from(self.field, cell - first, self.cells - first))
        away_m = np.linalg.norm(self.cells[rows] - cell, axis=1) * self.floor.resolution_m
        return {self.graph.keys[i]: d for i, d in zip(rows.tolist(), away_m.tolist(), strict=True)}

    def least_clearance(self, path: Cells) -> NDArray[np.float32]:
        """Return the least clearance of the cells on each leg of a path (N, 2), BLOCKED if one is not free."""
        return sweep_pairs(self.field, path[:-1] - self.floor.first, path[1:] - self.floor.first)


def find_route(
    ground: Ground,
    rooms: Rooms,
    start_map: Points,
    goal_map: Points,
    *,
    reach_m: tuple[float, float],
) -> Route:
    """Return a short way from start to goal that never leaves what is known to be free.

    Args:
        ground: What the robot can drive on.
        rooms: What it passes.
        start_map: Where it is, (x, y) or more.
        goal_map: Where it should go, the same.
        reach_m: How far from the start, and from the goal, it may begin and end.

    Raises:
        UnreachableError: Start or goal is not known to be free, or no free way joins them.
    """
    starts = ground.nearest(start_map, reach_m=reach_m[0])
    goals = ground.nearest(goal_map, reach_m=reach_m[1])
    for cells, what, point in ((starts, "start", start_map), (goals, "goal", goal_map)):
        if not len(cells):
            raise UnreachableError(f"nothing known to be free is near the {what} {point.tolist()}")
    on, dead_ends = ground.seen_from(starts[0]), set[int]()
    for goal in goals:
        straight = np.stack([starts[0], goal])
        if ground.least_clearance(straight)[0] != BLOCKED:
            return _route(ground, rooms, straight, ())
        off = ground.seen_from(goal)
        if off.keys() <= dead_ends:
            continue
        try:
            over = ground.graph.shortest_path_between(on, off, ground.floor.centres_of(goal)).keys
        except UnreachableError:
            dead_ends |= off.keys()
            continue
        path = np.stack([starts[0], *(ground.cells[ground.graph.index(k)] for k in over), goal])
        return _route(ground, rooms, _pulled(ground, path), over)
    raise UnreachableError(
        f"no known free way leads from {start_map.tolist()} to {goal_map.tolist()}"
    )


def _pulled(ground: Ground, path: Cells) -> Cells:
    """Cut the corners of a path (N, 2), again and again: each time they are nearer to what it goes round."""
    first = ground.floor.first
    for _ in range(PULLS):
        dense = _densified(path)
        path = dense[pull_straight(ground.field, dense - first, AHEAD)]
    return path


def _route(ground: Ground, rooms: Rooms, path: Cells, place_ids: tuple[int, ...]) -> Route:
    floor = ground.floor
    waypoints_map = floor.centres_of(path)
    at = tuple((path - floor.first).T)
    passed = rooms.labels[tuple((_densified(path) - rooms.first).T)]
    return Route(
        waypoints_map,
        ground.field.clearance_m[at].astype(np.float64),
        float(ground.least_clearance(path).min()),
        float(np.linalg.norm(np.diff(waypoints_map, axis=0), axis=1).sum()),
        place_ids,
        tuple(room for room, _ in itertools.groupby(passed[passed != NONE].tolist())),
    )


def _densified(path: Cells) -> Cells:
    """Return a path with cells between its corners, at most MOST_STEPS a leg."""
    parts = [path[:1]]
    for a, b in itertools.pairwise(path):
        steps = int(np.clip(np.linalg.norm(b - a) / STEP_CELLS, 1, MOST_STEPS))
        parts.append(np.rint(np.linspace(a, b, steps + 1)[1:]).astype(np.int64))
    return np.concatenate(parts)
