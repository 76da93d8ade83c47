"""Queries, first the kernels and then the octree's, against brute-force twins on dense worlds."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import QueryError
from robomem.spatial.octree import Octree
from robomem.spatial.octree.kernels import boxes, distance, frontiers, levels, lookup, morton, rays
from robomem.spatial.octree.kernels.layout import PAGED, REGION_LEVEL, UNIFORM, Bricks, Nodes
from robomem.spatial.octree.kernels.morton import EMPTY, KEY_OFFSET

SIZE_M = 0.05
HERE, ACROSS_ZERO, FAR = (
    (3, 5, 2),
    (-37, -23, -41),
    (20_003, -20_011, 19_990),
)  # FAR: a kilometre away


class World(NamedTuple):
    """A dense array of log-odds whose first voxel is `first`, and the octree of it."""

    values: np.ndarray
    first: np.ndarray
    bricks: Bricks
    nodes: Nodes

    def paged(self, regions):
        """Return the same world with these regions on disk."""
        return grow(self.values, self.first, paged=set(regions))

    def regions(self):
        """Return the keys of all regions."""
        return set(self.nodes.keys[self.nodes.levels == REGION_LEVEL].tolist())

    def at(self, voxels):
        """Return the values of voxels (N, 3), 0 outside."""
        inside = ((voxels >= self.first) & (voxels < self.first + self.values.shape)).all(axis=-1)
        found = np.zeros(len(voxels), np.int16)
        found[inside] = self.values[tuple((voxels[inside] - self.first).T)]
        return found


def random_world(rng, first=HERE, shape=(70, 60, 45)):
    """Fill each brick with nothing, one value or a mixture, so that there are large cells and small ones."""
    coarse = tuple(n // 8 + 2 for n in shape)
    uniform = rng.choice([0, -2000, -1200, 3500], coarse, p=[0.3, 0.4, 0.28, 0.02])
    is_mixed = rng.random(coarse) < 0.3
    up = [np.repeat(np.repeat(np.repeat(a, 8, 0), 8, 1), 8, 2) for a in (uniform, is_mixed)]
    shift = np.asarray(first) & 7  # so that the uniform cells are bricks
    cut = tuple(slice(s, s + n) for s, n in zip(shift, shape, strict=True))
    mixed = rng.choice([0, -400, -800, 850], shape, p=[0.02, 0.55, 0.38, 0.05])
    return grow(np.where(up[1][cut], mixed, up[0][cut]).astype(np.int16), np.asarray(first))


def grow(values, first, *, paged=frozenset()):
    """Build bricks and nodes from a dense array; the regions `paged` are on disk."""
    low, high = (first >> 3) * 8, -((-(first + values.shape)) >> 3) * 8
    padded = np.zeros(high - low, np.int16)
    padded[tuple(slice(a, a + n) for a, n in zip(first - low, values.shape, strict=True))] = values
    n = (high - low) // 8
    cubes = padded.reshape(n[0], 8, n[1], 8, n[2], 8).transpose(0, 2, 4, 5, 3, 1).reshape(-1, 512)
    at = np.stack(np.unravel_index(np.arange(len(cubes)), n), axis=-1) + low // 8
    cubes, at = cubes[cubes.any(axis=1)], at[cubes.any(axis=1)]
    keys = np.array([morton.brick_key(*brick) for brick in at], np.int64)
    is_uniform = (cubes == cubes[:, :1]).all(axis=1)
    table = np.full(1 << (2 * len(keys)).bit_length(), EMPTY, np.int64)
    slots = np.zeros(len(table), np.int32)
    for slot, key in enumerate(keys.tolist()):
        if key >> 3 * REGION_LEVEL not in paged:
            morton.find_or_add(table, slots, key, slot)
    bricks = Bricks(
        table_keys=table,
        table_slots=slots,
        keys=keys,
        blocks=np.where(is_uniform, UNIFORM, np.cumsum(~is_uniform) - 1).astype(np.int32),
        uniform=np.where(is_uniform, cubes[:, 0], 0).astype(np.int16),
        log_odds=cubes[~is_uniform],
    )
    return World(values, first, bricks, _nodes_above(keys, cubes, paged))


def _nodes_above(keys, cubes, paged):
    least = -32768  # below every log-odds
    known = np.where(cubes == 0, least, cubes).max(axis=1)
    cells = {  # by key: row, occupied?, unknown?, highest
        key: (slot, bool(known[slot] > 0), bool((cubes[slot] == 0).any()), int(known[slot]))
        for slot, key in enumerate(keys.tolist())
    }
    nodes, level = [], 0
    while len(cells) > 1 or level < REGION_LEVEL:
        level += 1
        below, cells = cells, {}
        for parent in sorted({key >> 3 for key in below}):
            children = [below.get(8 * parent + c, (EMPTY, False, True, least)) for c in range(8)]
            is_paged = level == REGION_LEVEL and parent in paged
            rows = [PAGED if is_paged and row >= 0 else row for row, *_ in children]
            occupied = sum(c[1] << i for i, c in enumerate(children))
            unknown = sum(c[2] << i for i, c in enumerate(children))
            highest = max(c[3] for c in children)
            cells[parent] = (len(nodes), occupied != 0, unknown != 0, highest)
            nodes.append((rows, occupied, unknown, highest, parent, level))
    columns = list(zip(*nodes, strict=True))
    types = (np.int32, np.uint8, np.uint8, np.int16, np.int64, np.uint8)
    arrays = [np.array(column, dtype) for column, dtype in zip(columns, types, strict=True)]
    return Nodes(*arrays, parents=np.full(len(nodes), EMPTY, np.int32), root=len(nodes) - 1)


@pytest.fixture(params=[HERE, ACROSS_ZERO, FAR], ids=["here", "across zero", "far"], scope="module")
def world(request):
    return random_world(np.random.default_rng(7), request.param)


# ---- points -------------------------------------------------------------------------------------------


def points_about(world, rng, count):
    low, high = world.first - 10, world.first + world.values.shape + 10
    return rng.uniform(low, high, (count, 3)) * SIZE_M


def test_a_batch_of_points_finds_what_the_voxels_hold(world, rng):
    points = points_about(world, rng, 5000)

    values = lookup.look_up(world.bricks, points, SIZE_M)

    assert values.tolist() == world.at(np.floor(points / SIZE_M).astype(int)).tolist()
    assert 0.2 < (values != 0).mean() < 0.9


def test_a_batch_of_points_is_its_points_one_by_one(world, rng):
    points = points_about(world, rng, 300)

    batch = lookup.look_up(world.bricks, points, SIZE_M)

    one_by_one = [lookup.look_up(world.bricks, p[None].copy(), SIZE_M)[0] for p in points]
    assert batch.tolist() == one_by_one


def test_points_that_are_far_or_not_finite_are_unknown(rng):
    world = random_world(rng)
    wrong = [np.nan, np.inf, -np.inf, 1e300, -1e300, 8 * morton.KEY_REACH * SIZE_M, -1e6]
    points = np.array([[w if a == b else 0.3 for a in range(3)] for w in wrong for b in range(3)])

    assert not lookup.look_up(world.bricks, points, SIZE_M).any()


# ---- rays ---------------------------------------------------------------------------------------------


def rays_about(world, rng, count):
    """Aim rays in all directions, along axes and planes too, from inside and from outside."""
    directions = rng.normal(size=(count, 3)) * 10 ** rng.uniform(-3, 3, (count, 1))
    directions[rng.random((count, 3)) < 0.15] = 0
    directions[~directions.any(axis=1)] = [0, 0, -2.5]
    return points_about(world, rng, count), directions


def cast(world, origins, directions, *, reach_m=4.0, stops=False, start_m=None):
    start_m = np.zeros(len(origins)) if start_m is None else start_m
    return rays.cast_rays(
        world.bricks, world.nodes, origins, directions, SIZE_M, reach_m, stops, start_m
    )


def twin_of_a_ray(world, origin, direction, *, reach_m, stops):
    """Cut a ray at every border of voxels that it meets, and look at the middle of each piece."""
    origin, direction = origin / SIZE_M, direction / np.linalg.norm(direction)
    reach = reach_m / SIZE_M
    cuts = [np.zeros(1), np.full(1, reach)]
    for o, d in zip(origin, direction, strict=True):
        if d != 0:
            ends = sorted([o, o + reach * d])
            cuts.append((np.arange(np.ceil(ends[0]), np.floor(ends[1]) + 1) - o) / d)
    cuts = np.sort(np.concatenate(cuts))
    middles = (cuts[1:] + cuts[:-1]) / 2
    values = world.at(np.floor(origin + middles[:, None] * direction).astype(int))
    ending = np.flatnonzero((values >= 0 if stops else values > 0) & (np.diff(cuts) > 1e-10))
    if not len(ending):
        return np.inf, rays.NOTHING
    return cuts[ending[0]] * SIZE_M, rays.HIT if values[ending[0]] > 0 else rays.UNKNOWN


@pytest.mark.parametrize("stops", [False, True])
def test_a_ray_ends_where_its_twin_ends(world, rng, stops):
    origins, directions = rays_about(world, rng, 800)

    distances, statuses, _ = cast(world, origins, directions, stops=stops)

    twins = [
        twin_of_a_ray(world, o, d, reach_m=4.0, stops=stops)
        for o, d in zip(origins, directions, strict=True)
    ]
    np.testing.assert_allclose(distances, [d for d, _ in twins], rtol=0, atol=1e-8)
    assert statuses.tolist() == [status for _, status in twins]
    kinds = (rays.HIT, rays.UNKNOWN) if stops else (rays.NOTHING, rays.HIT)
    assert all((statuses == kind).sum() > 50 for kind in kinds)


def test_a_batch_of_rays_is_its_rays_one_by_one(world, rng):
    origins, directions = rays_about(world, rng, 200)

    batch = cast(world, origins, directions)

    for i in range(len(origins)):
        one = cast(world, origins[i : i + 1].copy(), directions[i : i + 1].copy())
        assert [array[0] for array in one] == [array[i] for array in batch]


def test_a_ray_that_starts_in_an_occupied_voxel_ends_there(rng):
    world = random_world(rng)
    origins = (np.argwhere(world.values > 0)[:100] + world.first + 0.3) * SIZE_M

    distances, statuses, _ = cast(world, origins, np.ones((100, 3)))

    assert (distances == 0).all()
    assert (statuses == rays.HIT).all()


def test_a_ray_reaches_as_far_as_its_range():
    values = np.full((40, 1, 1), -400, np.int16)
    values[30] = 850
    world = grow(values, np.zeros(3, int))
    origin, direction = np.array([[0.025, 0.025, 0.025]]), np.array([[7.0, 0, 0]])

    reached = [cast(world, origin, direction, reach_m=r)[0][0] for r in (1.474, 1.476)]

    assert reached == [np.inf, pytest.approx(1.475)]


@pytest.mark.parametrize("stops", [False, True])
def test_in_an_empty_map_all_is_unknown(stops):
    nodes = Nodes(
        *(np.empty((0, 8), np.int32), *[np.empty(0, np.uint8)] * 2, np.empty(0, np.int16)),
        *(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.int32), EMPTY),
    )
    empty = grow(np.ones((1, 1, 1), np.int16), np.zeros(3, int))._replace(nodes=nodes)

    distances, _, _ = cast(empty, np.zeros((1, 3)), np.ones((1, 3)), stops=stops)

    assert distances[0] == (0 if stops else np.inf)


@cache
def small_world():
    return random_world(np.random.default_rng(3), (-16, -16, -16), (32, 32, 32))


numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.integers(-30, 30).map(lambda i: i * SIZE_M)
)


@settings(deadline=None)  # the first call compiles
@given(
    st.tuples(*[numbers] * 3),
    st.tuples(*[numbers] * 3),
    st.booleans(),
    st.sampled_from([4, np.inf]),
)
def test_every_ray_ends(origin, direction, stops, reach_m):
    world = small_world()
    is_wrong = not (np.isfinite([*origin, *direction]).all() and any(direction))

    (distance_m,), _, _ = cast(
        world, np.array([origin]), np.array([direction]), reach_m=reach_m, stops=stops
    )

    assert np.isnan(distance_m) if is_wrong else 0 <= distance_m <= reach_m or distance_m == np.inf


@pytest.mark.parametrize("stops", [False, True])
def test_a_ray_that_needs_a_region_goes_on_with_it_as_if_it_had_been_there(world, rng, stops):
    origins, directions = rays_about(world, rng, 300)
    expected = cast(world, origins, directions, stops=stops)
    start_m, regions = np.zeros(300), np.full(300, EMPTY)
    ended = [np.full(300, np.nan), np.zeros(300, np.uint8)]
    going = np.arange(300)

    for _ in range(40):
        for region in np.unique(regions[going]):  # no more than one is in memory at a time
            mine = going[regions[going] == region]
            part = world.paged(world.regions() - {int(region)})
            distances, statuses, needed = cast(
                part, origins[mine], directions[mine], stops=stops, start_m=start_m[mine]
            )
            start_m[mine], regions[mine] = distances, needed
            ended[0][mine], ended[1][mine] = distances, statuses
        going = going[ended[1][going] == rays.NEEDS]

    assert len(going) == 0
    assert (regions == EMPTY).all()
    np.testing.assert_allclose(ended[0], expected[0], rtol=0, atol=1e-9)
    assert ended[1].tolist() == expected[1].tolist()


# ---- levels -------------------------------------------------------------------------------------------


def twin_of_a_level(world, level):
    """Return by lowest voxel the highest value of each cell, and whether it has an unknown voxel."""
    known = np.argwhere(world.values != 0)
    values = world.values[tuple(known.T)]
    offset = 8 * KEY_OFFSET
    cells = (known + world.first + offset) >> level
    low, shape = cells.min(axis=0), np.ptp(cells, axis=0) + 1
    flat = np.ravel_multi_index(tuple((cells - low).T), shape)
    places, cell, count = np.unique(flat, return_inverse=True, return_counts=True)
    corners = ((np.stack(np.unravel_index(places, shape), axis=-1) + low) << level) - offset
    highest = np.full(len(corners), -32768)
    np.maximum.at(highest, cell, values)
    return {
        tuple(corner): (high, has_unknown)
        for corner, high, has_unknown in zip(
            corners.tolist(), highest.tolist(), (count < 8**level).tolist(), strict=True
        )
    }


def cells_of(found):
    origins, highest, has_unknown = (array.tolist() for array in found)
    return {
        tuple(origin): (high, unknown)
        for origin, high, unknown in zip(origins, highest, has_unknown, strict=True)
    }


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4, 5, 6, 11])
def test_a_cell_of_a_level_sums_up_its_voxels(world, level):
    found = levels.at_level(world.bricks, world.nodes, level)

    assert cells_of(found) == twin_of_a_level(world, level)
    assert len(found[0]) == len(cells_of(found))


@pytest.mark.parametrize("level", [2, 3, 4])
def test_the_cells_of_all_regions_are_those_of_the_map(world, level):
    rows = levels.rows_at(world.nodes, world.nodes.root, REGION_LEVEL)

    parts = [
        levels.at_level(world.bricks, world.nodes._replace(root=int(row)), level) for row in rows
    ]

    together = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    assert cells_of(together) == twin_of_a_level(world, level)


def test_large_cells_need_nothing_from_the_disk(world):
    paged = world.paged(world.regions())

    found = levels.at_level(paged.bricks, paged.nodes, 3 + REGION_LEVEL)

    assert cells_of(found) == twin_of_a_level(world, 3 + REGION_LEVEL)


# ---- boxes --------------------------------------------------------------------------------------------


def random_boxes(world, rng, count=30):
    for _ in range(count):
        yield world.first + rng.integers(-30, 60, 3), rng.integers(1, 50, 3)


def test_a_box_holds_the_values_of_its_voxels(world, rng):
    for first, shape in random_boxes(world, rng):
        values = np.zeros(shape, np.int16)

        regions = boxes.fill_box(world.bricks, world.nodes, first, values)

        voxels = np.argwhere(np.ones(shape, bool)) + first
        assert values.ravel().tolist() == world.at(voxels).tolist()
        assert len(regions) == 0


def test_a_box_is_filled_region_by_region(world, rng):
    for first, shape in random_boxes(world, rng, 5):
        whole, parts = np.zeros(shape, np.int16), np.zeros(shape, np.int16)
        boxes.fill_box(world.bricks, world.nodes, first, whole)
        paged = world.paged(world.regions())

        regions = boxes.fill_box(paged.bricks, paged.nodes, first, parts)
        assert not parts.any()
        for region in regions.tolist():
            part = world.paged(world.regions() - {region})
            boxes.fill_box(part.bricks, part.nodes, first, parts)

        assert (parts == whole).all()


# ---- distances ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 14, 11), (1, 30, 1), (20, 1, 18), (1, 1, 1), (5, 5, 40)])
@pytest.mark.parametrize("share", [0.002, 0.03, 0.5])
def test_the_distance_is_that_to_the_nearest_occupied_voxel(rng, shape, share):
    is_occupied = rng.random(shape) < share

    distances = distance.measure_distances(is_occupied, SIZE_M)

    voxels, occupied = np.argwhere(np.ones(shape, bool)), np.argwhere(is_occupied)
    apart = np.linalg.norm(voxels[:, None] - occupied, axis=-1)
    nearest = apart.min(axis=1, initial=np.inf) * SIZE_M
    np.testing.assert_allclose(distances.ravel(), nearest, rtol=1e-6)


def test_distances_of_neighbours_differ_by_no_more_than_a_voxel(rng):
    is_occupied = rng.random((60, 50, 70)) < 0.001

    distances = distance.measure_distances(is_occupied, SIZE_M)

    for axis in range(3):
        assert np.abs(np.diff(distances, axis=axis)).max() <= SIZE_M + 1e-6
    assert (distances[is_occupied] == 0).all()
    assert (distances[~is_occupied] >= np.float32(SIZE_M)).all()


# ---- frontiers ----------------------------------------------------------------------------------------


def twin_of_frontiers(world):
    padded = np.pad(world.values, 1) == 0
    near = np.zeros(world.values.shape, bool)
    for axis in range(3):
        for step in (0, 2):
            cut = [slice(1, -1)] * 3
            cut[axis] = slice(step, step + near.shape[axis])
            near |= padded[tuple(cut)]
    return {tuple(v) for v in (np.argwhere((world.values < 0) & near) + world.first).tolist()}


def test_frontiers_are_free_voxels_beside_unknown_ones(world):
    voxels, regions = frontiers.find_frontiers(world.bricks, world.nodes, world.nodes.root)

    assert {tuple(v) for v in voxels.tolist()} == twin_of_frontiers(world)
    assert len({tuple(v) for v in voxels.tolist()}) == len(voxels) > 1000
    assert len(regions) == 0


def test_frontiers_are_found_with_a_region_and_its_neighbours_in_memory(world):
    found = []
    for region in world.regions():
        alone = world.paged(world.regions() - {region})
        row = int(np.flatnonzero((alone.nodes.keys == region) & (alone.nodes.levels == 2))[0])

        _, needed = frontiers.find_frontiers(alone.bricks, alone.nodes, row)
        part = world.paged(world.regions() - {region, *needed.tolist()})
        voxels, still_needed = frontiers.find_frontiers(part.bricks, part.nodes, row)

        assert len(needed) <= 6
        assert len(still_needed) == 0
        found += voxels.tolist()

    assert {tuple(v) for v in found} == twin_of_frontiers(world)


def test_a_region_on_disk_without_unknown_voxels_is_not_needed():
    world = grow(np.full((96, 96, 96), -400, np.int16), np.full(3, -8 * KEY_OFFSET % 32))
    keys = sorted(world.regions())
    paged = world.paged(keys[1:])
    row = int(np.flatnonzero((paged.nodes.keys == keys[0]) & (paged.nodes.levels == 2))[0])

    voxels, needed = frontiers.find_frontiers(paged.bricks, paged.nodes, row)

    assert len(needed) == 0
    assert len(voxels) == 32**3 - 31**3


# ---- the octree ---------------------------------------------------------------------------------------


def scanned(budget_bytes=None):
    rng, octree = np.random.default_rng(5), Octree(SIZE_M, budget_bytes=budget_bytes)
    for centre in rng.uniform(-1.5, 1.5, (30, 3)):
        points = centre + rng.normal(size=(3000, 3))
        octree.integrate_points(points, origin_map=centre, max_range_m=1.5, mode="exact")
    return octree


@pytest.fixture(params=[None, 1 << 20], ids=["in memory", "paged"], scope="module")
def octree(request):
    return scanned(request.param)


@pytest.fixture(scope="module")
def scanned_world():
    octree = scanned()
    known = np.floor(np.concatenate([octree.occupied(), octree.free()]) / SIZE_M).astype(int)
    first, shape = known.min(axis=0), np.ptp(known, axis=0) + 1
    centres = (np.stack(np.indices(shape), axis=-1).reshape(-1, 3) + first + 0.5) * SIZE_M
    return grow(np.rint(1000 * octree.log_odds(centres)).astype(np.int16).reshape(shape), first)


def summaries(nodes):
    """Return level, key and summary of all nodes that are in memory and have something known below."""
    rows = [levels.rows_at(nodes, nodes.root, level) for level in range(1, 20)]
    columns = (nodes.levels, nodes.keys, nodes.occupied, nodes.unknown, nodes.highest)
    every = zip(*(column[np.concatenate(rows)].tolist() for column in columns), strict=True)
    return {row for row in every if row[-1] != 0}


def test_the_nodes_say_what_is_below_them(octree, scanned_world):
    found, twin = summaries(octree.nodes), summaries(scanned_world.nodes)

    assert found <= twin
    assert {node for node in twin - found if node[0] >= REGION_LEVEL} == set()


def test_points_are_classified(octree, scanned_world, rng):
    points = points_about(scanned_world, rng, 3000)

    classes = octree.classify(points)

    values = scanned_world.at(np.floor(points / SIZE_M).astype(int))
    assert classes.tolist() == np.where(values == 0, -1, values > 0).tolist()


@pytest.mark.parametrize("stops", [False, True])
def test_rays_of_an_octree_end_where_their_twins_end(octree, scanned_world, rng, stops):
    origins, directions = rays_about(scanned_world, rng, 400)

    distances = octree.cast_rays(origins, directions, max_range_m=4, stop_at_unknown=stops)

    twins = [
        twin_of_a_ray(scanned_world, o, d, reach_m=4, stops=stops)[0]
        for o, d in zip(origins, directions, strict=True)
    ]
    np.testing.assert_allclose(distances, twins, rtol=0, atol=1e-8)


def test_rays_may_have_one_origin(octree, rng):
    directions = rng.normal(size=(50, 3))

    shared = octree.cast_rays([0.1, 0.2, 0.3], directions, max_range_m=4)

    each = octree.cast_rays(np.tile([0.1, 0.2, 0.3], (50, 1)), directions, max_range_m=4)
    assert shared.tolist() == each.tolist()


@pytest.mark.parametrize("level", [2, 4, 5, 8])
def test_cells_of_an_octree_sum_up_their_voxels(octree, scanned_world, level):
    cells = octree.at_level(level)

    corners = np.rint((cells.centres_map - cells.size_m / 2) / SIZE_M).astype(int)
    values = np.rint(1000 * cells.log_odds).astype(int)
    assert cells.size_m == pytest.approx(SIZE_M * 2**level)
    assert cells_of((corners, values, ~cells.is_whole)) == twin_of_a_level(scanned_world, level)


def test_a_box_of_an_octree_holds_its_voxels_and_their_distances(octree, scanned_world):
    box = octree.box([-0.6, -0.41, 0.0], [0.6, 0.5, 0.73])

    first = np.rint(box.origin_map / SIZE_M).astype(int)
    voxels = np.argwhere(np.ones(box.log_odds.shape, bool)) + first
    values = scanned_world.at(voxels)
    assert (first <= [-12, -9, 0]).all()
    assert (first + box.log_odds.shape >= [12, 10, 15]).all()
    np.testing.assert_allclose(box.log_odds.ravel(), values / 1000, rtol=1e-6)
    apart = np.linalg.norm(voxels[::97, None] - voxels[values > 0], axis=-1)
    np.testing.assert_allclose(
        octree.distance_field(box).ravel()[::97], apart.min(axis=1) * SIZE_M, rtol=1e-6
    )


def test_frontiers_of_an_octree_are_those_of_its_twin(octree, scanned_world):
    found = np.floor(octree.frontiers() / SIZE_M).astype(int)

    assert {tuple(v) for v in found.tolist()} == twin_of_frontiers(scanned_world)


@pytest.mark.parametrize(
    ("origins", "directions"),
    [([[0, 0, 0]], [[0, 0, 0]]), ([[np.nan, 0, 0]], [[1, 0, 0]]), ([[0, 0]], [[1, 0]])],
)
def test_rays_that_are_none_are_refused(octree, origins, directions):
    with pytest.raises(QueryError):
        octree.cast_rays(origins, directions, max_range_m=4)
