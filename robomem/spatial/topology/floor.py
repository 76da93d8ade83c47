"""The floor as a robot meets it: which cells are free, and how far each is from what is not."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_vector
from robomem.errors import DataError
from robomem.geometry import Points
from robomem.spatial.octree.kernels.distance import measure_distances
from robomem.spatial.topology.kernels.sight import Field
from robomem.spatial.topology.settings import TopologySettings

if TYPE_CHECKING:
    from robomem.spatial.octree import Octree

CHUNK = 512  # cells: what is read from the map at a time
MAX_CELLS = 1 << 27
OCCUPIED, FREE, UNKNOWN = 100, 0, -1  # as nav_msgs has it
Box = NDArray[np.int64]  # (2, 2): row and column of the first cell and of one beyond the last
Cells = NDArray[np.int64]  # (N, 2): rows and columns
Values = NDArray[np.int8]
Layer = NDArray[Any]


class Floor:
    """Two slices of the map, at the height of the robot's body and where walls show, and the clearance in both.

    The clearance of a cell is how far any point in it is from all cells that are not known to be free, at least: a
    disc of that radius may be anywhere in the cell. In rooms, which are parted and not driven through, it is
    measured from the centre of a cell to that of the nearest which is not free.

    Cells are named by row (y) and column (x), counted from the origin of map; arrays begin at cell `first`.

    Args:
        resolution_m: The edge of a cell.
        settings: The robot, and the heights.
    """

    def __init__(self, resolution_m: float, settings: TopologySettings) -> None:
        self.resolution_m = resolution_m
        self.first = np.zeros(2, np.int64)
        self.body: Values = np.empty((0, 0), np.int8)
        self.walls: Values = np.empty((0, 0), np.int8)
        self.clearance_m = np.empty((0, 0), np.float32)
        self.room_clearance_m = np.empty((0, 0), np.float32)
        self._settings = settings
        self._reach = int(np.ceil(settings.max_clearance_m / resolution_m)) + 1

    @property
    def cells(self) -> Box:
        """The cells that there are."""
        return np.array([self.first, self.first + self.body.shape])

    def cells_of(self, points_map: ArrayLike) -> Cells:
        """Return the row and column of points (N, 2) or (N, 3) in map."""
        xy = np.asarray(points_map, dtype=np.float64)[..., :2]
        return np.floor(xy[..., ::-1] / self.resolution_m).astype(np.int64)

    def field(self, clearance_m: NDArray[np.float32], radius_m: float) -> Field:
        """Return clearances (H, W) and what a robot of that radius needs of them, rounded alike."""
        return Field(clearance_m, float(np.float32(radius_m)))

    def centres_of(self, cells: Cells) -> Points:
        """Return the centres (N, 3) of cells (N, 2), on the floor, in map."""
        centres = np.full((*cells.shape[:-1], 3), self._settings.floor_m)
        centres[..., :2] = (cells[..., ::-1] + 0.5) * self.resolution_m
        return centres

    # ---- what the map says ------------------------------------------------------------------------

    def bounds(self, octree: "Octree", driven_map: Points) -> Box | None:
        """Return all cells that the map or the robot's way know of, None if there are none."""
        grid = octree.slice_2d(*self._heights())
        corner = np.round(np.array(grid.origin_map[::-1]) / self.resolution_m).astype(np.int64)
        corners = [corner, corner + grid.values.shape] if grid.values.size else []
        if len(driven_map):
            cells, reach = self.cells_of(driven_map), self._footprint_reach()
            corners += [cells.min(axis=0) - reach, cells.max(axis=0) + reach + 1]
        return np.array([np.min(corners, axis=0), np.max(corners, axis=0)]) if corners else None

    def box_of(self, min_map: ArrayLike, max_map: ArrayLike) -> Box | None:
        """Return the cells under a box between two corners (3,), None if it lies above or below what matters.

        Raises:
            DataError: The box is empty, not finite, or too wide.
        """
        low, high = checked_vector(min_map, 3, "min_map"), checked_vector(max_map, 3, "max_map")
        if not (low < high).all():
            raise DataError(f"a box goes from low to high, got {low.tolist()} to {high.tolist()}")
        edges = np.stack([np.floor(low / self.resolution_m), np.ceil(high / self.resolution_m)])
        if np.abs(edges).max() >= 2**31:
            raise DataError(f"a box from {low.tolist()} to {high.tolist()} is beyond the map")
        z_min, z_max = self._heights()
        is_above_or_below = high[2] <= z_min or low[2] >= z_max
        return None if is_above_or_below else edges[:, 1::-1].astype(np.int64)

    def read(self, octree: "Octree", box: Box, driven_map: Points) -> Cells:
        """Read the cells of a box from the map anew; returns the cells (N, 2) whose clearance changed.

        Args:
            octree: The map.
            box: What is read.
            driven_map: Where the robot stood, (N, 2) or more columns: unknown cells under it are free.

        Raises:
            DataError: The floor would become too large.
        """
        whole = self._with(box)
        body, walls = (np.empty(box[1] - box[0], np.int8) for _ in range(2))
        for chunk in _chunks(box):
            at = _slices(chunk - box[0])
            body[at], walls[at] = self._cut(octree, chunk)
        self._drive(body, box, driven_map)
        self._grow(whole)
        at = _slices(box - self.first)
        self.body[at], self.walls[at] = body, walls
        return self._measure(box)

    def restore(self, first: NDArray[np.int64], body: Values, walls: Values) -> Cells:
        """Take slices (H, W) that were kept, and their first cell (2,); returns the cells with clearance."""
        self._grow(self._with(np.array([first, first + body.shape])))
        self.body[:], self.walls[:] = body, walls
        return self._measure(self.cells)

    def _heights(self) -> tuple[float, float]:
        """Return the lowest and the highest that matter, in map."""
        lows, highs = zip(self._settings.body_m, self._settings.walls_m, strict=True)
        return self._settings.floor_m + min(lows), self._settings.floor_m + max(highs)

    def _cut(self, octree: "Octree", box: Box) -> tuple[Values, Values]:
        """Return the body's and the walls' slice of a box."""
        size, low, high = self.resolution_m, *self._heights()
        # A little inside, so that rounding never adds a neighbour.
        corners = np.stack([box[0, ::-1] + 0.25, box[1, ::-1] - 0.25]) * size
        voxels = octree.box((*corners[0], low), (*corners[1], high))
        values = voxels.log_odds.transpose(2, 1, 0)  # height, row, column
        bottom = int(np.floor(low / size))
        layers = []
        for band in (self._settings.body_m, self._settings.walls_m):
            z_min, z_max = (self._settings.floor_m + height for height in band)
            first, last = int(np.floor(z_min / size)), int(np.ceil(z_max / size))
            layers.append(_flatten(values[first - bottom : last - bottom]))
        return layers[0], layers[1]

    def _footprint_reach(self) -> int:
        return int(self._settings.radius_m / self.resolution_m) + 1

    def _drive(self, body: Values, box: Box, driven_map: Points) -> None:
        """Free the unknown cells of a box that the robot touched, if it was anywhere in the cells it drove through."""
        reach = self._footprint_reach()
        gaps = np.maximum(np.abs(np.indices((2 * reach + 1, 2 * reach + 1)) - reach) - 1, 0)
        footprint = (gaps**2).sum(axis=0) <= (self._settings.radius_m / self.resolution_m) ** 2
        cells, near = self.cells_of(driven_map), _widened(box, reach)
        cells = cells[((cells >= near[0]) & (cells < near[1])).all(axis=1)]
        for cell in np.unique(cells, axis=0):
            under = np.array([cell - reach, cell + reach + 1])
            cut = _cut_to(under, box)
            part = body[_slices(cut - box[0])]
            part[footprint[_slices(cut - under[0])] & (part == UNKNOWN)] = FREE

    # ---- clearance --------------------------------------------------------------------------------

    def _measure(self, box: Box) -> Cells:
        """Measure clearance as far as a change in a box reaches; returns the cells where the body's changed."""
        target = _cut_to(_widened(box, self._reach), self.cells)
        source, at = _widened(target, self._reach), _slices(target - self.first)
        body, walls = (self._padded(v, source, UNKNOWN) for v in (self.body, self.walls))
        # Where nothing is known of the walls, the robot's own height has to do.
        is_room = (walls == FREE) | ((walls == UNKNOWN) & (body == FREE))
        inner = _slices(target - source[0])
        self.room_clearance_m[at] = self._away(~is_room)[inner]
        # Two cells are as far apart as the centre of one is from the nearest neighbour of the other.
        before = self.clearance_m[at].copy()
        self.clearance_m[at] = self._away(_with_neighbours(body != FREE))[inner]
        changed: Cells = np.argwhere(self.clearance_m[at] != before) + target[0]
        return changed

    def _away(self, blocked: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return how far the centre of each cell (H, W) is from that of the nearest blocked one, up to the limit."""
        away_m = measure_distances(np.ascontiguousarray(blocked)[None], self.resolution_m)[0]
        limited: NDArray[np.float32] = np.minimum(
            away_m, np.float32(self._settings.max_clearance_m)
        )
        return limited

    # ---- the arrays -------------------------------------------------------------------------------

    def _with(self, box: Box) -> Box:
        """Return the cells that there are, and a box more; raises DataError if that is too much."""
        cells = self.cells if self.body.size else box
        whole = np.array([np.minimum(cells[0], box[0]), np.maximum(cells[1], box[1])])
        if (whole[1] - whole[0]).astype(np.float64).prod() > MAX_CELLS:
            raise DataError(f"a floor has up to {MAX_CELLS:,} cells: this box is too far away")
        return whole

    def _grow(self, whole: Box) -> None:
        self.body, self.walls, self.clearance_m, self.room_clearance_m, self.first = (
            self._padded(self.body, whole, UNKNOWN),
            self._padded(self.walls, whole, UNKNOWN),
            self._padded(self.clearance_m, whole, 0.0),
            self._padded(self.room_clearance_m, whole, 0.0),
            whole[0],
        )

    def _padded(self, array: Layer, box: Box, fill: float) -> Layer:
        """Return a layer's values in a box, `fill` where there are none."""
        padded = np.full(box[1] - box[0], fill, array.dtype)
        cut = _cut_to(box, self.cells)
        if (cut[0] < cut[1]).all():
            padded[_slices(cut - box[0])] = array[_slices(cut - self.first)]
        return padded


def _with_neighbours(blocked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return cells (H, W) with the eight round each, and those at the edge."""
    wide = np.pad(blocked, 1, constant_values=True)
    wide = wide[:-2] | wide[1:-1] | wide[2:]
    return wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]


def _slices(box: Box) -> tuple[slice, slice]:
    (r0, c0), (r1, c1) = box.tolist()
    return slice(r0, r1), slice(c0, c1)


def _cut_to(box: Box, bounds: Box) -> Box:
    return np.array([np.maximum(box[0], bounds[0]), np.minimum(box[1], bounds[1])])


def _widened(box: Box, cells: int) -> Box:
    return np.array([box[0] - cells, box[1] + cells])


def _flatten(log_odds: NDArray[np.float32]) -> Values:
    """Return columns (R, C) of voxels (Z, R, C): occupied if any is, free if some is known and none is."""
    is_occupied, is_known = (log_odds > 0).any(axis=0), (log_odds != 0).any(axis=0)
    return np.where(is_occupied, OCCUPIED, np.where(is_known, FREE, UNKNOWN)).astype(np.int8)


def _chunks(box: Box) -> Iterator[Box]:
    (r0, c0), (r1, c1) = box.tolist()
    for r in range(r0, r1, CHUNK):
        for c in range(c0, c1, CHUNK):
            yield np.array([[r, c], [min(r + CHUNK, r1), min(c + CHUNK, c1)]])


def contacts(labels: NDArray[np.int64]) -> tuple[Cells, Cells]:
    """Return neighbouring cells (N, 2) of an array whose values differ, none of them negative."""
    found = []
    for shift in ((0, 1), (1, 0)):
        height, width = np.subtract(labels.shape, shift)
        a, b = labels[:height, :width], labels[shift[0] :, shift[1] :]
        cells = np.argwhere((a != b) & (a >= 0) & (b >= 0))
        found.append((cells, cells + shift))
    a_cells, b_cells = zip(*found, strict=True)
    return np.concatenate(a_cells), np.concatenate(b_cells)
