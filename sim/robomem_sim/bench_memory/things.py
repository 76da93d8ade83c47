"""Are things where they are remembered, each once, under the name that they had before they were moved?

A house is patrolled again and again with a detector that errs. The memory, and beside it what association without
absence makes of the same detections, are held against the truth after every patrol but the first.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from robomem.config import Config, MotionConfig, SpatialConfig, StoreConfig
from robomem.eval.bench import Table
from robomem.geometry import transform
from robomem.memory import Memory
from robomem.query import Relation
from robomem.types import EntityState, Observation
from robomem_sim.bench_memory.beliefs import Belief, Judge, Remembered, Tally, match_present
from robomem_sim.bench_memory.patrolled import ENOUGH, PatrolledHouse

HOUSES = 2  # some minutes each
PATROLS, QUICK_PATROLS = 10, 2
CONFIG = Config(  # the map is not what is measured
    spatial=SpatialConfig(voxel_size_m=0.1),
    motion=MotionConfig(is_split=False),
    store=StoreConfig(sync="normal", keep_images=False, scan_budget_bytes=0),
)


@dataclass(frozen=True, slots=True)
class ThingsFindings:
    """What was found in some houses.

    Attributes:
        seeds: Of the houses.
        patrols: Through each.
        frames: In all.
        memory: How right the memory is,
        without_looks: the memory of the same detections without embeddings,
        nearest: and association with the nearest of a name, without absence.
        supports: Small things on furniture that the memory says stand on it, or in it, after the last patrol.
    """

    seeds: tuple[int, ...]
    patrols: int
    frames: int
    memory: Remembered
    without_looks: Remembered
    nearest: Remembered
    supports: Tally

    def tables(self) -> tuple[Table, ...]:
        """Return what was found as a table, in percent, with what is wanted."""
        houses = f"{len(self.seeds)} houses, {self.patrols} patrols each, {self.frames:,} frames"
        contestants = self.memory, self.without_looks, self.nearest
        rows = [
            (title, wanted, *(_percent(getattr(found, name)) for found in contestants))
            for title, wanted, name in FIGURES
        ]
        rows.append(
            ("what it stands on or in, of small things", "", _percent(self.supports), "", "")
        )
        return (Table(f"Things: {houses}", HEADER, tuple(rows)),)


FIGURES = (
    ("last seen within 0.25 m", ">= 95", "located"),
    ("ghosts", "<= 2", "ghosts"),
    ("duplicates", "<= 2", "duplicates"),
    ("moved or new, rightly", ">= 90", "moved_or_new"),
    ("absence noticed in one visit", ">= 95", "absent"),
)
HEADER = ("%", "wanted", "robomem", "without embeddings", "nearest of the name, no absence")


def measure_things(seeds: Sequence[int], is_quick: bool) -> ThingsFindings:
    """Patrol houses, and hold what is believed of their things against the truth.

    Args:
        seeds: Of the houses, of which the first few are patrolled.
        is_quick: One house, fewer patrols.
    """
    seeds = tuple(seeds[: 1 if is_quick else HOUSES])
    patrols = QUICK_PATROLS if is_quick else PATROLS
    frames, supports = 0, Tally()
    sums = [Remembered(), Remembered(), Remembered()]
    for seed in seeds:
        lived = _live_in(seed, patrols)
        frames += lived.frames
        supports += lived.supports
        sums = [a + b for a, b in zip(sums, lived.remembered, strict=True)]
    memory, without_looks, nearest = sums
    return ThingsFindings(seeds, patrols, frames, memory, without_looks, nearest, supports)


@dataclass(frozen=True, slots=True)
class _Lived:
    """One house: how many frames there were, how right each contestant was."""

    frames: int
    remembered: tuple[Remembered, ...]
    supports: Tally


def _live_in(seed: int, patrols: int) -> _Lived:
    house, frames = PatrolledHouse(seed), 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        memory, without_looks = (
            stack.enter_context(Memory.open(folder / name, config=CONFIG))
            for name in ("with.rmem", "without.rmem")
        )
        nearest = NearestOfName(CONFIG.semantic.gate_m)
        judges = [
            Judge(house, lambda: _beliefs(memory)),
            Judge(house, lambda: _beliefs(without_looks)),
            Judge(house, nearest.beliefs),
        ]
        for patrol in range(patrols):
            if patrol:
                house.live()
            for frame in house.patrol():
                observation = frame.observation()
                memory.observe(observation)
                without_looks.observe(_without_looks(observation))
                nearest.observe(observation)
                frames += 1
            for judge in judges:
                judge.judge()
        return _Lived(frames, tuple(j.remembered for j in judges), _supports(house, memory))


def _supports(house: PatrolledHouse, memory: Memory) -> Tally:
    """Count the small things whose furniture the memory names, of those where it knows both."""
    entity_of = match_present(house.things, _beliefs(memory))
    said = {
        (s.entity_id, s.other_id) for s in memory.standings() if s.relation is not Relation.NEAR
    }
    pairs = [
        (entity_of[thing.thing_id], entity_of[thing.support_id])
        for thing in house.things
        if thing.thing_id in entity_of and thing.support_id in entity_of
    ]
    return Tally(sum(pair in said for pair in pairs), len(pairs))


class NearestOfName:
    """Things as memories of captions keep them: the last place of what is nearest of a name; nothing is ever gone.

    To be fair it believes in nothing before the third sighting, as the memory does.
    """

    def __init__(self, gate_m: float) -> None:
        self._gate_m = gate_m
        self._things: list[Belief] = []
        self._sightings: list[int] = []

    def beliefs(self) -> list[Belief]:
        """Return what it believes."""
        return [b for b, n in zip(self._things, self._sightings, strict=True) if n >= ENOUGH]

    def observe(self, observation: Observation) -> None:
        """Take each detection for the nearest thing of its name, or for a new one."""
        assert observation.T_map_cam is not None
        for detection in observation.detections:
            assert detection.p_cam is not None
            p_map = transform(observation.T_map_cam, detection.p_cam)
            near = [
                (float(np.linalg.norm(b.p_map - p_map)), b.belief_id)
                for b in self._things
                if b.label == detection.label
            ]
            away_m, i = min(near, default=(np.inf, 0))
            if away_m <= self._gate_m:
                self._things[i] = replace(self._things[i], p_map=p_map)
                self._sightings[i] += 1
            else:
                self._things.append(Belief(len(self._things), detection.label, p_map, True))
                self._sightings.append(1)


def _beliefs(memory: Memory) -> list[Belief]:
    return [
        Belief(e.entity_id, e.label, e.p_map, e.state is EntityState.PRESENT)
        for e in memory.entities()
    ]


def _without_looks(observation: Observation) -> Observation:
    detections = tuple(replace(d, embedding=None) for d in observation.detections)
    return replace(observation, detections=detections)


def _percent(tally: Tally) -> str:
    return "-" if tally.percent is None else f"{tally.percent:.1f} ({tally.count} of {tally.of})"
