"""Which points of a scan move: those in ever-free space, and what of a body they belong to."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from robomem.errors import ConfigError
from robomem.geometry import Points
from robomem.spatial.dynamics import kernels
from robomem.spatial.dynamics.ever_free import EverFree, Noise
from robomem.spatial.dynamics.kernels import CELL_OFFSET, SEED, UNREACHED, Cells

Labels = NDArray[np.int32]  # UNREACHED, or 0 and up
CELL_VOXELS = 2  # cells that touch are one cluster: bodies less than two voxels apart (Khronos)


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """What counts as something that moves.

    Attributes:
        min_points: Of a cluster, in ever-free space.
        min_size_m: Of a cluster along its longest axis, in ever-free space: smaller is noise.
        min_width_m: Across: the edges of things are narrower, where their voxels stand out of them.
        grow_m: A body reaches this far beyond what of it is in ever-free space, in the floor plane,
        grow_height_m: and this far above and below.
        noise: How far before a surface it may be measured.
    """

    min_points: int = 20
    min_size_m: float = 0.2
    min_width_m: float = 0.08
    grow_m: float = 0.15
    grow_height_m: float = 0.3
    noise: Noise = field(default_factory=Noise)

    def __post_init__(self) -> None:
        lengths = (self.min_size_m, self.min_width_m, self.grow_m, self.grow_height_m)
        if self.min_points < 2 or not all(0 <= length < np.inf for length in lengths):
            raise ConfigError(f"sizes of what moves are not negative, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """Points that move together.

    Attributes:
        indices: Which points of the scan, (M,).
        points_map: Where they are, (M, 3) metres in map.
    """

    indices: NDArray[np.intp]
    points_map: Points

    @property
    def center_map(self) -> Points:
        """Their mean, (3,) metres in map."""
        return np.asarray(self.points_map.mean(axis=0))

    @property
    def box_map(self) -> Points:
        """Their lowest and highest corner, (2, 3) metres in map."""
        return np.stack([self.points_map.min(axis=0), self.points_map.max(axis=0)])


class MotionDetector:
    """Finds the moving points of a scan; it remembers nothing from one scan to the next."""

    def __init__(self, ever_free: EverFree, settings: MotionSettings | None = None) -> None:
        self._ever_free = ever_free
        self._settings = settings or MotionSettings()
        self._cell_m = CELL_VOXELS * ever_free.resolution_m

    def find(
        self, points_map: Points, origin_map: Points, *, max_range_m: float
    ) -> tuple[Cluster, ...]:
        """Return what moves.

        Args:
            points_map: A scan, (N, 3) metres in map; NaN where there is no return.
            origin_map: Where the sensor was, (3,) metres in map.
            max_range_m: Farther points are not looked at.
        """
        kinds = self._ever_free.sort(
            points_map, origin_map, max_range_m=max_range_m, noise=self._settings.noise
        )
        seeds = np.flatnonzero(kinds == SEED)
        if len(seeds) < self._settings.min_points:
            return ()
        cells, labels, boxes = self._connect(points_map[seeds])
        if not len(boxes):
            return ()
        reach = boxes + np.array([[-1.0], [1.0]]) * self._reach_m
        near = kernels.pick_near(points_map, kinds, reach)
        labels = self._grow(points_map[near], cells, labels, reach)
        return tuple(
            Cluster(near[labels == label], points_map[near[labels == label]])
            for label in range(len(boxes))
        )

    def _connect(self, seeds_map: Points) -> tuple[Cells, Labels, Points]:
        """Return the cells of seeds that are enough, the cluster (C,) of each, the clusters' boxes (L, 2, 3)."""
        cells, of_seed = _unique(self._cells(seeds_map))
        labels = kernels.connect(cells)
        kept = np.full(len(cells), UNREACHED, np.int32)
        boxes: list[Points] = []
        for label in np.flatnonzero(np.bincount(labels[of_seed]) >= self._settings.min_points):
            members = seeds_map[labels[of_seed] == label]
            if self._is_body(members):
                kept[label] = len(boxes)
                boxes.append(np.stack([members.min(axis=0), members.max(axis=0)]))
        labels = kept[labels]
        return cells[labels >= 0], labels[labels >= 0], np.array(boxes).reshape(-1, 2, 3)

    def _is_body(self, points: Points) -> bool:
        """Tell whether points (N, 3) have the size of a body: the edge of a door has not its width."""
        variances = np.linalg.eigvalsh(np.cov(points.T))
        width_m, size_m = np.sqrt(12 * np.fmax(variances[1:], 0.0))  # of a box as full
        return bool(width_m >= self._settings.min_width_m and size_m >= self._settings.min_size_m)

    def _grow(self, points: Points, cells: Cells, labels: Labels, reach: Points) -> Labels:
        """Return the cluster of points (N,): that of their cell, or of one from which it can be reached."""
        every, of_point = _unique(self._cells(points))
        grown = np.full(len(every), UNREACHED, np.int32)
        grown[np.searchsorted(every, cells)] = labels
        bounds = np.floor(reach / self._cell_m).astype(np.int64) + CELL_OFFSET
        kernels.grow(every, grown, bounds)
        return np.asarray(grown[of_point])

    @property
    def _reach_m(self) -> Points:
        grow_m = self._settings.grow_m
        return np.array([grow_m, grow_m, self._settings.grow_height_m])

    def _cells(self, points: Points) -> Cells:
        x, y, z = np.floor(points / self._cell_m).astype(np.int64).T + CELL_OFFSET
        return np.asarray(x << 42 | y << 21 | z)


def _unique(cells: Cells) -> tuple[Cells, NDArray[np.intp]]:
    """Return the cells (C,) once, ascending, and which of them each (N,) is; neighbours are mostly alike."""
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    every, of_run = np.unique(cells[starts], return_inverse=True)
    return every, np.repeat(of_run, np.diff(starts, append=len(cells)))
