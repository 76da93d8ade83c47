"""The demonstration's story and its checks, whatever way the observations travel.

A robot patrols a house. Then, while it waits, one thing is carried to another room and the robot is
told something. It patrols again. Five questions follow whose right answers the simulator knows, and
a drive to the moved thing. In one process::

    scenario = Scenario(seed)
    for frame in scenario.first_patrol():
        memory.observe(frame.observation())
    scenario.move()
    memory.observe(scenario.told.observation())
    for frame in scenario.second_patrol():
        memory.observe(frame.observation())
    for check in scenario.questions():
        verdict = check.judge(memory.ask(check.question))
    drive = scenario.drive(waypoints)
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.types import Observation
from robomem_sim.house import Thing
from robomem_sim.robot import ROBOT_RADIUS_M
from robomem_sim.run import Frame, Simulation, SimulationSettings

TOLERANCE_M = 0.3
TOLERANCE_S = 35.0  # a keyframe is at most 30 s apart from the next
NEAR_M = 2.0
REACH_M = 0.9  # a standoff of 0.6 m, and the tolerance
MOVED_LABEL = "red mug"
TOLD_TEXT = "the keys are in the blue box"


class EvidenceLike(Protocol):
    """What a check reads of one piece of evidence; `robomem.types.Evidence` is one."""

    @property
    def stamp_ns(self) -> int:
        """When it was seen."""

    @property
    def p_map(self) -> NDArray[np.float64] | None:
        """Where it was, (3,) metres in map."""


class AnswerLike(Protocol):
    """What a check reads of an answer; `robomem.types.Answer` is one."""

    @property
    def text(self) -> str:
        """The answer in words."""

    @property
    def is_found(self) -> bool:
        """False when the memory holds nothing that answers the question."""

    @property
    def evidence(self) -> Sequence[EvidenceLike]:
        """What the answer rests on, best first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer is right, and what would have been."""

    ok: bool
    expected_text: str


@dataclass(frozen=True, slots=True)
class Check:
    """A question whose right answer the simulator knows."""

    question: str
    expected_text: str
    is_right: Callable[[AnswerLike], bool]

    def judge(self, answer: AnswerLike) -> Verdict:
        """Hold the answer against the truth; "nothing found" is always wrong here."""
        return Verdict(answer.is_found and self.is_right(answer), self.expected_text)


@dataclass(frozen=True, slots=True)
class Told:
    """What the robot is told, and when."""

    text: str
    stamp_ns: int

    def observation(self) -> Observation:
        """Return it as an observation of its own source, without a pose."""
        return Observation(stamp_ns=self.stamp_ns, source="human", text=self.text)


@dataclass(frozen=True, slots=True)
class DriveResult:
    """How the drive to the moved thing ended, by the simulator's truth."""

    clearance_m: float  # least distance of the robot's hull to anything; negative: it bumped
    distance_to_goal_m: float
    is_in_room: bool  # of the thing: within reach, but behind a wall, is not within reach

    @property
    def is_collision_free(self) -> bool:
        """Whether it touched nothing."""
        return self.clearance_m >= 0

    @property
    def ok(self) -> bool:
        """Whether the robot arrived within reach without touching anything."""
        return self.is_collision_free and self.is_in_room and self.distance_to_goal_m <= REACH_M


class Scenario:
    """Two patrols with a change between them. Call its verbs once each, in the order of the module."""

    def __init__(self, seed: int = 0, settings: SimulationSettings | None = None) -> None:
        self.seed = seed
        self.simulation = Simulation(seed, settings)
        self._rng = np.random.default_rng([seed, 3])
        self._track: list[tuple[int, NDArray[np.float64]]] = []  # stamps and positions (2,) in map
        self._before: Thing = self.simulation.house.named(MOVED_LABEL)
        self._told: Told | None = None

    @property
    def told(self) -> Told:
        """What the robot is told between the patrols; call `move` first."""
        assert self._told is not None, "call move() first"
        return self._told

    @property
    def moved(self) -> Thing:
        """The thing that is moved, where it stands now."""
        return self.simulation.house.named(MOVED_LABEL)

    @property
    def position_map(self) -> tuple[float, float, float]:
        """Where the robot stands, (x, y, z) metres in map: the start of a route."""
        x, y = self.simulation.robot.T_map_base[:2, 3]
        return float(x), float(y), 0.0

    def first_patrol(self) -> Iterator[Frame]:
        """Drive through all rooms and look round in each; yields the frames in order of time."""
        yield from self._tracked(self.simulation.patrol())

    def move(self) -> Thing:
        """Let the pause pass, in its middle carry the thing to another room and tell the robot.

        Returns:
            The thing where it stands now.
        """
        simulation = self.simulation
        simulation.wait(simulation.settings.pause_s / 2)
        self._told = Told(TOLD_TEXT, simulation.stamp_ns)
        simulation.move(self._before.thing_id, rng=self._rng)
        simulation.wait(simulation.settings.pause_s / 2)
        return self.moved

    def second_patrol(self) -> Iterator[Frame]:
        """Patrol again, so that the old and the new place of the moved thing are both looked at."""
        yield from self._tracked(self.simulation.patrol(also_seen_map=(self._before.p_map,)))

    def questions(self) -> tuple[Check, ...]:
        """Return the checks; call it after both patrols."""
        return (
            self._where(),
            self._changes(),
            self._count("chair"),
            self._visited(),
            self._told_about("keys", "blue box"),
        )

    def drive(self, waypoints_map: Points) -> DriveResult:
        """Drive a route in the house and judge it by the truth.

        Args:
            waypoints_map: Route from `position_map` to the moved thing, (N, 2) or (N, 3) metres in map.
        """
        path = np.vstack([self.position_map[:2], np.asarray(waypoints_map)[:, :2]])
        clearance_m = self.simulation.free_space.least_clearance(path) - ROBOT_RADIUS_M
        self.simulation.robot.place(path[-1])
        is_in_room = self.simulation.house.room_of(path[-1]) == self.moved.room
        distance_m = float(np.linalg.norm(self.moved.p_map[:2] - path[-1]))
        return DriveResult(clearance_m, distance_m, is_in_room)

    def _tracked(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self._track.append((frame.stamp_ns, frame.T_map_base[:2, 3]))
            yield frame

    def _where(self) -> Check:
        truth = self.moved
        return Check(
            question=f"where did I last see the {MOVED_LABEL}?",
            expected_text=f"in the {truth.room}, at {_place(truth.p_map)}",
            is_right=lambda answer: _is_at(answer.evidence[:1], truth.p_map),
        )

    def _changes(self) -> Check:
        before, truth = self._before, self.moved
        others = [t for t in self.simulation.house.things if t.label != MOVED_LABEL]
        since = _clock(self.told.stamp_ns)[:5]
        return Check(
            question=f"what changed since {since}?",
            expected_text=f"the {MOVED_LABEL} moved from the {before.room} to the {truth.room}",
            is_right=lambda answer: (
                MOVED_LABEL in answer.text
                and _is_at(answer.evidence, truth.p_map)
                and not any(thing.label in answer.text for thing in others)
            ),
        )

    def _count(self, noun: str) -> Check:
        number = sum(noun in thing.label.split() for thing in self.simulation.house.things)
        return Check(
            question=f"how many {noun}s are there?",
            expected_text=f"{number}",
            is_right=lambda answer: re.findall(r"\d+", answer.text)[:1] == [str(number)],
        )

    def _visited(self) -> Check:
        """Ask for the piece of furniture that the robot came closest to, so that it was near."""
        track = np.array([xy for _, xy in self._track])
        labels = Counter(thing.label for thing in self.simulation.house.things)
        unique = [
            t for t in self.simulation.house.things if labels[t.label] == 1 and not t.is_small
        ]
        thing = min(unique, key=lambda t: np.linalg.norm(track - t.p_map[:2], axis=1).min())
        is_near = np.linalg.norm(track - thing.p_map[:2], axis=1) <= NEAR_M
        last_ns = self._track[int(np.flatnonzero(is_near)[-1])][0]
        return Check(
            question=f"when were you last near the {thing.label}?",
            expected_text=f"at {_clock(last_ns)} UTC",
            is_right=lambda answer: any(
                abs(evidence.stamp_ns - last_ns) <= TOLERANCE_S * 1e9
                for evidence in answer.evidence[:1]
            ),
        )

    def _told_about(self, subject: str, expected: str) -> Check:
        return Check(
            question=f"what was I told about the {subject}?",
            expected_text=TOLD_TEXT,
            is_right=lambda answer: expected in answer.text,
        )


def _is_at(evidence: Sequence[EvidenceLike], p_map: NDArray[np.float64]) -> bool:
    """Tell whether one piece of evidence lies within the tolerance of a place."""
    places = [e.p_map for e in evidence if e.p_map is not None]
    return any(np.linalg.norm(place - p_map) <= TOLERANCE_M for place in places)


def _place(p_map: NDArray[np.float64]) -> str:
    return "({:.2f}, {:.2f}, {:.2f}) m".format(*p_map)


def _clock(stamp_ns: int) -> str:
    """Return the time of day in UTC."""
    return datetime.fromtimestamp(stamp_ns // 10**9, UTC).strftime("%H:%M:%S")
