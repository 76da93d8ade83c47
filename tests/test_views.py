"""Laws of the view memory, in rooms of boxes whose depth images are computed by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.errors import ConfigError, DataError, FormatError, FrameError, QueryError
from robomem.geometry import pose, rotation_from_yaw
from robomem.spatial.views import ViewMemory, ViewRow
from tests.worlds import SHAPE, K, camera

CELL_M = 0.1
SEEDS = st.integers(0, 2**32 - 1)
LAW = settings(max_examples=15, deadline=None)
ROOM = np.array([[-2.5, -2.0, 0.0], [2.5, 2.0, 2.4]])
CRATE = np.array([[0.6, -0.3, 0.0], [1.0, 0.3, 1.2]])


def render(T_map_cam, *solids, room=ROOM):
    """Return the depth image (H, W) from inside a room with solids, each a box of two corners."""
    u, v = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    rays_cam = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(SHAPE)], axis=-1)
    rays, eye = rays_cam @ T_map_cam[:3, :3].T, T_map_cam[:3, 3]
    depth_m = _sides(room, eye, rays)[..., 1, :].min(axis=-1)
    for solid in solids:
        sides = _sides(solid, eye, rays)
        enter, leave = sides[..., 0, :].max(axis=-1), sides[..., 1, :].min(axis=-1)
        depth_m = np.where((enter > 0) & (enter < leave), np.minimum(depth_m, enter), depth_m)
    return depth_m.astype(np.float32)


def _sides(box, eye, rays):
    with np.errstate(divide="ignore"):
        return np.sort(
            (box[:, None, None] - eye).transpose(1, 2, 0, 3) / rays[..., None, :], axis=2
        )


def random_poses(rng, count):
    """Return cameras in the room, outside of the crate, any way round."""
    spots = np.column_stack([rng.uniform(-2.2, 0.3, count), rng.uniform(-1.7, 1.7, count)])
    return [camera(x, y, yaw) for (x, y), yaw in zip(spots, rng.uniform(-3, 3, count), strict=True)]


def remember(poses, *, ids=None, T_moved=None, **settings):
    """Return a memory of what cameras see of the room with the crate, all of it moved by a motion."""
    memory = ViewMemory(CELL_M, **settings)
    T_moved = np.eye(4) if T_moved is None else T_moved
    for keyframe_id in range(len(poses)) if ids is None else ids:
        T = poses[keyframe_id]
        memory.add(keyframe_id, render(T, CRATE), K=K, T_map_kf=T_moved @ T)
    return memory


def answers(memory, poses, *, T_moved=None):
    """Return what a memory says of poses, a point, a box and a place in the air."""
    T = np.eye(4) if T_moved is None else T_moved
    targets = CRATE, np.array([[0.6, 0.0, 0.6]]), np.array([[-1.0, 0.0, 1.0]])
    shown = [memory.views(of=target @ T[:3, :3].T + T[:3, 3], k=9) for target in targets]
    shared = [memory.covisible(T @ pose_, K=K, shape=SHAPE, k=9) for pose_ in poses[:2]]
    return shown, shared


def assert_same(some, others):
    """The same keyframes in the same order, with the same figures."""
    for a, b in zip(some[0], others[0], strict=True):
        assert [view.keyframe_id for view in a] == [view.keyframe_id for view in b]
        assert [view.score for view in a] == pytest.approx([view.score for view in b], abs=1e-6)
    assert some[1] == others[1]


# ---- which view shows something ---------------------------------------------------------------------


def test_a_near_view_is_better_than_a_far_one_and_head_on_than_oblique():
    poses = [camera(x=-1.5), camera(x=-0.8), camera(x=0.2, y=1.6, yaw_rad=-1.2)]
    memory = remember(poses)

    near, *rest = memory.views(of=[(0.6, -0.3, 0.7), (0.6, 0.3, 1.2)], k=3)

    assert near.keyframe_id == 1
    assert near.score > 1.2 * max(view.score for view in rest)
    assert near.coverage > 0.8
    assert near.distance_m == pytest.approx(1.4, abs=0.1)


def test_what_is_hidden_is_not_shown():
    memory = remember([camera(x=-1.5), camera(x=2.2, yaw_rad=np.pi)])
    behind = [1.0, 0.0, 0.8]  # the far side of the crate

    assert [view.keyframe_id for view in memory.views(of=behind)] == [1]


def test_a_place_in_the_air_is_shown_by_those_who_looked_past_it():
    memory = remember([camera(x=-1.5), camera(x=-1.5, yaw_rad=np.pi), camera(x=2.2, yaw_rad=np.pi)])

    assert [view.keyframe_id for view in memory.views(of=[-0.5, 0.0, 0.9])] == [0]
    assert [view.keyframe_id for view in memory.views(of=[1.6, 0.0, 0.9])] == [2]


def test_a_box_in_part_outside_of_the_image_is_covered_in_part():
    memory = remember([camera(x=-1.5), camera(x=-0.2, y=0.0, yaw_rad=0.55)])
    front = [CRATE[0], (0.6, 0.3, 1.2)]

    coverage = {view.keyframe_id: view.coverage for view in memory.views(of=front)}

    assert coverage[1] < 0.75 * coverage[0]


def test_the_second_view_is_from_another_side():
    same_side = [camera(x=-0.6 - 0.1 * i, y=0.02 * i) for i in range(4)]
    memory = remember([*same_side, camera(x=0.8, y=1.6, yaw_rad=-np.pi / 2)])

    first, second, *rest = memory.views(of=CRATE, k=5)

    assert {first.keyframe_id, second.keyframe_id} >= {4}
    assert len(rest) == 3


def test_nothing_is_shown_of_what_nobody_saw():
    memory = remember([camera(x=-1.5)])

    assert memory.views(of=[-2.4, 0.0, 1.0]) == []
    assert memory.covisible(camera(x=-1.5, yaw_rad=np.pi), K=K, shape=SHAPE) == []
    assert ViewMemory().views(of=[0, 0, 0]) == []
    assert ViewMemory().covisible(np.eye(4), K=K, shape=SHAPE) == []


# ---- which views share surface ----------------------------------------------------------------------


def test_a_pose_shares_nearly_all_with_the_view_taken_from_it():
    poses = random_poses(np.random.default_rng(0), 8)
    memory = remember(poses)

    for keyframe_id, T in enumerate(poses):
        shared = {v.keyframe_id: v.shared for v in memory.covisible(T, K=K, shape=SHAPE, k=8)}

        assert shared[keyframe_id] > max(0.8, max(shared.values()) - 0.1)


def test_two_sides_of_a_thin_wall_share_nothing():
    wall = np.array([[-0.05, -2.0, 0.0], [0.05, 2.0, 2.4]])
    memory = ViewMemory(CELL_M)
    ahead, back = camera(x=-1.5), camera(x=1.5, yaw_rad=np.pi)
    memory.add(0, render(ahead, wall), K=K, T_map_kf=ahead)
    memory.add(1, render(back, wall), K=K, T_map_kf=back)

    assert [view.keyframe_id for view in memory.covisible(ahead, K=K, shape=SHAPE)] == [0]
    assert [view.keyframe_id for view in memory.covisible(back, K=K, shape=SHAPE)] == [1]
    assert [view.keyframe_id for view in memory.views(of=[-0.05, 0.0, 1.0])] == [0]


def test_images_of_any_size_and_with_holes_are_taken():
    T, depth_m = camera(x=-1.5), np.kron(render(camera(x=-1.5)), np.ones((8, 8), np.float32))
    K_big = np.array([[480.0, 0, 319.5], [0, 480.0, 239.5], [0, 0, 1]])
    depth_m[::7], depth_m[1::7], depth_m[2::7] = np.nan, np.inf, -np.inf
    memory = ViewMemory(CELL_M)

    row = memory.add(3, depth_m, K=K_big, T_map_kf=T)

    assert len(row.p_kf) > 500
    assert memory.covisible(T, K=K, shape=SHAPE)[0].shared > 0.9


@LAW
@given(SEEDS)
def test_noise_that_is_no_surface_does_no_harm(seed):
    rng = np.random.default_rng(seed)
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-30, 1e30, 0.01, 1.0, 3.0], np.float32)
    memory = ViewMemory(CELL_M)

    memory.add(0, rng.choice(values, SHAPE), K=K, T_map_kf=camera())

    assert np.isfinite(memory._index.surfels.p_map).all()
    assert np.isfinite(memory._index.surfels.n_map).all()
    assert all(0 < view.shared <= 1 for view in memory.covisible(camera(), K=K, shape=SHAPE))


def test_a_surface_farther_than_the_range_is_not_remembered():
    memory = ViewMemory(CELL_M, max_range_m=2.0)

    row = memory.add(0, np.full(SHAPE, 3.0, np.float32), K=K, T_map_kf=camera())

    assert len(row.p_kf) == 0
    assert 0 in memory
    assert memory.views(of=[3.0, 0.0, 1.0]) == []


# ---- laws -------------------------------------------------------------------------------------------


@LAW
@given(SEEDS)
def test_the_order_of_additions_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    poses = random_poses(rng, 6)

    one, other = remember(poses), remember(poses, ids=rng.permutation(6).tolist())

    assert_same(answers(one, poses), answers(other, poses))


@LAW
@given(SEEDS)
def test_a_correction_is_as_if_it_had_been_so_from_the_beginning(seed):
    rng = np.random.default_rng(seed)
    poses = random_poses(rng, 6)
    drifted = [T @ pose(np.eye(3), rng.normal(0, 0.3, 3)) for T in poses]
    memory = ViewMemory(CELL_M)
    for i, T in enumerate(poses):
        memory.add(i, render(T, CRATE), K=K, T_map_kf=drifted[i])

    memory.correct(dict(enumerate(poses[:3])))
    memory.correct(dict(enumerate(poses)))

    assert_same(answers(memory, poses), answers(remember(poses), poses))
    assert memory.surfel_count == remember(poses).surfel_count


@LAW
@given(SEEDS)
def test_what_is_removed_was_never_there(seed):
    rng = np.random.default_rng(seed)
    poses = random_poses(rng, 6)
    gone, kept = np.split(rng.permutation(6), [2])
    memory = remember(poses)

    memory.remove(gone.tolist())

    assert_same(answers(memory, poses), answers(remember(poses, ids=kept.tolist()), poses))
    assert memory.surfel_count == remember(poses, ids=kept.tolist()).surfel_count
    assert [row.keyframe_id for row in memory.rows()] == sorted(kept)


@LAW
@given(SEEDS)
def test_moving_the_world_by_whole_cells_moves_nothing_in_the_ranking(seed):
    rng = np.random.default_rng(seed)
    poses = random_poses(rng, 6)
    T_moved = pose(np.eye(3), CELL_M * rng.integers(-99, 99, 3))

    here, there = remember(poses), remember(poses, T_moved=T_moved)

    some, others = answers(here, poses), answers(there, poses, T_moved=T_moved)
    for a, b in zip(some[0], others[0], strict=True):
        assert {v.keyframe_id for v in a} == {v.keyframe_id for v in b}
        scores = {view.keyframe_id: view.score for view in a}
        assert scores == pytest.approx({view.keyframe_id: view.score for view in b}, abs=0.01)
    assert_shared_alike(here, there, poses, T_moved)


@LAW
@given(SEEDS)
def test_turning_the_world_by_any_angle_keeps_the_ranking_but_for_near_ties(seed):
    rng = np.random.default_rng(seed)
    poses = random_poses(rng, 6)
    T_moved = pose(rotation_from_yaw(rng.uniform(-3, 3)), rng.uniform(-9, 9, 3))

    here, there = remember(poses), remember(poses, T_moved=T_moved)

    assert_shared_alike(here, there, poses, T_moved)


def assert_shared_alike(here, there, poses, T_moved):
    """On the whole as much is shared; a near surface is few surfels, and one of them much of an image."""
    shared, moved = np.zeros((6, 6)), np.zeros((6, 6))
    for row, T in enumerate(poses):
        for view in here.covisible(T, K=K, shape=SHAPE, k=6):
            shared[row, view.keyframe_id] = view.shared
        for view in there.covisible(T_moved @ T, K=K, shape=SHAPE, k=6):
            moved[row, view.keyframe_id] = view.shared
    assert np.abs(shared - moved).mean() < 0.03
    best = shared[np.arange(6), moved.argmax(axis=1)]
    assert (best > shared.max(axis=1) - 0.15).all()


@LAW
@given(SEEDS)
def test_the_first_of_more_answers_are_those_of_fewer(seed):
    poses = random_poses(np.random.default_rng(seed), 6)
    memory = remember(poses)

    shown = [memory.views(of=CRATE, k=k) for k in range(1, 8)]
    shared = [memory.covisible(poses[0], K=K, shape=SHAPE, k=k) for k in range(1, 8)]

    for fewer, more in zip(shown[:-1] + shared[:-1], shown[1:] + shared[1:], strict=True):
        assert more[: len(fewer)] == fewer
        assert len(more) <= len(fewer) + 1 or more is shared[0]


@LAW
@given(SEEDS)
def test_what_is_kept_on_disk_is_all_there_is(seed):
    poses = random_poses(np.random.default_rng(seed), 6)
    memory, again = remember(poses), ViewMemory(CELL_M)

    again.restore(reversed(memory.rows()), dict(enumerate(poses)))

    assert_same(answers(again, poses), answers(memory, poses))
    assert memory.surfel_count == again.surfel_count
    assert _digest(memory) == _digest(again)


# ---- budget -----------------------------------------------------------------------------------------


def test_a_surfel_keeps_the_best_observations_in_any_order():
    poses = [camera(x=-2.0 + 0.1 * i) for i in range(20)]
    order = np.random.default_rng(1).permutation(20).tolist()

    few, again = remember(poses, max_observations=3), remember(poses, ids=order, max_observations=3)

    assert_same(answers(few, poses), answers(again, poses))
    best = remember(poses).views(of=[0.6, 0.0, 1.0], k=1)
    assert [v.keyframe_id for v in few.views(of=[0.6, 0.0, 1.0], k=1)] == [best[0].keyframe_id]
    assert few._index.surfels.counts.max() == 3
    assert sum(len(row.p_kf) for row in few.rows()) == few._index.surfels.counts.sum()


def test_of_more_surfels_than_may_be_those_seen_best_are_kept():
    poses = random_poses(np.random.default_rng(2), 8)

    memory = remember(poses, max_surfels=500)

    assert 400 <= memory.surfel_count <= 500
    assert memory.memory_bytes < remember(poses).memory_bytes
    whole = remember(poses)._index
    best = whole.samples.quality[whole.surfels.heads]
    kept = memory._index.samples.quality[memory._index.surfels.heads]
    assert np.median(kept) > np.median(best)


def test_memory_does_not_grow_with_views_of_the_same_surface():
    rng = np.random.default_rng(3)
    memory = remember(random_poses(rng, 10), max_observations=4)
    for i, T in enumerate(random_poses(rng, 40), start=10):
        memory.add(i, render(T, CRATE), K=K, T_map_kf=T)
        if i == 29:
            before = memory.memory_bytes

    assert memory.memory_bytes < 1.5 * before
    assert memory._index._sample_count <= 2 * 4 * memory.surfel_count


# ---- bad input --------------------------------------------------------------------------------------


def _digest(memory):
    return [
        (r.keyframe_id, r.camera.tobytes(), r.p_kf.tobytes(), r.n_kf.tobytes())
        for r in memory.rows()
    ]


NAN_POSE = np.full((4, 4), np.nan)
DEPTH = np.full(SHAPE, 2.0, np.float32)
SHIFTED = camera(y=0.5)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda m: m.add(9, DEPTH, K=K, T_map_kf=NAN_POSE), FrameError),
        (lambda m: m.add(9, DEPTH, K=K, T_map_kf=pose(np.eye(3), [1e9, 0, 0])), DataError),
        (lambda m: m.add(0, DEPTH, K=K, T_map_kf=SHIFTED), DataError),
        (lambda m: m.add(-1, DEPTH, K=K, T_map_kf=SHIFTED), DataError),
        (lambda m: m.add(9, DEPTH[:20, :30], K=K, T_map_kf=SHIFTED), FormatError),
        (lambda m: m.add(9, DEPTH, K=np.zeros((3, 3)), T_map_kf=SHIFTED), FormatError),
        (lambda m: m.add(9, DEPTH * np.nan, K=K, T_map_kf=SHIFTED), FormatError),
        (lambda m: m.add(9, DEPTH.ravel(), K=K, T_map_kf=SHIFTED), FormatError),
        (lambda m: m.correct({0: SHIFTED, 7: SHIFTED}), DataError),
        (lambda m: m.correct({0: SHIFTED, 1: NAN_POSE}), FrameError),
        (lambda m: m.remove([0, 7]), DataError),
        (lambda m: m.restore(m.rows(), {0: SHIFTED, 1: SHIFTED}), DataError),
        (lambda m: m.views(of=[0, 0, np.nan]), QueryError),
        (lambda m: m.views(of=[0, 0]), QueryError),
        (lambda m: m.views(of=np.zeros((0, 3))), QueryError),
        (lambda m: m.views(of="the mug"), QueryError),
        (lambda m: m.views(of=[0, 0, 0], k=0), QueryError),
        (lambda m: m.covisible(SHIFTED, K=K, shape=SHAPE, k=0), QueryError),
        (lambda m: m.covisible(NAN_POSE, K=K, shape=SHAPE), FrameError),
        (lambda m: m.covisible(SHIFTED, K=K, shape=(10, 10)), FormatError),
        (lambda m: m.covisible(SHIFTED, K=K, shape=(10,)), FormatError),
    ],
)
def test_bad_input_is_refused_by_name_and_changes_nothing(act, error):
    poses = [camera(x=-1.5), camera(x=-1.0, y=1.0)]
    memory = remember(poses)
    before = answers(memory, poses), _digest(memory), memory.memory_bytes

    with pytest.raises(error):
        act(memory)

    assert (answers(memory, poses), _digest(memory), memory.memory_bytes) == before


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"quantum_m": 0.01}, ConfigError),
        ({"keyframe_id": 1}, DataError),
        ({"camera": np.zeros(5)}, DataError),
        ({"camera": np.full(6, np.nan)}, DataError),
        ({"camera": np.zeros(6)}, DataError),
        ({"p_kf": np.zeros((2, 3))}, DataError),
        ({"n_kf": np.zeros((1, 3), np.int8)}, DataError),
    ],
)
def test_a_damaged_row_is_refused_and_none_is_taken(change, error):
    rows = remember([camera(x=-1.5), camera(x=-1.0)]).rows()
    fields = {name: getattr(rows[0], name) for name in ViewRow.__slots__}
    memory = ViewMemory(CELL_M)

    with pytest.raises(error):
        memory.restore([rows[1], ViewRow(**(fields | change))], dict.fromkeys((0, 1), SHIFTED))

    assert len(memory) == 0


@pytest.mark.parametrize(
    "settings",
    [{"resolution_m": 0.0}, {"max_range_m": 99.0}, {"max_observations": 0}, {"max_surfels": 0}],
)
def test_settings_out_of_bounds_are_refused(settings):
    with pytest.raises(ConfigError):
        ViewMemory(**settings)
