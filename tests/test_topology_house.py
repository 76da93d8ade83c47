"""Rooms and routes of simulated houses, from what a patrol saw, are those of the truth."""

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("embreex")
pytest.importorskip("trimesh")

from robomem_sim.house import House
from robomem_sim.robot import ROBOT_RADIUS_M
from robomem_sim.run import Simulation, SimulationSettings

from robomem.geometry import Points
from robomem.spatial.octree import Octree
from robomem.spatial.topology.topology_graph import TopologyGraph


@dataclass(frozen=True)
class Patrolled:
    house: House
    octree: Octree
    driven_map: Points
    topology: TopologyGraph


@pytest.fixture(scope="module", params=[1, 4])
def patrolled(request):
    simulation = Simulation(request.param, SimulationSettings(rate_hz=2.5))
    octree, driven_map = Octree(0.05), []
    for frame in simulation.patrol():
        octree.integrate_depth(frame.depth_m, K=frame.K, T_map_cam=frame.T_map_cam, max_range_m=5.0)
        driven_map.append(frame.T_map_base[:3, 3])
    topology = TopologyGraph.build(octree, driven_map=driven_map)
    return Patrolled(simulation.house, octree, np.array(driven_map), topology)


def adjusted_rand_index(a, b):
    """Hubert and Arabie, "Comparing Partitions", 1985, Equation (5)."""
    table = np.zeros((len(set(a)), len(set(b))))
    np.add.at(table, tuple(np.unique(x, return_inverse=True)[1] for x in (a, b)), 1)
    both, some, others, whole = (
        float((n * (n - 1) / 2).sum())
        for n in (table, table.sum(axis=1), table.sum(axis=0), table.sum())
    )
    expected = some * others / whole
    return (both - expected) / ((some + others) / 2 - expected)


def test_rooms_are_those_of_the_house(patrolled):
    regions = patrolled.topology.regions()

    cells = [(r.region_id, patrolled.house.room_of(p)) for r in regions for p in r.cells_map[::7]]
    found, true = zip(*[pair for pair in cells if pair[1]], strict=True)
    assert len(regions) == len(patrolled.house.rooms)
    assert adjusted_rand_index(found, true) > 0.95
    p_map = {p.place_id: p.p_map for p in patrolled.topology.places()}
    for region in regions:
        names = {patrolled.house.room_of(p_map[i]) for i in region.place_ids} - {""}
        assert len(names) == 1
    assert sorted(i for r in regions for i in r.place_ids) == sorted(p_map)


def test_rooms_are_named_by_the_furniture(patrolled):
    things = [(thing.label, thing.p_map) for thing in patrolled.house.things]

    regions = patrolled.topology.regions(things)

    for region in regions:
        assert region.name == patrolled.house.room_of(region.centre_map)


def test_the_robot_can_follow_every_route_in_truth(patrolled, rng):
    free_space = patrolled.house.free_space
    stands = patrolled.driven_map[rng.integers(len(patrolled.driven_map), size=(20, 2)), :2]

    for start, goal in stands:
        route = patrolled.topology.route(start, goal, standoff_m=0.1)

        assert free_space.is_free(route.waypoints_map[:, :2], radius_m=ROBOT_RADIUS_M)
        assert np.linalg.norm(route.waypoints_map[-1, :2] - goal) < 0.15
        rooms = [patrolled.house.room_of(p) for p in (start, goal)]
        if all(rooms):
            assert (rooms[0] == rooms[1]) == (route.region_ids[0] == route.region_ids[-1])


def test_a_look_again_changes_no_number(patrolled):
    topology = TopologyGraph.from_rows(patrolled.topology.to_rows())
    before = [(p.place_id, *p.p_map) for p in topology.places()]

    topology.update(
        patrolled.octree, [[-2.0, -2.0, 0.0], [3.0, 1.0, 2.4]], driven_map=patrolled.driven_map
    )

    assert [(p.place_id, *p.p_map) for p in topology.places()] == before
    assert len(topology.regions()) == len(patrolled.topology.regions())
