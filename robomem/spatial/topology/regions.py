"""Rooms: basins of clearance at the height of walls, parted at doors, and named by what stands in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robomem.checks import checked_vector
from robomem.geometry import Points
from robomem.spatial.topology.floor import Cells, Floor, contacts
from robomem.spatial.topology.kernels.flood import NONE, Labels, part_basins
from robomem.spatial.topology.kernels.search import label_components
from robomem.spatial.topology.room_names import likely_room
from robomem.spatial.topology.settings import TopologySettings
from robomem.types import Vector

Thing = tuple[str, Vector]  # its label, and where it is, (3,) metres in map
BESIDE_M = 0.8  # a thing against a wall, or in a cupboard, belongs to the room this near


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A room.

    Attributes:
        region_id: It stays while most of the room does.
        name: "kitchen", "bedroom 2", or "room 3" where nothing tells.
        place_ids: The places in it.
        cells_map: The centres of its cells, those under low furniture too, (N, 3) metres in map.
        area_m2: Of them.
        centre_map: The one of them that is nearest to their mean, (3,).
    """

    region_id: int
    name: str
    place_ids: tuple[int, ...]
    cells_map: Points
    area_m2: float
    centre_map: Vector


class Rooms:
    """Which cell is in which room, and the numbers of rooms as they change."""

    def __init__(self, settings: TopologySettings) -> None:
        self.labels: Labels = np.empty((0, 0), np.int64)  # ids of regions, NONE where there is none
        self.first = np.zeros(2, np.int64)
        self._settings = settings
        self.next_id = 0

    def restore(self, labels: Labels, first: NDArray[np.int64], *, next_id: int) -> None:
        """Take the rooms that were kept, and the next one's number."""
        self.labels, self.first, self.next_id = labels, first, next_id

    def find(self, floor: Floor, places: Cells, ways: NDArray[np.int64]) -> None:
        """Part a floor into rooms.

        Args:
            floor: Its cells and clearances.
            places: The cells of its places, (N, 2).
            ways: Rows of places that straight ways join, (E, 2).
        """
        labels = part_basins(
            floor.room_clearance_m, self._settings.max_door_m / 2, self._settings.min_widening_m
        )
        _join_small(labels, floor, self._settings.min_room_m2 / floor.resolution_m**2)
        at = tuple((places - floor.first).T)
        labels[at] = _spread(labels[at], ways, unused=labels.max(initial=NONE) + 1)
        is_room = np.zeros(labels.max(initial=NONE) + 2, np.bool_)  # the last is that of NONE
        is_room[labels[at]] = True  # nobody can go to the others
        labels[~is_room[labels]] = NONE
        self.labels, self.first = self._with_ids(labels, floor.first), floor.first

    def regions(self, floor: Floor, place_ids: NDArray[np.int64], places: Cells) -> list[Region]:
        """Return the rooms by id, with the places (N,) at cells (N, 2) of the floor."""
        room_of_place = self.labels[tuple((places - self.first).T)]
        rows = np.argwhere(self.labels != NONE)
        room_of_cell = self.labels[tuple(rows.T)]
        found = []
        for region_id in np.unique(room_of_cell).tolist():
            cells_map = floor.centres_of(rows[room_of_cell == region_id] + self.first)
            away_m = np.linalg.norm(cells_map - cells_map.mean(axis=0), axis=1)
            found.append(
                Region(
                    region_id,
                    f"room {region_id}",
                    tuple(place_ids[room_of_place == region_id].tolist()),
                    cells_map,
                    len(cells_map) * floor.resolution_m**2,
                    cells_map[away_m.argmin()],
                )
            )
        return found

    def _with_ids(self, labels: Labels, first: NDArray[np.int64]) -> Labels:
        """Return labels with the ids of the rooms before, where most of the old or of the new room is the same."""
        areas = np.bincount(labels[labels != NONE])
        old_ids, old_areas = np.unique(self.labels[self.labels != NONE], return_counts=True)
        ids = np.full(len(areas) + 1, NONE)  # the last is that of NONE, which is -1
        for old, new, count in self._shared(labels, first):
            smaller = min(old_areas[np.searchsorted(old_ids, old)], areas[new])
            if ids[new] == NONE and old not in ids and 2 * count > smaller:
                ids[new] = old
        is_new = (areas > 0) & (ids[:-1] == NONE)
        ids[:-1][is_new] = self.next_id + np.arange(is_new.sum())
        self.next_id += int(is_new.sum())
        return ids[labels]

    def _shared(self, labels: Labels, first: NDArray[np.int64]) -> list[tuple[int, int, int]]:
        """Return the rooms before, the labels, and how many cells they share, the most first."""
        rows = np.argwhere(self.labels != NONE)
        cells = rows + self.first - first
        is_here = ((cells >= 0) & (cells < labels.shape)).all(axis=1)
        old, new = self.labels[tuple(rows[is_here].T)], labels[tuple(cells[is_here].T)]
        width = int(labels.max(initial=0)) + 1
        pairs, counts = np.unique((old * width + new)[new != NONE], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [
            (*divmod(pair, width), count)
            for pair, count in zip(pairs[order].tolist(), counts[order].tolist(), strict=True)
        ]


def name_regions(regions: Sequence[Region], things: Iterable[Thing]) -> list[Region]:
    """Return the regions with names from what stands in them; the second bedroom by id is "bedroom 2".

    Raises:
        DataError: A thing's place is not finite.
    """
    labels: list[list[str]] = [[] for _ in regions]
    for label, p_map in things:
        xy = checked_vector(p_map, 3, "p_map")[:2]
        away_m = [np.linalg.norm(r.cells_map[:, :2] - xy, axis=1).min() for r in regions]
        if away_m and min(away_m) <= BESIDE_M:
            labels[int(np.argmin(away_m))].append(label)
    named, seen = [], dict[str, int]()
    for region, inside in zip(regions, labels, strict=True):
        kind = likely_room(inside)
        if kind is None:
            named.append(replace(region, name=f"room {region.region_id}"))
            continue
        seen[kind] = seen.get(kind, 0) + 1
        named.append(replace(region, name=kind if seen[kind] == 1 else f"{kind} {seen[kind]}"))
    return named


def _join_small(labels: Labels, floor: Floor, min_cells: float) -> None:
    """Join basins of fewer cells to the neighbour behind the widest pass, the smallest first."""
    areas = np.bincount(labels[labels != NONE])
    a, b = contacts(labels)
    sides = np.stack([labels[tuple(cells.T)] for cells in (a, b)])
    passes_m = np.minimum(*(floor.room_clearance_m[tuple(cells.T)] for cells in (a, b)))
    while (is_border := sides[0] != sides[1]).any():
        meet = np.unique(sides[:, is_border])
        smallest = meet[np.argmin(areas[meet])]
        if areas[smallest] >= min_cells:
            break
        here = np.flatnonzero((sides == smallest).any(axis=0) & is_border)
        widest = sides[:, here[np.argmax(passes_m[here])]]
        other = widest.sum() - smallest
        areas[other] += areas[smallest]
        for each in (sides, labels):
            each[each == smallest] = other


def _spread(rooms: NDArray[np.int64], ways: NDArray[np.int64], *, unused: int) -> NDArray[np.int64]:
    """Return the rooms of places (N,), those without one in that of a neighbour, or in one of their own."""
    rooms = rooms.copy()
    both = np.concatenate([ways, ways[:, ::-1]])
    while True:
        source, target = rooms[both].T
        is_new = (source != NONE) & (target == NONE)
        if not is_new.any():
            break
        lowest = np.full(len(rooms), np.iinfo(np.int64).max)
        np.minimum.at(lowest, both[is_new, 1], source[is_new])
        rooms = np.where((rooms == NONE) & (lowest < np.iinfo(np.int64).max), lowest, rooms)
    parts = label_components(len(rooms), ways)
    return np.where(rooms == NONE, unused + parts, rooms)
