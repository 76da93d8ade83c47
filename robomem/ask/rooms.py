"""Rooms by name: those that the map shows, called as people call them, and those that were only told."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points
from robomem.labels import fold
from robomem.types import Vector

BESIDE_M = 0.6  # a thing in a wall's cells belongs to the room next to it
SQUARE_M = 0.1  # points this near to each other are in one room
_BITS, _OFFSET = 22, 1 << 21  # squares within 200 km
TOLD_REACH_M = 3.0  # from where the robot was told to be in a room, to what is in it
_SYNONYMS = {
    "hallway": "hall",
    "corridor": "hall",
    "lobby": "hall",
    "office": "study",
    "lounge": "living room",
    "lab": "laboratory",
}


class Room(Protocol):
    """A room as the topology of a floor tells it: its name, its middle, and its cells."""

    @property
    def name(self) -> str:
        """Such as "kitchen" or "room 3"."""
        ...

    @property
    def centre_map(self) -> Vector:
        """A point in it, (3,) metres."""
        ...

    @property
    def cells_map(self) -> Points:
        """The centres of its cells, (N, 3) metres."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ToldRoom:
    """A room that was told, not seen: around the places where the robot was when it was said to be in it."""

    name: str
    centre_map: Vector
    cells_map: Points


class Rooms:
    """The rooms of a memory, found when the first question needs them."""

    def __init__(self, find: Callable[[], Sequence[Room]]) -> None:
        self._find = find
        self._rooms: Sequence[Room] | None = None
        self._cells: NDArray[np.float64] = np.empty((0, 2))
        self._room_of_cell: NDArray[np.int64] = np.empty(0, np.int64)
        self._room_of_square: dict[int, int] = {}
        self._reach_m = BESIDE_M

    def all(self) -> Sequence[Room]:
        """Return every room."""
        if self._rooms is None:
            self._rooms = self._find()
            cells = [
                np.array([_centre(s) for s in np.unique(_squares(room.cells_map)).tolist()])
                for room in self._rooms
            ]
            if cells:
                self._cells = np.concatenate(cells)
                self._room_of_cell = np.repeat(np.arange(len(cells)), [len(c) for c in cells])
            if any(isinstance(room, ToldRoom) for room in self._rooms):
                self._reach_m = TOLD_REACH_M
        return self._rooms

    def named(self, name: str) -> list[int]:
        """Return which rooms a name means: that one, or all of its kind ("bedroom" is "bedroom 2", too)."""
        wanted = fold(_SYNONYMS.get(name, name))
        folded = [fold(room.name) for room in self.all()]
        of_kind = [i for i, words in enumerate(folded) if words[: len(wanted)] == wanted]
        return of_kind or [i for i, words in enumerate(folded) if set(wanted) <= set(words)]

    def of(self, p_map: Points) -> NDArray[np.int64]:
        """Return the room of each point (N, 3) by its place in `all`, -1 where it is in none."""
        self.all()
        if not len(self._cells) or not len(p_map):
            return np.full(len(p_map), -1)
        squares, inverse = np.unique(_squares(p_map), return_inverse=True)
        for square in set(squares.tolist()) - self._room_of_square.keys():
            self._room_of_square[square] = self._nearest(_centre(square))
        found = np.array([self._room_of_square[square] for square in squares.tolist()])
        return found[inverse]

    def _nearest(self, point: NDArray[np.float64]) -> int:
        away_m = np.linalg.norm(self._cells - point, axis=1)
        nearest = int(away_m.argmin())
        return int(self._room_of_cell[nearest]) if away_m[nearest] <= self._reach_m else -1

    def name_of(self, p_map: Vector) -> str | None:
        """Return the name of the room that a point (3,) is in, None where it is in none."""
        (room,) = self.of(np.asarray(p_map)[None]).tolist()
        return None if room < 0 else self.all()[room].name


def _squares(p_map: Points) -> NDArray[np.int64]:
    """Return the square of the floor that each point (N, 2 or 3) is in, as one number."""
    x, y = np.floor(np.asarray(p_map)[:, :2].T / SQUARE_M).astype(np.int64)
    return np.asarray(((x + _OFFSET) << _BITS) + y + _OFFSET)


def _centre(square: int) -> NDArray[np.float64]:
    x, y = (square >> _BITS) - _OFFSET, (square & ((1 << _BITS) - 1)) - _OFFSET
    return (np.array([x, y]) + 0.5) * SQUARE_M


def with_told(rooms: Sequence[Room], told: Sequence[tuple[str, Vector]]) -> Sequence[Room]:
    """Return rooms called as they were told, and those that were only told; one a name.

    Args:
        rooms: Those of the map; without a telling they keep their names.
        told: What the room was called, and where the robot was, (3,) metres in map.
    """
    if not told:
        return rooms
    places = np.array([p_map for _, p_map in told])
    votes: dict[int, Counter[str]] = {}
    for (name, _), room in zip(told, Rooms(lambda: rooms).of(places).tolist(), strict=True):
        if room >= 0:
            votes.setdefault(room, Counter())[name] += 1
    cells: dict[str, list[Points]] = {}
    for name, p_map in told:
        cells.setdefault(name, []).append(p_map[None, :])
    for i, room in enumerate(rooms):
        name = votes[i].most_common(1)[0][0] if i in votes else room.name
        cells.setdefault(name, []).append(np.asarray(room.cells_map))
    return [_told_room(name, np.concatenate(cells[name])) for name in sorted(cells)]


def _told_room(name: str, cells_map: Points) -> ToldRoom:
    middle = int(np.linalg.norm(cells_map - cells_map.mean(axis=0), axis=1).argmin())
    return ToldRoom(name, cells_map[middle], cells_map)
