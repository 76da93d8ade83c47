"""What was seen along a short piece of the path, as one rigid cloud that stands upright."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.checks import (
    checked_color,
    checked_depth,
    checked_intrinsics,
    checked_points,
    checked_pose,
    checked_stamp,
)
from robomem.geometry import Depth, Points, Pose, back_project, pose, transform

CELL_RAD = np.deg2rad(
    3.0
)  # of a range image; as many rays of a depth image fall into one as it has degrees
POINTS_PER_SCAN = 6000  # more say nothing new of surfaces 10 cm wide
MIN_RANGE_M = 0.2
CODE_BITS = 21  # per axis, of a voxel's number

Ranges = NDArray[np.float16]  # 2 mm at 5 m


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """What a keyframe saw: a depth image with its intrinsics, or points. With neither it is a pose.

    Attributes:
        keyframe_id: The keyframe.
        stamp_ns: When.
        T_map_kf: Where it was by odometry, (4, 4): the sensor's frame, in a map whose z points up.
        depth_m: Depth along z, (H, W) metres.
        K: Its intrinsics, (3, 3) pixels.
        points_kf: Returns of a LiDAR, (N, 3) metres in the sensor's frame.
        color: RGB image, (H, W, 3), of the same view as the depth image.

    Raises:
        DataError: A part has the wrong form.
    """

    keyframe_id: int
    stamp_ns: int
    T_map_kf: Pose
    depth_m: Depth | None = None
    K: NDArray[np.float64] | None = None
    points_kf: Points | None = None
    color: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stamp_ns", checked_stamp(self.stamp_ns))
        object.__setattr__(self, "T_map_kf", checked_pose(self.T_map_kf, "T_map_kf"))
        if self.depth_m is not None:
            object.__setattr__(self, "depth_m", checked_depth(self.depth_m))
            object.__setattr__(self, "K", checked_intrinsics(self.K))
        if self.points_kf is not None:
            object.__setattr__(self, "points_kf", checked_points(self.points_kf, "points_kf"))
        if self.color is not None:
            object.__setattr__(self, "color", checked_color(self.color))

    def points(self, max_range_m: float) -> Points:
        """Return about POINTS_PER_SCAN returns within range, (N, 3) metres in the sensor's frame."""
        points = np.empty((0, 3)) if self.points_kf is None else self.points_kf
        if self.depth_m is not None:
            assert self.K is not None
            stride = max(1, int(np.sqrt(self.depth_m.size / POINTS_PER_SCAN)))
            K = self.K.copy()
            K[:2] /= stride  # pixel (u, v) becomes (u, v) / stride
            points = back_project(self.depth_m[::stride, ::stride], K)
        points = points[:: max(1, len(points) // POINTS_PER_SCAN)]
        range_m = np.linalg.norm(points, axis=1)  # NaN and inf compare false
        within: Points = points[(range_m > MIN_RANGE_M) & (range_m < max_range_m)]
        return within


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The nearest return in each direction round a sensor, metres; inf where there was none.

    `eye` is where the sensor was, (3,) metres in the frame of the local map.
    """

    eye: NDArray[np.float64]
    nearest_m: Ranges  # (azimuths, elevations)

    def ranges_at(self, points: Points) -> tuple[NDArray[np.float64], Ranges]:
        """Return how far points (N, 3) are from the sensor, and what it measured in their directions."""
        rays = points - self.eye
        range_m = np.linalg.norm(rays, axis=1)
        return range_m, self.nearest_m[_cells(rays, range_m)]


@dataclass(frozen=True, slots=True, eq=False)
class LocalMap:
    """A piece of the path, in a frame at its middle keyframe that has the axes of the map.

    Attributes:
        keyframe_id: The keyframe at its origin.
        keyframe_ids: All keyframes it is made of.
        T_local_kf: How the keyframe at its origin is turned, (4, 4).
        points: One point per voxel, (N, 3) metres.
        views: Whence it was seen.
        colors: RGB of some of the pixels, (M, 3), empty without colour images.
    """

    keyframe_id: int
    keyframe_ids: tuple[int, ...]
    T_local_kf: Pose
    points: Points
    views: tuple[View, ...]
    colors: NDArray[np.uint8]


def build_local_map(scans: Sequence[Scan], *, max_range_m: float, voxel_size_m: float) -> LocalMap:
    """Put scans together by their odometry."""
    middle = scans[len(scans) // 2]
    origin = middle.T_map_kf[:3, 3]
    T_local_map = pose(np.eye(3), -origin)
    clouds, views = [], []
    for scan in scans:
        T_local_kf = T_local_map @ scan.T_map_kf
        cloud = transform(T_local_kf, scan.points(max_range_m))
        clouds.append(cloud)
        views.append(_view(T_local_kf[:3, 3], cloud))
    colors = [scan.color[::8, ::8].reshape(-1, 3) for scan in scans if scan.color is not None]
    return LocalMap(
        keyframe_id=middle.keyframe_id,
        keyframe_ids=tuple(scan.keyframe_id for scan in scans),
        T_local_kf=T_local_map @ middle.T_map_kf,
        points=_thinned(np.concatenate(clouds), voxel_size_m),
        views=tuple(views),
        colors=np.concatenate([np.empty((0, 3), np.uint8), *colors]),
    )


def _view(eye: NDArray[np.float64], cloud: Points) -> View:
    shape = round(2 * np.pi / CELL_RAD), round(np.pi / CELL_RAD)
    nearest_m = np.full(shape, np.inf, np.float32)
    rays = cloud - eye
    range_m = np.linalg.norm(rays, axis=1)
    np.minimum.at(nearest_m, _cells(rays, range_m), range_m.astype(np.float32))
    return View(eye, nearest_m.astype(np.float16))


def _cells(rays: Points, range_m: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the cells of a range image that rays (N, 3) of these lengths fall into."""
    azimuth = np.arctan2(rays[:, 1], rays[:, 0]) + np.pi
    elevation = np.arcsin(np.clip(rays[:, 2] / np.maximum(range_m, 1e-9), -1, 1)) + np.pi / 2
    u = (azimuth / CELL_RAD).astype(np.intp) % round(2 * np.pi / CELL_RAD)
    v = np.minimum((elevation / CELL_RAD).astype(np.intp), round(np.pi / CELL_RAD) - 1)
    return u, v


def _thinned(points: Points, voxel_size_m: float) -> Points:
    """Return the mean of the points in each voxel, sorted by voxel."""
    _, members, counts = np.unique(
        voxel_codes(points, voxel_size_m), return_inverse=True, return_counts=True
    )
    sums = np.stack([np.bincount(members, points[:, i]) for i in range(3)], axis=-1)
    means: Points = sums / counts[:, None]
    return means


def voxel_codes(points: Points, voxel_size_m: float) -> NDArray[np.int64]:
    """Return a number per point (N, 3) that is the same for all in one voxel; those of a column follow each other."""
    x, y, z = np.floor(points / voxel_size_m).astype(np.int64).T + (1 << CODE_BITS - 1)
    codes: NDArray[np.int64] = (x << 2 * CODE_BITS) + (y << CODE_BITS) + z
    return codes
