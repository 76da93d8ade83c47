"""The octree against a brute-force twin, against OctoMap, and against its own laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.config import SpatialConfig
from robomem.geometry import pose, rotation_from_yaw, transform
from robomem.spatial.octree import Octree
from robomem.spatial.octree.kernels import morton

COARSE = SpatialConfig(voxel_size_m=0.1, max_range_m=3.0)
UNCLAMPED = SpatialConfig(voxel_size_m=0.1, max_range_m=3.0, log_odds_min=-30, log_odds_max=30)


def scan(rng, size=200):
    return rng.uniform(-4, 4, (size, 3)), rng.uniform(-0.5, 0.5, 3)


def cells(points, voxel_size_m=0.1):
    return {tuple(v) for v in np.floor(np.asarray(points) / voxel_size_m).astype(int).tolist()}


def twin_of_one_ray(origin, end, *, size, reach):
    """Sample a ray so finely that no voxel is skipped, but for corners grazed by less than 1e-4."""
    length = np.linalg.norm(end - origin)
    last = origin + (end - origin) * min(1.0, reach / length)
    steps = np.linspace(0, 1, max(2, int(np.linalg.norm(last - origin) / 1e-4)))[:, None]
    passed = cells(origin + steps * (last - origin), size)
    hit = cells([end], size) if length <= reach else set()
    return passed - cells([last], size), hit


def test_one_ray_passes_the_voxels_that_a_finely_sampled_twin_passes(rng):
    for _ in range(50):
        (end,), origin = scan(rng, 1)
        octree = Octree(COARSE)

        octree.add(octree.trace(end[None], origin), stamp_ns=0)

        passed, hit = twin_of_one_ray(origin, end, size=0.1, reach=3.0)
        assert cells(octree.occupied()) == hit
        assert passed <= cells(octree.free())
        grazed = cells(octree.free()) - passed  # corners that the samples stepped over
        assert len(grazed) <= 2


@pytest.mark.parametrize("max_range_m", [3.0, 100.0])
def test_known_and_occupied_voxels_are_those_of_octomap(rng, max_range_m):
    pyoctomap = pytest.importorskip("pyoctomap", reason="pyoctomap has no wheel for this platform")
    config = SpatialConfig(voxel_size_m=0.1, max_range_m=max_range_m)
    octree, oracle = Octree(config), pyoctomap.OcTree(0.1)
    for _ in range(3):
        points, origin = scan(rng, 1000)
        octree.add(octree.trace(points, origin), stamp_ns=0)
        oracle.insertPointCloud(points, origin, max_range=max_range_m, discretize=False)

    occupied, free = cells(octree.occupied()), cells(octree.free())
    of_oracle = {True: set(), False: set()}
    for leaf in oracle.begin_leafs():
        low = np.array(leaf.getCoordinate()) - leaf.getSize() / 2
        n = round(leaf.getSize() / 0.1)
        corner = np.rint(low / 0.1).astype(int)
        is_occupied = bool(oracle.isNodeOccupied(leaf))
        of_oracle[is_occupied] |= {tuple((corner + d).tolist()) for d in np.ndindex(n, n, n)}

    # OctoMap keeps coordinates in float32: a ray through a corner may take the other side of it.
    assert len(occupied ^ of_oracle[True]) <= 0.002 * len(occupied)
    assert len(free ^ of_oracle[False]) <= 0.002 * len(free)
    assert len(free) > 10_000


def test_a_batch_of_rays_is_the_union_of_its_rays(rng):
    points, origin = scan(rng)
    batch, loop = Octree(COARSE), Octree(COARSE)

    batch.add(batch.trace(points, origin), stamp_ns=0)
    for point in points:
        loop.add(loop.trace(point[None], origin), stamp_ns=0)

    assert cells(batch.occupied()) | cells(batch.free()) == cells(loop.occupied()) | cells(
        loop.free()
    )


def test_the_order_of_unclamped_scans_does_not_matter(rng):
    scans = [scan(rng) for _ in range(4)]
    forward, backward = Octree(UNCLAMPED), Octree(UNCLAMPED)

    for points, origin in scans:
        forward.add(forward.trace(points, origin), stamp_ns=1)
    for points, origin in reversed(scans):
        backward.add(backward.trace(points, origin), stamp_ns=1)

    assert forward.digest() == backward.digest()


def test_a_move_by_whole_voxels_moves_the_map(rng):
    points, origin = scan(rng)
    points, origin = np.round(points, 2) + 0.005, np.round(origin, 2) + 0.005  # off every border
    T = pose(rotation_from_yaw(math.pi / 2), [12.8, -6.4, 0.8])
    here, there = Octree(COARSE), Octree(COARSE)

    here.add(here.trace(points, origin), stamp_ns=0)
    there.add(there.trace(transform(T, points), transform(T, origin)), stamp_ns=0)

    assert cells(transform(T, here.occupied())) == cells(there.occupied())
    assert len(cells(transform(T, here.free())) ^ cells(there.free())) <= 0.01 * len(here.free())


def test_log_odds_add_up_and_stop_at_the_clamp():
    octree = Octree(SpatialConfig(voxel_size_m=0.1))
    end, origin = np.array([[1.05, 0.05, 0.05]]), np.array([0.05, 0.05, 0.05])

    seen = []
    for _ in range(6):
        octree.add(octree.trace(end, origin), stamp_ns=0)
        seen.append(octree.log_odds([[1.05, 0.05, 0.05], [0.55, 0.05, 0.05], [2, 2, 2]]))

    np.testing.assert_allclose(seen[0], [0.85, -0.4, 0.0])
    np.testing.assert_allclose(seen[1], [1.7, -0.8, 0.0])
    np.testing.assert_allclose(seen[5], [3.5, -2.0, 0.0])


def test_a_return_beyond_the_range_clears_and_hits_nothing():
    octree = Octree(COARSE)

    octree.add(octree.trace(np.array([[9.05, 0.05, 0.05]]), [0.05, 0.05, 0.05]), stamp_ns=0)

    assert len(octree.occupied()) == 0
    assert octree.free()[:, 0].max() == pytest.approx(2.95)


def test_rows_that_are_not_finite_are_skipped():
    octree = Octree(COARSE)

    delta = octree.trace(np.array([[np.nan, 0, 0], [np.inf, 0, 0], [1.0, 1.0, np.nan]]), [0, 0, 0])

    assert len(delta.keys) == 0


def test_points_that_are_unknown_far_or_not_finite_are_unknown():
    octree = Octree(COARSE)

    values = octree.log_odds([[1, 2, 3], [1e300, 0, 0], [np.nan, 0, 0]])

    assert values.tolist() == [0.0, 0.0, 0.0]


def test_bricks_put_back_are_the_map(rng):
    octree, copy = Octree(COARSE), Octree(COARSE)
    octree.add(octree.trace(*scan(rng)), stamp_ns=7)

    copy.put(*octree.bricks())

    assert copy.digest() == octree.digest()
    assert len(copy.dirty()[0]) == 0


def test_only_touched_bricks_are_dirty(rng):
    octree = Octree(COARSE)
    octree.add(octree.trace(*scan(rng)), stamp_ns=0)
    octree.mark_clean()

    octree.add(octree.trace(np.array([[0.05, 0.05, 0.25]]), [0.05, 0.05, 0.05]), stamp_ns=1)

    assert len(octree.dirty()[0]) == 1


def test_a_slice_is_occupied_where_anything_in_it_is(rng):
    octree = Octree(COARSE)
    octree.add(octree.trace(*scan(rng, 2000)), stamp_ns=0)

    grid = octree.slice_2d(0.2, 0.5)

    def columns(points):
        inside = points[(points[:, 2] > 0.2) & (points[:, 2] < 0.5)]
        xy = (inside[:, :2] - grid.origin_map) / grid.resolution_m
        return {(int(y), int(x)) for x, y in xy}

    occupied, known = (
        columns(octree.occupied()),
        columns(octree.free()) | columns(octree.occupied()),
    )
    assert {tuple(c) for c in np.argwhere(grid.values == 100).tolist()} == occupied
    assert {tuple(c) for c in np.argwhere(grid.values != -1).tolist()} == known


@given(*[st.integers(-morton.KEY_REACH, morton.KEY_REACH - 1)] * 3)
def test_a_key_holds_its_brick(x, y, z):
    key = morton.brick_key(x, y, z)

    assert key >= 0
    assert morton.brick_origins(np.array([key]))[0].tolist() == [8 * x, 8 * y, 8 * z]


def test_a_scan_larger_than_the_scratch_is_traced_whole(rng):
    directions = rng.normal(size=(3000, 3))
    points = 30 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    config = SpatialConfig(voxel_size_m=0.1, max_range_m=31)
    octree = Octree(config)

    delta = octree.trace(points, [0, 0, 0])

    assert len(delta.keys) > 2048
    assert len(np.unique(delta.keys)) == len(delta.keys)
    assert not (delta.hit & delta.free).any()
