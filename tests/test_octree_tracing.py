"""Rays of points against a twin that asks every voxel, and against their own laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import DataError, Reason
from robomem.eval.scenes import flat_scans, street_scans
from robomem.eval.sensors import Camera, Lidar
from robomem.spatial.octree import ray_tracer
from robomem.spatial.octree.kernels.morton import KEY_REACH, brick_origins
from robomem.spatial.octree.ray_tracer import RayTracer
from robomem.spatial.octree.values import MapDelta

SIZE = 0.1
GRAZE = 1e-6  # voxels: what a ray enters by less it may pass or not
SEEDS = st.integers(0, 2**32 - 1)


def scan(rng, count=200, reach=4.0):
    return rng.uniform(-reach, reach, (count, 3)), rng.uniform(-0.5, 0.5, 3)


def voxels(keys, masks):
    """Return the set of marked voxels."""
    bits = np.unpackbits(masks.view(np.uint8), axis=1, bitorder="little")
    brick, bit = np.nonzero(bits)
    offsets = np.stack([bit & 7, (bit >> 3) & 7, bit >> 6], axis=-1)
    return set(map(tuple, (brick_origins(keys)[brick] + offsets).tolist()))


def count(masks):
    return int(np.unpackbits(masks.view(np.uint8)).sum())


def assert_agrees(fast: MapDelta, exact: MapDelta, *, known):
    """Hits are the same; what is free is free in exact; so much of what exact knows is known."""
    rows = np.searchsorted(exact.keys, fast.keys, sorter=(order := np.argsort(exact.keys)))
    rows = order[rows]
    assert (exact.keys[rows] == fast.keys).all()
    assert (exact.hit[rows] == fast.hit).all()
    assert count(fast.hit) == count(exact.hit)
    assert not (fast.free & ~exact.free[rows]).any()
    assert count(fast.free) + count(fast.hit) >= known * (count(exact.free) + count(exact.hit))


def sets(delta: MapDelta):
    return voxels(delta.keys, delta.hit), voxels(delta.keys, delta.free)


def trace(points, origin, *, size=SIZE, max_range_m=3.0, **options):
    return sets(RayTracer(size).trace(points, origin, max_range_m=max_range_m, **options))


def cell(point, size=SIZE):
    return tuple(np.floor(np.asarray(point) / size).astype(int).tolist())


def passed(origin, end, *, size, grown_by):
    """Ask every voxel, grown by some of its edge, whether a ray passes it."""
    o, e = np.asarray(origin) / size, np.asarray(end) / size
    low, high = np.floor(np.minimum(o, e)) - 1, np.floor(np.maximum(o, e)) + 2
    box = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
    ray = np.where(e == o, 1e-12, e - o)
    sides = np.sort([(box - grown_by - o) / ray, (box + 1 + grown_by - o) / ray], axis=0)
    enter, leave = np.maximum(sides[0].max(axis=1), 0), np.minimum(sides[1].min(axis=1), 1)
    return set(map(tuple, box[enter < leave].astype(int).tolist()))


def assert_free_is_what_the_ray_passes(free, origin, last, size=SIZE):
    assert passed(origin, last, size=size, grown_by=-GRAZE) - {cell(last, size)} <= free
    assert free <= passed(origin, last, size=size, grown_by=GRAZE) - {cell(last, size)}


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_ray_frees_the_voxels_that_it_passes_and_hits_the_one_it_ends_in(seed):
    (end,), origin = scan(np.random.default_rng(seed), 1)

    hit, free = trace(end[None], origin)

    length = np.linalg.norm(end - origin)
    assert hit == ({cell(end)} if length <= 3.0 else set())
    assert_free_is_what_the_ray_passes(free, origin, origin + (end - origin) * min(1, 3 / length))


@settings(max_examples=60, deadline=None)
@given(*[st.integers(-24, 24)] * 6)
def test_a_ray_along_borders_and_through_corners_leaves_no_gap(a, b, c, d, e, f):
    origin, end = np.array([a, b, c]) / 8, np.array([d, e, f]) / 8  # 4 to a voxel, no rounding

    hit, free = trace(end[None], origin, size=0.5, max_range_m=100.0)

    assert hit == {cell(end, 0.5)}
    assert_free_is_what_the_ray_passes(free, origin, end, 0.5)
    assert all(_lies_between(v, cell(origin, 0.5), cell(end, 0.5)) for v in free)


def _lies_between(v, a, b):
    return all(min(x, y) <= w <= max(x, y) for w, x, y in zip(v, a, b, strict=True))


@pytest.mark.parametrize("max_range_m", [3.0, 100.0])
def test_a_scan_is_the_union_of_its_rays(rng, max_range_m):
    points, origin = scan(rng)
    tracer = RayTracer(SIZE)

    hit, free = trace(points, origin, max_range_m=max_range_m)

    rays = [sets(tracer.trace(p[None], origin, max_range_m=max_range_m)) for p in points]
    assert hit == set().union(*(ray[0] for ray in rays))
    assert free == set().union(*(ray[1] for ray in rays)) - hit


def test_the_order_of_the_points_does_not_matter(rng):
    points, origin = scan(rng, 2000)

    assert trace(points, origin) == trace(rng.permutation(points), origin)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_threads_do_not_change_the_result(rng, mode):
    points, origin = scan(rng, 3000)

    assert trace(points, origin, mode=mode) == trace(points, origin, mode=mode, threads=3)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_a_move_by_whole_voxels_moves_the_voxels(rng, mode):
    points, origin = scan(rng, 1000)
    shift = np.array([11, -203, 40])

    here = trace(points, origin, size=0.125, mode=mode)
    there = trace(points + shift / 8, origin + shift / 8, size=0.125, mode=mode)

    assert [{tuple(np.add(v, shift).tolist()) for v in part} for part in here] == list(there)


def test_fifteen_kilometres_away_a_ray_passes_what_it_passes_here(rng):
    points, origin = scan(rng, 300)
    shift = np.array([15_000.0, -15_000.0, 800.0])

    here = trace(points, origin, size=0.0625)
    there = trace(points + shift, origin + shift, size=0.0625)

    assert [{tuple(np.add(v, 16 * shift).tolist()) for v in part} for part in here] == list(there)


def test_a_box_traced_in_parts_is_the_box_traced_whole(rng, monkeypatch):
    points, origin = scan(rng, 300)
    whole = RayTracer(SIZE).trace(points, origin, max_range_m=3.0)

    monkeypatch.setattr(ray_tracer, "MAX_BOX_VOXELS", 4096)
    parts = RayTracer(SIZE).trace(points, origin, max_range_m=3.0)
    in_fast = RayTracer(SIZE).trace(points, origin, max_range_m=3.0, mode="fast")

    assert sorted(parts.keys) == sorted(whole.keys)
    assert sets(parts) == sets(in_fast) == sets(whole)


def test_a_ray_of_many_kilometres_needs_no_room_but_its_own():
    origin, end = np.array([0.05, 0.06, 0.05]), np.array([[9000.03, 4000.04, 800.07]])

    hit, free = trace(end, origin, max_range_m=20_000.0)

    assert hit == {(90_000, 40_000, 8000)}
    assert len(free) == 90_000 + 40_000 + 8000  # the last border it crosses leads to the hit


def test_points_that_cannot_be_written_to_are_as_good(rng):
    points, origin = scan(rng)
    expected = trace(points, origin)

    points.flags.writeable = False

    assert trace(points, origin) == expected


def test_one_tracer_serves_scans_of_any_size_in_turn(rng):
    small, large = scan(rng, 50, reach=1.0), scan(rng, 50, reach=20.0)
    tracer = RayTracer(SIZE)

    found = [
        sets(tracer.trace(*s, max_range_m=50.0, mode=mode))
        for s in (small, large, small)
        for mode in ("exact", "fast")
    ]

    assert found[0::2] == [trace(*s, max_range_m=50.0) for s in (small, large, small)]
    assert found[1] == found[5]


def test_a_hit_wins_over_a_pass_and_no_voxel_is_both(rng):
    points = np.array([[1.05, 0.05, 0.05], [0.55, 0.05, 0.05]])

    hit, free = trace(points, [0.05, 0.05, 0.05])

    assert hit == {(10, 0, 0), (5, 0, 0)}
    assert free == {(x, 0, 0) for x in range(10)} - hit


def test_a_return_beyond_the_range_clears_up_to_there_and_hits_nothing():
    hit, free = trace(np.array([[9.05, 0.05, 0.05]]), [0.05, 0.05, 0.05])

    assert hit == set()
    assert free == {(x, 0, 0) for x in range(30)}


def test_a_point_in_the_voxel_of_the_sensor_is_a_hit_and_no_more():
    hit, free = trace(np.array([[0.01, 0.09, 0.05]]), [0.05, 0.05, 0.05])

    assert (hit, free) == ({(0, 0, 0)}, set())


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_rows_that_are_not_finite_are_skipped(mode):
    rows = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [1.0, -np.inf, np.inf], [1e200, 0, 0]])
    origin = np.array([0.05, 0.05, 0.05])
    point = np.array([[1.05, 0.05, 0.05]])

    assert trace(rows, origin, mode=mode) == (set(), set())
    assert trace(np.vstack([rows, point]), origin, mode=mode) == trace(point, origin)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_a_scan_without_points_says_nothing(mode):
    delta = RayTracer(SIZE).trace(np.empty((0, 3)), np.zeros(3), max_range_m=3.0, mode=mode)

    assert (delta.keys.shape, delta.hit.shape, delta.free.shape) == ((0,), (0, 8), (0, 8))


def test_every_brick_comes_once_with_something_in_it(rng):
    delta = RayTracer(SIZE).trace(*scan(rng), max_range_m=3.0)

    assert len(np.unique(delta.keys)) == len(delta.keys)
    assert (delta.hit | delta.free).any(axis=1).all()


def test_rays_reach_the_last_voxel_and_none_beyond():
    last_m = 8 * KEY_REACH * SIZE
    origin = np.array([last_m - 1.05, 0.05, 0.05])

    hit, _ = trace(origin[None] + [1.0, 0, 0], origin)

    assert hit == {(8 * KEY_REACH - 1, 0, 0)}
    with pytest.raises(DataError, match="beyond the reach") as caught:
        trace(origin[None] + [1.1, 0, 0], origin)
    assert caught.value.reason == Reason.OUT_OF_BOUNDS


@pytest.fixture(scope="module")
def street():
    rng = np.random.default_rng(3)
    (turn,) = street_scans(1, lidar=Lidar(rings=64, azimuths=1024), rng=rng)
    open_sky = turn.origin_map + rng.normal(size=(300, 3)) * 400
    return np.vstack([turn.points_map, open_sky]), turn.origin_map, 0.2, 100.0


@pytest.fixture(scope="module")
def room():
    (image,) = flat_scans(1, camera=Camera(), rng=np.random.default_rng(3))
    return image.returns_map(), image.origin_map, 0.05, 4.0


@pytest.mark.parametrize("name", ["street", "room"])
def test_fast_hits_what_exact_hits_and_knows_nearly_what_it_knows(name, request):
    points, origin, size, max_range_m = request.getfixturevalue(name)
    tracer = RayTracer(size)

    exact = tracer.trace(points, origin, max_range_m=max_range_m)
    fast = tracer.trace(points, origin, max_range_m=max_range_m, mode="fast")

    assert_agrees(fast, exact, known=0.99)


def test_fast_needs_no_order_to_know_most_of_what_exact_knows(street, rng):
    points, origin, size, max_range_m = street

    exact = RayTracer(size).trace(points, origin, max_range_m=max_range_m)
    fast = RayTracer(size).trace(
        rng.permutation(points), origin, max_range_m=max_range_m, mode="fast"
    )

    assert_agrees(fast, exact, known=0.985)
