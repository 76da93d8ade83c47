"""A furnished house from a seed: rooms, doors, furniture, small things, and the truth about them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import trimesh
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.geometry import Pose, pose, rotation_from_yaw
from robomem_sim.catalog import Furnishing, Group, Member, Piece
from robomem_sim.free_space import CELL_M, XY, FreeSpace
from robomem_sim.layout import Layout, Rectangle, Room, draw_layout
from robomem_sim.shapes import (
    Part,
    Surface,
    bounds,
    mesh_of,
    placed,
    placed_surface,
    turned,
)

REACH_M = 0.55  # a small thing is at most this far from where the robot can stand
ROOM_TO_STAND_M = 0.3  # radius that must fit where the robot stands: its own and a margin
HOUSE_TRIES = 60
PLACE_TRIES = 80
GAP_M = 0.04
MIN_STANDING_M2 = 1.5
NOTHING = 0  # thing id of walls, floor, ceiling and of no return
NOWHERE = Rectangle(0.0, 0.0, 0.0, 0.0)


class _DoesNotFitError(Exception):
    """This draw of a house came out too full: draw again."""


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """One thing where it stands now: the truth.

    Attributes:
        thing_id: 1 and up.
        label: What it is, colour first.
        room: Name of the room it stands in.
        T_map_thing: Pose of its own frame (origin at the middle of its base), (4, 4).
        parts: Its solids in map.
        surfaces: Where other things can stand on it, in map.
        is_small: Whether it can be carried.
        support_id: The thing it stands on, NOTHING for the floor.
    """

    thing_id: int
    label: str
    room: str
    T_map_thing: Pose
    parts: tuple[Part, ...]
    surfaces: tuple[Surface, ...]
    is_small: bool
    support_id: int

    @property
    def p_map(self) -> NDArray[np.float64]:
        """Centre of its bounding box, (3,) metres in map."""
        center: NDArray[np.float64] = bounds(self.parts).mean(axis=0)
        return center

    @property
    def size_m(self) -> NDArray[np.float64]:
        """Extent along the axes of map, (3,) metres."""
        low, high = bounds(self.parts)
        size: NDArray[np.float64] = high - low
        return size

    @property
    def footprint(self) -> Rectangle:
        """Its bounding box seen from above."""
        (x_min, y_min, _), (x_max, y_max, _) = bounds(self.parts).tolist()
        return Rectangle(x_min, y_min, x_max, y_max)


@dataclass(frozen=True, slots=True, eq=False)
class HouseMesh:
    """All triangles, and of which thing and colour each face is: (F,) and (F, 3) uint8."""

    mesh: trimesh.Trimesh
    thing_ids: NDArray[np.int32]
    colors: NDArray[np.uint8]


class House:
    """Several rooms with furniture and small things on it. Frame `map`, z up, the floor at z = 0."""

    def __init__(self, seed: int = 0) -> None:
        """Draw a house; the same seed gives the same house."""
        rng = np.random.default_rng(seed)
        for _ in range(HOUSE_TRIES):
            try:
                self._draw(rng, Furnishing())
            except _DoesNotFitError:
                continue
            return
        raise RuntimeError(f"no house fits its furniture with seed {seed}: take another seed")

    @property
    def rooms(self) -> tuple[Room, ...]:
        """The rooms."""
        return self._layout.rooms

    @property
    def things(self) -> tuple[Thing, ...]:
        """Furniture and small things, where they stand now, by id."""
        return tuple(self._things.values())

    @property
    def outline(self) -> Rectangle:
        """The outside of the outer walls."""
        return self._layout.outline

    @property
    def free_space(self) -> FreeSpace:
        """Where the robot can be, with everything where it stands now."""
        parts = [*self._layout.parts(), *(part for thing in self.things for part in thing.parts)]
        o = self.outline
        return FreeSpace(parts, low=(o.x_min, o.y_min), high=(o.x_max, o.y_max))

    def thing(self, thing_id: int) -> Thing:
        """Return a thing by its id; raises KeyError when there is none."""
        return self._things[thing_id]

    def named(self, label: str) -> Thing:
        """Return the first thing of a label; raises KeyError when there is none."""
        for thing in self.things:
            if thing.label == label:
                return thing
        raise KeyError(f"no thing is called {label!r}")

    def room_of(self, p_map: Sequence[float] | XY) -> str:
        """Return the name of the room a point is in, "" in a doorway or outside."""
        return next((room.name for room in self.rooms if room.contains(p_map)), "")

    def move(self, thing_id: int, *, to: str | int | None = None, rng: Generator) -> Thing:
        """Carry a small thing to another piece of furniture.

        Args:
            thing_id: What to carry.
            to: Name of a room, or id of the furniture to stand it on; None is any other room.
            rng: Chooses the spot.

        Returns:
            The thing where it stands now.

        Raises:
            ValueError: It cannot be carried, or there is no place for it.
        """
        thing = self.thing(thing_id)
        if not thing.is_small:
            raise ValueError(f"the {thing.label} cannot be carried")
        others = [s for s in self._supports() if s.thing_id != thing.support_id]
        if to is None:
            supports = [s for s in others if s.room != thing.room]
        else:
            supports = [s for s in others if to in (s.room, s.thing_id)]
        moved = self._stood(thing, supports, rng)
        if moved is None:
            raise ValueError(f"there is no place for the {thing.label} at {to!r}")
        self._things[thing_id] = moved
        return moved

    def take_away(self, thing_id: int) -> Thing:
        """Carry a small thing out of the house; raises ValueError when it cannot be carried."""
        thing = self.thing(thing_id)
        if not thing.is_small:
            raise ValueError(f"the {thing.label} cannot be carried")
        return self._things.pop(thing_id)

    def bring(self, thing: Thing, *, rng: Generator) -> Thing:
        """Stand a small thing that is not in the house on a drawn piece of furniture.

        Raises:
            ValueError: It is there already, or there is no place for it.
        """
        if thing.thing_id in self._things:
            raise ValueError(f"the {thing.label} is in the house")
        stood = self._stood(thing, self._supports(), rng)
        if stood is None:
            raise ValueError(f"there is no place for the {thing.label}")
        self._things[thing.thing_id] = stood
        return stood

    def mesh(self) -> HouseMesh:
        """Return the triangles of the house as it is now."""
        solids = [(NOTHING, part) for part in self._layout.parts()]
        solids += [(thing.thing_id, part) for thing in self.things for part in thing.parts]
        meshes = [mesh_of(part) for _, part in solids]
        counts = [len(mesh.faces) for mesh in meshes]
        ids = np.repeat([thing_id for thing_id, _ in solids], counts)
        colors = np.repeat([part.color for _, part in solids], counts, axis=0).astype(np.uint8)
        mesh = trimesh.util.concatenate(meshes)
        mesh.visual.face_colors = colors
        return HouseMesh(mesh=mesh, thing_ids=ids.astype(np.int32), colors=colors)

    def _draw(self, rng: Generator, furnishing: Furnishing) -> None:
        self._layout: Layout = draw_layout(rng)
        self._things: dict[int, Thing] = {}
        self._standing_map: dict[str, XY] = {}  # by room: nobody reaches through a wall
        clear = self._layout.zones()
        for room in self.rooms:
            for group in furnishing.groups.get(room.name, ()):
                clear += self._furnish(room, group, clear, rng)
        for piece in furnishing.on_floor:
            self._put_on_floor(piece, clear, rng)
        self._check_rooms_are_reachable()
        for piece in furnishing.on_furniture:
            self._put_on_furniture(piece, rng)

    def _furnish(
        self, room: Room, group: Group, clear: list[Rectangle], rng: Generator
    ) -> list[Rectangle]:
        """Place a group in a room; returns what has to stay clear before it."""
        taken = [thing.footprint for thing in self.things]
        for _ in range(PLACE_TRIES):
            place = _draw_place(room, group, rng)
            things = list(_things_of(group, room.name, place, first_id=len(self._things) + 1))
            prints = [thing.footprint.grown(GAP_M) for thing in things]
            is_inside = room.inside.holds(place.needed)
            if (
                is_inside
                and not _overlap(prints, taken + clear)
                and not _overlap([place.front], taken)
            ):
                self._things.update((thing.thing_id, thing) for thing in things)
                return [place.front]
        raise _DoesNotFitError

    def _put_on_floor(self, piece: Piece, clear: list[Rectangle], rng: Generator) -> None:
        """Stand a small thing on the floor, beside a wall."""
        taken = [thing.footprint for thing in self.things] + clear
        group = Group((Member(piece),))
        for _ in range(PLACE_TRIES):
            room = self.rooms[int(rng.integers(len(self.rooms)))]
            place = _draw_place(room, group, rng)
            thing = next(_things_of(group, room.name, place, first_id=len(self._things) + 1))
            if not _overlap([thing.footprint.grown(GAP_M)], taken):
                self._things[thing.thing_id] = thing
                return
        raise _DoesNotFitError

    def _put_on_furniture(self, piece: Piece, rng: Generator) -> None:
        """Stand a small thing on the furniture of a room drawn first, so that all rooms get some."""
        room = str(rng.choice([room.name for room in self.rooms]))
        thing = _new_thing(len(self._things) + 1, Member(piece), room, _Place(0.0, 0.0))
        near = [support for support in self._supports() if support.room == room]
        stood = self._stood(thing, near, rng) or self._stood(thing, self._supports(), rng)
        if stood is None:
            raise _DoesNotFitError
        self._things[stood.thing_id] = stood

    def _supports(self) -> list[Thing]:
        return [thing for thing in self.things if thing.surfaces]

    def _stood(self, thing: Thing, supports: Sequence[Thing], rng: Generator) -> Thing | None:
        """Return the thing at a drawn spot on one of the supports, None when none was found."""
        others = [other for other in self.things if other.thing_id != thing.thing_id]
        taken = [other.footprint.grown(GAP_M) for other in others if other.is_small]
        for _ in range(PLACE_TRIES if supports else 0):
            support = supports[int(rng.integers(len(supports)))]
            stood = _on_surface(thing, support, rng)
            if stood and self._is_in_reach(stood) and not _overlap([stood.footprint], taken):
                return stood
        return None

    def _is_in_reach(self, thing: Thing) -> bool:
        """Tell whether the robot can stand near enough to touch it."""
        distances_m = np.linalg.norm(self._standing_map[thing.room] - thing.p_map[:2], axis=1)
        return bool(distances_m.min() <= REACH_M)

    def _check_rooms_are_reachable(self) -> None:
        """Keep where the robot can stand; draw again unless that is in all rooms, near all things."""
        reachable = self.free_space.reachable((0.0, 0.0), radius_m=ROOM_TO_STAND_M)
        for room in self.rooms:
            standing = np.array([p for p in reachable if room.contains(p)])
            if len(standing) * CELL_M**2 < MIN_STANDING_M2:
                raise _DoesNotFitError
            self._standing_map[room.name] = standing
        if not all(self._is_in_reach(thing) for thing in self.things if thing.is_small):
            raise _DoesNotFitError


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a group stands: its origin in map, how it is turned, what must be clear before it."""

    x: float
    y: float
    quarter_turns: int = 0
    needed: Rectangle = NOWHERE  # must lie inside the room
    front: Rectangle = NOWHERE


def _draw_place(room: Room, group: Group, rng: Generator) -> _Place:
    """Draw a place with the back to a wall, or in the middle of the room."""
    turns = int(rng.integers(4))
    low, high = _group_bounds(group, turns)
    inside = room.inside.grown(-GAP_M)
    x = _between(inside.x_min - low[0], inside.x_max - high[0], rng)
    y = _between(inside.y_min - low[1], inside.y_max - high[1], rng)
    if group.is_against_wall:  # the back is towards -y, and turned: +x, +y, -x
        x = (x, inside.x_max - high[0], x, inside.x_min - low[0])[turns]
        y = (inside.y_min - low[1], y, inside.y_max - high[1], y)[turns]
    needed = Rectangle(low[0] + x, low[1] + y, high[0] + x, high[1] + y)
    if not group.is_against_wall:
        around = needed.grown(group.front_m)
        return _Place(x, y, turns, needed=around, front=around)
    dx, dy = turned(0.0, group.front_m, turns)
    front = Rectangle(
        needed.x_min + min(dx, 0), needed.y_min + min(dy, 0),
        needed.x_max + max(dx, 0), needed.y_max + max(dy, 0),
    )  # fmt: skip
    return _Place(x, y, turns, needed=needed, front=front)


def _between(low: float, high: float, rng: Generator) -> float:
    """Draw between two bounds; the lower one when there is no room between them."""
    return float(rng.uniform(low, max(low, high)))


def _group_bounds(group: Group, turns: int) -> NDArray[np.float64]:
    """Return the least and greatest x, y (2, 2) of a turned group, metres from its origin."""
    things = _things_of(group, "", _Place(0.0, 0.0, turns), first_id=1)
    return bounds([part for thing in things for part in thing.parts])[:, :2]


def _things_of(group: Group, room: str, place: _Place, *, first_id: int) -> Iterator[Thing]:
    for number, member in enumerate(group.members):
        yield _new_thing(first_id + number, member, room, place)


def _new_thing(thing_id: int, member: Member, room: str, place: _Place) -> Thing:
    """Build a thing on the floor at a place."""
    x, y = turned(member.x, member.y, place.quarter_turns)
    at = (place.x + x, place.y + y, 0.0)
    turns = (member.quarter_turns + place.quarter_turns) % 4
    return Thing(
        thing_id=thing_id,
        label=member.piece.label,
        room=room,
        T_map_thing=pose(rotation_from_yaw(turns * np.pi / 2), at),
        parts=tuple(placed(part, at, turns) for part in member.piece.parts),
        surfaces=tuple(placed_surface(s, at, turns) for s in member.piece.surfaces),
        is_small=member.piece.is_small,
        support_id=NOTHING,
    )


def _on_surface(thing: Thing, support: Thing, rng: Generator) -> Thing | None:
    """Stand a thing on a drawn spot of a support; None when it is too big for it."""
    surface = support.surfaces[int(rng.integers(len(support.surfaces)))]
    p = thing.footprint
    low_x, high_x = surface.x_min - p.x_min + GAP_M, surface.x_max - p.x_max - GAP_M
    low_y, high_y = surface.y_min - p.y_min + GAP_M, surface.y_max - p.y_max - GAP_M
    if low_x > high_x or low_y > high_y:
        return None
    x, y = float(rng.uniform(low_x, high_x)), float(rng.uniform(low_y, high_y))
    shift = (x, y, surface.z - float(thing.T_map_thing[2, 3]))
    return replace(
        thing,
        room=support.room,
        support_id=support.thing_id,
        T_map_thing=pose(thing.T_map_thing[:3, :3], thing.T_map_thing[:3, 3] + shift),
        parts=tuple(placed(part, shift, 0) for part in thing.parts),
    )


def _overlap(some: Sequence[Rectangle], others: Sequence[Rectangle]) -> bool:
    return any(a.overlaps(b) for a in some for b in others)
