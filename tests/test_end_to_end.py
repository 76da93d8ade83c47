"""The whole story, told by a stranger's commands and judged by the simulator."""

import os
import subprocess
import sys

import pytest
from robomem_sim.scenario import Scenario
from robomem_sim.score import Score, live_through, score

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
def lived(tmp_path_factory):
    """A memory of two patrols, and the story that it lived through."""
    scenario = Scenario(5)
    with Memory.open(tmp_path_factory.mktemp("e2e") / "house.rmem") as memory:
        live_through(scenario, memory)
        yield memory, scenario


def test_every_thing_is_remembered_once_and_the_move_noticed(lived):
    memory, scenario = lived

    result = score(memory, scenario)

    assert result == Score(
        things=len(scenario.simulation.house.things),
        found=len(scenario.simulation.house.things),
        ghosts=0,
        missed=0,
        has_move=True,
    )


def test_solid_space_is_inside_the_house_and_mostly_free(lived):
    memory, scenario = lived
    low, high = scenario.simulation.house.mesh().mesh.bounds

    occupied = memory.map.occupied()

    assert (occupied > low - 0.3).all()
    assert (occupied < high + 0.3).all()
    assert memory.info().free_m3 > 5 * memory.info().occupied_m3
