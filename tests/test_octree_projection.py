"""Depth images by projection against the rays that it saves: the same voxels, but for rounding."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import FormatError
from robomem.eval.scans import recorded_scans
from robomem.eval.scenes import flat_scans
from robomem.eval.sensors import Camera
from robomem.geometry import back_project, pose, transform
from robomem.spatial.octree import depth_projector
from robomem.spatial.octree.depth_projector import DepthProjector
from robomem.spatial.octree.kernels.morton import brick_keys, brick_origins
from robomem.spatial.octree.ray_tracer import RayTracer
from robomem.spatial.octree.scanner import Scanner

SIZE, RANGE_M = 0.1, 3.0
FINE, FINE_RANGE_M = 0.01, 2.8  # more than 512 voxels across: codes of 64 bits
ROUNDING = 2  # voxels of a scan that rounding may decide otherwise
SEEDS = st.integers(0, 2**32 - 1)


@dataclass
class Shot:
    """A depth image and where it was taken."""

    depth_m: np.ndarray
    K: np.ndarray
    T_map_cam: np.ndarray

    def projected(self, projector=None, *, size=SIZE, max_range_m=RANGE_M):
        projector = projector or DepthProjector(size)
        return projector.trace(self.depth_m, self.K, self.T_map_cam, max_range_m=max_range_m)

    def traced(self, *, size=SIZE, max_range_m=RANGE_M):
        """Follow every ray."""
        depth_m = np.minimum(np.where(self.depth_m > 0, self.depth_m, np.nan), 1e3)
        points_map = transform(self.T_map_cam, back_project(depth_m, self.K))
        return RayTracer(size).trace(points_map, self.T_map_cam[:3, 3], max_range_m=max_range_m)


def intrinsics(shape, focal_px, *, stretch=1.0, shift_px=0.0):
    v, u = (np.array(shape) - 1) / 2 + shift_px
    return np.array([[focal_px, 0, u], [0, stretch * focal_px, v], [0, 0, 1]])


def rotation(rng):
    R, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return R * np.sign(np.linalg.det(R))


def boxes(rng, shape, focal_px):
    """Make a depth image of rectangles before a wall."""
    depth_m = np.full(shape, rng.uniform(1, 4), np.float32)
    for _ in range(rng.integers(0, 8)):
        v, u = rng.integers(0, shape)
        depth_m[v : v + rng.integers(1, 40), u : u + rng.integers(1, 40)] = rng.uniform(0.02, 4)
    return depth_m


def with_holes(depth_m, rng):
    """Replace some pixels and some patches by what a sensor says when it does not know."""
    depth_m = depth_m.copy()
    for value in (np.nan, 0.0, -1.0, np.inf, -np.inf):
        depth_m[rng.random(depth_m.shape) < 0.02] = value
        v, u = rng.integers(0, depth_m.shape)
        depth_m[v : v + 9, u : u + 12] = value
    return depth_m


def random_shot(rng):
    shape = tuple(rng.integers((1, 1), (80, 100)))
    focal_px = rng.uniform(0.3, 2.0) * max(shape)
    depth_m = boxes(rng, shape, focal_px)
    if rng.random() < 0.5:
        depth_m *= 1 + rng.normal(size=shape).astype(np.float32) * rng.choice([0.003, 0.1, 0.5])
    if rng.random() < 0.7:
        depth_m = with_holes(depth_m, rng)
    K = intrinsics(
        shape, focal_px, stretch=rng.uniform(0.7, 1.5), shift_px=rng.uniform(-0.4, 0.4) * shape[0]
    )
    return Shot(depth_m, K, pose(rotation(rng), rng.uniform(-5, 5, 3)))


def aligned(*deltas):
    """Return of scans the hit and the free masks, with the same bricks in the same order."""
    keys = np.unique(np.concatenate([delta.keys for delta in deltas]))
    for delta in deltas:
        assert len(np.unique(delta.keys)) == len(delta.keys)
        hit, free = np.zeros((2, len(keys), 8), np.uint64)
        rows = np.searchsorted(keys, delta.keys)
        hit[rows], free[rows] = delta.hit, delta.free
        yield hit, free


def count(masks):
    return int(np.bitwise_count(masks).sum())


def differences(a, b):
    """Count the voxels of which two scans say something else."""
    (hit, free), (other_hit, other_free) = aligned(a, b)
    return count((hit ^ other_hit) | (free ^ other_free))


def assert_well_formed(delta):
    assert (delta.keys.dtype, delta.hit.dtype, delta.free.dtype) == (np.int64, np.uint64, np.uint64)
    assert not (delta.hit & delta.free).any()
    assert (delta.hit | delta.free).any(axis=1).all()


def voxels(delta, masks):
    bits = np.unpackbits(masks.view(np.uint8), axis=1, bitorder="little")
    brick, bit = np.nonzero(bits)
    offsets = np.stack([bit & 7, (bit >> 3) & 7, bit >> 6], axis=-1)
    return set(map(tuple, (brick_origins(delta.keys)[brick] + offsets).tolist()))


def sets(delta):
    return voxels(delta, delta.hit), voxels(delta, delta.free)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_it_finds_what_rays_find(seed):
    shot = random_shot(np.random.default_rng(seed))

    found = shot.projected()

    assert_well_formed(found)
    assert differences(found, shot.traced()) <= ROUNDING


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_it_finds_what_rays_find_among_small_voxels(seed):
    shot = random_shot(np.random.default_rng(seed))
    fine = {"size": FINE, "max_range_m": FINE_RANGE_M}

    found = shot.projected(**fine)

    assert_well_formed(found)
    assert differences(found, shot.traced(**fine)) <= ROUNDING


@pytest.mark.parametrize("size", [0.05, 0.1])
def test_it_finds_what_rays_find_in_a_furnished_flat(rng, size):
    for scan in flat_scans(2, camera=Camera(), rng=rng):
        shot = Shot(scan.depth_m, scan.K, scan.T_map_cam)

        found, rays = (f(size=size, max_range_m=5.0) for f in (shot.projected, shot.traced))

        assert len(rays.keys) > 20
        assert differences(found, rays) <= ROUNDING


@pytest.mark.parametrize("size", [0.05, 0.1])
def test_it_finds_what_rays_find_in_recorded_images(data_dir, size):
    for scan in recorded_scans(data_dir / "rgbd_7scenes", limit=3):
        shot = Shot(scan.depth_m, scan.K, scan.T_map_cam)

        found, rays = (f(size=size, max_range_m=5.0) for f in (shot.projected, shot.traced))

        assert len(rays.keys) > 20
        assert differences(found, rays) <= ROUNDING


AXES = [np.eye(3)[list(p)] for p in ((0, 1, 2), (1, 2, 0), (2, 0, 1))]
AXES += [R @ np.diag(d) for R in AXES[:2] for d in ((-1, -1, 1), (1, -1, -1))]


@pytest.mark.parametrize("R", AXES)
@pytest.mark.parametrize("at", [(0, 0, 0), (0.5, -0.5, 0.25), (0.3, 0.2, -0.1)])
def test_a_camera_on_borders_that_looks_along_an_axis_sees_what_rays_see(rng, R, at):
    depth_m = with_holes(boxes(rng, (41, 49), 30.0), rng)
    # With a pixel on the optical axis rays lie in the planes between voxels.
    shot = Shot(depth_m, intrinsics(depth_m.shape, 33.7), pose(R, at))

    found = shot.projected(size=0.25)

    (hit, free), (rays_hit, rays_free) = aligned(found, shot.traced(size=0.25))
    assert_well_formed(found)
    assert (hit == rays_hit).all()
    assert count(free & ~rays_free) <= 0.01 * count(rays_free)  # rays in a plane pass either side
    assert count(rays_free & ~free) <= ROUNDING


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (8, 8), (9, 7), (63, 65)])
def test_an_image_may_have_any_shape(rng, shape):
    depth_m = rng.uniform(0.5, 4.0, shape).astype(np.float32)
    shot = Shot(depth_m, intrinsics(shape, 90.0), pose(rotation(rng), (1, 2, 3)))

    assert differences(shot.projected(), shot.traced()) <= ROUNDING


@pytest.mark.parametrize(
    ("depth", "hits", "is_free"),
    [
        (np.nan, 0, False),
        (0.0, 0, False),
        (-1.0, 0, False),
        (-np.inf, 0, False),
        (np.inf, 0, True),
        (3e38, 0, True),
        (1e-30, 1, False),
    ],
)
def test_an_image_of_one_depth_says_what_its_rays_say(rng, depth, hits, is_free):
    depth_m = np.full((40, 50), depth, np.float32)
    shot = Shot(depth_m, intrinsics(depth_m.shape, 40.0), pose(rotation(rng), (0.04, 1.23, 0.57)))

    found = shot.projected()

    assert_well_formed(found)
    assert count(found.hit) == hits
    assert (count(found.free) > 500) == is_free
    if depth > 0:
        assert differences(found, shot.traced()) <= ROUNDING


@pytest.mark.parametrize("factors", [(-1, 1), (1, -1), (-1, -1)])
def test_a_mirrored_image_of_a_mirrored_camera_is_the_same(rng, factors):
    shot = random_shot(rng)
    sx, sy = factors
    height, width = shot.depth_m.shape
    K = shot.K.copy()
    K[0, 0], K[1, 1] = sx * K[0, 0], sy * K[1, 1]
    K[0, 2] = width - 1 - K[0, 2] if sx < 0 else K[0, 2]
    K[1, 2] = height - 1 - K[1, 2] if sy < 0 else K[1, 2]

    mirrored = Shot(shot.depth_m[::sy, ::sx], K, shot.T_map_cam).projected()

    assert differences(mirrored, shot.projected()) <= ROUNDING


def test_a_hit_wins_over_a_pass_and_a_lone_ray_marks_its_voxels():
    depth_m = np.full((1, 1), 1.09, np.float32)
    T_map_cam = pose(np.eye(3), (0.05, 0.05, 0.05))

    found = Shot(depth_m, intrinsics((1, 1), 50.0), T_map_cam).projected()

    assert sets(found) == ({(0, 0, 11)}, {(0, 0, z) for z in range(11)})


def test_a_move_by_whole_voxels_moves_the_voxels(rng):
    shot = random_shot(rng)
    shot.T_map_cam[:3, 3] = np.round(shot.T_map_cam[:3, 3] * 64) / 64
    shift = np.array([1_600_011, -1_600_203, 40])  # 1e5 m away
    T_there = pose(shot.T_map_cam[:3, :3], shot.T_map_cam[:3, 3] + shift / 16)

    here = sets(shot.projected(size=1 / 16))
    there = sets(Shot(shot.depth_m, shot.K, T_there).projected(size=1 / 16))

    moved = [{tuple(np.add(voxel, shift).tolist()) for voxel in part} for part in here]
    assert sum(len(a ^ b) for a, b in zip(moved, there, strict=True)) <= ROUNDING


def test_far_from_the_origin_it_hits_what_rays_hit(rng):
    shot = random_shot(rng)
    shot.T_map_cam[:3, 3] += (1e5, -1e5, 1e4)

    assert differences(shot.projected(), shot.traced()) <= ROUNDING


def test_an_image_says_the_same_whatever_came_before_it(rng):
    projector = DepthProjector(SIZE)
    shots = [random_shot(rng) for _ in range(depth_projector.LENSES + 2)]
    ranges_m = [1.0, RANGE_M, 40.0]  # the last one in codes of 64 bits
    alone = [[shot.projected(max_range_m=r) for r in ranges_m] for shot in shots]

    for _ in range(2):
        for shot, expected in zip(shots, alone, strict=True):
            for max_range_m, delta in zip(ranges_m, expected, strict=True):
                again = shot.projected(projector, max_range_m=max_range_m)
                assert differences(again, delta) == 0


def test_the_room_grows_with_what_is_touched(rng, monkeypatch):
    shots = [random_shot(rng) for _ in range(3)]
    expected = [shot.projected() for shot in shots]
    monkeypatch.setattr(depth_projector, "FIRST_ROOM", 1)
    projector = DepthProjector(SIZE)

    found = [shot.projected(projector) for shot in shots]

    assert max(len(delta.keys) for delta in found) > 16
    assert [differences(a, b) for a, b in zip(found, expected, strict=True)] == [0, 0, 0]


def test_a_scan_that_was_broken_off_leaves_nothing_behind(rng, monkeypatch):
    first, second = random_shot(rng), random_shot(rng)
    projector = DepthProjector(SIZE)
    first.projected(projector)

    with monkeypatch.context() as patch:
        patch.setattr(depth_projector.project, "mark_free", _break_off)
        with pytest.raises(KeyboardInterrupt):
            first.projected(projector)

    assert differences(second.projected(projector), second.projected()) == 0


def _break_off(*_):
    raise KeyboardInterrupt


def test_any_array_of_depths_will_do(rng):
    shot = random_shot(rng)
    read_only = shot.depth_m.copy()
    read_only.flags.writeable = False
    strided = np.repeat(shot.depth_m, 2, axis=1)[:, ::2]

    for depth_m in (read_only, strided, shot.depth_m.astype(np.float64)):
        found = Shot(depth_m, shot.K, shot.T_map_cam).projected()
        assert differences(found, shot.projected()) == 0


K = intrinsics((48, 64), 60.0)
OFF_AXIS = np.array([[60.0, 0, 1e7], [0, 60.0, 24], [0, 0, 1]])
STRAIGHT, STRETCHED = (pose(stretch * np.eye(3), (0.03, 0.04, 0.05)) for stretch in (1, 1.0001))


@pytest.mark.parametrize(
    "given",
    [
        {"max_range_m": 7.0},
        {"max_range_m": 1000.0, "K": intrinsics((48, 64), 1e5)},
        {"shape": (48, 2000)},
        {"K": intrinsics((48, 64), 1e9)},
        {"K": OFF_AXIS},
        {"T_map_cam": STRETCHED},
    ],
)
def test_it_leaves_to_rays_what_it_cannot_do_well(given):
    fine = {"shape": (48, 64), "K": K, "T_map_cam": np.eye(4), "max_range_m": RANGE_M}

    assert DepthProjector(SIZE).can_project(**fine)
    assert not DepthProjector(SIZE).can_project(**fine | given)


@pytest.mark.parametrize(("K", "T_map_cam"), [(K, STRAIGHT), (OFF_AXIS, STRAIGHT), (K, STRETCHED)])
def test_the_scanner_hits_and_knows_what_rays_do_whoever_traces(rng, K, T_map_cam):
    depth_m = rng.uniform(1.0, 4.0, (48, 64)).astype(np.float32)
    scan = {"K": K, "T_map_cam": T_map_cam, "max_range_m": RANGE_M}

    fast, exact = (Scanner(SIZE).trace_depth(depth_m, mode=m, **scan) for m in ("fast", "exact"))

    (hit, free), (exact_hit, exact_free) = aligned(fast, exact)
    assert count(hit ^ exact_hit) <= ROUNDING
    assert count(free & ~exact_free) <= ROUNDING
    assert count(hit | free) >= 0.98 * count(exact_hit | exact_free)


def test_the_scanner_takes_no_camera_that_mirrors():
    with pytest.raises(FormatError):
        Scanner(SIZE).trace_depth(np.ones((48, 64)), K=-K, T_map_cam=np.eye(4), max_range_m=RANGE_M)


def test_hits_are_the_voxels_of_the_returns(rng):
    shot = random_shot(rng)
    is_return = np.isfinite(shot.depth_m) & (shot.depth_m > 0)
    depth_m = np.where(is_return, shot.depth_m, np.nan)
    points_map = transform(shot.T_map_cam, back_project(depth_m, shot.K))
    length_m = np.linalg.norm(points_map - shot.T_map_cam[:3, 3], axis=1)

    found = shot.projected()

    hits = points_map[length_m <= RANGE_M]
    assert set(brick_keys(hits, SIZE)) == set(found.keys[found.hit.any(axis=1)])
    assert set(map(tuple, np.floor(hits / SIZE).astype(int))) == voxels(found, found.hit)
