"""Places to be: cells of the floor from which all that a robot can reach is seen, and the straight ways between them.

The plane is cut into tiles. What is chosen in a tile is a function of the clearances in it and around it and
of what was chosen in those of its neighbours that come before it, so a change is followed as far as it reaches
and no further, and the places are those of a floor seen for the first time.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.spatial.topology.floor import Box, Cells, Floor, contacts
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
NONE = np.empty((0, 2), np.int64)
STRETCH = 1.5  # a way round that is longer by more than this is worth a bridge
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
        dirty = self._tiles(changed)
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
        """Return cells that join places whose surroundings touch in a tile, but which are apart by straight ways.

        Apart are those that no ways join, or only ways STRETCH times as long as across the contact.
        """
        box, first = self._box(tile, beyond=1), self._floor.first
        places = _joined([self._chosen.get(t, NONE) for t in _ring([tile])])
        if not len(places) or (box[0] >= box[1]).any():
            return NONE
        nearest = nearest_seen(self._field, box - first, places - first, self._reach)
        a, b = (cells + box[0] for cells in contacts(nearest))
        ends = np.stack([nearest[tuple((cells - box[0]).T)] for cells in (a, b)], axis=-1)
        across = 1.0 + sum(
            np.linalg.norm(c - places[e], axis=1) for c, e in ((a, ends[:, 0]), (b, ends[:, 1]))
        )
        apart = self._distances(places)
        bridges = [NONE]
        for i in np.lexsort((*a.T, across)):
            p, q = ends[i]
            if apart[p, q] > STRETCH * across[i]:
                bridges.append(self._span((a[i], b[i]), places[ends[i]]))
                through = apart[:, p, None] + across[i] + apart[q]
                apart = np.minimum(apart, np.minimum(through, through.T))
        return _joined(bridges)

    def _distances(self, places: Cells) -> NDArray[np.float64]:
        """Return how far places (N, 2) are from each other by straight ways among them, (N, N), in cells.

        Floyd, "Algorithm 97: Shortest Path", 1962.
        """
        i, j = np.triu_indices(len(places), 1)
        is_way = self._sweep(places[i], places[j])[1]
        apart: NDArray[np.float64] = np.full((len(places), len(places)), np.inf)
        apart[i[is_way], j[is_way]] = np.linalg.norm(places[i] - places[j], axis=1)[is_way]
        apart = np.minimum(apart, apart.T)
        np.fill_diagonal(apart, 0.0)
        for k in range(len(places)):
            apart = np.minimum(apart, apart[:, k, None] + apart[k])
        return apart

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
        return self._floor.field(self._floor.clearance_m, self._radius_m)

    def _box(self, tile: Tile, *, beyond: int = 0) -> Box:
        """Return the cells of a tile that there are, and some beyond its end."""
        first, (low, high) = np.array(tile) * self._size, self._floor.cells
        return np.array([np.maximum(first, low), np.minimum(first + self._size + beyond, high)])

    def _tiles(self, cells: Cells) -> set[Tile]:
        """Return the tiles of cells (N, 2)."""
        tiles = cells // self._size
        first = tiles.min(axis=0, initial=0)
        flat = (tiles - first) @ (2**32, 1)  # one number is sorted faster than two
        return {
            (r + int(first[0]), c + int(first[1]))
            for r, c in (divmod(n, 2**32) for n in np.unique(flat).tolist())
        }

    def _by_tile(self) -> dict[Tile, Cells]:
        cells = self.cells
        tiles, which = np.unique(cells // self._size, axis=0, return_inverse=True)
        return {(r, c): cells[which == i] for i, (r, c) in enumerate(tiles.tolist())}


def _joined(cells: list[Cells]) -> Cells:
    """Return all cells, each once, by row and column."""
    return np.unique(np.concatenate([NONE, *cells]), axis=0)


def _ring(tiles: Iterable[Tile]) -> set[Tile]:
    """Return tiles with all their neighbours."""
    steps = (-1, 0, 1)
    return {(r + i, c + j) for r, c in tiles for i in steps for j in steps}


def _colour(tile: Tile) -> int:
    return 2 * (tile[0] % 2) + tile[1] % 2
