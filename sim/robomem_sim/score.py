"""Hold what is remembered of simulated houses against the truth, house by house.

python -m robomem_sim.score --houses 10
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robomem.memory import Memory
from robomem.types import EntityState, EventKind
from robomem_sim.scenario import TOLERANCE_M, Scenario


@dataclass(frozen=True, slots=True)
class Score:
    """How well a house is remembered.

    Attributes:
        things: How many things there are.
        found: Of them, remembered by name within the tolerance of their place.
        ghosts: Remembered to be there, and matching no thing.
        missed: Remembered as missing, and there.
        has_move: Whether the move of the moved thing was noticed, to its place.
    """

    things: int
    found: int
    ghosts: int
    missed: int
    has_move: bool


def score(memory: Memory, scenario: Scenario) -> Score:
    """Match entities with things of the same name, one to one, the nearest pairs first."""
    things, entities = scenario.simulation.house.things, memory.entities()
    pairs = sorted(
        (float(np.linalg.norm(entity.p_map - thing.p_map)), i, j)
        for i, thing in enumerate(things)
        for j, entity in enumerate(entities)
        if thing.label == entity.label
    )
    matches: dict[int, int] = {}
    for away_m, i, j in pairs:
        if away_m <= TOLERANCE_M and i not in matches and j not in matches.values():
            matches[i] = j
    present = {j for j, e in enumerate(entities) if e.state is EntityState.PRESENT}
    found = set(matches.values())
    return Score(
        things=len(things),
        found=len(found & present),
        ghosts=len(present - found),
        missed=len(found - present),
        has_move=_has_move(memory, scenario),
    )


def _has_move(memory: Memory, scenario: Scenario) -> bool:
    moves = [event for event in memory.events() if event.kind is EventKind.MOVED]
    return len(moves) == 1 and any(
        event.label == scenario.moved.label
        and event.p_map is not None
        and np.linalg.norm(event.p_map - scenario.moved.p_map) <= TOLERANCE_M
        for event in moves
    )


def live_through(scenario: Scenario, memory: Memory) -> None:
    """Let a memory observe both patrols and what happens between them."""
    for frame in scenario.first_patrol():
        memory.observe(frame.observation())
    scenario.move()
    memory.observe(scenario.told.observation())
    for frame in scenario.second_patrol():
        memory.observe(frame.observation())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a house and the sum; returns 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m robomem_sim.score", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--houses", type=int, default=10, help="seeds 0 to this")
    houses = parser.parse_args(arguments).houses
    wrong = 0
    for seed in range(houses):
        scenario = Scenario(seed)
        with (
            tempfile.TemporaryDirectory() as folder,
            Memory.open(Path(folder) / "house.rmem") as memory,
        ):
            live_through(scenario, memory)
            result = score(memory, scenario)
        wrong += result.things - result.found + result.ghosts + (not result.has_move)
        move = "move noticed" if result.has_move else "move NOT noticed"
        print(
            f"house {seed}: {result.found} of {result.things} found, {result.ghosts} ghosts,"
            f" {result.missed} wrongly missing, {move}",
            flush=True,
        )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
