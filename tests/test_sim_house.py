from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("embreex")
pytest.importorskip("trimesh")

from robomem_sim.camera import Camera, Scene
from robomem_sim.free_space import FreeSpace
from robomem_sim.house import NOTHING, House
from robomem_sim.patrol import plan_stands
from robomem_sim.robot import ROBOT_RADIUS_M, RobotSettings
from robomem_sim.shapes import Part, bounds, box, placed, turned

from robomem.geometry import pose, rotation_from_yaw

SEEDS = range(8)
TOUCH_M = 1e-6  # things stand on each other


@pytest.fixture(scope="module", params=SEEDS)
def house(request) -> House:
    return House(request.param)


def _overlap(a: Part, b: Part) -> bool:
    low, high = zip(bounds([a]), bounds([b]), strict=True)
    return bool((np.min(high, axis=0) - np.max(low, axis=0) > TOUCH_M).all())


def test_no_two_things_overlap(house):
    parts = [(thing.thing_id, part) for thing in house.things for part in thing.parts]

    pairs = [(i, j) for (i, a), (j, b) in combinations(parts, 2) if i != j and _overlap(a, b)]

    assert pairs == []


def test_everything_stands_inside_its_room(house):
    rooms = {room.name: room.inside for room in house.rooms}

    assert all(rooms[thing.room].holds(thing.footprint) for thing in house.things)
    assert all(bounds(thing.parts)[0, 2] >= -TOUCH_M for thing in house.things)


def test_a_small_thing_stands_on_what_supports_it(house):
    for thing in (thing for thing in house.things if thing.support_id != NOTHING):
        support = house.thing(thing.support_id)
        bottom = bounds(thing.parts)[0, 2]

        assert support.room == thing.room
        assert any(abs(surface.z - bottom) < TOUCH_M for surface in support.surfaces)


def test_the_robot_reaches_every_room(house):
    reachable = house.free_space.reachable((0.0, 0.0), radius_m=ROBOT_RADIUS_M)

    assert all(any(room.contains(p) for p in reachable) for room in house.rooms)


def test_labels_are_unique_or_far_apart(house):
    for a, b in combinations(house.things, 2):
        assert a.label != b.label or np.linalg.norm(a.p_map - b.p_map) > 1.2


def test_a_patrol_stands_where_every_thing_can_be_seen(house):
    scene = Scene(house.mesh())
    stands = plan_stands(house, scene, eye_height_m=1.0)

    seen = set().union(*(_shown(scene, stand) for stand in stands))
    assert [thing.label for thing in house.things if thing.thing_id not in seen] == []
    assert all(any(room.contains(stand) for stand in stands) for room in house.rooms)


def _shown(scene: Scene, stand: np.ndarray) -> set[int]:
    """Return the things of which a look round from a stand shows 10 pixels at once."""
    ids: set[int] = set()
    for yaw_rad in np.arange(6) * np.pi / 3:
        T_map_base = pose(rotation_from_yaw(yaw_rad), (*stand, 0.0))
        view = scene.render(Camera(), T_map_base @ RobotSettings().T_base_cam)
        numbers, pixels = np.unique(view.thing_ids, return_counts=True)
        ids.update(numbers[pixels >= 10].tolist())
    return ids


def test_the_same_seed_gives_the_same_house():
    a, b = House(3), House(3)

    assert [thing.label for thing in a.things] == [thing.label for thing in b.things]
    assert np.array_equal(a.mesh().mesh.vertices, b.mesh().mesh.vertices)
    assert not np.array_equal(House(4).mesh().mesh.vertices[:8], b.mesh().mesh.vertices[:8])


def test_a_moved_thing_stands_in_another_room_and_the_mesh_follows(rng):
    house = House(0)
    before = house.named("red mug")

    after = house.move(before.thing_id, rng=rng)

    mesh = house.mesh()
    vertices = mesh.mesh.triangles[mesh.thing_ids == after.thing_id].reshape(-1, 3)
    assert after.room != before.room
    assert np.allclose((vertices.min(axis=0) + vertices.max(axis=0)) / 2, after.p_map, atol=2e-3)
    assert house.room_of(after.p_map) == after.room
    assert not any(
        _overlap(a, b)
        for thing in house.things
        if thing.thing_id != after.thing_id
        for a in thing.parts
        for b in after.parts
    )


def test_a_thing_moves_to_the_named_support(rng):
    house = House(0)
    counter = house.named("kitchen counter")

    moved = house.move(house.named("red book").thing_id, to=counter.thing_id, rng=rng)

    assert (moved.support_id, moved.room) == (counter.thing_id, "kitchen")


def test_furniture_cannot_be_carried(rng):
    house = House(0)

    with pytest.raises(ValueError, match="cannot be carried"):
        house.move(house.named("grey sofa").thing_id, rng=rng)


def test_there_is_free_space_under_a_table_but_not_for_the_robot():
    house = House(0)
    table = house.named("wooden table")
    under = (*table.p_map[:2], 0.3)

    assert not any(
        (bounds([p])[0] < under).all() and (under < bounds([p])[1]).all() for p in table.parts
    )
    assert house.free_space.clearance(under[:2])[0] <= 0


def test_clearance_is_the_distance_to_the_nearest_footprint():
    wall = box((0.0, 0.0, 0.5), (2.0, 2.0, 1.0), (0, 0, 0))
    lamp = box((9.0, 0.0, 2.0), (1.0, 1.0, 0.2), (0, 0, 0))  # hangs above the robot
    space = FreeSpace([wall, lamp], low=(-5, -5), high=(5, 5))

    assert np.allclose(space.clearance([(3.0, 0.0), (4.0, 5.0), (0.5, 0.0)]), (2.0, 5.0, 0.0))


def test_a_path_past_a_corner_is_free_only_for_a_robot_that_fits():
    block = box((0.0, 0.0, 0.5), (2.0, 2.0, 1.0), (0, 0, 0))
    space = FreeSpace([block], low=(-5, -5), high=(5, 5))
    path = [(-3.0, 1.3), (3.0, 1.3)]

    assert space.is_free(path, radius_m=0.29)
    assert not space.is_free(path, radius_m=0.31)
    assert not space.is_free([(-3.0, 0.0), (3.0, 0.0)], radius_m=0.01)


def test_a_planned_route_touches_nothing(house):
    free_space = house.free_space
    for room in house.rooms:
        reachable = free_space.reachable((0.0, 0.0), radius_m=0.3)
        goal = next(p for p in reachable if room.contains(p))

        assert free_space.is_free(free_space.route((0, 0), goal, radius_m=0.3), radius_m=0.25)


def test_no_route_into_a_closed_box_is_an_error():
    sides = [
        box((0, 1, 0.5), (2.2, 0.2, 1), (0, 0, 0)),
        box((0, -1, 0.5), (2.2, 0.2, 1), (0, 0, 0)),
        box((1, 0, 0.5), (0.2, 2.2, 1), (0, 0, 0)),
        box((-1, 0, 0.5), (0.2, 2.2, 1), (0, 0, 0)),
    ]
    space = FreeSpace(sides, low=(-4, -4), high=(4, 4))

    with pytest.raises(ValueError, match="no way"):
        space.route((3.0, 3.0), (0.0, 0.0), radius_m=0.25)


def test_four_quarter_turns_are_none():
    part = box((1.0, 2.0, 3.0), (0.1, 0.2, 0.3), (0, 0, 0))

    once = placed(part, (0.0, 0.0, 0.0), 1)

    assert turned(1.0, 0.0, 1) == (0.0, 1.0)
    assert (once.center, once.size) == ((-2.0, 1.0, 3.0), (0.2, 0.1, 0.3))
    assert placed(part, (0.0, 0.0, 0.0), 4) == part
