"""What walks through a memory's view stays out of its map, and what stops there goes in."""

import numpy as np
import pytest

from robomem.config import Config, MotionConfig, StoreConfig
from robomem.geometry import back_project, pose, transform
from robomem.memory import Memory
from robomem.types import Observation
from tests.worlds import NS, camera

K = np.array([[120.0, 0, 79.5], [0, 120.0, 59.5], [0, 0, 1]])
SHAPE = (120, 160)
WALL_M, BODY_M = 4.0, 2.5
RATE_HZ = 10


def view(body_y=None):
    """A wall, and before it a body 0.5 m wide and 1.4 m high, `body_y` to the left of the middle."""
    depth_m = np.full(SHAPE, WALL_M, np.float32)
    if body_y is not None:
        u = np.arange(SHAPE[1]) - (79.5 - body_y / BODY_M * 120)
        v = np.arange(SHAPE[0]) - 59.5
        inside = (np.abs(u) < 0.25 / BODY_M * 120)[None] & (np.abs(v) < 0.7 / BODY_M * 120)[:, None]
        depth_m[inside] = BODY_M
    return depth_m


def watch(memory, bodies, *, start_s, as_points=False):
    """See the body at these places in turn; None: only the wall."""
    for i, body_y in enumerate(bodies):
        depth_m = view(body_y)
        scan = {"depth_m": depth_m, "K": K}
        if as_points:
            scan = {"points_cam": back_project(depth_m, K)}
        memory.observe(
            Observation(stamp_ns=start_s * NS + i * NS // RATE_HZ, T_map_cam=camera(), **scan)
        )


def body_voxels(memory, *, at_map=None):
    """Count the occupied voxels before the wall."""
    points = memory.map.occupied()
    if at_map is not None:
        points = transform(np.linalg.inv(at_map), points)
    return int(((points[:, 0] > BODY_M - 0.3) & (points[:, 0] < WALL_M - 0.5)).sum())


def memory_of(tmp_path, **motion):
    config = Config(store=StoreConfig(sync="normal"), motion=MotionConfig(**motion))
    return Memory.open(tmp_path / "a.rmem", config=config)


WALK = np.linspace(-1.0, 1.0, 25)


@pytest.mark.parametrize("as_points", [False, True])
def test_who_walks_by_is_not_in_the_map(tmp_path, as_points):
    with memory_of(tmp_path) as memory:
        watch(memory, [None] * 20, start_s=1, as_points=as_points)
        known = memory.map.volume()
        watch(memory, WALK, start_s=3, as_points=as_points)

        (track,) = memory.tracks()
        assert body_voxels(memory) == 0
        assert memory.map.volume().occupied_m3 == pytest.approx(known.occupied_m3)
        assert track.reach_m > 1.0
        assert 0.4 < track.speed_m_s < 1.6


def test_who_walks_by_a_finer_camera_is_not_in_the_map_either(tmp_path):
    K_fine = np.array([[480.0, 0, 319.5], [0, 480.0, 239.5], [0, 0, 1]])
    with memory_of(tmp_path) as memory:
        for i, body_y in enumerate([*[None] * 20, *WALK]):
            memory.observe(
                Observation(
                    stamp_ns=NS + i * NS // RATE_HZ,
                    T_map_cam=camera(),
                    depth_m=np.kron(view(body_y), np.ones((4, 4), np.float32)),
                    K=K_fine,
                )
            )

        assert body_voxels(memory) == 0
        assert len(memory.tracks()) == 1


def test_without_splitting_it_is_in_the_map(tmp_path):
    with memory_of(tmp_path, is_split=False) as memory:
        watch(memory, [None] * 20, start_s=1)
        watch(memory, WALK, start_s=3)

        assert body_voxels(memory) > 0
        assert memory.tracks() == ()


def test_who_stops_and_stands_is_in_the_map_after_a_while(tmp_path):
    with memory_of(tmp_path, settle_s=2.0) as memory:
        watch(memory, [None] * 20, start_s=1)
        watch(memory, [*WALK, *[1.0] * 10], start_s=3)
        before = body_voxels(memory)
        watch(memory, [1.0] * 40, start_s=7)

        assert before == 0
        assert body_voxels(memory) > 50


def test_what_stands_there_after_a_long_absence_is_in_the_map_at_once(tmp_path):
    with memory_of(tmp_path, remember_s=60.0) as memory:
        watch(memory, [None] * 20, start_s=1)
        watch(memory, [0.3] * 12, start_s=200)

        assert body_voxels(memory) > 50


def test_a_map_made_anew_leaves_out_what_moved(tmp_path):
    up = pose(np.eye(3), [0, 0, 1.0])
    with memory_of(tmp_path) as memory:
        watch(memory, [None] * 20, start_s=1)
        watch(memory, WALK, start_s=3)

        memory.correct({k.keyframe_id: up @ k.T_map_kf for k in memory.keyframes()}, wait=True)

        assert len(memory.map.occupied()) > 100
        assert body_voxels(memory, at_map=up) == 0


def test_a_scan_of_which_all_moves_clears_and_hits_nothing(tmp_path):
    with memory_of(tmp_path) as memory:
        watch(memory, [None] * 20, start_s=1)
        occupied_m3 = memory.map.volume().occupied_m3
        memory.observe(
            Observation(
                stamp_ns=3 * NS + NS // 10,
                T_map_cam=camera(),
                depth_m=np.where(view(0.0) == BODY_M, BODY_M, np.nan).astype(np.float32),
                K=K,
            )
        )

        assert memory.map.volume().occupied_m3 == pytest.approx(occupied_m3)
