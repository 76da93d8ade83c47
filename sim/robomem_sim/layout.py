"""Rooms, doors and walls: two rooms on each side of a hall, drawn from a generator."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from robomem_sim.shapes import Part, box

WALL_M = 0.1
HEIGHT_M = 2.4
DOOR_HEIGHT_M = 2.05
DOOR_MARGIN_M = 0.3  # from a corner to the frame
DOOR_ZONE_M = 0.7  # kept clear on both sides

WALL_COLOR = (225, 220, 205)
FLOOR_COLOR = (160, 135, 105)
CEILING_COLOR = (245, 245, 245)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """An upright rectangle in the floor plane, metres in map."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def center(self) -> tuple[float, float]:
        """Its middle."""
        return (self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2

    def holds(self, other: "Rectangle") -> bool:
        """Tell whether the other lies inside."""
        return (
            self.x_min <= other.x_min
            and self.y_min <= other.y_min
            and self.x_max >= other.x_max
            and self.y_max >= other.y_max
        )

    def overlaps(self, other: "Rectangle") -> bool:
        """Tell whether the two share more than their edges."""
        return (
            self.x_min < other.x_max
            and other.x_min < self.x_max
            and self.y_min < other.y_max
            and other.y_min < self.y_max
        )

    def grown(self, margin_m: float) -> "Rectangle":
        """Return it grown by a margin on all sides."""
        m = margin_m
        return Rectangle(self.x_min - m, self.y_min - m, self.x_max + m, self.y_max + m)


@dataclass(frozen=True, slots=True)
class Room:
    """A named room; `inside` lies between its walls."""

    name: str
    inside: Rectangle

    def contains(self, p_map: ArrayLike) -> bool:
        """Tell whether a point (2,) or (3,) metres in map lies in the room."""
        x, y = np.asarray(p_map, dtype=np.float64)[:2]
        return self.inside.holds(Rectangle(x, y, x, y))


@dataclass(frozen=True, slots=True)
class Wall:
    """A straight wall with doorways: along x (or y) from `start` to `end`, at `across`, metres."""

    is_along_x: bool
    across: float
    start: float
    end: float
    doors: tuple[tuple[float, float], ...] = ()  # from, to, along the wall

    def parts(self) -> list[Part]:
        """Return its solid pieces: beside the doorways up to the ceiling, above them the lintels."""
        edges = [self.start, *(edge for door in self.doors for edge in door), self.end]
        solid = zip(edges[::2], edges[1::2], strict=True)
        parts = [self._piece(a, b, 0.0) for a, b in solid]
        return parts + [self._piece(a, b, DOOR_HEIGHT_M) for a, b in self.doors]

    def zones(self) -> list[Rectangle]:
        """Return what has to stay clear before and behind the doorways."""
        a, b = self.across - DOOR_ZONE_M, self.across + DOOR_ZONE_M
        if self.is_along_x:
            return [Rectangle(start, a, end, b) for start, end in self.doors]
        return [Rectangle(a, start, b, end) for start, end in self.doors]

    def _piece(self, start: float, end: float, bottom: float) -> Part:
        middle, z = (start + end) / 2, (bottom + HEIGHT_M) / 2
        if self.is_along_x:
            center, size = (middle, self.across, z), (end - start, WALL_M, HEIGHT_M - bottom)
        else:
            center, size = (self.across, middle, z), (WALL_M, end - start, HEIGHT_M - bottom)
        return box(center, size, WALL_COLOR)


@dataclass(frozen=True, slots=True)
class Layout:
    """The empty house. Its origin, x = y = 0, is the middle of the hall."""

    outline: Rectangle
    rooms: tuple[Room, ...]
    walls: tuple[Wall, ...]

    def parts(self) -> tuple[Part, ...]:
        """Return floor, ceiling and walls."""
        o = self.outline
        (x, y), size = o.center, (o.x_max - o.x_min, o.y_max - o.y_min, WALL_M)
        floor = box((x, y, -WALL_M / 2), size, FLOOR_COLOR)
        ceiling = box((x, y, HEIGHT_M + WALL_M / 2), size, CEILING_COLOR)
        return (floor, ceiling, *(part for wall in self.walls for part in wall.parts()))

    def zones(self) -> list[Rectangle]:
        """Return what has to stay clear at the doorways."""
        return [zone for wall in self.walls for zone in wall.zones()]


def draw_layout(rng: Generator) -> Layout:
    """Draw the sizes, which room lies where and where the doors are."""
    half_x, half_hall = rng.uniform(4.7, 5.4), rng.uniform(0.95, 1.1)
    top, bottom = half_hall + rng.uniform(3.9, 4.4), -half_hall - rng.uniform(3.9, 4.4)
    split_top, split_bottom = rng.uniform(-0.4, 0.4, size=2)
    xs = (-half_x, split_top, half_x), (-half_x, split_bottom, half_x)
    names = rng.permutation(["kitchen", "living room", "bedroom", "study"])
    rooms = [
        *_row(names[:2], xs[0], half_hall, top),
        *_row(names[2:], xs[1], bottom, -half_hall),
        Room("hall", _inside(-half_x, -half_hall, half_x, half_hall)),
    ]
    walls = (
        *_outer_walls(half_x, bottom, top),
        Wall(True, half_hall, -half_x, half_x, _doors(rng, xs[0])),
        Wall(True, -half_hall, -half_x, half_x, _doors(rng, xs[1])),
        Wall(False, split_top, half_hall, top, _doors(rng, (half_hall, top))),
        Wall(False, split_bottom, bottom, -half_hall),
    )
    outline = Rectangle(-half_x, bottom, half_x, top).grown(WALL_M / 2)
    return Layout(outline, tuple(rooms), walls)


def _row(
    names: ArrayLike, xs: tuple[float, float, float], y_min: float, y_max: float
) -> list[Room]:
    left, right = (str(name) for name in np.asarray(names))
    return [
        Room(left, _inside(xs[0], y_min, xs[1], y_max)),
        Room(right, _inside(xs[1], y_min, xs[2], y_max)),
    ]


def _inside(x_min: float, y_min: float, x_max: float, y_max: float) -> Rectangle:
    return Rectangle(x_min, y_min, x_max, y_max).grown(-WALL_M / 2)


def _outer_walls(half_x: float, bottom: float, top: float) -> tuple[Wall, ...]:
    return (
        Wall(True, bottom, -half_x, half_x),
        Wall(True, top, -half_x, half_x),
        Wall(False, -half_x, bottom, top),
        Wall(False, half_x, bottom, top),
    )


def _doors(rng: Generator, edges: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """Draw one doorway between every two neighbouring edges along a wall."""
    doors = []
    for low, high in itertools.pairwise(edges):
        width_m = rng.uniform(0.9, 1.0)
        start = rng.uniform(low + DOOR_MARGIN_M, high - DOOR_MARGIN_M - width_m)
        doors.append((float(start), float(start + width_m)))
    return tuple(doors)
