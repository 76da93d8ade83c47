"""The topology of a map: places, the ways between them, rooms, and routes; kept up to date as the map changes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import DataError, QueryError
from robomem.geometry import Points
from robomem.spatial.topology.barriers import Line, closed, line_across
from robomem.spatial.topology.floor import Cells, Floor
from robomem.spatial.topology.graph import PositionGraph
from robomem.spatial.topology.kernels.flood import NONE
from robomem.spatial.topology.kernels.sight import BLOCKED, sweep_pairs
from robomem.spatial.topology.places import Passage, Place, PlaceSampler
from robomem.spatial.topology.regions import Region, Rooms, Thing, name_regions
from robomem.spatial.topology.routes import Ground, Route, find_route
from robomem.spatial.topology.rows import TopologyRows
from robomem.spatial.topology.settings import TopologySettings

if TYPE_CHECKING:
    from robomem.spatial.octree import Octree

STAYS_M = 0.4  # a place that moves less than this keeps its number
KEPT_RADII = 4  # of robots that asked for routes since the last change
FARTHEST_M = 1e8  # no map reaches there
NOWHERE = np.empty((0, 2))


class TopologyGraph:
    """Where a robot can go on one floor.

    It is derived from the map, blocked passages aside. When the map changes, by what is seen or by a correction,
    `update` with the changed box makes it what `build` would; numbers of places and rooms stay while these do.

    Args:
        resolution_m: The map's.
        settings: The robot, and how places and rooms are found.
    """

    def __init__(self, resolution_m: float, settings: TopologySettings | None = None) -> None:
        self.settings = settings or TopologySettings()
        self._floor = Floor(resolution_m, self.settings)
        self._sampler = PlaceSampler(self._floor, self.settings)
        self._rooms = Rooms(self.settings)
        self._are_rooms_stale = False
        self._cells: Cells = np.empty((0, 2), np.int64)
        self._ids: NDArray[np.int64] = np.empty(0, np.int64)
        self._next_id = 0
        self._barriers_map: dict[tuple[int, int], Line] = {}
        self._grounds: dict[float, Ground] = {}

    @classmethod
    def build(
        cls,
        octree: "Octree",
        *,
        settings: TopologySettings | None = None,
        driven_map: ArrayLike = NOWHERE,
    ) -> Self:
        """Find places and rooms in a whole map; see `update`."""
        topology = cls(octree.resolution_m, settings)
        topology.remake(octree, driven_map=driven_map)
        return topology

    def remake(self, octree: "Octree", *, driven_map: ArrayLike = NOWHERE) -> None:
        """Take in a map that may have changed anywhere; see `update`."""
        driven = _checked_driven(driven_map)
        self._check_resolution(octree)
        boxes = [self._floor.bounds(octree, driven), self._floor.cells]
        known = [box for box in boxes if box is not None and (box[1] > box[0]).all()]
        if known:
            lows, highs = zip(*known, strict=True)
            box = np.array([np.min(lows, axis=0), np.max(highs, axis=0)])
            self._refresh(self._floor.read(octree, box, driven))

    def update(
        self, octree: "Octree", box_map: ArrayLike, *, driven_map: ArrayLike = NOWHERE
    ) -> None:
        """Take in what changed in a box of the map.

        Args:
            octree: The map.
            box_map: Its lower and upper corner, (2, 3) metres in map.
            driven_map: Where the robot's base stood, (N, 2) or more columns, at least what is near the box: its
                footprint there is free where nothing is known.

        Raises:
            DataError: The box is empty, not finite or too far away; the map has other voxels.
        """
        self._check_resolution(octree)
        corners = np.asarray(box_map, dtype=np.float64)
        if corners.shape != (2, 3):
            raise DataError(f"a box has two corners (2, 3), got {corners.shape}")
        driven = _checked_driven(driven_map)
        box = self._floor.box_of(*corners)
        if box is not None:
            self._refresh(self._floor.read(octree, box, driven))

    # ---- what there is ----------------------------------------------------------------------------

    def places(self) -> list[Place]:
        """Return the places."""
        clearance_m = self._floor.clearance_m[tuple((self._cells - self._floor.first).T)]
        columns = self._ids.tolist(), self._floor.centres_of(self._cells), clearance_m.tolist()
        return [Place(*row) for row in zip(*columns, strict=True)]

    def passages(self) -> list[Passage]:
        """Return the straight ways between places, the blocked ones too."""
        ways, rows = self._sampler.ways, self._way_rows()
        lengths_m = np.linalg.norm(ways.ends - ways.begins, axis=1) * self._floor.resolution_m
        pairs = map(tuple, self._ids[rows].tolist())
        columns = pairs, lengths_m.tolist(), ways.clearance_m.tolist()
        return [Passage(*row) for row in zip(*columns, strict=True)]

    def regions(self, things: Iterable[Thing] = ()) -> list[Region]:
        """Return the rooms by number, named from what stands in them: (label, p_map) of each thing."""
        rooms = self._current_rooms().regions(self._floor, self._ids, self._cells)
        return name_regions(rooms, things)

    @property
    def graph(self) -> PositionGraph[int]:
        """The places under the passages that are open."""
        return self._ground(self.settings.radius_m).graph

    # ---- ways -------------------------------------------------------------------------------------

    def route(
        self,
        start_map: ArrayLike,
        goal_map: ArrayLike,
        *,
        radius_m: float | None = None,
        standoff_m: float = 0.0,
    ) -> Route:
        """Return a short way through space that is known to be free.

        Args:
            start_map: Where the robot is, (x, y) or (x, y, z) metres in map.
            goal_map: Where it should go, the same.
            radius_m: Of the robot, by default the one of the settings; a smaller one goes where that one can.
            standoff_m: How near is near enough.

        Raises:
            QueryError: A number is not finite, a distance is negative, the radius above `max_clearance_m`.
            UnreachableError: Start or goal is not known to be free, or no free way joins them.
        """
        radius_m = self.settings.radius_m if radius_m is None else radius_m
        start, goal = (np.asarray(p, dtype=np.float64) for p in (start_map, goal_map))
        for point in (start, goal):
            if point.shape not in ((2,), (3,)) or not (np.abs(point) < FARTHEST_M).all():
                raise QueryError(f"a route goes between points of the map, got {start} to {goal}")
        limit_m = self.settings.max_clearance_m
        if not (0 <= radius_m <= limit_m and 0 <= standoff_m < FARTHEST_M):
            raise QueryError(
                f"a radius is 0 to {limit_m} m, a stand-off not negative: got {radius_m}, {standoff_m}"
            )
        ground = self._ground(max(radius_m, self.settings.radius_m))
        # It may stand nearer to a wall than the map's voxels let it.
        start_reach_m = radius_m + self._floor.resolution_m
        return find_route(
            ground, self._current_rooms(), start, goal, reach_m=(start_reach_m, standoff_m)
        )

    @property
    def blocked(self) -> tuple[tuple[int, int], ...]:
        """The passages that were blocked, in that order, even where a place of theirs is no longer there."""
        return tuple(self._barriers_map)

    def block(self, u: int, v: int) -> None:
        """Close the passage between two places, where it is narrowest, to every way that leads through there.

        A robot that could not get through a door would not through the same door from another place. What is
        closed is a line across the passage up to what is not free, at most `max_door_m` to each side.

        Raises:
            QueryError: There is no such passage.
        """
        if not any({u, v} == {*pair} for pair in self._ids[self._way_rows()].tolist()):
            raise QueryError(f"there is no passage between places {u} and {v}")
        a, b = (self._cells[self._ids == place_id][0] for place_id in (u, v))
        line = line_across(self._floor, a, b, reach_m=self.settings.max_door_m)
        self._barriers_map[u, v] = line
        self._grounds.clear()

    def unblock(self, u: int, v: int) -> None:
        """Open a passage again; raises QueryError if it was not blocked."""
        pair = (u, v) if (u, v) in self._barriers_map else (v, u)
        if pair not in self._barriers_map:
            raise QueryError(f"the passage between places {u} and {v} is not blocked")
        del self._barriers_map[pair]
        self._grounds.clear()

    # ---- keeping ----------------------------------------------------------------------------------

    def to_rows(self) -> TopologyRows:
        """Return all that it is made of again."""
        floor, rooms = self._floor, self._current_rooms()
        return TopologyRows(
            resolution_m=floor.resolution_m,
            first=floor.first.copy(),
            body=floor.body.copy(),
            walls=floor.walls.copy(),
            rooms=rooms.labels.copy(),
            place_cells=self._cells.copy(),
            place_ids=self._ids.copy(),
            blocked_ids=np.array(list(self._barriers_map), np.int64).reshape(-1, 2),
            barriers_map=np.array(list(self._barriers_map.values()), np.float64).reshape(-1, 2, 2),
            next_ids=np.array([self._next_id, rooms.next_id], np.int64),
        )

    @classmethod
    def from_rows(cls, rows: TopologyRows, settings: TopologySettings | None = None) -> Self:
        """Make a topology again; with other settings than before, its places and rooms are those of the new ones."""
        topology = cls(rows.resolution_m, settings)
        topology._cells, topology._ids = rows.place_cells, rows.place_ids
        topology._next_id = int(rows.next_ids[0])
        topology._rooms.restore(rows.rooms, rows.first, next_id=int(rows.next_ids[1]))
        for pair, ends in zip(rows.blocked_ids.tolist(), rows.barriers_map, strict=True):
            topology._barriers_map[pair[0], pair[1]] = ends
        topology._refresh(topology._floor.restore(rows.first, rows.body, rows.walls))
        return topology

    # ---- below ------------------------------------------------------------------------------------

    def _check_resolution(self, octree: "Octree") -> None:
        if octree.resolution_m != self._floor.resolution_m:
            raise DataError(
                f"this topology has cells of {self._floor.resolution_m} m,"
                f" the map voxels of {octree.resolution_m} m"
            )

    def _refresh(self, changed: Cells) -> None:
        """Follow a change of clearances at cells (N, 2)."""
        self._sampler.resample(changed)
        self._number(self._sampler.cells)
        self._are_rooms_stale = True
        self._grounds.clear()

    def _current_rooms(self) -> Rooms:
        """Return the rooms as the floor is now; they are parted as a whole, so only when somebody asks."""
        if self._are_rooms_stale:
            self._rooms.find(self._floor, self._cells, self._way_rows())
            self._are_rooms_stale = False
        return self._rooms

    def _number(self, cells: Cells) -> None:
        """Give places (N, 2) the numbers of those that were there, or that moved a little, and the rest new ones."""
        known = dict(zip(map(tuple, self._cells.tolist()), self._ids.tolist(), strict=True))
        ids = np.array([known.pop((r, c), NONE) for r, c in cells.tolist()], np.int64)
        rows, reach = np.flatnonzero(ids == NONE), STAYS_M / self._floor.resolution_m
        gone = np.array(list(known), np.int64).reshape(-1, 2)
        for i, j in _nearest_pairs(cells[rows], gone, reach):
            ids[rows[i]] = known[tuple(gone[j].tolist())]
        is_new = ids == NONE
        ids[is_new] = self._next_id + np.arange(is_new.sum())
        self._next_id += int(is_new.sum())
        self._cells, self._ids = cells, ids

    def _way_rows(self) -> NDArray[np.int64]:
        """Return the rows (E, 2) of the places that ways join."""
        row = {(r, c): i for i, (r, c) in enumerate(self._cells.tolist())}
        ways = self._sampler.ways
        pairs = zip(ways.begins.tolist(), ways.ends.tolist(), strict=True)
        rows = [(row[a, b], row[c, d]) for (a, b), (c, d) in pairs]
        return np.array(rows, np.int64).reshape(-1, 2)

    def _ground(self, radius_m: float) -> Ground:
        """Return what a robot of a radius can drive on now."""
        if radius_m not in self._grounds:
            if len(self._grounds) == KEPT_RADII:
                self._grounds.clear()
            floor, ways = self._floor, self._sampler.ways
            field = floor.field(closed(floor, self._barriers_map.values()), radius_m)
            least = sweep_pairs(field, ways.begins - floor.first, ways.ends - floor.first)
            positions = floor.centres_of(self._cells)
            open_rows = self._way_rows()[least != BLOCKED]
            graph = PositionGraph(self._ids.tolist(), positions, open_rows)
            self._grounds[radius_m] = Ground(floor, field, graph, self._cells)
        return self._grounds[radius_m]


def _nearest_pairs(some: Cells, others: Cells, reach: float) -> list[tuple[int, int]]:
    """Return which of some cells goes with which of the others, each once, the nearest pairs first."""
    near = []
    for i, cell in enumerate(some):
        squared = ((others - cell) ** 2).sum(axis=1)
        near += [(int(squared[j]), i, int(j)) for j in np.flatnonzero(squared <= reach**2)]
    pairs: dict[int, int] = {}
    for _, i, j in sorted(near):
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return list(pairs.items())


def _checked_driven(driven_map: ArrayLike) -> Points:
    driven = np.asarray(driven_map, dtype=np.float64)
    if driven.ndim != 2 or driven.shape[1] < 2 or not (np.abs(driven) < FARTHEST_M).all():
        raise DataError(f"driven positions are finite, (N, 2) metres: got {driven.shape}")
    return driven
