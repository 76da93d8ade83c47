"""Ever-free space against a twin of one counter a voxel, and what stands apart from what moves."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import ConfigError, DataError, FormatError, StampError
from robomem.spatial.dynamics import (
    EverFree,
    EverFreeRows,
    MotionFilter,
    MotionSettings,
    NewsKind,
    Noise,
    Rays,
    TrackSettings,
    TrackState,
)
from robomem.spatial.octree import MapDelta, Octree
from robomem.spatial.octree.kernels import morton
from tests.worlds import NS, SHAPE, K, camera

RESOLUTION_M = 0.05
NO_RAYS = Rays(np.zeros((0, 3)), np.zeros(3), 5.0)
WALL_M, BODY_M, HALF_WIDTH_M, HALF_HEIGHT_M = 4.0, 2.5, 0.25, 0.6
RANGE_M = 5.0
EXACT = MotionSettings(noise=Noise(per_m2=0.0))


def _delta(hit, free):
    """Return what a scan says that hit and passed these voxels (N, 3)."""
    keys, masks = {}, []
    for voxels in (hit, free):
        mask = {}
        for voxel in voxels:
            brick = tuple(int(v) >> 3 for v in voxel)
            x, y, z = (int(v) & 7 for v in voxel)
            mask.setdefault(brick, np.zeros(8, np.uint64))[z] |= np.uint64(1 << (x + 8 * y))
            keys[brick] = None
        masks.append(mask)
    rows = [[mask.get(brick, np.zeros(8, np.uint64)) for brick in keys] for mask in masks]
    hit_rows, free_rows = (np.array(r, np.uint64).reshape(-1, 8) for r in rows)
    return MapDelta(np.array([_key(b) for b in keys], np.int64), hit_rows, free_rows & ~hit_rows)


def _key(brick):
    return morton.brick_keys((np.array([brick]) * 8 + 0.5) * RESOLUTION_M, RESOLUTION_M)[0]


class Twin:
    """The same rules, a voxel at a time."""

    def __init__(self, after_ns):
        self.look_ns = after_ns // 2
        self.looks, self.hits, self.seen, self.clear = {}, {}, set(), set()
        self.counted_ns = {}

    def learn(self, hit, free, stamp_ns):
        for v in hit:
            self.hits[v] = min(3, self.hits.get(v, 0) + 1)
            self.looks[v] = 0
            self.seen.discard(v)
            if self.hits[v] == 3:
                self.clear.discard(v)
        for v in free - hit:
            self.hits[v] = max(0, self.hits.get(v, 0) - 1)
            self.seen.add(v)
        for brick in {tuple(c >> 3 for c in v) for v in hit | free}:
            if stamp_ns - self.counted_ns.get(brick, -(10**18)) < self.look_ns:
                continue
            self.counted_ns[brick] = stamp_ns
            for v in [v for v in self.seen if tuple(c >> 3 for c in v) == brick]:
                self.seen.discard(v)
                self.looks[v] = min(3, self.looks.get(v, 0) + 1)
                if self.looks[v] == 3 and not self.hits.get(v):
                    self.clear.add(v)

    def is_ever_free(self, v):
        around = itertools.product(*[(c - 1, c, c + 1) for c in v])
        return v in self.clear and not any(self.hits.get(n) and n not in self.clear for n in around)


VOXELS = st.sets(st.tuples(*[st.integers(6, 9)] * 3), max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VOXELS, VOXELS, st.integers(0, 700)), max_size=14))
def test_ever_free_space_is_that_of_a_twin_with_a_counter_a_voxel(scans):
    ever_free, twin, stamp_ns = EverFree(RESOLUTION_M, after_s=1.0), Twin(NS), NS
    cells = list(itertools.product(range(5, 11), repeat=3))
    for hit, free, wait_ms in scans:
        stamp_ns += wait_ms * 10**6
        ever_free.learn(_delta(hit, free), NO_RAYS, stamp_ns=stamp_ns)
        twin.learn(hit, free, stamp_ns)

    found = ever_free.is_ever_free((np.array(cells) + 0.5) * RESOLUTION_M)

    assert found.tolist() == [twin.is_ever_free(v) for v in cells]


def _free_block(low, high, *, stamps=(NS, 2 * NS, 3 * NS)):
    ever_free = EverFree(RESOLUTION_M)
    voxels = list(itertools.product(*[range(a, b) for a, b in zip(low, high, strict=True)]))
    for stamp_ns in stamps:
        ever_free.learn(_delta([], voxels), NO_RAYS, stamp_ns=stamp_ns)
    return ever_free, (np.array(voxels) + 0.5) * RESOLUTION_M


def test_space_that_rays_pass_just_before_they_end_does_not_become_ever_free():
    octree, ever_free = Octree(RESOLUTION_M), EverFree(RESOLUTION_M)
    end = np.array([[3.0, 0.01, 0.01]])
    for stamp_ns in (NS, 2 * NS, 3 * NS):
        delta = octree.scanner.trace_points(end, origin_map=np.zeros(3), max_range_m=RANGE_M)
        ever_free.learn(delta, Rays(end, np.zeros(3), RANGE_M), stamp_ns=stamp_ns)

    along = np.array([[x, 0.01, 0.01] for x in (1.0, 2.7, 2.8, 2.9)])

    assert ever_free.is_ever_free(along).tolist() == [True, True, False, False]


def test_rows_give_everything_back():
    ever_free, centres = _free_block((-3, 0, 0), (12, 9, 9))

    again = EverFree.from_rows(ever_free.rows(), resolution_m=RESOLUTION_M)

    assert ever_free.is_ever_free(centres).all()
    assert again.is_ever_free(centres).all()
    assert len(again) == len(ever_free) == 3 * 2 * 2
    assert (np.diff(again.rows().keys) > 0).all()


@pytest.mark.parametrize("wrong", ["twice", "shape", "type", "negative"])
def test_rows_that_fit_no_bricks_are_refused(wrong):
    rows = _free_block((0, 0, 0), (9, 1, 1))[0].rows()
    keys = {"twice": rows.keys[[0, 0]], "negative": -1 - rows.keys}.get(wrong, rows.keys)
    planes = rows.planes[:1] if wrong == "shape" else rows.planes
    stamps = rows.counted_ns.astype(float) if wrong == "type" else rows.counted_ns

    with pytest.raises(FormatError):
        EverFree.from_rows(EverFreeRows(keys, planes, stamps), resolution_m=RESOLUTION_M)


def test_thousands_of_bricks_are_found_again_and_counted_in_bytes():
    bricks = [(8 * x, 8 * y, 0) for x in range(60) for y in range(60)]
    ever_free = EverFree(RESOLUTION_M, after_s=0.0)
    empty = ever_free.memory_bytes
    for _ in range(3):
        ever_free.learn(_delta([], bricks), NO_RAYS, stamp_ns=NS)

    assert ever_free.is_ever_free((np.array(bricks) + 0.5) * RESOLUTION_M).all()
    assert len(ever_free) == 3600
    assert 3600 * 384 <= ever_free.memory_bytes - empty <= 3600 * 384 * 2


def test_what_is_forgotten_has_to_stay_free_again():
    ever_free, centres = _free_block((0, 0, 0), (16, 4, 4))
    is_low = centres[:, 0] < 0.2

    ever_free.forget_box((0.0, 0.0, 0.0), (0.19, 1.0, 1.0))
    after_box = ever_free.is_ever_free(centres)
    ever_free.forget(ever_free.rows().keys[:1])
    after_brick = ever_free.is_ever_free(centres)
    ever_free.forget()

    assert (after_box == ~is_low).all()
    assert (after_brick == (centres[:, 0] > 0.4)).all()
    assert len(ever_free) == 0


def _look(y_m=None, *, body_m=BODY_M):
    """Depth of a wall, and of a body before it at a height of 1 m and a place along y."""
    depth_m = np.full(SHAPE, WALL_M, np.float32)
    if y_m is not None:
        v_px, u_px = np.mgrid[: SHAPE[0], : SHAPE[1]]
        is_body = (np.abs((u_px - K[0, 2]) / K[0, 0] * body_m + y_m) < HALF_WIDTH_M) & (
            np.abs((v_px - K[1, 2]) / K[1, 1] * body_m) < HALF_HEIGHT_M
        )
        depth_m[is_body] = body_m
    return depth_m


class Robot:
    """A camera that stands, with a map and a filter before it; five looks a second."""

    def __init__(self, **options):
        self.octree = Octree(RESOLUTION_M)
        self.filter = MotionFilter(RESOLUTION_M, motion=EXACT, **options)
        self.stamp_ns = NS
        self.news = []

    def see(self, depth_m):
        self.stamp_ns += NS // 5
        view = {"K": K, "T_map_cam": camera(), "max_range_m": RANGE_M}
        split = self.filter.split_depth(depth_m, **view)
        delta, *passed = (
            self.octree.scanner.trace_depth(np.where(part, depth_m, np.nan), **view)
            for part in (~split.is_moving, split.is_moving)
            if part.any()
        )
        for other in passed:
            delta = delta.with_passes_of(other)
        self.octree.add(delta, stamp_ns=self.stamp_ns)
        motion = self.filter.learn(split, delta, stamp_ns=self.stamp_ns)
        self.news += [(news.kind, news.track.track_id) for news in motion.news]
        return split, motion

    def occupied_before_wall(self):
        return int((self.octree.occupied()[:, 0] < WALL_M - 0.5).sum())


@pytest.fixture
def robot():
    """It has seen an empty room for three seconds."""
    robot = Robot(tracking=TrackSettings(settle_s=3.0))
    for _ in range(15):
        robot.see(_look())
    return robot


def test_a_body_that_walks_by_is_found_whole_and_leaves_nothing_in_the_map(robot):
    for y_m in np.arange(-1.0, 1.0, 0.16):
        depth_m = _look(y_m)
        split, motion = robot.see(depth_m)

        assert np.array_equal(split.is_moving, depth_m == BODY_M)
        assert len(motion.tracks) == 1
        assert robot.occupied_before_wall() == 0
    for _ in range(7):
        robot.see(_look())

    assert robot.news == [(NewsKind.APPEARED, 1), (NewsKind.PASSED, 1)]


def test_a_track_knows_place_speed_and_size(robot):
    for y_m in np.arange(-1.0, 1.0, 0.16):
        _, motion = robot.see(_look(y_m))

    (track,) = motion.tracks
    assert track.state is TrackState.MOVING
    assert np.allclose(track.p_map, (BODY_M, y_m, 1.0), atol=0.08)
    assert np.allclose(track.velocity_map, (0.0, 0.8, 0.0), atol=0.1)
    assert np.allclose(np.diff(track.box_map, axis=0), [[0.0, 0.5, 1.2]], atol=0.1)
    assert track.lifetime_s == pytest.approx(12 * 0.2)
    assert track.looks == 13


def test_what_stops_becomes_structure_after_the_time_and_is_cleared_when_it_goes(robot):
    body = _look(0.0)
    for y_m in np.arange(-1.0, 0.0, 0.16):
        robot.see(_look(y_m))
    standing = [robot.see(body) for _ in range(25)]
    seen = [split.is_moving.any() for split, _ in standing]
    built = robot.occupied_before_wall()
    looks = next(
        n for n in range(1, 20) if [robot.see(_look())] and not robot.occupied_before_wall()
    )

    assert seen == sorted(seen, reverse=True)
    assert 13 <= sum(seen) <= 17  # 3 s, less the last steps, which were near
    assert (NewsKind.SETTLED, 1) in robot.news
    assert robot.filter.tracker.tracks()[0].state is TrackState.SETTLED
    assert built > 50
    assert looks <= 10  # from certainty, 3.5, by misses of 0.4


def test_a_body_in_space_that_was_never_free_is_structure_until_rays_pass_through():
    robot = Robot()
    for _ in range(2):
        split, _ = robot.see(_look(0.0))
        assert not split.is_moving.any()
    built = robot.occupied_before_wall()
    for _ in range(5):  # two hits are 1.7, five misses 2.0
        robot.see(_look())

    assert built > 50
    assert robot.occupied_before_wall() == 0


def test_a_surface_that_flickers_before_a_wall_moves_nothing(robot):
    rng = np.random.default_rng(0)

    for _ in range(20):
        noise_m = rng.normal(0.0, 0.02, SHAPE).clip(-0.05, 0.05).astype(np.float32)
        split, _ = robot.see(_look() + noise_m)
        assert not split.is_moving.any()


def test_the_transient_memory_says_what_moved_when(robot):
    stamps = []
    for y_m in np.arange(-1.0, 1.0, 0.16):
        robot.see(_look(y_m))
        stamps.append(robot.stamp_ns)
    tracker = robot.filter.tracker

    (glimpse,) = tracker.moving(stamps[5])

    assert np.allclose(glimpse.track.p_map[1], -1.0 + 5 * 0.16, atol=0.1)
    assert np.abs(glimpse.points_map[:, 0] - BODY_M).max() < 1e-3
    assert len(tracker.glimpses(1)) == len(stamps)
    assert tracker.moving(stamps[0] - 1) == ()
    assert tracker.moving(stamps[-1] + 2 * NS) == ()


def test_points_of_a_body_are_found_as_its_pixels_are(robot):
    depth_m = _look(0.1)
    v_px, u_px = np.mgrid[: SHAPE[0], : SHAPE[1]]
    points = np.stack(
        [depth_m, -(u_px - K[0, 2]) / K[0, 0] * depth_m, 1 - (v_px - K[1, 2]) / K[1, 1] * depth_m],
        axis=-1,
    ).reshape(-1, 3)
    points[5] = np.nan, np.inf, -np.inf

    split = robot.filter.split_points(points, origin_map=(0.0, 0.0, 1.0), max_range_m=RANGE_M)

    assert np.array_equal(split.is_moving, (depth_m == BODY_M).ravel())


def test_bad_scans_are_refused_by_name_and_change_nothing(robot):
    before = robot.filter.ever_free.rows()
    view = {"K": K, "T_map_cam": camera(), "max_range_m": RANGE_M}
    nothing = np.full(SHAPE, np.nan, np.float32)
    split = robot.filter.split_depth(_look(), **view)

    with pytest.raises(FormatError):
        robot.filter.split_depth(nothing, **view)
    with pytest.raises(DataError):
        robot.filter.split_depth(_look(), **view | {"max_range_m": np.nan})
    with pytest.raises(FormatError):
        robot.filter.split_points(np.full((4, 3), np.nan), origin_map=np.zeros(3), max_range_m=5.0)
    with pytest.raises(DataError):
        robot.filter.split_points(np.ones((4, 3)), origin_map=np.full(3, np.nan), max_range_m=5.0)
    with pytest.raises(StampError):
        robot.filter.learn(split, _delta([], []), stamp_ns=-1)
    after = robot.filter.ever_free.rows()

    assert np.array_equal(before.planes, after.planes)


def test_points_beyond_the_reach_of_the_map_do_not_move(robot):
    far = np.array([[1e12, 0.0, 0.0], [np.finfo(float).max, 0.0, 0.0], [0.1, 0.0, 1.0]])

    split = robot.filter.split_points(far, origin_map=np.zeros(3), max_range_m=1e300)

    assert not split.is_moving.any()


@pytest.mark.parametrize(
    "build",
    [
        lambda: EverFree(0.0),
        lambda: EverFree(0.05, after_s=-1.0),
        lambda: Noise(per_m2=np.nan),
        lambda: MotionSettings(min_points=0),
        lambda: MotionSettings(grow_m=-0.1),
        lambda: TrackSettings(settle_s=0.0),
    ],
)
def test_settings_out_of_range_are_refused(build):
    with pytest.raises(ConfigError):
        build()
