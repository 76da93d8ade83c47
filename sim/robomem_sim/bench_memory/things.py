"""Are things where they are remembered, each once, under the name that they had before they were moved?

A house is patrolled again and again with a detector that errs. The memory, and beside it what association without
absence makes of the same detections, are held against the truth after every patrol but the first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from robomem.config import Config, MotionConfig, SpatialConfig, StoreConfig
from robomem.eval.bench import Table
from robomem.geometry import transform
from robomem.memory import Memory
from robomem.types import EntityState, Observation
from robomem_sim.bench_memory.beliefs import Belief, Judge, Remembered, Tally
from robomem_sim.bench_memory.patrolled import PatrolledHouse

PATROLS, QUICK_PATROLS = 10, 3
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
        memory_without_looks: the same of detections without embeddings,
        nearest: and of association with the nearest of a name, without absence.
    """

    seeds: tuple[int, ...]
    patrols: int
    frames: int
    memory: Remembered
    memory_without_looks: Remembered
    nearest: Remembered

    def tables(self) -> tuple[Table, ...]:
        """Return what was found as a table."""
        houses = f"{len(self.seeds)} houses, {self.patrols} patrols each, {self.frames:,} frames"
        return (Table(f"Things: {houses}", HEADER, self.rows()),)

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return a table, a row for each figure, in percent."""
        contestants = self.memory, self.memory_without_looks, self.nearest
        return tuple(
            (title, wanted, *(_percent(getattr(found, name)) for found in contestants))
            for title, wanted, name in (
                ("last seen within 0.25 m", ">= 95", "located"),
                ("ghosts", "<= 2", "ghosts"),
                ("duplicates", "<= 2", "duplicates"),
                ("moved or new, rightly", ">= 90", "moved_or_new"),
                ("absence noticed in one visit", ">= 95", "absent"),
            )
        )


HEADER = ("%", "wanted", "robomem", "without embeddings", "nearest of the name, no absence")


def measure_things(
    seeds: Iterable[int], is_quick: bool = False, *, on_step: Callable[[str], object] | None = None
) -> ThingsFindings:
    """Patrol houses, and hold what is believed of their things against the truth.

    Args:
        seeds: Of the houses.
        is_quick: Fewer patrols.
        on_step: Called with what comes next.
    """
    seeds = tuple(seeds)
    patrols = QUICK_PATROLS if is_quick else PATROLS
    frames, sums = 0, [Remembered(), Remembered(), Remembered()]
    for seed in seeds:
        if on_step:
            on_step(f"things of house {seed}")
        count, remembered = _live_in(seed, patrols)
        frames += count
        sums = [a + b for a, b in zip(sums, remembered, strict=True)]
    return ThingsFindings(seeds, patrols, frames, *sums)


def _live_in(seed: int, patrols: int) -> tuple[int, list[Remembered]]:
    """Return how many frames there were, and how right each contestant was in one house."""
    house, frames = PatrolledHouse(seed), 0
    with TemporaryDirectory() as folder:
        with_looks, without = (
            Memory.open(Path(folder) / f"{name}.rmem", config=CONFIG)
            for name in ("with", "without")
        )
        nearest = NearestOfName(CONFIG.semantic.gate_m)
        judges = [
            Judge(house, lambda: _beliefs(with_looks)),
            Judge(house, lambda: _beliefs(without)),
            Judge(house, nearest.beliefs),
        ]
        with with_looks, without:
            for patrol in range(patrols):
                if patrol:
                    house.live()
                for frame in house.patrol():
                    observation = frame.observation()
                    with_looks.observe(observation)
                    without.observe(_without_looks(observation))
                    nearest.observe(observation)
                    frames += 1
                for judge in judges:
                    judge.judge()
    return frames, [judge.remembered for judge in judges]


class NearestOfName:
    """Things as most memories of captions keep them: the last place of what is nearest of a name; nothing is ever gone."""

    def __init__(self, gate_m: float) -> None:
        self._gate_m = gate_m
        self._beliefs: list[Belief] = []

    def beliefs(self) -> list[Belief]:
        """Return what it believes."""
        return list(self._beliefs)

    def observe(self, observation: Observation) -> None:
        """Take each detection for the nearest thing of its name, or for a new one."""
        assert observation.T_map_cam is not None
        for detection in observation.detections:
            assert detection.p_cam is not None
            p_map = transform(observation.T_map_cam, detection.p_cam)
            near = [
                (float(np.linalg.norm(b.p_map - p_map)), i)
                for i, b in enumerate(self._beliefs)
                if b.label == detection.label
            ]
            away_m, i = min(near, default=(np.inf, 0))
            if away_m <= self._gate_m:
                self._beliefs[i] = replace(self._beliefs[i], p_map=p_map)
            else:
                self._beliefs.append(Belief(len(self._beliefs), detection.label, p_map, True))


def _beliefs(memory: Memory) -> list[Belief]:
    return [
        Belief(e.entity_id, e.label, e.p_map, e.state is EntityState.PRESENT)
        for e in memory.entities()
    ]


def _without_looks(observation: Observation) -> Observation:
    detections = tuple(replace(d, embedding=None) for d in observation.detections)
    return replace(observation, detections=detections)


def _percent(tally: Tally) -> str:
    return "-" if tally.part is None else f"{100 * tally.part:.1f} ({tally.count} of {tally.of})"
