"""Places to be: cells of the floor from which all that a robot can reach is seen, and the straight ways between them.

The plane is cut into tiles. What is chosen in a tile is a function of the clearances in it and around it and
of what was chosen in those of its neighbours that come before it, so a change is followed as far as it reaches
and no further, and the places are those of a floor seen for the first time.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.spatial.topology.floor import Box, Cells, Floor, contacts
from robomem.spatial.topology.kernels.search import label_components
from robomem.spatial.topology.kernels.sight import (
    BLOCKED,
    Field,
    cover,
    nearest_seen,
    sweep_pairs,
)
from robomem.spatial.topology.settings import TopologySettings
from robomem.types import Vector

Tile = tuple[int, int]
Cell = tuple[int, int]
NONE = np.empty((0, 2), np.int64)
COLOURS = 4  # tiles of one colour do not touch
LATER = ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1))  # a tile and half of its neighbours


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A place to be: (3,) metres in map, on the floor, and how far it is from all that is not free."""

    place_id: int
    p_map: Vector
    clearance_m: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A straight way between two places, and how far from all that is not free it leads, at least."""

    place_ids: tuple[int, int]
    length_m: float
    clearance_m: float


@dataclass(frozen=True, slots=True, eq=False)
class _Ways:
    """Straight ways: their ends, (E, 2) cells each, and the least clearance of a cell on them, (E,)."""

    begins: Cells
    ends: Cells
    clearance_m: NDArray[np.float32]


class PlaceSampler:
    """Chooses the places of a floor, and keeps them as it changes.

    Every cell that the robot can be anywhere in sees a place within reach. Places are connected where such cells are.
    """

    def __init__(self, floor: Floor, settings: TopologySettings) -> None:
        self._floor = floor
        self._radius_m = settings.radius_m
        self._reach = settings.reach_m / floor.resolution_m
        self._size = 2 * int(np.ceil(self._reach)) + 2  # of a tile, in cells; no way is longer
        self._chosen: dict[Tile, Cells] = {}
        self._bridges: dict[Tile, Cells] = {}
        self._ways: dict[Tile, _Ways] = {}

    @property
    def cells(self) -> Cells:
        """The cells (N, 2) of all places, each once, by row and column."""
        return _joined([*self._chosen.values(), *self._bridges.values()])

    @property
    def ways(self) -> _Ways:
        """The straight ways between places, each once."""
        ways = [self._ways[tile] for tile in sorted(self._ways)]
        return _Ways(
            np.concatenate([NONE, *(way.begins for way in ways)]),
            np.concatenate([NONE, *(way.ends for way in ways)]),
            np.concatenate([np.empty(0, np.float32), *(way.clearance_m for way in ways)]),
        )

    def resample(self, changed: Cells) -> None:
        """Choose again where clearances (N, 2) changed, and wherever that matters."""
        dirty = {_tile(row) for row in np.unique(changed // self._size, axis=0)}
        dirty |= self._choose(_ring(dirty))
        for tile in sorted(_ring(dirty)):
            bridges = self._bridge(tile)
            if not np.array_equal(bridges, self._bridges.get(tile, NONE)):
                dirty.add(tile)  # a bridge may end one cell beyond, in the next tile
                self._bridges[tile] = bridges
        places = self._by_tile()
        for tile in sorted(_ring(_ring(dirty))):
            self._ways[tile] = self._find_ways(tile, places)

    def _choose(self, todo: set[Tile]) -> set[Tile]:
        """Choose in tiles, and in those after them as far as choices change; returns where they did."""
        changed: set[Tile] = set()
        for colour in range(COLOURS):
            for tile in sorted(t for t in todo | _ring(changed) if _colour(t) == colour):
                before = [t for t in _ring([tile]) if _colour(t) < colour]
                seeds = _joined([self._chosen.get(t, NONE) for t in before])
                chosen = self._cover(tile, seeds)
                if not np.array_equal(chosen, self._chosen.get(tile, NONE)):
                    self._chosen[tile] = chosen
                    changed.add(tile)
        return changed

    def _cover(self, tile: Tile, seeds: Cells) -> Cells:
        box, first = self._box(tile), self._floor.first
        if (box[0] >= box[1]).any():
            return NONE
        return cover(self._field, box - first, seeds - first, self._reach) + first

    # ---- bridges ----------------------------------------------------------------------------------

    def _bridge(self, tile: Tile) -> Cells:
        """Return cells that join places whose surroundings touch in a tile, but which no straight ways join."""
        box, first, field = self._box(tile, beyond=1), self._floor.first, self._field
        places = _joined([self._chosen.get(t, NONE) for t in _ring([tile])])
        if not len(places) or (box[0] >= box[1]).any():
            return NONE
        nearest = nearest_seen(field, box - first, places - first, self._reach)
        a, b = contacts(nearest)
        owners = np.stack([nearest[tuple(a.T)], nearest[tuple(b.T)]], axis=-1)
        a, b = a + box[0], b + box[0]
        widths = np.minimum(*(field.clearance_m[tuple((c - first).T)] for c in (a, b)))
        pairs = np.array(list(itertools.combinations(np.unique(owners), 2)), np.int64)
        part = self._parts(places, pairs.reshape(-1, 2))
        bridges = [NONE]
        while len(is_apart := np.flatnonzero(part[owners[:, 0]] != part[owners[:, 1]])):
            widest = is_apart[np.argmax(widths[is_apart])]
            p, q = owners[widest]
            bridges.append(self._span((a[widest], b[widest]), places[[p, q]]))
            part[part == part[q]] = part[p]
        return _joined(bridges)

    def _parts(self, places: Cells, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number the groups of places (N, 2) that straight ways among pairs (M, 2) of them join."""
        _, is_way = self._sweep(places[pairs[:, 0]], places[pairs[:, 1]])
        return label_components(len(places), pairs[is_way])

    def _span(self, contact: tuple[Cells, Cells], ends: Cells) -> Cells:
        """Return one of two touching cells if it sees both ends, or else both cells."""
        for cell, other in ((contact[0], ends[1]), (contact[1], ends[0])):
            if self._sweep(cell[None], other[None])[1][0]:
                return np.asarray(cell[None], np.int64)
        return np.array(contact, np.int64)

    # ---- ways -------------------------------------------------------------------------------------

    def _find_ways(self, tile: Tile, places: dict[Tile, Cells]) -> _Ways:
        """Return the ways from the places of a tile to those of it and of later tiles."""
        here = places.get(tile, NONE)
        there = [places.get((tile[0] + r, tile[1] + c), NONE) for r, c in LATER]
        targets = np.concatenate(there)
        i, j = np.indices((len(here), len(targets))).reshape(2, -1)
        i, j = np.stack([i, j])[:, (j >= len(here)) | (i < j)]
        least, is_way = self._sweep(here[i], targets[j])
        return _Ways(here[i[is_way]], targets[j[is_way]], least[is_way])

    def _sweep(self, a: Cells, b: Cells) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the least clearance on lines between cells (N, 2), and which lines are ways."""
        least = sweep_pairs(self._field, a - self._floor.first, b - self._floor.first)
        return least, (least != BLOCKED) & (((a - b) ** 2).sum(axis=1) <= self._size**2)

    # ---- tiles ------------------------------------------------------------------------------------

    @property
    def _field(self) -> Field:
        return Field(self._floor.clearance_m, self._radius_m)

    def _box(self, tile: Tile, *, beyond: int = 0) -> Box:
        """Return the cells of a tile that there are, and some beyond its end."""
        first, (low, high) = np.array(tile) * self._size, self._floor.cells
        return np.array([np.maximum(first, low), np.minimum(first + self._size + beyond, high)])

    def _by_tile(self) -> dict[Tile, Cells]:
        cells = self.cells
        tiles, which = np.unique(cells // self._size, axis=0, return_inverse=True)
        return {_tile(tile): cells[which == i] for i, tile in enumerate(tiles)}


def _joined(cells: list[Cells]) -> Cells:
    """Return all cells, each once, by row and column."""
    return np.unique(np.concatenate([NONE, *cells]), axis=0)


def _ring(tiles: Iterable[Tile]) -> set[Tile]:
    """Return tiles with all their neighbours."""
    steps = (-1, 0, 1)
    return {(r + i, c + j) for r, c in tiles for i in steps for j in steps}


def _colour(tile: Tile) -> int:
    return 2 * (tile[0] % 2) + tile[1] % 2


def _tile(row: NDArray[np.int64]) -> Tile:
    return int(row[0]), int(row[1])
