"""People in the simulated house: how they walk, and the truth about which pixels are theirs."""

import itertools

import numpy as np
import pytest
from robomem_sim.house import NOTHING, House
from robomem_sim.people import (
    HURRY_M_S,
    KEEP_OFF_M,
    RADIUS_M,
    People,
    PeopleSettings,
)
from robomem_sim.run import Simulation, SimulationSettings
from robomem_sim.shapes import bounds

from robomem.geometry import back_project, transform

FAR_AWAY = (100.0, 100.0)
STEP_S = 0.2


def _walks(settings, *, steps=300, seed=0, robot_xy_map=FAR_AWAY):
    people = People(House(seed).free_space, settings, seed=seed)
    for _ in range(steps):
        people.step(STEP_S, robot_xy_map=robot_xy_map)
        yield people.now


@pytest.fixture(scope="module")
def seen():
    """A look round among people, and the same without them."""
    settings = SimulationSettings(people=PeopleSettings(count=4))
    crowded = list(Simulation(1, settings).look_round())
    return crowded, list(Simulation(1).look_round())


def test_the_same_seed_gives_the_same_walks():
    one, other = (list(_walks(PeopleSettings(count=2), steps=50)) for _ in range(2))

    for now, again in zip(one, other, strict=True):
        assert all(
            np.array_equal(a.p_map, b.p_map) and a.yaw_rad == b.yaw_rad
            for a, b in zip(now, again, strict=True)
        )


def test_people_walk_where_they_fit_at_speeds_in_the_range_and_stop_at_times():
    free_space, settings = House(0).free_space, PeopleSettings(count=3)
    everyone = [person for now in _walks(settings) for person in now]

    places = np.array([person.p_map[:2] for person in everyone])
    speeds = np.array([np.linalg.norm(person.velocity_map) for person in everyone])
    assert free_space.clearance(places).min() > 0.8 * RADIUS_M  # corners are cut by a step
    assert 0.2 < (speeds > 0).mean() < 0.95
    assert speeds.max() <= settings.speed_m_s[1] + 1e-9
    assert max(person.still_s for person in everyone) <= settings.pause_s[1] + STEP_S
    assert {person.person_id for person in everyone} == {1, 2, 3}


def test_velocity_is_how_the_place_changes():
    nows = list(_walks(PeopleSettings(count=2), steps=100))

    for before, now in itertools.pairwise(nows):
        for a, b in zip(before, now, strict=True):
            assert np.allclose(b.p_map - a.p_map, b.velocity_map * STEP_S)


def test_a_body_is_as_tall_as_its_person():
    (person,) = next(_walks(PeopleSettings(count=1)))

    low, high = bounds(person.parts())

    assert 1.5 <= person.height_m <= 1.9
    assert low[2] == pytest.approx(0.0)
    assert high[2] == pytest.approx(person.height_m)


def test_settlers_stand_for_good():
    settings = PeopleSettings(count=0, settlers=1, settle_after_s=5.0)

    *_, (person,) = _walks(settings, steps=100)

    assert person.still_s >= 100 * STEP_S - 5.0 - STEP_S


def test_nobody_walks_up_to_the_robot():
    (start,) = next(_walks(PeopleSettings(count=1)))
    robot = start.p_map[:2] + np.array([KEEP_OFF_M + 0.3, 0.0])

    away_m = [
        np.linalg.norm(person.p_map[:2] - robot)
        for (person,) in _walks(PeopleSettings(count=1), robot_xy_map=robot)
    ]

    assert min(away_m) >= KEEP_OFF_M - HURRY_M_S * STEP_S


def test_every_pixel_of_a_person_lies_on_its_body(seen):
    crowded, _ = seen

    count = 0
    for frame in crowded:
        crowd = frame.truth.crowd
        is_return = np.isfinite(frame.depth_m).ravel()
        p_map = transform(frame.T_map_cam, back_project(frame.depth_m, frame.K)[is_return])
        for person in crowd.people:
            low, high = bounds(person.parts())
            mine = p_map[(crowd.person_ids == person.person_id).ravel()[is_return]]
            count += len(mine)
            assert ((mine > low - 0.3) & (mine < high + 0.3)).all()  # less than 6 sigma at 5 m
    assert count > 1000


def test_people_change_only_their_own_pixels(seen):
    for crowded, empty in zip(*seen, strict=True):
        is_person = crowded.truth.crowd.person_ids != NOTHING

        assert np.array_equal(crowded.T_map_cam, empty.T_map_cam)
        assert np.array_equal(
            crowded.truth.thing_ids[~is_person], empty.truth.thing_ids[~is_person]
        )
        same = np.isclose(crowded.depth_m, empty.depth_m, equal_nan=True)
        assert same[~is_person].all()
        assert (crowded.truth.thing_ids[is_person] == NOTHING).all()


def test_a_house_without_people_says_that_nobody_is_there(seen):
    _, empty = seen

    assert empty[0].truth.crowd.people == ()
