"""Scans of points: every ray followed, or as few as find nearly the same voxels."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import DataError, Reason
from robomem.geometry import Points
from robomem.spatial.octree.kernels import trace
from robomem.spatial.octree.kernels.layout import Bits
from robomem.spatial.octree.kernels.morton import KEY_REACH
from robomem.spatial.octree.kernels.trace import Shifts, Voxel
from robomem.spatial.octree.values import MapDelta, Mode

MAX_BOX_VOXELS = 1 << 27  # 32 MB of bits, hit and free; a larger box is traced in parts
MAX_SPLIT_VOXELS = 1 << 22  # 8 MB of cells: beyond that looking them up takes longer than it saves
MAX_SPLIT_SHARE = 1 / 6  # of the points: where half cells keep more rays, whole voxels see enough
SLACK_VOXELS = 1e-6  # by which the rounding of cut ends may lead out of their box
CHUNKS_PER_THREAD = 8  # rays differ in length from chunk to chunk


class RayTracer:
    """Traces scans of points at one resolution; keeps its room from scan to scan, so one thread may use it.

    Its free and hit voxels are those of OctoMap's `insertPointCloud` (Hornung et al., "OctoMap", Autonomous
    Robots 2013) on the same scan, but for rays through the very edge of a voxel: they may leave it out.
    """

    def __init__(self, resolution_m: float) -> None:
        self.resolution_m = resolution_m
        self._bits: Bits = np.zeros(0, np.uint8)  # all zero between scans

    def trace(
        self,
        points_map: ArrayLike,
        origin_map: ArrayLike,
        *,
        max_range_m: float,
        mode: Mode = "exact",
        threads: int = 1,
    ) -> MapDelta:
        """Return which voxels a scan hits and passes.

        "exact" follows every ray. "fast" follows, of all rays that end in one voxel, the first and the last
        in the order of the points; where a small box is dense with points, of all that end in an eighth of
        one. Its hits are those of "exact", its free voxels nearly all of them when the points come in rows.
        A box too large for one piece has few points a voxel: there "fast" is "exact".

        Args:
            points_map: Returns, (N, 3) metres in map; rows that are not finite are skipped.
            origin_map: Where the sensor was, (3,) metres in map.
            max_range_m: Farther returns clear the space up to there and hit nothing.
            mode: "exact" or "fast".
            threads: How many share the rays; the result does not depend on it.

        Raises:
            DataError: A ray leaves the addressable space.
        """
        scan = _Scan(
            # To Numba an array that cannot be written to is another type, and is compiled for anew.
            np.require(points_map, np.float64, ["C", "W"]),
            np.require(origin_map, np.float64, ["C", "W"]),
            self.resolution_m,
            float(max_range_m),
        )
        box = _box_of(scan)
        if mode == "fast" and box.size <= MAX_BOX_VOXELS:
            scan = scan._replace(points=self._choose(scan, box))
        parts = [self._trace_in(part, rays, threads) for part, rays in _parts(box, scan)]
        if len(parts) == 1:
            return parts[0]
        return MapDelta(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.hit for part in parts]),
            np.concatenate([part.free for part in parts]),
        )

    def _choose(self, scan: "_Scan", box: "_Box") -> Points:
        if box.size <= MAX_SPLIT_VOXELS:
            points = self._choose_by(2, scan, box)
            if len(points) <= MAX_SPLIT_SHARE * len(scan.points):
                return points
            scan = scan._replace(points=points)  # the ends of a voxel are ends of its cells
        return self._choose_by(1, scan, box)

    def _choose_by(self, split: int, scan: "_Scan", box: "_Box") -> Points:
        seen = self._take_bits(2 * box.size * split**3)
        points = trace.choose_rays(*scan, box.low, box.shape, box.shifts, split, seen)
        self._bits = seen
        return points

    def _trace_in(self, box: "_Box", scan: "_Scan", threads: int) -> MapDelta:
        bits = self._take_bits(2 * box.size * threads)
        rooms = bits[: 2 * box.size * threads // 8].reshape(threads, 2, -1)
        chunks = np.array_split(scan.points, CHUNKS_PER_THREAD * threads if threads > 1 else 1)

        def mark(thread: int) -> None:
            for points in chunks[thread::threads]:
                rays = scan._replace(points=points)
                hit, free = rooms[thread]
                trace.mark_rays(*rays, box.low, box.shape, box.shifts, box.is_left, hit, free)

        if threads == 1:
            mark(0)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(mark, range(threads)))
        (hit, free), others = rooms[0], rooms[1:]
        for room in others:
            rooms[0] |= room
            room[:] = 0
        delta = MapDelta(*trace.take_bricks(hit, free, box.low, box.shape, box.shifts))
        self._bits = bits
        return delta

    def _take_bits(self, count: int) -> Bits:
        """Hand out the room, all zero; whoever leaves it so puts it back, so a failure costs only the room."""
        bits, self._bits = self._bits, np.zeros(0, np.uint8)
        size = 1 << (count // 8).bit_length()
        return bits if len(bits) >= count // 8 else np.zeros(size, np.uint8)


class _Scan(NamedTuple):
    """What a kernel is told of a scan: points (N, 3) and origin (3,) in map, metres."""

    points: Points
    origin: Points
    resolution_m: float
    max_range_m: float


@dataclass(frozen=True, slots=True, eq=False)
class _Box:
    """A box of whole bricks.

    Attributes:
        low: Its lowest voxel, (3,).
        shape: How many voxels it has, (3,).
        is_left: Whether rays may leave it, or are too long to be sure that they do not.
    """

    low: Voxel
    shape: Voxel
    is_left: bool

    @property
    def shifts(self) -> Shifts:
        """Where the bits of y and z begin: rows and layers are padded to powers of two."""
        x, y = (int(n - 1).bit_length() for n in self.shape[:2])
        return x, x + y

    @property
    def size(self) -> int:
        """Count the voxels, those of the padding too."""
        return int(self.shape[2]) << self.shifts[1]

    def halves(self) -> Iterator["_Box"]:
        """Yield its two halves across the longest axis."""
        axis = int(np.argmax(self.shape))
        half = np.zeros(3, np.int64)
        half[axis] = self.shape[axis] // 16 * 8
        upper = np.where(half > 0, self.shape - half, self.shape)
        yield _Box(self.low, np.where(half > 0, half, self.shape), is_left=True)
        yield _Box(self.low + half, upper, is_left=True)


def _box_of(scan: _Scan) -> _Box:
    bounds = trace.bounds_of(*scan) + SLACK_VOXELS * np.array([[-1.0], [1.0]])
    bricks = np.floor(bounds / 8)
    if not ((bricks >= -KEY_REACH) & (bricks < KEY_REACH)).all():
        raise DataError(
            f"rays from {scan.origin.tolist()} go to {(bounds * scan.resolution_m).tolist()}, beyond the "
            f"reach of a map with voxels of {scan.resolution_m} m",
            reason=Reason.OUT_OF_BOUNDS,
        )
    low, high = 8 * bricks.astype(np.int64)
    shape = high + 8 - low
    return _Box(low, shape, is_left=bool(shape.max() > trace.LONGEST_RAY))


def _parts(box: _Box, scan: _Scan) -> Iterator[tuple[_Box, _Scan]]:
    """Cut a box until each part is small enough; yield those that rays reach, with these rays."""
    if box.size <= MAX_BOX_VOXELS:
        yield box, scan
        return
    for half in box.halves():
        points = scan.points[_reach(half, scan)]
        if len(points):
            yield from _parts(half, scan._replace(points=points))


def _reach(box: _Box, scan: _Scan) -> NDArray[np.bool_]:
    """Tell which rays come into a box, or within a voxel of it: the slab test of Kay and Kajiya, 1986."""
    rays = scan.points - scan.origin
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rays *= np.fmin(1.0, scan.max_range_m / np.linalg.norm(rays, axis=1, keepdims=True))
        rays[rays == 0] = 1e-300  # 0 / 0 tells nothing
        near = ((box.low - 1) * scan.resolution_m - scan.origin) / rays
        far = ((box.low + box.shape + 1) * scan.resolution_m - scan.origin) / rays
    enter, leave = np.fmin(near, far).max(axis=1), np.fmax(near, far).min(axis=1)
    return np.asarray((enter <= leave) & (leave >= 0) & (enter <= 1))
