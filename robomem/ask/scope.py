"""What a question looks at: the records as they are now, with places, rooms and the robot's path kept beside them."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from robomem.ask.bounds import Bounds
from robomem.ask.remembered import Path, Remembered
from robomem.ask.rooms import Room, Rooms, with_told
from robomem.geometry import Points
from robomem.store.records import Records
from robomem.types import Hit, Vector

ROOMS_GROWTH = 1.1  # finding rooms takes a while: again when there are so many times more keyframes
Mask = NDArray[np.bool_]


class Scope:
    """The records of one memory; what is made of them is kept until anything changes.

    Attributes:
        records: Them.
        remembered: Reads them.
        rooms: The rooms there are.
    """

    def __init__(self, records: Records, find_rooms: Callable[[], Sequence[Room]]) -> None:
        self.records = records
        self._find_rooms = find_rooms
        self._version: tuple[int, int] | None = None
        self._path: Path | None = None
        self.rooms = Rooms(self._known_rooms)
        self._settled_rooms, self._roomed_at = self.rooms, 0
        self.remembered = Remembered(records)

    def refresh(self) -> None:
        """Drop what was kept, if anything changed."""
        if self._version != self.records.version:
            self._version = self.records.version
            self._path = None
            self.rooms = Rooms(self._known_rooms)
            self.remembered = Remembered(self.records)

    def path(self) -> Path:
        """Return where the robot was."""
        if self._path is None:
            self._path = Path(self.records)
        return self._path

    def inside(self, hits: Iterable[Hit], bounds: Bounds) -> list[Hit]:
        """Return the hits inside the bounds in space; a move is where it began, too."""
        hits = list(hits)
        if not bounds.is_placed or not hits:
            return hits
        is_inside = self.are_inside(places_of(hits), bounds, sizes_m=_sizes_of(hits))
        is_inside |= self.are_inside(_origins(hits), bounds)
        if bounds.rooms is not None:
            names = self.names_of(bounds.rooms)
            said = [hit.event is not None and hit.event.room in names for hit in hits]
            is_inside |= np.array(said)
        return [hit for hit, inside in zip(hits, is_inside, strict=True) if inside]

    def are_inside(self, p_map: Points, bounds: Bounds, *, sizes_m: Points | None = None) -> Mask:
        """Tell which points (N, 3) in map, of things of these sizes (N, 3), lie in the bounds; NaN is nowhere, and no size."""
        is_inside: Mask = np.asarray(np.isfinite(p_map).all(axis=1))
        has_place = is_inside.copy()
        sizes_m = None if sizes_m is None else sizes_m[has_place]
        is_inside[has_place] &= bounds.are_near(p_map[has_place], sizes_m)
        is_inside[is_inside] &= self.in_rooms(p_map[is_inside], bounds)
        return is_inside

    def in_rooms(self, p_map: Points, bounds: Bounds) -> Mask:
        """Tell which points (N, 3) lie in the rooms that are asked for."""
        if bounds.rooms is None:
            return np.ones(len(p_map), np.bool_)
        return np.isin(self.rooms.of(p_map), list(bounds.rooms))

    def names_of(self, rooms: Iterable[int]) -> tuple[str, ...]:
        """Return what rooms are called, by their place in `Rooms.all`."""
        return tuple(sorted(self.rooms.all()[i].name for i in rooms))

    def room_of(self, p_map: Vector) -> str | None:
        """Name the room of a point (3,), None where it is in none; by rooms as they were a tenth of the path ago."""
        keyframes = self.records.keyframes.count()
        if keyframes > ROOMS_GROWTH * self._roomed_at:
            self.refresh()
            self._roomed_at, self._settled_rooms = keyframes, Rooms(self._known_rooms)
        return self._settled_rooms.name_of(p_map)

    def _known_rooms(self) -> Sequence[Room]:
        """Return the rooms that the map shows, and those that were told."""
        poses = ((name, self.remembered.pose(kf)) for name, kf in self.records.rooms_told())
        told = [(name, T_map_kf[:3, 3]) for name, T_map_kf in poses if T_map_kf is not None]
        return with_told(self._find_rooms(), told)


def places_of(hits: Sequence[Hit]) -> Points:
    """Return where hits are, (N, 3), NaN where there is no place."""
    nowhere = np.full(3, np.nan)
    places = [nowhere if h.evidence.p_map is None else h.evidence.p_map for h in hits]
    return np.array(places).reshape(-1, 3)


def _sizes_of(hits: Sequence[Hit]) -> Points:
    """Return how large the things of hits are, (N, 3) metres, NaN where that is not known."""
    unknown = np.full(3, np.nan)
    sizes_m = [
        unknown if h.entity is None or h.entity.size_m is None else h.entity.size_m for h in hits
    ]
    return np.array(sizes_m).reshape(-1, 3)


def _origins(hits: Sequence[Hit]) -> Points:
    """Return where what moved was before, (N, 3), NaN where nothing did."""
    nowhere = np.full(3, np.nan)
    origins = [
        nowhere
        if h.entity is not None or h.event is None or h.event.p_from_map is None
        else h.event.p_from_map
        for h in hits
    ]
    return np.array(origins).reshape(-1, 3)
