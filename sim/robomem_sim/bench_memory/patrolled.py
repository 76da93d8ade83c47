"""A house that is patrolled again and again, while things are moved, taken away and brought between the patrols.

What the robot could know is kept beside it: where each thing was when it was detected last, and how often it was
detected there.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robomem_sim.detector import DetectorSettings
from robomem_sim.house import Thing
from robomem_sim.run import Frame, Simulation, SimulationSettings

Vector = NDArray[np.float64]

DETECTOR = DetectorSettings(
    miss=0.1,
    confusion=0.05,
    false_positive=0.05,
    position_sigma_m=0.03,
    embedding_size=64,
    embedding_own=0.4,
)
RATE_HZ = 4.0
KEPT_BACK = 4  # small things that are not in the house at first
MOVES = 2  # between two patrols
COPY_CHANCE = 0.3  # that what is brought is called as something that is in the house
RETURN_CHANCE = 0.25  # that it is something that was taken away
ENOUGH = 3  # detections that anybody may ask for before believing in a thing


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What was done to a thing between two patrols: where it was, where it is; None is outside."""

    thing: Thing
    p_from_map: Vector | None
    p_to_map: Vector | None


@dataclass(slots=True)
class Trace:
    """Where a thing was when it was detected last, (3,) metres in map, and how often it was there."""

    label: str
    p_map: Vector
    detections: int = 1

    @property
    def is_known(self) -> bool:
        """Whether it was detected there often enough."""
        return self.detections >= ENOUGH


class PatrolledHouse:
    """A house, its robot and what happens in it; the same seed and settings give the same frames."""

    def __init__(self, seed: int, detector: DetectorSettings = DETECTOR) -> None:
        settings = SimulationSettings(rate_hz=RATE_HZ, detector=detector)
        self.simulation = Simulation(seed, settings)
        self.traces: dict[int, Trace] = {}  # by thing
        self.changes: list[Change] = []  # since the last patrol
        self._rng = np.random.default_rng([seed, 7])
        self._next_id = max(thing.thing_id for thing in self.things) + 1
        kept = self._rng.choice(self._small_ids(), KEPT_BACK, replace=False)
        self._outside = [self.simulation.take_away(int(i)) for i in kept]
        self._taken: list[Thing] = []

    @property
    def things(self) -> tuple[Thing, ...]:
        """What is in the house now."""
        return self.simulation.house.things

    def patrol(self) -> Iterator[Frame]:
        """Look at all things, and at the places of those that were moved or taken away; yields the frames."""
        left = [c.p_from_map for c in self.changes if c.p_from_map is not None]
        for frame in self.simulation.patrol(also_seen_map=left):
            self._note(frame)
            yield frame

    def live(self) -> None:
        """Let an hour pass: two things are moved, one is taken away, one is brought if there is a place for it."""
        self.simulation.wait(3600.0)
        self.changes = []
        ids = self._rng.permutation(self._small_ids()).tolist()
        while len(self.changes) < MOVES:
            with suppress(ValueError):  # there is no place for it elsewhere: another one, then
                self.changes.append(self._move(ids.pop()))
        self.changes.append(self._take_away(ids.pop()))
        with suppress(ValueError):
            self.changes.append(self._bring())

    def _small_ids(self) -> list[int]:
        return [thing.thing_id for thing in self.things if thing.is_small]

    def _move(self, thing_id: int) -> Change:
        before = self.simulation.house.thing(thing_id)
        after = self.simulation.move(thing_id, rng=self._rng)
        return Change(after, before.p_map, after.p_map)

    def _take_away(self, thing_id: int) -> Change:
        thing = self.simulation.take_away(thing_id)
        self._taken.append(thing)
        return Change(thing, thing.p_map, None)

    def _bring(self) -> Change:
        """Bring what was never there, at times one more of a name that is there, or what was taken away."""
        chance = self._rng.random()
        if chance < COPY_CHANCE or not self._outside:
            like = self.simulation.house.thing(int(self._rng.choice(self._small_ids())))
            thing = replace(like, thing_id=self._next_id)
            self._next_id += 1
        elif chance < COPY_CHANCE + RETURN_CHANCE and len(self._taken) > 1:
            thing = self._taken.pop(0)
        else:
            thing = self._outside.pop()
        thing = self.simulation.bring(thing, rng=self._rng)
        return Change(thing, None, thing.p_map)

    def _note(self, frame: Frame) -> None:
        things = {thing.thing_id: thing for thing in self.things}
        for thing_id in frame.truth.detected_ids:
            if thing_id is None:
                continue
            thing, trace = things[thing_id], self.traces.get(thing_id)
            if trace is None or not np.array_equal(trace.p_map, thing.p_map):
                self.traces[thing_id] = Trace(thing.label, thing.p_map)
            else:
                trace.detections += 1
