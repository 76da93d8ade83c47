"""People who walk through the house: where they are, what they look like, which pixels are theirs."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
import trimesh
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from robomem_sim.camera import View
from robomem_sim.free_space import XY, FreeSpace
from robomem_sim.house import NOTHING, HouseMesh
from robomem_sim.shapes import Color, Part, ball, box, cylinder, mesh_of

RADIUS_M = 0.3  # a disc that must fit where they walk
KEEP_OFF_M = 0.8  # they turn back before they come nearer to the robot
HESITATE_S = 0.4  # before they turn back
HURRY_M_S = 1.0  # out of its way
GOALS_WITHIN_M = 5.0
STRIDE_M = 1.4  # of two steps
SWING_M = 0.18  # of legs and arms, forwards and backwards
SKIN: Color = (224, 172, 138)
TROUSERS: Color = (52, 60, 82)
SHIRTS: tuple[Color, ...] = ((178, 58, 52), (66, 120, 90), (214, 170, 70), (90, 90, 150))


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """How many people there are and how they walk; ranges are drawn from anew for every walk.

    Attributes:
        count: How many walk about, all the time.
        speed_m_s: Least and greatest.
        height_m: Least and greatest.
        pause_s: How long they stop between two walks, least and greatest.
        settlers: How many more walk for `settle_after_s` and then stand for good.
        settle_after_s: When these stop.
    """

    count: int = 3
    speed_m_s: tuple[float, float] = (0.3, 1.5)
    height_m: tuple[float, float] = (1.5, 1.9)
    pause_s: tuple[float, float] = (0.5, 3.0)
    settlers: int = 0
    settle_after_s: float = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person at one moment: the truth.

    Attributes:
        person_id: 1 and up.
        p_map: Where the feet stand, (3,) metres in map.
        velocity_map: (3,) metres a second in map.
        yaw_rad: Where it faces.
        height_m: From the soles to the crown.
        walked_m: How far it has walked: where the legs are in their stride.
        still_s: For how long it has been standing.
    """

    person_id: int
    p_map: NDArray[np.float64]
    velocity_map: NDArray[np.float64]
    yaw_rad: float
    height_m: float
    walked_m: float = 0.0
    still_s: float = 0.0

    def parts(self) -> tuple[Part, ...]:
        """Return the solids of the body in map: legs, torso, arms, neck and head."""
        h, swing_m = self.height_m, SWING_M * np.sin(2 * np.pi * self.walked_m / STRIDE_M)
        shirt = SHIRTS[self.person_id % len(SHIRTS)]
        leg_m, hip_m = 0.25 * h, 0.5 * h
        parts = []
        for side, forward_m in ((1, swing_m), (-1, -swing_m)):
            shin, thigh = self._at(forward_m, 0.1 * side), self._at(forward_m / 2, 0.1 * side)
            foot = self._at(forward_m + 0.05, 0.1 * side)
            arm = self._at(-forward_m * 0.8, 0.25 * side)
            parts += [
                box((*foot, 0.04), (0.14, 0.14, 0.08), TROUSERS),
                cylinder((*shin, 0.05), 0.11, leg_m, TROUSERS),
                cylinder((*thigh, leg_m), 0.15, hip_m - leg_m, TROUSERS),
                cylinder((*arm, 0.45 * h), 0.09, 0.36 * h, shirt),
            ]
        middle = self._at(0.0, 0.0)
        return (
            *parts,
            cylinder((*middle, hip_m - 0.02), 0.36, 0.32 * h, shirt),
            cylinder((*middle, 0.8 * h), 0.12, 0.1 * h, SKIN),
            ball((*middle, h - 0.11), 0.22, SKIN),
        )

    def _at(self, forward_m: float, left_m: float) -> tuple[float, float]:
        c, s = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        return (
            float(self.p_map[0] + c * forward_m - s * left_m),
            float(self.p_map[1] + s * forward_m + c * left_m),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """The people of a moment, and which of them each pixel shows, (H, W) int32; NOTHING: none."""

    people: tuple[Person, ...]
    person_ids: NDArray[np.int32]


NOBODY = Crowd((), np.zeros((0, 0), np.int32))


class People:
    """Some people in a house; the same seed and steps give the same walks.

    They walk from one reachable place to another by the shortest way, stop there, and walk on. Before one
    comes too near to the robot it turns back; of each other they take no notice.
    """

    def __init__(self, free_space: FreeSpace, settings: PeopleSettings, *, seed: int) -> None:
        places = free_space.reachable((0.0, 0.0), radius_m=RADIUS_M)
        everyone = range(1, settings.count + settings.settlers + 1)
        self._walkers = [
            _Walker(i, free_space, places, settings, np.random.default_rng([seed, 4, i]))
            for i in everyone
        ]

    @property
    def now(self) -> tuple[Person, ...]:
        """Everyone, where they are now."""
        return tuple(walker.person for walker in self._walkers)

    def step(self, dt_s: float, *, robot_xy_map: ArrayLike) -> None:
        """Let time pass; people keep off the robot's place, (2,) metres in map."""
        for walker in self._walkers:
            walker.step(dt_s, np.asarray(robot_xy_map, dtype=np.float64))

    def mesh(self) -> HouseMesh:
        """Return the triangles of everyone; their "things" are the ids of the people."""
        return _mesh([(person.person_id, part) for person in self.now for part in person.parts()])


class _Walker:
    """One person and where it is going."""

    def __init__(
        self,
        person_id: int,
        free_space: FreeSpace,
        places: XY,
        settings: PeopleSettings,
        rng: Generator,
    ) -> None:
        self._free_space, self._places, self._settings, self._rng = (
            free_space, places, settings, rng,
        )  # fmt: skip
        start = places[rng.integers(len(places))]
        self.person = Person(
            person_id,
            p_map=np.array([*start, 0.0]),
            velocity_map=np.zeros(3),
            yaw_rad=float(rng.uniform(-np.pi, np.pi)),
            height_m=float(rng.uniform(*settings.height_m)),
        )
        self._path: list[XY] = []
        self._speed_m_s = 0.0
        self._pause_s = 0.0
        settles = person_id > settings.count
        self._left_s = settings.settle_after_s if settles else np.inf

    def step(self, dt_s: float, robot_xy_map: XY) -> None:
        self._left_s -= dt_s
        self._pause_s -= dt_s
        here = self.person.p_map[:2]
        is_crowded = np.linalg.norm(here - robot_xy_map) < KEEP_OFF_M
        if self._left_s < 0 or (self._pause_s > 0 and not is_crowded):
            self._stand(dt_s)
            return
        if not self._path:
            self._set_out(here)
        if is_crowded:
            self._speed_m_s = max(self._speed_m_s, HURRY_M_S)
        there, path = _along(here, self._path, self._speed_m_s * dt_s)
        away_m = float(np.linalg.norm(there - robot_xy_map))
        if away_m < min(KEEP_OFF_M, float(np.linalg.norm(here - robot_xy_map))):
            self._path, self._pause_s = [], HESITATE_S
            self._stand(dt_s)
            return
        self._walk(there, dt_s)
        self._path = path
        if not path:
            self._pause_s = float(self._rng.uniform(*self._settings.pause_s))

    def _set_out(self, here: XY) -> None:
        near = self._places[np.linalg.norm(self._places - here, axis=1) < GOALS_WITHIN_M]
        goal = near[self._rng.integers(len(near))]
        self._path = list(self._free_space.route(here, goal, radius_m=RADIUS_M)[1:])
        self._speed_m_s = float(self._rng.uniform(*self._settings.speed_m_s))

    def _stand(self, dt_s: float) -> None:
        self.person = replace(
            self.person, velocity_map=np.zeros(3), still_s=self.person.still_s + dt_s
        )

    def _walk(self, there: XY, dt_s: float) -> None:
        before = self.person
        step = there - before.p_map[:2]
        length_m = float(np.linalg.norm(step))
        self.person = replace(
            before,
            p_map=np.array([*there, 0.0]),
            velocity_map=np.array([*step / dt_s, 0.0]),
            yaw_rad=float(np.arctan2(step[1], step[0])) if length_m > 0 else before.yaw_rad,
            walked_m=before.walked_m + length_m,
            still_s=0.0,
        )


def _along(here: XY, path: list[XY], distance_m: float) -> tuple[XY, list[XY]]:
    """Return where one is after walking so far along a path, and what is left of it."""
    left = list(path)
    while left:
        leg_m = float(np.linalg.norm(left[0] - here))
        if leg_m > distance_m:
            return here + (left[0] - here) * (distance_m / leg_m), left
        here, distance_m = left.pop(0), distance_m - leg_m
    return here, left


def add_crowd(view: View, of_people: View, people: tuple[Person, ...]) -> tuple[View, Crowd]:
    """Put people before what else is seen: of two views of one camera, the nearer pixels.

    Args:
        view: The house.
        of_people: The people alone; its things are their ids.
        people: Where they are.
    """
    is_person = of_people.depth_m < view.depth_m
    seen = View(
        depth_m=np.where(is_person, of_people.depth_m, view.depth_m),
        color=np.where(is_person[..., None], of_people.color, view.color),
        thing_ids=np.where(is_person, np.int32(NOTHING), view.thing_ids),
        incidence=np.where(is_person, of_people.incidence, view.incidence),
    )
    return seen, Crowd(people, np.where(is_person, of_people.thing_ids, np.int32(NOTHING)))


@cache
def _unit(shape: Literal["box", "cylinder", "ball"]) -> trimesh.Trimesh:
    """Return a solid of extent 1 round the origin: building one takes longer than placing it."""
    return mesh_of(Part(shape, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), SKIN))


def _mesh(solids: list[tuple[int, Part]]) -> HouseMesh:
    units = [_unit(part.shape) for _, part in solids]
    counts = [len(unit.faces) for unit in units]
    firsts = np.cumsum([0, *(len(unit.vertices) for unit in units[:-1])])
    mesh = trimesh.Trimesh(
        np.vstack(
            [u.vertices * p.size + p.center for u, (_, p) in zip(units, solids, strict=True)]
        ),
        np.vstack([u.faces + first for u, first in zip(units, firsts, strict=True)]),
        process=False,
    )
    return HouseMesh(
        mesh=mesh,
        thing_ids=np.repeat([person_id for person_id, _ in solids], counts).astype(np.int32),
        colors=np.repeat([p.color for _, p in solids], counts, axis=0).astype(np.uint8),
    )
