"""The whole story, told by a stranger's commands and judged by the simulator."""

import os
import subprocess
import sys

import numpy as np
import pytest
from robomem_sim.scenario import Scenario

from robomem.memory import Memory


def test_the_demonstration_is_right_in_one_process(tmp_path):
    command = [sys.executable, "-m", "robomem_sim.demo", "--in-process", "--seed", "3"]

    result = subprocess.run(
        [*command, "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"NO_COLOR": "1"},
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "top_view.png").stat().st_size > 10_000
    with Memory.open(tmp_path / "house.rmem", "r") as memory:
        assert memory.info().rejections == {}


@pytest.fixture(scope="module")
def patrolled(tmp_path_factory):
    """A memory of one patrol, and the simulator's truth."""
    scenario = Scenario(5)
    with Memory.open(tmp_path_factory.mktemp("e2e") / "house.rmem") as memory:
        for frame in scenario.first_patrol():
            assert memory.observe(frame.observation())
        yield memory, scenario.simulation.house


def test_every_thing_of_the_house_is_remembered_where_it_is(patrolled):
    memory, house = patrolled
    entities = memory.entities()

    for thing in house.things:
        away_m = [np.linalg.norm(e.p_map - thing.p_map) for e in entities if e.label == thing.label]
        assert min(away_m) < 0.3, thing.label


def test_no_thing_is_remembered_that_is_not_there(patrolled):
    memory, house = patrolled

    for entity in memory.entities():
        away_m = [
            np.linalg.norm(entity.p_map - thing.p_map)
            for thing in house.things
            if entity.label == thing.label
        ]
        assert min(away_m, default=np.inf) < 0.5, entity.label


def test_free_space_is_free_and_walls_are_solid(patrolled):
    memory, house = patrolled
    occupied = memory.map.occupied()
    low, high = house.mesh().mesh.bounds

    assert (occupied > low - 0.3).all()
    assert (occupied < high + 0.3).all()
    assert memory.info().free_m3 > 5 * memory.info().occupied_m3
