"""Questions to the octree's bricks, asked again for what was on disk until everything is answered."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.spatial.octree.kernels import boxes, frontiers, levels, lookup, morton, rays
from robomem.spatial.octree.kernels.layout import REGION_LEVEL, Nodes
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, LogOdds
from robomem.spatial.octree.paged_bricks import PagedBricks
from robomem.store.bricks import REGION_BITS

BRICK_LEVEL = 3
MIN_BATCH = 4096  # queries that are worth a thread
FOUND = np.dtype([("distance_m", "f8"), ("status", "u1"), ("region", "i8")])
Voxels = NDArray[np.int64]


def look_up(paged: PagedBricks, points: Points, resolution_m: float, *, threads: int) -> LogOdds:
    """Return the stored values (N,) at points (N, 3), 0 where unknown."""

    def ask(wanted: slice | NDArray[np.bool_]) -> LogOdds:
        return lookup.look_up(paged.bricks, points[wanted], resolution_m)

    values = _in_parallel(ask, len(points), threads)
    if paged.is_whole:
        return values
    regions = morton.brick_keys(points, resolution_m) >> REGION_BITS
    asked = np.unique(regions[regions != EMPTY])
    for part in paged.load(asked[paged.is_paged(asked)]):
        is_here = np.isin(regions, part)
        values[is_here] = ask(is_here)
    return values


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """Rays in map: origins and directions (N, 3), how far they go, and whether the unknown stops them."""

    origins: Points
    directions: Points
    max_range_m: float
    stop_at_unknown: bool


def cast_rays(
    paged: PagedBricks, asked: Rays, resolution_m: float, *, threads: int
) -> NDArray[np.float64]:
    """Return how far (N,) rays get before they enter an occupied voxel; see `rays.cast_rays`."""
    reached_m = np.zeros(len(asked.origins))

    def cast(wanted: slice | NDArray[np.bool_]) -> NDArray[np.void]:
        columns = rays.cast_rays(
            paged.bricks, paged.nodes, asked.origins[wanted], asked.directions[wanted], resolution_m,
            asked.max_range_m, asked.stop_at_unknown, reached_m[wanted],
        )  # fmt: skip
        found = np.empty(len(columns[0]), FOUND)
        for name, column in zip(FOUND.names or (), columns, strict=True):
            found[name] = column
        return found

    found = _in_parallel(cast, len(asked.origins), threads)
    while (needs := found["status"] == rays.NEEDS).any():
        reached_m = found["distance_m"].copy()
        for part in paged.load(np.unique(found["region"][needs])):
            is_here = needs & np.isin(found["region"], part)
            found[is_here] = cast(is_here)
            needs &= ~is_here
    return found["distance_m"].copy()


def at_level(paged: PagedBricks, level: int) -> tuple[Voxels, NDArray[np.int16], NDArray[np.bool_]]:
    """Return the cells of 2**level voxels' edge: lowest voxels (N, 3), highest values, has unknown (N,)."""
    if paged.is_whole or level >= BRICK_LEVEL + REGION_LEVEL:
        return levels.at_level(paged.bricks, paged.nodes, level)
    parts = [
        levels.at_level(paged.bricks, region, level)
        for region in _each_region(paged, paged.region_keys())
    ]
    origins, highest, has_unknown = (np.concatenate(column) for column in zip(*parts, strict=True))
    return origins, highest, has_unknown


def fill_box(paged: PagedBricks, first: Voxels, shape: tuple[int, ...]) -> LogOdds:
    """Return the values (X, Y, Z) of the voxels from `first` (3,) on."""
    values = np.zeros(shape, np.int16)
    absent = boxes.fill_box(paged.bricks, paged.nodes, first, values)
    for region in _each_region(paged, np.unique(absent)):
        boxes.fill_box(paged.bricks, region, first, values)
    return values


def find_frontiers(paged: PagedBricks) -> Voxels:
    """Return the free voxels (N, 3) beside an unknown one, brick after brick in Morton order."""
    if paged.nodes.root == EMPTY:
        return np.empty((0, 3), np.int64)
    if paged.is_whole:
        return frontiers.find_frontiers(paged.bricks, paged.nodes, paged.nodes.root)[0]
    return np.concatenate([_frontiers_of(paged, key) for key in paged.region_keys().tolist()])


def _frontiers_of(paged: PagedBricks, region_key: int) -> Voxels:
    held = np.array([region_key])
    while True:
        paged.hold(held)
        (row,) = paged.region_rows(np.array([region_key]))
        voxels, absent = frontiers.find_frontiers(paged.bricks, paged.nodes, row)
        if not len(absent):
            return voxels
        held = np.union1d(held, absent)  # neighbours, of which it matters what is unknown there


def _each_region(paged: PagedBricks, region_keys: Keys) -> Iterator[Nodes]:
    """Yield the nodes with the root at each region, which is then in memory."""
    for part in paged.load(region_keys):
        for row in paged.region_rows(part).tolist():
            yield paged.nodes._replace(root=row)


def _in_parallel(ask: Callable[[slice], NDArray[Any]], count: int, threads: int) -> NDArray[Any]:
    """Ask for all of a batch, by parts in threads where it is large: kernels hold no lock."""
    threads = min(threads, count // MIN_BATCH)
    if threads <= 1:
        return ask(slice(None))
    borders = np.linspace(0, count, threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(ask, map(slice, borders[:-1], borders[1:])))
    return np.concatenate(parts)
