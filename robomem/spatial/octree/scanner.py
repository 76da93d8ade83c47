"""What a scan says of the voxels: which it hit, which it passed. It knows nothing of the map."""

import numpy as np
from numpy.typing import ArrayLike

from robomem.checks import (
    checked_depth,
    checked_intrinsics,
    checked_length,
    checked_points,
    checked_pose,
    checked_vector,
)
from robomem.errors import DataError, Reason
from robomem.geometry import Points
from robomem.spatial.octree.depth_projector import DepthProjector
from robomem.spatial.octree.kernels import trace
from robomem.spatial.octree.kernels.morton import KEY_REACH
from robomem.spatial.octree.ray_tracer import RayTracer
from robomem.spatial.octree.values import MapDelta, Mode


class Scanner:
    """Traces scans at one resolution; it keeps the room that this takes from one to the next."""

    def __init__(self, resolution_m: float, *, threads: int = 1) -> None:
        self.resolution_m = resolution_m
        self._threads = threads
        self._tracer = RayTracer(resolution_m)
        self._projector = DepthProjector(resolution_m)

    def trace_depth(
        self,
        depth_m: ArrayLike,
        *,
        K: ArrayLike,
        T_map_cam: ArrayLike,
        max_range_m: float,
        mode: Mode = "fast",
    ) -> MapDelta:
        """Return what a depth image says, without changing the map.

        Args:
            depth_m: Depth along z, (H, W) metres. NaN, zero and below are invalid; inf is "nothing up to
                the range".
            K: Pinhole intrinsics, (3, 3) pixels.
            T_map_cam: Pose of the optical frame in map, (4, 4).
            max_range_m: Farther returns clear the space up to there and hit nothing.
            mode: "exact" follows every ray; "fast" asks of every voxel whether a pixel sees past it, and
                finds the same but for what rounding decides. Where pixels are coarser than voxels it traces
                as `trace_points` does. It runs in one thread.

        Raises:
            FormatError, FrameError: The depth, K or T has the wrong form.
            DataError: The camera is where the map has no voxels.
        """
        depth, K, T = (
            checked_depth(depth_m),
            checked_intrinsics(K),
            checked_pose(T_map_cam, "T_map_cam"),
        )
        self._check_reach(T[:3, 3], max_range_m)
        if mode == "fast" and self._projector.can_project(
            depth.shape, K, T, max_range_m=max_range_m
        ):
            return self._projector.trace(depth, K, T, max_range_m=max_range_m)
        points = trace.place_depth(np.ascontiguousarray(depth), K, T, 2 * max_range_m)
        return self._trace(points, T[:3, 3], max_range_m, mode)

    def trace_points(
        self,
        points_map: ArrayLike,
        *,
        origin_map: ArrayLike,
        max_range_m: float,
        mode: Mode = "fast",
    ) -> MapDelta:
        """Return what a scan says, without changing the map.

        Args:
            points_map: Returns, (N, 3) metres in map; rows that are not finite are skipped.
            origin_map: Where the sensor was, (3,) metres in map.
            max_range_m: Farther returns clear the space up to there and hit nothing.
            mode: "exact" follows every ray; "fast" one ray to each voxel that a ray ends in.

        Raises:
            FormatError, DataError: The points or the origin have the wrong form, or are out of reach.
        """
        points, origin = (
            checked_points(points_map, "points_map"),
            checked_vector(origin_map, 3, "origin_map"),
        )
        self._check_reach(origin, max_range_m)
        return self._trace(points, origin, max_range_m, mode)

    def can_reach(self, origin_map: ArrayLike, *, max_range_m: float) -> bool:
        """Tell whether rays of that range from there stay in the addressable space."""
        reach_m = 8 * KEY_REACH * self.resolution_m - max_range_m - 1.0
        return bool((np.abs(np.asarray(origin_map)) < reach_m).all())

    def _check_reach(self, origin_map: Points, max_range_m: float) -> None:
        checked_length(max_range_m, "max_range_m")
        if not self.can_reach(origin_map, max_range_m=max_range_m):
            raise DataError(
                f"{origin_map.tolist()} is beyond the reach of a map with voxels of {self.resolution_m} m",
                reason=Reason.OUT_OF_BOUNDS,
            )

    def _trace(self, points: Points, origin: Points, max_range_m: float, mode: Mode) -> MapDelta:
        return self._tracer.trace(
            points, origin, max_range_m=max_range_m, mode=mode, threads=self._threads
        )
