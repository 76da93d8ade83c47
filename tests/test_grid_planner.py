"""Paths stay in free space and are as short as Dijkstra's."""

import heapq
import itertools

import numpy as np
import pytest

from robomem.errors import UnreachableError
from robomem.spatial.grid_planner import inflate, plan
from robomem.spatial.octree import OccupancyGrid


def grid_of(text):
    rows = [[{"#": 100, ".": 0, "?": -1}[c] for c in line] for line in reversed(text.split())]
    return OccupancyGrid(np.array(rows, np.int8), (0.0, 0.0), 0.1)


def length(path):
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def dijkstra(free, start, goal):
    best, queue = {start: 0.0}, [(0.0, start)]
    while queue:
        cost, cell = heapq.heappop(queue)
        if cell == goal:
            return cost
        for row in (-1, 0, 1):
            for column in (-1, 0, 1):
                to = (cell[0] + row, cell[1] + column)
                inside = 0 <= to[0] < free.shape[0] and 0 <= to[1] < free.shape[1]
                if inside and free[to] and cost + np.hypot(row, column) < best.get(to, np.inf):
                    best[to] = cost + np.hypot(row, column)
                    heapq.heappush(queue, (best[to], to))
    return np.inf


def test_a_path_goes_round_a_wall():
    grid = grid_of("....... ..###.. ....... ")

    path = plan(grid, (0.35, 0.05), (0.35, 0.25), radius_m=0.0)

    assert 0.4 < length(path) < 0.6
    np.testing.assert_allclose(path[0], [0.35, 0.05])
    np.testing.assert_allclose(path[-1], [0.35, 0.25])


def test_unknown_space_is_not_free():
    grid = grid_of("...?... ...?... ...?...")

    with pytest.raises(UnreachableError, match="no path"):
        plan(grid, (0.05, 0.05), (0.65, 0.05), radius_m=0.0)


def test_a_robot_that_is_too_wide_does_not_pass():
    grid = grid_of("...#... ...#... ....... ...#... ...#...")

    assert len(plan(grid, (0.15, 0.25), (0.55, 0.25), radius_m=0.0))
    with pytest.raises(UnreachableError):
        plan(grid, (0.15, 0.25), (0.55, 0.25), radius_m=0.15)


def test_a_goal_inside_a_thing_is_reached_to_the_standoff():
    grid = grid_of("......... ......... .......## .......## .........")

    path = plan(grid, (0.05, 0.25), (0.85, 0.25), radius_m=0.0, standoff_m=0.3)

    assert np.linalg.norm(path[-1] - (0.85, 0.25)) <= 0.3 + 0.08
    with pytest.raises(UnreachableError, match="not known to be free"):
        plan(grid, (0.05, 0.25), (0.85, 0.25), radius_m=0.0)


def test_the_robot_may_start_where_it_stood():
    grid = grid_of("..... ..... .???. ..... .....")

    with pytest.raises(UnreachableError, match="the start"):
        plan(grid_of("????? ????. ????? ????? ?????"), (0.05, 0.05), (0.45, 0.35), radius_m=0.1)
    assert len(
        plan(grid, (0.25, 0.25), (0.05, 0.25), radius_m=0.0, driven_map=np.array([[0.25, 0.25]]))
    )


def test_no_cell_of_a_random_maze_is_entered_that_is_not_free(rng):
    reached = 0
    for _ in range(30):
        values = np.where(rng.random((30, 40)) < 0.25, 100, 0).astype(np.int8)
        values[0, 0] = values[-1, -1] = 0
        free = values == 0
        grid = OccupancyGrid(values, (-1.0, 2.0), 0.1)
        start, goal = (-0.95, 2.05), (2.95, 4.95)
        shortest = dijkstra(free, (0, 0), (29, 39))
        if np.isinf(shortest):
            with pytest.raises(UnreachableError):
                plan(grid, start, goal, radius_m=0.0)
            continue
        path = plan(grid, start, goal, radius_m=0.0)
        reached += 1
        for a, b in itertools.pairwise(path):
            for point in np.linspace(a, b, 50):
                x, y = np.floor((point - (-1.0, 2.0)) / 0.1 + 1e-9).astype(int)
                near = free[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
                assert free[y, x] or near.any()
        assert length(path) <= 0.1 * shortest + 1e-9
    assert reached > 5


def test_inflation_is_the_disc_around_every_blocked_cell(rng):
    free = rng.random((25, 30)) > 0.05

    inflated = inflate(free, 2.5)

    rows, columns = np.nonzero(~free)
    for row, column in np.ndindex(25, 30):
        to_wall = np.hypot(rows - row, columns - column).min()
        to_edge = min(row + 1, column + 1, 25 - row, 30 - column)
        assert inflated[row, column] == (to_wall > 2.5 and to_edge > 2.5)
