"""How fast do maps answer?"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from robomem.eval.measure import cpu_ms
from robomem.eval.peers import EXACT, FAST, OccupancyMap, RobomemMap
from robomem.eval.plan import Settings, Setup
from robomem.eval.results import QueryRate
from robomem.geometry import Points

RUNS = 3  # the best counts
REACH = 0.49  # of a voxel: how far from its centre a point may lie


def query_rates(
    maps: Mapping[str, OccupancyMap], setup: Setup, *, settings: Settings
) -> tuple[QueryRate, ...]:
    """Ask all maps for the same points in known space, and the same rays from free space.

    A map that is asked one by one is asked fewer.
    """
    rng = np.random.default_rng(settings.seed)
    exact = maps[EXACT]
    assert isinstance(exact, RobomemMap)
    free = exact.octree.free()
    known = np.concatenate([free, exact.octree.occupied()])
    points = _sample(known, settings.points, setup.resolution_m, rng)
    origins = _sample(free, settings.rays, setup.resolution_m, rng)
    directions = rng.normal(size=origins.shape)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)

    def ask(mapper: OccupancyMap, count: int) -> object:
        return mapper.look_up(points[:count])

    def cast(mapper: OccupancyMap, count: int) -> object:
        return mapper.cast_rays(origins[:count], directions[:count], max_range_m=setup.max_range_m)

    few = settings.slow_queries
    return (
        *_rates("points", maps, ask, many=settings.points, few=few),
        *_rates("rays", maps, cast, many=settings.rays, few=few),
    )


def _sample(centres: Points, count: int, resolution_m: float, rng: np.random.Generator) -> Points:
    """Return random points (count, 3) inside voxels with these centres (N, 3)."""
    offsets = rng.uniform(-REACH, REACH, (count, 3)) * resolution_m
    points: Points = centres[rng.integers(len(centres), size=count)] + offsets
    return points


def _rates(
    what: str,
    maps: Mapping[str, OccupancyMap],
    ask: Callable[[OccupancyMap, int], object],
    *,
    many: int,
    few: int,
) -> list[QueryRate]:
    """Return the rate of every map, the best of several runs."""
    rates = {}
    for name, mapper in maps.items():
        count = many if mapper.calls == "batch" else min(few, many)
        ask(mapper, 1)  # whatever is compiled or loaded at the first call
        best_ms = min(cpu_ms(partial(ask, mapper, count)) for _ in range(RUNS))
        rates[name] = QueryRate(name, what, mapper.calls, count, count / best_ms / 1e3, 0.0)
    fast = rates[FAST].million_per_s
    return [replace(rate, ratio=rate.million_per_s / fast) for rate in rates.values()]
