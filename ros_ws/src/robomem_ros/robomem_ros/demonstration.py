"""The story that the demonstration tells over ROS 2: the simulator here, the memory node beside it."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path

from robomem_sim.demo import remove_old, show
from robomem_sim.report import ask_all, conclude
from robomem_sim.run import Frame

from robomem.memory import Memory
from robomem_ros.children import Child
from robomem_ros.client import MemoryClient
from robomem_ros.session import environment, memory_node, simulator
from robomem_ros.sim_node import SimNode

# ruff: noqa: T201 - a program prints
FRAMES_A_LINE = 100


def run(out: Path, seed: int) -> int:
    """Run everything; returns 0 when every answer was right, else 1.

    Args:
        out: Folder for `house.rmem` (an old one is replaced), `top_view.png` and the logs.
        seed: Of the house and the noise.

    Raises:
        RobomemError: A node failed or did not answer; the message names its log.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, surroundings = remove_old(out), environment(out)
    with (
        memory_node(out, surroundings, path=str(path)) as child,
        simulator(surroundings, seed=seed) as sim,
    ):
        _patrol_twice(sim, child)
        client = MemoryClient(sim, check=child.check)
        rows = list(ask_all(sim.scenario, client.ask))
        with Memory.open(path, mode="r") as memory:
            rows += conclude(memory, sim.scenario, rows, out=out, plan=client.route)
    return show(rows, out=out)


def _patrol_twice(sim: SimNode, child: Child) -> None:
    _patrol(sim, sim.scenario.first_patrol(), "first patrol", child)
    before = sim.scenario.moved
    after = sim.scenario.move()
    sim.tell()
    print(f"meanwhile the {after.label} goes from the {before.room} to the {after.room},")
    print(f'and the robot is told: "{sim.scenario.told.text}"')
    _patrol(sim, sim.scenario.second_patrol(), "second patrol", child)


def _patrol(sim: SimNode, frames: Iterable[Frame], name: str, child: Child) -> None:
    start_s, lost, count = time.monotonic(), sim.flow.lost, 0
    for count, _ in enumerate(sim.stream(frames), start=1):
        child.check()
        if count % FRAMES_A_LINE == 0 and sys.stdout.isatty():
            print(f"\r{name}: {count} frames", end="", flush=True)
    rate_hz = count / (time.monotonic() - start_s)
    print(f"\r{name}: {count} frames over ROS, {sim.flow.lost - lost} lost, {rate_hz:.0f} a second")
