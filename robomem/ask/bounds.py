"""What narrows a query, made concrete: the queries inside it carried out, its room found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robomem.ask.labels import fold
from robomem.ask.remembered import occasion
from robomem.geometry import Points
from robomem.query import Query, QueryKind, Relation
from robomem.types import Entity, Event, Hit, Vector

BESIDE_M = 0.6  # a thing in a wall's cells belongs to the room next to it
OCCASION_GAP_NS = 2 * 3600 * 10**9
SQUARE_M = 0.1  # points this near to each other are in one room
TOLD_REACH_M = 3.0  # from where the robot was told to be in a room, to what is in it
ON_SLACK_M = 0.15  # how far beside and below its top a thing may stand on another
SURFACE_M = 0.6  # half the width of a surface of unknown size
_SYNONYMS = {
    "hallway": "hall",
    "corridor": "hall",
    "lobby": "hall",
    "office": "study",
    "lounge": "living room",
    "lab": "laboratory",
}


class Room(Protocol):
    """A room as the topology of a floor tells it: its name, its middle, and its cells (N, 2) or (N, 3)."""

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
    """A room as it was told, not seen: around the places where the robot was when it was said to be in it."""

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
        self._reach_m = BESIDE_M

    def all(self) -> Sequence[Room]:
        """Return every room."""
        if self._rooms is None:
            self._rooms = self._find()
            cells = [np.asarray(room.cells_map)[:, :2] for room in self._rooms]
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
        squares, inverse = np.unique(
            np.round(np.asarray(p_map)[:, :2] / SQUARE_M).astype(np.int64),
            axis=0,
            return_inverse=True,
        )
        found = np.full(len(squares), -1)
        for i, square in enumerate(squares * SQUARE_M):
            away_m = np.linalg.norm(self._cells - square, axis=1)
            nearest = int(away_m.argmin())
            if away_m[nearest] <= self._reach_m:
                found[i] = self._room_of_cell[nearest]
        return found[inverse.ravel()]


def told_rooms(places: Sequence[tuple[str, Vector]]) -> list[ToldRoom]:
    """Return the rooms of which it was told that the robot was in them, by name.

    Args:
        places: What the room was called, and where the robot was, (3,) metres in map.
    """
    by_name: dict[str, list[Vector]] = {}
    for name, p_map in places:
        by_name.setdefault(name, []).append(p_map)
    rooms = []
    for name, points in sorted(by_name.items()):
        cells = np.array(points)
        middle = int(np.linalg.norm(cells - cells.mean(axis=0), axis=1).argmin())
        rooms.append(ToldRoom(name, cells[middle], cells))
    return rooms


@dataclass(frozen=True, slots=True)
class Bounds:
    """A query's narrowings as numbers.

    Attributes:
        since_ns, until_ns: The span of time; None is open.
        place: Where near is, (2,) or (3,) metres in map.
        radius_m: How near.
        relation: How to stand to `support`.
        support: The thing that others stand on, or are in.
        rooms: Which rooms, by their place in `Rooms.all`.
        entity_ids: Which things.
    """

    since_ns: int | None
    until_ns: int | None
    place: tuple[float, ...] | None
    radius_m: float
    relation: Relation
    support: Entity | None
    rooms: frozenset[int] | None
    entity_ids: frozenset[int] | None

    def is_in_time(self, since_ns: int, until_ns: int) -> bool:
        """Tell whether a span overlaps the one asked for."""
        return (self.since_ns is None or until_ns >= self.since_ns) and (
            self.until_ns is None or since_ns <= self.until_ns
        )

    def are_near(self, p_map: Points) -> NDArray[np.bool_]:
        """Tell which points (N, 3) lie in the circle (2 coordinates) or ball (3); no place, no bounds."""
        if self.support is not None and self.relation is not Relation.NEAR:
            return _are_on(p_map, self.support, self.relation)
        if self.place is None:
            return np.ones(len(p_map), np.bool_)
        away_m = np.linalg.norm(p_map[:, : len(self.place)] - self.place, axis=1)
        return np.asarray(away_m <= self.radius_m)

    @property
    def is_placed(self) -> bool:
        """Whether there are bounds in space."""
        return self.place is not None or self.support is not None or self.rooms is not None


def _are_on(p_map: Points, support: Entity, relation: Relation) -> NDArray[np.bool_]:
    """Tell which points (N, 3) are over, or within, the box of a thing."""
    size_m = np.full(3, 2 * SURFACE_M) if support.size_m is None else support.size_m
    away_m = np.abs(p_map - support.p_map)
    is_over = (away_m[:, :2] <= size_m[:2] / 2 + ON_SLACK_M).all(axis=1)
    if relation is Relation.IN:
        return np.asarray(is_over & (away_m[:, 2] <= size_m[2] / 2 + ON_SLACK_M))
    middle_m = support.p_map[2] if support.size_m is not None else support.p_map[2] - SURFACE_M
    return np.asarray(is_over & (p_map[:, 2] >= middle_m))


def span_of(hits: Sequence[Hit]) -> tuple[int, int]:
    """Return from when to when the best hit lasted."""
    best = hits[0]
    if best.event is not None and best.entity is None:
        alike = hits if best.event.entity_id is None else hits[:1]
        return occasion(alike, OCCASION_GAP_NS)
    until_ns = best.evidence.stamp_ns
    return (until_ns if best.since_ns is None else best.since_ns), until_ns


def bounds_of(
    query: Query,
    *,
    radius_m: float,
    rooms: Rooms,
    recall: Callable[[Query], list[Hit]],
) -> Bounds | None:
    """Return the bounds of a query; None where a query inside it finds nothing, or there is no such room.

    Args:
        query: Whose.
        radius_m: What near means, where the query does not say.
        rooms: The rooms there are.
        recall: Carries out the queries inside.
    """
    spans = {}
    for name in ("after", "before", "during"):
        part: Query | None = getattr(query, name)
        hits = recall(part) if part is not None else []
        if part is not None and not hits:
            return None
        if hits:
            spans[name] = span_of(hits)
    at = recall(query.at) if query.at is not None else []
    which = recall(query.which) if query.which is not None else []
    named = rooms.named(query.room) if query.room is not None else None
    is_lost = query.at is not None and (not at or at[0].evidence.p_map is None)
    if is_lost or (query.which is not None and not which) or named == []:
        return None
    since_ns, until_ns = _span(query, spans)
    support = at[0].entity if at else None
    place = (
        tuple(at[0].evidence.p_map.tolist()) if at and at[0].evidence.p_map is not None else None
    )
    return Bounds(
        since_ns=since_ns,
        until_ns=until_ns,
        place=query.near_map if query.near_map is not None else place,
        radius_m=query.radius_m or radius_m,
        relation=query.relation,
        support=support,
        rooms=None if named is None else frozenset(named),
        entity_ids=None if query.which is None else frozenset(_ids(which)),
    )


def _span(query: Query, spans: dict[str, tuple[int, int]]) -> tuple[int | None, int | None]:
    """Return the latest beginning and the earliest end of what a query is narrowed to."""
    begins = [query.since_ns, spans["after"][1] if "after" in spans else None]
    ends = [query.until_ns, spans["before"][0] if "before" in spans else None]
    if "during" in spans:
        is_state = query.kind in (QueryKind.WHERE, QueryKind.EXISTS, QueryKind.ROOM)
        begins.append(None if is_state else spans["during"][0])
        ends.append(spans["during"][1])
    return (
        max((ns for ns in begins if ns is not None), default=None),
        min((ns for ns in ends if ns is not None), default=None),
    )


def _ids(hits: Iterable[Hit]) -> list[int]:
    things: list[Entity | Event] = [t for h in hits for t in (h.entity, h.event) if t is not None]
    return [t.entity_id for t in things if t.entity_id is not None]
