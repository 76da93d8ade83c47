"""The floor of a memory: places, rooms and routes follow what is observed, corrected and blocked."""

import numpy as np
import pytest

from robomem.config import Config, StoreConfig
from robomem.errors import UnreachableError
from robomem.geometry import pose
from robomem.memory import Memory
from robomem.spatial.topology.topology_graph import TopologyGraph
from robomem.types import Observation
from tests.worlds import NS, SHAPE, K, camera

CONFIG = Config(store=StoreConfig(sync="normal"))


def look_round(memory, x, *, start_s, depth_m=3.0):
    for step in range(32):
        memory.observe(
            Observation(
                stamp_ns=start_s * NS + step * NS // 5,
                T_map_cam=camera(x=x, yaw_rad=0.2 * step),
                depth_m=np.full(SHAPE, depth_m, np.float32),
                K=K,
            )
        )


def graph(topology):
    """Return places and passages without their numbers."""
    places = {place.place_id: tuple(np.round(place.p_map, 6)) for place in topology.places()}
    ways = {frozenset(places[i] for i in way.place_ids) for way in topology.passages()}
    return set(places.values()), ways


def built_anew(memory):
    driven = np.array([k.T_map_kf[:3, 3] for k in memory.keyframes()])
    return TopologyGraph.build(memory.map, settings=memory.floor().settings, driven_map=driven)


@pytest.fixture
def memory(tmp_path):
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        look_round(memory, 0.0, start_s=1)
        yield memory


def test_the_floor_follows_what_is_observed(memory):
    before = graph(memory.floor())

    look_round(memory, 4.0, start_s=20)

    assert graph(memory.floor()) == graph(built_anew(memory))
    assert graph(memory.floor()) != before


def test_the_floor_follows_a_correction(memory):
    memory.floor()

    memory.correct(
        {k.keyframe_id: pose(np.eye(3), [6.0, 0, 0]) @ k.T_map_kf for k in memory.keyframes()},
        wait=True,
    )

    assert graph(memory.floor()) == graph(built_anew(memory))
    assert min(place.p_map[0] for place in memory.floor().places()) > 2.0


def test_a_reader_sees_the_floor_of_the_writer(memory):
    with Memory.open(memory.path, "r") as reader:
        reader.floor()
        look_round(memory, 4.0, start_s=20)

        assert graph(reader.floor()) == graph(memory.floor())


def test_blocked_passages_stay_so_when_the_memory_is_reopened(tmp_path):
    path = tmp_path / "a.rmem"
    with Memory.open(path, config=CONFIG) as memory:
        look_round(memory, 0.0, start_s=1)
        u, v = memory.floor().passages()[0].place_ids
        memory.floor().block(u, v)
        ids = [place.place_id for place in memory.floor().places()]

    with Memory.open(path) as memory:
        assert memory.floor().blocked == ((u, v),)
        assert [place.place_id for place in memory.floor().places()] == ids


@pytest.mark.parametrize(
    "damage", [b"", b"PK\x03\x04 no zip", b"\x00" * 4000], ids=["empty", "cut", "foreign"]
)
def test_a_damaged_floor_is_found_anew(tmp_path, damage):
    path = tmp_path / "a.rmem"
    with Memory.open(path, config=CONFIG) as memory:
        look_round(memory, 0.0, start_s=1)
        whole = graph(memory.floor())
    (path / "floor.npz").write_bytes(damage)

    with Memory.open(path) as memory:
        assert graph(memory.floor()) == whole


def test_a_room_is_named_from_what_stands_in_it(tmp_path):
    from robomem.types import Detection

    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        for step in range(32):
            T_map_cam = camera(yaw_rad=0.2 * step)
            stove = T_map_cam[:3, :3].T @ (np.array([1.5, 0.5, 0.8]) - T_map_cam[:3, 3])
            memory.observe(
                Observation(
                    stamp_ns=NS + step * NS // 5,
                    T_map_cam=T_map_cam,
                    depth_m=np.full(SHAPE, 3.0, np.float32),
                    K=K,
                    detections=(Detection(label="stove", p_cam=stove),),
                )
            )

        assert [room.name for room in memory.rooms()] == ["kitchen"]


def test_each_height_has_a_floor_of_its_own(memory):
    assert len(memory.floor().places()) > 0
    assert len(memory.floor(50.0).places()) == 0
    with pytest.raises(UnreachableError):
        memory.route((0, 0, 50.0), (1, 0))
