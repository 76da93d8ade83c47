"""Drift goes where places are seen again, and places that are not the same are kept apart."""

import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from robomem.config import KeyframeConfig
from robomem.errors import DataError, MissingExtraError, StampError
from robomem.geometry import inverse, pose, rotation_angle, rotation_from_yaw, transform
from robomem.spatial.keyframes import needs_keyframe
from robomem.spatial.slam import LoopCloser, Scan, SlamConfig, Verdict, close_loops
from robomem.types import Keyframe

gicp = pytest.importorskip("small_gicp")
pytest.importorskip("gtsam")
simulation = pytest.importorskip("robomem_sim.run")
house = pytest.importorskip("robomem_sim.house")


@pytest.fixture(scope="module")
def drive():
    return drive_through(0)


@pytest.fixture(scope="module")
def other():
    return drive_through(1, rooms=(0, 1))


@pytest.fixture(scope="module")
def drifted(drive):
    return drifting(drive)


@pytest.fixture(scope="module")
def closing(drifted):
    return close_loops(drifted)


def drive_through(seed, rooms=(0, 1, 0, 1)):
    """Keyframes of a drive that looks round in rooms, never twice from the same spot; poses are true."""
    camera = simulation.Camera(width_px=80, height_px=60)
    sim = simulation.Simulation(seed, simulation.SimulationSettings(rate_hz=2.5, camera=camera))
    rng = np.random.default_rng(seed)
    points = sim.free_space.reachable((0.0, 0.0), radius_m=house.ROOM_TO_STAND_M)
    scans, last = [], None
    for room in (sim.house.rooms[i] for i in rooms):
        stands = [xy for xy in points if room.contains(xy)]
        stand = stands[rng.integers(len(stands))]
        here = sim.robot.T_map_base[:2, 3]
        for leg in (
            sim.follow(sim.free_space.route(here, stand, radius_m=house.ROOM_TO_STAND_M)),
            sim.look_round(),
        ):
            for frame in leg:
                stamp_ns, T_map_kf = frame.stamp_ns, frame.T_map_cam
                config = KeyframeConfig()
                if needs_keyframe(last, T_map_kf, stamp_ns=stamp_ns, source="", config=config):
                    last = Keyframe(len(scans) + 1, stamp_ns, stamp_ns, T_map_kf, "")
                    scans.append(
                        Scan(
                            keyframe_id=last.keyframe_id,
                            stamp_ns=stamp_ns,
                            T_map_kf=T_map_kf,
                            depth_m=frame.depth_m,
                            K=frame.K,
                            color=frame.color,
                        )
                    )
    return scans


def drifting(scans, *, scale=0.02, yaw_rad_per_m=0.008, sigma=0.01, seed=0):
    """Give the scans poses of odometry that errs by 2 % of the way, and turns too far."""
    rng = np.random.default_rng(seed)
    out = [scans[0]]
    for before, here in pairwise(scans):
        step = here.T_map_kf[:3, 3] - before.T_map_kf[:3, 3]
        length_m = np.linalg.norm(step)
        noise = sigma * np.sqrt(length_m) * rng.standard_normal(3) * (1, 1, 0)
        yaw_rad = yaw_rad_per_m * length_m + 0.3 * sigma * np.sqrt(length_m) * rng.standard_normal()
        R_odom_map = out[-1].T_map_kf[:3, :3] @ before.T_map_kf[:3, :3].T
        R = R_odom_map @ rotation_from_yaw(yaw_rad) @ here.T_map_kf[:3, :3]
        t = out[-1].T_map_kf[:3, 3] + R_odom_map @ (step * (1 + scale) + noise)
        out.append(replace(here, T_map_kf=pose(R, t)))
    return out


def error_m(poses, truth):
    offs = [poses[scan.keyframe_id][:3, 3] - scan.T_map_kf[:3, 3] for scan in truth]
    return float(np.sqrt(np.mean(np.sum(np.square(offs), axis=1))))


def is_right(loop, truth):
    a, b = (truth[i - 1].T_map_kf for i in (loop.edge.kf_from, loop.edge.kf_to))
    T_error = inverse(inverse(a) @ b) @ loop.edge.T_from_to
    return np.linalg.norm(T_error[:3, 3]) < 0.25 and rotation_angle(T_error[:3, :3]) < 0.1


def test_drift_of_two_percent_falls_at_least_five_times(drive, drifted, closing):
    before_m = error_m({scan.keyframe_id: scan.T_map_kf for scan in drifted}, drive)

    after_m = error_m(closing.poses, drive)

    assert before_m > 0.15
    assert after_m < before_m / 5


def test_every_accepted_loop_is_right(drive, closing):
    assert len(closing.accepted) > 10
    assert all(is_right(loop, drive) for loop in closing.accepted)


def test_the_same_recording_gives_the_same_poses_to_the_bit(drifted):
    first, second = close_loops(drifted[:30]), close_loops(drifted[:30])

    assert first.loops
    assert all(np.array_equal(first.poses[i], second.poses[i]) for i in first.poses)


@pytest.mark.parametrize("is_carried", [True, False])
def test_two_houses_are_never_joined(drive, other, is_carried):
    drive = drive[: len(drive) // 2]
    T = (
        pose(np.eye(3), (9.0, 0, 0))
        if is_carried
        else drive[-1].T_map_kf @ inverse(other[0].T_map_kf)
    )
    moved = [
        replace(
            scan,
            keyframe_id=scan.keyframe_id + len(drive),
            stamp_ns=drive[-1].stamp_ns + scan.stamp_ns,
            T_map_kf=T @ scan.T_map_kf,
        )
        for scan in other
    ]
    closer = LoopCloser()

    for scan in [*drive, *moved]:
        closer.add(scan)
    closer.finish()

    across = [x for x in closer.loops if x.edge.kf_from <= len(drive) < x.edge.kf_to]
    assert across
    assert Verdict.ACCEPTED not in {loop.verdict for loop in across}
    assert len(closer.graph().components()) == 1 + is_carried


def test_a_keyframe_without_an_image_is_corrected_by_its_neighbours(drive, drifted):
    blind = [
        replace(scan, depth_m=None) if i % 5 == 1 else scan for i, scan in enumerate(drifted[:40])
    ]

    corrected = close_loops(blind)

    assert len(corrected.poses) == 40
    assert error_m(corrected.poses, drive[:40]) < error_m(
        {scan.keyframe_id: scan.T_map_kf for scan in drifted[:40]}, drive[:40]
    )


def test_a_recording_of_one_place_or_of_nothing_stays_as_it_is(drive):
    assert close_loops([]).poses == {}

    alone = close_loops(drive[:1])

    np.testing.assert_allclose(alone.poses[1], drive[0].T_map_kf, atol=1e-9)
    assert alone.loops == ()


def test_what_cannot_be_is_refused_and_nothing_is_taken_in(drive):
    closer = LoopCloser()
    closer.add(drive[0])
    closer.add(drive[1])

    with pytest.raises(DataError, match="was there before"):
        closer.add(drive[1])
    with pytest.raises(StampError, match="older"):
        closer.add(replace(drive[2], stamp_ns=0))
    with pytest.raises(DataError, match="no rigid motion"):
        replace(drive[2], T_map_kf=np.full((4, 4), np.nan))
    with pytest.raises(DataError, match="positive focal lengths"):
        replace(drive[2], K=None)

    assert list(closer.graph().poses) == [1, 2]
    closer.add(drive[2])


def test_without_small_gicp_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "small_gicp", None)

    with pytest.raises(MissingExtraError, match=r"small_gicp .* pip install 'robomem\[slam\]'"):
        LoopCloser()


def test_without_map_closures_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "map_closures", None)
    monkeypatch.setitem(sys.modules, "map_closures.config", None)

    with pytest.raises(MissingExtraError, match=r"pip install --no-deps map-closures"):
        LoopCloser(SlamConfig(descriptor="map_closures"))


def test_density_maps_only_propose_and_nothing_wrong_is_accepted(drive, drifted):
    pytest.importorskip("map_closures")

    closing = close_loops(drifted[:40], config=SlamConfig(descriptor="map_closures"))

    assert all(is_right(loop, drive) for loop in closing.accepted)


def test_a_lidar_closes_loops_too():
    rng = np.random.default_rng(5)
    walls = hall(rng)
    truth = [
        pose(rotation_from_yaw(a), (6 * np.cos(a) + 6, 4 * np.sin(a), 1.0))
        for a in np.linspace(0, 9, 60)
    ]
    scans = []
    for i, T_map_kf in enumerate(truth):
        points = transform(inverse(T_map_kf), walls)
        points = points[np.linalg.norm(points, axis=1) < 8.0]
        points += 0.01 * rng.standard_normal(points.shape)
        scans.append(Scan(keyframe_id=i + 1, stamp_ns=i, T_map_kf=T_map_kf, points_kf=points))
    drifted = drifting(scans)
    config = SlamConfig(max_range_m=8.0, local_map_length_m=1.5)

    corrected = close_loops(drifted, config=config)

    before_m = error_m({scan.keyframe_id: scan.T_map_kf for scan in drifted}, scans)
    assert error_m(corrected.poses, scans) < before_m / 5


def hall(rng):
    """Points of a hall with pillars of different sizes, floor and all."""
    sides = [
        ((-3.0, -8.0), (15.0, -8.0)),
        ((15.0, -8.0), (15.0, 7.0)),
        ((15.0, 7.0), (-3.0, 7.0)),
        ((-3.0, 7.0), (-3.0, -8.0)),
    ]
    for _ in range(14):
        a = np.array([rng.uniform(-2, 14), rng.uniform(-7, 6)])
        if abs(np.hypot((a[0] - 6) / 6, a[1] / 4) - 1) > 0.25:
            size = rng.uniform(0.3, 1.2, 2)
            sides += [(a, a + size * (1, 0)), (a, a + size * (0, 1))]
    clouds = []
    for begin, end in sides:
        begin, end = np.asarray(begin), np.asarray(end)
        n = int(np.linalg.norm(end - begin) * 300)
        t = rng.random((n, 1))
        clouds.append(np.column_stack([begin + t * (end - begin), rng.uniform(0, 2.5, n)]))
    floor = np.column_stack(
        [rng.uniform(-3, 15, 20000), rng.uniform(-8, 7, 20000), np.zeros(20000)]
    )
    return np.concatenate([*clouds, floor])
