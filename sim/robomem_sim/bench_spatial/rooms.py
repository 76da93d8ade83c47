"""Rooms and routes of a house, from what a memory of it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import UnreachableError
from robomem.eval.trial import Stopwatch, Times, median_of
from robomem.geometry import Points
from robomem.memory import Memory
from robomem.spatial.grid_planner import plan
from robomem.spatial.topology.regions import Region
from robomem_sim.bench_spatial.houses import Lived
from robomem_sim.house import House
from robomem_sim.robot import ROBOT_RADIUS_M

SHORTEST_M = 0.5  # less is no route


@dataclass(frozen=True, slots=True)
class Rooms:
    """Rooms and routes of a house.

    Attributes:
        seed: Of the house.
        true_rooms: It has,
        rooms: and were found.
        rand_index: Adjusted Rand index of the two, over the cells of the floor: 1 is the same, 0 is chance.
        named: Part of the true rooms whose best match has their name, by the things that were remembered.
        find_s: From a map to its topology.
        route: Times of routes.
        routes: Asked for,
        unreachable: and those of them that were not found.
        length_ratio: Of a route to the one that a search cell by cell finds in the same map, median,
        length_ratio_worst: and greatest.
        least_clearance_m: How near any of them comes to anything, by the truth: the robot's radius is 0.25 m.
    """

    seed: int
    true_rooms: int
    rooms: int
    rand_index: float
    named: float
    find_s: float
    route: Times
    routes: int
    unreachable: int
    length_ratio: float | None
    length_ratio_worst: float | None
    least_clearance_m: float | None


@dataclass(frozen=True, slots=True)
class _Routes:
    """What became of routes; lengths and clearances of those that were found."""

    times: Times
    unreachable: int
    ratios: list[float]
    clearances_m: list[float]


def measure_rooms(lived: Lived, *, routes: int) -> Rooms:
    """Hold rooms and routes of a memory against its house.

    Args:
        lived: Both.
        routes: How many are asked for.
    """
    finding = Stopwatch()
    with finding.timing():
        lived.memory.floor()
    regions = lived.memory.rooms()
    found = _measure_routes(lived, routes)
    return Rooms(
        seed=lived.seed,
        true_rooms=len(lived.house.rooms),
        rooms=len(regions),
        rand_index=_rand_index(regions, lived.house),
        named=_named(regions, lived.house),
        find_s=finding.total_s,
        route=found.times,
        routes=routes,
        unreachable=found.unreachable,
        length_ratio=median_of(found.ratios),
        length_ratio_worst=max(found.ratios, default=None),
        least_clearance_m=min(found.clearances_m, default=None),
    )


def adjusted_rand_index(some: ArrayLike, others: ArrayLike) -> float:
    """Return how alike two partitions (N,) of the same elements are: 1 is the same, 0 is chance.

    Hubert and Arabie, "Comparing Partitions", 1985, Equation (5).
    """
    (_, a), (_, b) = (np.unique(labels, return_inverse=True) for labels in (some, others))
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    both, of_a, of_b, whole = (
        float((n * (n - 1) / 2).sum())
        for n in (table, table.sum(axis=1), table.sum(axis=0), table.sum())
    )
    expected = of_a * of_b / whole
    most = (of_a + of_b) / 2
    return (both - expected) / (most - expected) if most != expected else 1.0


def true_rooms(house: House, points_map: Points) -> NDArray[np.int64]:
    """Return the row of the room that each point (N, 2) or (N, 3) is in, -1 in doorways and outside."""
    rows = np.full(len(points_map), -1)
    for row, room in enumerate(house.rooms):
        r = room.inside
        x, y = points_map[:, 0], points_map[:, 1]
        rows[(x >= r.x_min) & (x <= r.x_max) & (y >= r.y_min) & (y <= r.y_max)] = row
    return rows


def _rand_index(regions: Sequence[Region], house: House) -> float:
    cells_map = np.concatenate([region.cells_map for region in regions])
    found = np.repeat([r.region_id for r in regions], [len(r.cells_map) for r in regions])
    true = true_rooms(house, cells_map)
    is_inside = true >= 0
    return adjusted_rand_index(found[is_inside], true[is_inside])


def _named(regions: Sequence[Region], house: House) -> float:
    cells = [true_rooms(house, region.cells_map) for region in regions]
    right = 0
    for row, room in enumerate(house.rooms):
        shared = [int((of_region == row).sum()) for of_region in cells]
        right += regions[int(np.argmax(shared))].name == room.name
    return right / len(house.rooms)


def _measure_routes(lived: Lived, count: int) -> _Routes:
    rng, routing = np.random.default_rng([lived.seed, 2]), Stopwatch()
    free_space, memory = lived.house.free_space, lived.memory
    points = free_space.reachable((0.0, 0.0), radius_m=ROBOT_RADIUS_M + 0.05)
    ratios, clearances_m, unreachable = [], [], 0
    for start, goal in points[rng.integers(len(points), size=(count, 2))]:
        try:
            with routing.timing():
                path = memory.route((*start, 0.0), goal, standoff_m=0.1, radius_m=ROBOT_RADIUS_M)
            shortest_m = _shortest_m(memory, start, goal)
        except UnreachableError:
            unreachable += 1
            continue
        clearances_m.append(free_space.least_clearance(path[:, :2]))
        if shortest_m > SHORTEST_M:
            ratios.append(length_m(path) / shortest_m)
    return _Routes(routing.times(), unreachable, ratios, clearances_m)


def _shortest_m(memory: Memory, start: NDArray[np.float64], goal: NDArray[np.float64]) -> float:
    """Return how long the way is that a search cell by cell finds, pulled straight."""
    config = memory.config.route
    (x, y), (goal_x, goal_y) = start.tolist(), goal.tolist()
    return length_m(
        plan(
            memory.map.slice_2d(config.z_min_m, config.z_max_m),
            (x, y),
            (goal_x, goal_y),
            radius_m=ROBOT_RADIUS_M,
            standoff_m=0.1,
            driven_map=np.array([k.T_map_kf[:3, 3] for k in memory.keyframes()]),
        )
    )


def length_m(path: Points) -> float:
    """Return the length of a path (N, 2) or (N, 3)."""
    return float(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1).sum())
