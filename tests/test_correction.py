"""Keyframes move: what hangs on them goes along, and the map becomes what it would have been."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robomem.config import Config, KeyframeConfig, SpatialConfig, StoreConfig
from robomem.errors import DataError, FrameError, QueryError, RobomemError
from robomem.geometry import inverse, pose, rotation_from_yaw
from robomem.memory import Memory
from robomem.spatial.correction import MapFollower
from robomem.spatial.scan_log import ScanLog
from robomem.types import Detection, EventKind, Observation
from tests.worlds import NS, SHAPE, K, ball_observation, camera

BALLS = {"red ball": (2.0, 0.0, 1.0), "cup": (3.0, 1.0, 1.2)}
CONFIG = Config(store=StoreConfig(sync="normal", checkpoint_observations=7))


def drift(step):
    """Return what odometry adds to the pose of a step."""
    return pose(rotation_from_yaw(0.004 * step), [0.012 * step, -0.01 * step, 0.0])


def look(memory, steps, *, moved_by=lambda step: np.eye(4), balls=BALLS):
    """Drive along y and look at a wall and balls; the memory is told poses that are off."""
    for step in steps:
        T_map_cam = camera(y=0.1 * step)
        seen = ball_observation(NS + step * NS // 5, balls, T_map_cam=T_map_cam)
        memory.observe(
            Observation(
                stamp_ns=seen.stamp_ns,
                T_map_cam=moved_by(step) @ T_map_cam,
                depth_m=seen.depth_m,
                K=seen.K,
                detections=seen.detections,
            )
        )


def rigid_drift(memory, steps):
    """Return by step how far its keyframe drifted, as a memory of drifted poses made them."""
    stamps = [k.stamp_ns for k in memory.keyframes()]
    first = [max(s for s in stamps if s <= NS + step * NS // 5) for step in steps]
    return {step: (stamp - NS) * 5 // NS for step, stamp in zip(steps, first, strict=True)}


def true_poses(memory):
    return {
        k.keyframe_id: camera(y=0.1 * ((k.stamp_ns - NS) * 5 // NS)) for k in memory.keyframes()
    }


def voxels(octree, points):
    return {tuple(v) for v in np.floor(points / octree.resolution_m).astype(int).tolist()}


def overlap(memory, other):
    a, b = memory.map, other.map
    occupied = voxels(a, a.occupied()), voxels(b, b.occupied())
    free = voxels(a, a.free()), voxels(b, b.free())
    return [len(x & y) / len(x | y) for x, y in (occupied, free)]


@pytest.fixture
def drifted(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        look(memory, range(24), moved_by=drift)
        yield memory


def corrected_from_the_start(path, drifted):
    """Observe the same with the poses that a correction to the truth leads to."""
    anchors = rigid_drift(drifted, range(24))
    memory = Memory.open(path, config=CONFIG)
    look(
        memory,
        range(24),
        moved_by=lambda step: (
            camera(y=0.1 * anchors[step])
            @ inverse(drift(anchors[step]) @ camera(y=0.1 * anchors[step]))
            @ drift(step)
        ),
    )
    return memory


# ---- what follows -------------------------------------------------------------------------------


def test_the_map_becomes_the_one_of_the_corrected_poses(drifted, tmp_path):
    with corrected_from_the_start(tmp_path / "b.rmem", drifted) as other:
        before = overlap(drifted, other)

        drifted.correct(true_poses(drifted), wait=True)

        assert before[0] < 0.7
        assert min(overlap(drifted, other)) >= 0.99


def test_things_are_where_the_corrected_poses_saw_them(drifted, tmp_path):
    with corrected_from_the_start(tmp_path / "b.rmem", drifted) as other:
        expected = {e.label: e.p_map for e in other.entities()}

        drifted.correct(true_poses(drifted))

        found = {e.label: e.p_map for e in drifted.entities()}
        assert found.keys() == expected.keys()
        assert all(np.linalg.norm(found[label] - expected[label]) < 0.01 for label in found)


def test_things_and_answers_move_before_the_map_has_followed(drifted, monkeypatch):
    monkeypatch.setattr(MapFollower, "start", lambda self: None)
    occupied = drifted.map.occupied()
    before = drifted.entities()[0].p_map

    drifted.correct(
        {k.keyframe_id: pose(np.eye(3), [1, 0, 0]) @ k.T_map_kf for k in drifted.keyframes()}
    )

    np.testing.assert_allclose(
        drifted.entities()[0].p_map, before + np.array([1.0, 0, 0]), atol=1e-9
    )
    np.testing.assert_array_equal(drifted.map.occupied(), occupied)
    assert drifted.ask("where is the red ball?")


def test_what_no_moved_keyframe_saw_stays_bit_for_bit(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        look(memory, range(4))
        far = [pose(np.eye(3), [40.0, 0, 0]) for _ in range(4)]
        look(memory, range(50, 54), moved_by=lambda step: far[step - 50])
        here = memory.map.box((-2, -4, -2), (8, 4, 4)).log_odds
        last = memory.keyframes()[-1]

        memory.correct({last.keyframe_id: pose(np.eye(3), [0, 0, 0.5]) @ last.T_map_kf}, wait=True)

        np.testing.assert_array_equal(memory.map.box((-2, -4, -2), (8, 4, 4)).log_odds, here)


def test_there_and_back_again_is_where_it_was(drifted):
    poses = {k.keyframe_id: k.T_map_kf for k in drifted.keyframes()}
    places = {e.label: e.p_map for e in drifted.entities()}
    occupied = voxels(drifted.map, drifted.map.occupied())

    drifted.correct(true_poses(drifted), wait=True)
    drifted.correct(poses, wait=True)

    assert all(np.allclose(e.p_map, places[e.label], atol=1e-9) for e in drifted.entities())
    now = voxels(drifted.map, drifted.map.occupied())
    assert len(now & occupied) / len(now | occupied) > 0.98


def test_what_comes_right_after_a_correction_goes_by_it(drifted):
    going_by = []
    drifted._access.before_commit(lambda: going_by.append(drifted._observer))

    drifted.correct(true_poses(drifted))

    assert going_by[0] is drifted._observer


def test_poses_that_stay_change_nothing(drifted):
    content = drifted.content_hash

    moved = drifted.correct({k.keyframe_id: k.T_map_kf for k in drifted.keyframes()}, wait=True)

    assert moved == []
    assert drifted.content_hash == content


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(-3, 3), st.tuples(*[st.integers(-40, 40)] * 3))
def test_moving_every_keyframe_moves_every_thing(tmp_path_factory, yaw_rad, shift):
    T = pose(rotation_from_yaw(yaw_rad), 0.05 * np.array(shift))
    with Memory.open(tmp_path_factory.mktemp("m") / "a.rmem", config=CONFIG) as memory:
        look(memory, range(6))
        before = {e.entity_id: e.p_map for e in memory.entities()}
        volume = memory.map.volume().known_m3

        memory.correct({k.keyframe_id: T @ k.T_map_kf for k in memory.keyframes()}, wait=True)

        assert all(
            np.allclose(e.p_map, T[:3, :3] @ before[e.entity_id] + T[:3, 3])
            for e in memory.entities()
        )
        assert memory.map.volume().known_m3 == pytest.approx(volume, rel=0.05)


def seen_twice(memory, *, off_m, label="red ball"):
    """See a ball from one place, and again from a place that odometry has wrong."""
    for visit, y in enumerate((0.0, off_m)):
        for step in range(4):
            seen = ball_observation(
                (1 + 60 * visit) * NS + step * NS // 5, {label: BALLS["red ball"]}
            )
            memory.observe(
                Observation(
                    stamp_ns=seen.stamp_ns,
                    T_map_cam=camera(y=y),
                    depth_m=seen.depth_m,
                    K=seen.K,
                    detections=seen.detections,
                )
            )


def test_what_drift_made_two_is_one_again(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        seen_twice(memory, off_m=1.5)
        before, events = memory.entities(), len(memory.events())

        memory.correct({memory.keyframes()[-1].keyframe_id: camera()})

        (ball,) = memory.entities()
        assert len(before) == 2
        assert ball.entity_id == before[0].entity_id
        assert ball.sightings == sum(e.sightings for e in before)
        assert {e.entity_id for e in memory.events()} == {ball.entity_id}
        assert len(memory.events()) == events
        np.testing.assert_allclose(ball.p_map, BALLS["red ball"], atol=0.05)


def test_one_made_of_two_is_in_the_middle_of_all_sightings_of_both(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        seen_twice(memory, off_m=1.5)

        memory.correct({memory.keyframes()[-1].keyframe_id: camera(y=0.2)})

        (ball,) = memory.entities()
        middle = np.array(BALLS["red ball"]) + np.array([0.0, 0.1, 0.0])
        np.testing.assert_allclose(ball.p_map, middle, atol=0.01)


def see_it_move(memory, *, off_m, ball=(2.0, 0.5, 1.0)):
    """See a ball, and later where odometry is off and has it elsewhere."""
    for start_s, y in ((1, 0.0), (60, off_m)):
        for step in range(12):
            seen = ball_observation((start_s + step) * NS, {"red ball": ball})
            memory.observe(replace(seen, T_map_cam=camera(y=y)))


def test_what_only_drift_moved_has_not_moved(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        see_it_move(memory, off_m=0.7)
        before = [event.kind for event in memory.events()]

        memory.correct({memory.keyframes()[-1].keyframe_id: camera()})

        (ball,) = memory.entities()
        assert before[-1] == EventKind.MOVED
        assert EventKind.MOVED not in {event.kind for event in memory.events()}
        np.testing.assert_allclose(ball.p_map, (2.0, 0.5, 1.0), atol=0.01)


def test_what_truly_moved_still_has_after_a_correction(tmp_path):
    shift = pose(np.eye(3), [0.3, 0.0, 0.0])
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        see_it_move(memory, off_m=0.7)
        before = memory.events()

        memory.correct({k.keyframe_id: shift @ k.T_map_kf for k in memory.keyframes()})

        assert [e.kind for e in memory.events()] == [e.kind for e in before]
        np.testing.assert_allclose(
            memory.events()[-1].p_from_map, before[-1].p_from_map + shift[:3, 3], atol=1e-9
        )


def test_two_that_were_seen_together_stay_two(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        for step in range(4):
            T_map_cam = camera()
            pair = tuple(
                Detection(
                    label="ball", p_cam=T_map_cam[:3, :3].T @ (np.array(p) - T_map_cam[:3, 3])
                )
                for p in ((2.0, 0.0, 1.0), (2.0, 0.7, 1.0))
            )
            memory.observe(
                Observation(stamp_ns=NS + step * NS, T_map_cam=T_map_cam, detections=pair)
            )
        near = pose(np.eye(3), [0.0, 0.0, 0.5])

        memory.correct({1: near @ camera()})

        assert len(memory.entities()) == 2


def test_a_wall_that_seemed_to_move_stands_after_a_correction(tmp_path):
    def look_twice(memory, first):
        for step in range(38):
            seen = ball_observation(NS + step * NS // 10, {})
            memory.observe(replace(seen, T_map_cam=first if step < 30 else camera()))

    far = camera(y=30.0)
    with (
        Memory.open(tmp_path / "a.rmem", config=CONFIG) as drifted,
        Memory.open(tmp_path / "b.rmem", config=CONFIG) as true,
    ):
        look_twice(drifted, camera(x=0.8))  # so the wall, seen again, stands in free space
        look_twice(true, far)

        drifted.correct({1: far}, wait=True)

        assert drifted.map.log_odds([4.0, 0.0, 1.0])[0] > 0
        assert overlap(drifted, true) == [1, 1]


# ---- paths and jumps ----------------------------------------------------------------------------


def test_a_corrected_path_places_the_keyframes_in_its_time(tmp_path):
    T_base_cam = pose(camera()[:3, :3], [0.2, 0.0, 0.4])
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        for step in range(0, 30, 5):
            memory.observe(
                Observation(
                    stamp_ns=NS + step * NS // 5,
                    T_odom_base=pose(np.eye(3), [0, 0.1 * step, 0]),
                    T_base_cam=T_base_cam,
                    depth_m=np.full(SHAPE, 3.0, np.float32),
                    K=K,
                )
            )
        stamps = [NS + i * NS for i in range(4)]  # the last two keyframes are beyond its end
        path = [pose(rotation_from_yaw(0.5), [i, 0, 0]) for i in range(4)]

        moved = memory.correct_path(stamps, path)

        found = [k.T_map_kf @ inverse(T_base_cam) for k in memory.keyframes()]
        assert moved == [1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose(found[:4], path, atol=1e-9)
        # What lies beyond moves as the end does: 0.5 m a keyframe, in the turned direction.
        step = np.linalg.norm(found[5][:3, 3] - found[4][:3, 3])
        assert step == pytest.approx(0.5)
        assert np.linalg.norm(found[4][:3, 3] - found[3][:3, 3]) == pytest.approx(0.5)


def test_a_keyframe_between_two_poses_of_a_path_is_between_them(drifted):
    stamps = [NS - NS // 2, NS + NS // 2]

    drifted.correct_path(stamps, [np.eye(4), pose(np.eye(3), [0, 2.0, 0])])

    np.testing.assert_allclose(drifted.keyframes()[0].T_map_kf[:3, 3], [0, 1.0, 0])


@pytest.mark.parametrize(
    ("stamps", "path", "error"),
    [
        ([], np.empty((0, 4, 4)), DataError),
        ([1, 2], [np.eye(4)], DataError),
        ([2, 1], [np.eye(4), np.eye(4)], DataError),
        ([1, 2], [np.eye(4), np.full((4, 4), np.nan)], FrameError),
    ],
)
def test_a_wrong_path_is_refused(drifted, stamps, path, error):
    content = drifted.content_hash

    with pytest.raises(error):
        drifted.correct_path(stamps, path)

    assert drifted.content_hash == content


def test_a_path_that_trembles_moves_nothing(drifted):
    path = [pose(np.eye(3), [0, 0, 0.004]) @ k.T_map_kf for k in drifted.keyframes()]

    assert drifted.correct_path([k.stamp_ns for k in drifted.keyframes()], path) == []


def test_a_path_of_another_time_changes_nothing(drifted):
    assert drifted.correct_path([5, 6], [np.eye(4)] * 2) == []


def drive_with_odometry(memory, steps, *, T_map_odom):
    """Drive along y by an odometry that measures 10 % too much."""
    for step in steps:
        T_odom_base = camera(y=0.11 * step)
        memory.observe(
            Observation(
                stamp_ns=NS + step * NS // 5,
                T_odom_base=T_odom_base,
                T_map_cam=T_map_odom @ T_odom_base,
                depth_m=np.full(SHAPE, 3.0, np.float32),
                K=K,
            )
        )


@pytest.mark.parametrize("follows", [True, False])
def test_a_jump_of_map_is_shared_out_over_the_way(tmp_path, follows):
    config = Config(keyframes=KeyframeConfig(follow_jumps=follows))
    with Memory.open(tmp_path / "a.rmem", config=config) as memory:
        drive_with_odometry(memory, range(51), T_map_odom=np.eye(4))
        before = memory.keyframes()
        drive_with_odometry(memory, range(51, 53), T_map_odom=pose(np.eye(3), [0, -0.5, 0]))

        after = memory.keyframes()
        truth = [0.1 * ((k.stamp_ns - NS) * 5 // NS) for k in before]
        off_m = [abs(k.T_map_kf[1, 3] - y) for k, y in zip(after, truth, strict=False)]
        assert max(off_m) < (0.06 if follows else 0.6)
        assert (max(off_m) > 0.4) != follows
        memory.wait_for_map()
        assert not memory._records.scans.count("is_stale")


def test_the_jitter_of_a_localisation_moves_nothing(tmp_path):
    config = Config(keyframes=KeyframeConfig(follow_jumps=True))
    with Memory.open(tmp_path / "a.rmem", config=config) as memory:
        drive_with_odometry(memory, range(20), T_map_odom=np.eye(4))
        before = [k.T_map_kf for k in memory.keyframes()]
        drive_with_odometry(memory, range(20, 22), T_map_odom=pose(np.eye(3), [0, 0.05, 0]))

        np.testing.assert_array_equal(
            [k.T_map_kf for k in memory.keyframes()][: len(before)], before
        )


# ---- while it runs ------------------------------------------------------------------------------


def test_what_is_observed_meanwhile_is_in_the_map(drifted, tmp_path, monkeypatch):
    start = MapFollower.start
    monkeypatch.setattr(MapFollower, "start", lambda self: None)
    drifted.correct(true_poses(drifted))
    read = ScanLog.read
    steps = iter(range(24, 30))

    def observe_and_read(self, row):
        for step in steps:
            look(drifted, [step])
            break
        return read(self, row)

    monkeypatch.setattr(ScanLog, "read", observe_and_read)
    start(drifted._follower)
    drifted.wait_for_map()

    assert next(steps, None) is None
    monkeypatch.undo()
    with corrected_from_the_start(tmp_path / "b.rmem", drifted) as other:
        look(other, range(24, 30))
        assert min(overlap(drifted, other)) >= 0.99


def test_a_correction_during_a_correction_is_followed_too(drifted, tmp_path, monkeypatch):
    halfway = {k: pose(np.eye(3), [0, 0.2, 0]) @ T for k, T in true_poses(drifted).items()}
    read, truth = ScanLog.read, [true_poses(drifted)]

    def correct_and_read(self, row):
        if truth:
            drifted.correct(truth.pop())
        return read(self, row)

    monkeypatch.setattr(ScanLog, "read", correct_and_read)
    drifted.correct(halfway, wait=True)
    monkeypatch.undo()

    with corrected_from_the_start(tmp_path / "b.rmem", drifted) as other:
        assert min(overlap(drifted, other)) >= 0.99


def test_a_correction_cut_short_is_finished_when_the_memory_is_opened_again(tmp_path, monkeypatch):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        look(memory, range(24), moved_by=drift)
        monkeypatch.setattr(MapFollower, "start", lambda self: None)
        memory.correct(true_poses(memory))
    monkeypatch.undo()

    with Memory.open(tmp_path / "a.rmem") as memory:
        memory.wait_for_map()

        with corrected_from_the_start(tmp_path / "b.rmem", memory) as other:
            assert min(overlap(memory, other)) >= 0.99


def test_a_reader_sees_the_corrected_map(drifted):
    with Memory.open(drifted.path, "r") as reader:
        before = voxels(reader.map, reader.map.occupied())

        drifted.correct(true_poses(drifted), wait=True)

        after = voxels(reader.map, reader.map.occupied())
        assert after == voxels(drifted.map, drifted.map.occupied())
        assert after != before


def test_merging_brick_files_keeps_a_correction(tmp_path):
    config = Config(store=StoreConfig(sync="normal", checkpoint_observations=2))
    with Memory.open(tmp_path / "a.rmem", config=config) as memory:
        look(memory, range(12), moved_by=drift)
        far = pose(np.eye(3), [20.0, 0, 0])
        memory.correct({k.keyframe_id: far @ k.T_map_kf for k in memory.keyframes()}, wait=True)
        look(memory, range(40, 80), moved_by=lambda step: far)

        digest = memory.map.digest()

        assert not len(memory.map.occupied()) or memory.map.occupied()[:, 0].min() > 15
    with Memory.open(tmp_path / "a.rmem", "r") as memory:
        assert memory.map.digest() == digest


# ---- bounds -------------------------------------------------------------------------------------


def test_what_is_no_longer_kept_stays_where_it_is(tmp_path):
    config = Config(store=StoreConfig(sync="normal", scan_budget_bytes=1))
    with Memory.open(tmp_path / "a.rmem", config=config) as memory:
        look(memory, range(12))
        digest, up = memory.map.digest(), pose(np.eye(3), [0, 0, 1.0])

        memory.correct({k.keyframe_id: up @ k.T_map_kf for k in memory.keyframes()}, wait=True)

        assert memory._records.scan_bytes() == 0
        assert memory.map.digest() == digest


def test_the_oldest_scans_go_first(tmp_path):
    config = Config(store=StoreConfig(sync="normal", scan_budget_bytes=3000))
    with Memory.open(tmp_path / "a.rmem", config=config) as memory:
        look(memory, range(24))

        kept = [row.scan_id for row in memory._records.scans.select()]

        assert memory._records.scan_bytes() <= 3000
        assert kept == list(range(25 - len(kept), 25))


def test_without_kept_scans_things_move_and_the_map_stays(tmp_path):
    config = Config(store=StoreConfig(sync="normal", scan_budget_bytes=0))
    with Memory.open(tmp_path / "a.rmem", config=config) as memory:
        look(memory, range(6))
        digest, p_map = memory.map.digest(), memory.entities()[0].p_map
        up = pose(np.eye(3), [0, 0, 1.0])

        memory.correct({k.keyframe_id: up @ k.T_map_kf for k in memory.keyframes()}, wait=True)

        assert memory.map.digest() == digest
        np.testing.assert_allclose(memory.entities()[0].p_map, p_map + np.array([0, 0, 1.0]))


def test_a_robot_that_stands_still_keeps_one_scan_a_second(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        for step in range(20):
            memory.observe(ball_observation(NS + step * NS // 10, BALLS))

        kept = memory._records.scans.select()

        assert [row.weight for row in kept] == [10, 10]


def test_points_follow_as_images_do(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.uniform(-4, 4, (500, 3))
    up = pose(np.eye(3), [0, 0, 2.0])
    maps = []
    for T_map_cam in (np.eye(4), up):
        with Memory.open(tmp_path / f"{len(maps)}.rmem", config=CONFIG) as memory:
            memory.observe(Observation(stamp_ns=NS, T_map_cam=T_map_cam, points_cam=points))
            memory.correct({1: up}, wait=True)
            maps.append(voxels(memory.map, memory.map.occupied()))

    assert len(maps[0] & maps[1]) / len(maps[0] | maps[1]) > 0.95


def test_codes_follow_too(tmp_path):
    embedding = np.array([0.0, 1.0, 0.0], np.float32)
    config = Config(spatial=SpatialConfig(keep_embeddings=True))
    with Memory.open(tmp_path / "a.rmem", config=config) as memory:
        memory.observe(
            Observation(
                stamp_ns=NS,
                T_map_cam=camera(),
                depth_m=np.full(SHAPE, 2.0, np.float32),
                K=K,
                detections=(Detection(label="cup", box_px=(30, 20, 50, 40), embedding=embedding),),
            )
        )
        before = memory.map.similar(embedding)

        memory.correct({1: pose(np.eye(3), [0, 0, 1.0]) @ camera()}, wait=True)

        after = memory.map.similar(embedding)
        assert len(after) == pytest.approx(len(before), rel=0.3)
        np.testing.assert_allclose(
            after.mean(axis=0), before.mean(axis=0) + np.array([0, 0, 1.0]), atol=0.05
        )


def test_what_was_forgotten_is_in_no_scan(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        look(memory, range(6))
        ball = next(e for e in memory.entities() if e.label == "red ball")

        memory.forget([ball.entity_id])
        memory.correct(
            {k.keyframe_id: pose(np.eye(3), [0, 0, 2.0]) @ k.T_map_kf for k in memory.keyframes()},
            wait=True,
        )

        occupied = memory.map.occupied()
        away_m = np.linalg.norm(occupied - (ball.p_map + np.array([0, 0, 2.0])), axis=1)
        assert len(occupied) > 100
        assert away_m.min() > 0.1


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("poses", "error"),
    [
        ({1: np.eye(4), 99: np.eye(4)}, QueryError),
        ({1: np.full((4, 4), np.nan)}, FrameError),
        ({1: np.eye(3)}, FrameError),
        ({2: pose(np.eye(3), [1, 0, 0]), 1: 2 * np.eye(4)}, FrameError),
        ({1: pose(np.eye(3), [1e9, 0, 0])}, DataError),
    ],
)
def test_a_wrong_correction_is_refused_whole(drifted, poses, error):
    content = drifted.content_hash

    with pytest.raises(error):
        drifted.correct(poses, wait=True)

    assert drifted.content_hash == content


def test_a_reader_cannot_correct(drifted):
    with Memory.open(drifted.path, "r") as reader, pytest.raises(RobomemError, match="reading"):
        reader.correct({1: np.eye(4)})
