"""Scans taken apart: what stands goes into the map, what moves into a memory of its own.

What moves clears the space before it and hits nothing::

    motion_filter.forget_old(stamp_ns)
    split = motion_filter.split_depth(depth_m, K=K, T_map_cam=T_map_cam, max_range_m=5.0)
    still, moving = (np.where(split.is_moving == m, depth_m, np.nan) for m in (False, True))
    delta = trace(still).with_passes_of(trace(moving))  # each where it has a valid pixel
    motion = motion_filter.learn(split, delta, stamp_ns=stamp_ns)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import (
    checked_depth,
    checked_intrinsics,
    checked_length,
    checked_points,
    checked_pose,
    checked_stamp,
    checked_vector,
)
from robomem.errors import ConfigError
from robomem.geometry import Points
from robomem.spatial.dynamics import kernels
from robomem.spatial.dynamics.ever_free import EverFree, Rays
from robomem.spatial.dynamics.motion import Cluster, MotionDetector, MotionSettings
from robomem.spatial.dynamics.tracks import Motion, NewsKind, Tracker, TrackSettings
from robomem.spatial.octree.values import MapDelta

SETTLE_MARGIN_M = 0.3  # what settles has a back that was not seen yet


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A scan, what stands apart from what moves.

    Attributes:
        is_moving: Which pixels (H, W) or points (N,) show something that moves.
        clusters: What moves.
        rays: Enough of the scan's rays to tell where they end.
    """

    is_moving: NDArray[np.bool_]
    clusters: tuple[Cluster, ...]
    rays: Rays


class MotionFilter:
    """Finds what moves in scans, and follows it.

    Args:
        resolution_m: The edge of a voxel: the map's.
        free_after_s: Space that stayed free for so long is ever-free.
        remember_s: What was not looked at for so long is not remembered as free: something may have been put
            there meanwhile.
        motion: What counts as something that moves.
        tracking: How it is followed.
    """

    def __init__(
        self,
        resolution_m: float,
        *,
        free_after_s: float = 1.0,
        remember_s: float = 300.0,
        motion: MotionSettings | None = None,
        tracking: TrackSettings | None = None,
    ) -> None:
        if not 0 < remember_s < 1e9:
            raise ConfigError(f"free space is remembered for 0 to 1e9 s, got {remember_s}")
        self.ever_free = EverFree(resolution_m, after_s=free_after_s)
        self._remember_ns = round(remember_s * 1e9)
        self._forget_at_ns: int | None = None
        self.tracker = Tracker(tracking)
        self._detector = MotionDetector(self.ever_free, motion)

    @property
    def memory_bytes(self) -> int:
        """What it takes in memory, about."""
        return self.ever_free.memory_bytes + self.tracker.memory_bytes

    def forget_old(self, stamp_ns: int) -> None:
        """Forget the free space that was last looked at too long before a time; to be called before a split."""
        if self._forget_at_ns is None or stamp_ns >= self._forget_at_ns:
            self.ever_free.forget_before(stamp_ns - self._remember_ns)
            self._forget_at_ns = stamp_ns + self._remember_ns // 10

    def split_depth(
        self, depth_m: ArrayLike, *, K: ArrayLike, T_map_cam: ArrayLike, max_range_m: float
    ) -> Split:
        """Say which pixels of a depth image move, without changing anything.

        Args:
            depth_m: Depth along z, (H, W) metres; NaN, inf, zero and below do not move.
            K: Pinhole intrinsics, (3, 3) pixels.
            T_map_cam: Pose of the optical frame in map, (4, 4).
            max_range_m: Farther returns are not looked at.

        Raises:
            FormatError, FrameError, DataError: The depth, K, T or the range has the wrong form.
        """
        depth, K, T = (
            checked_depth(depth_m),
            checked_intrinsics(K),
            checked_pose(T_map_cam, "T_map_cam"),
        )
        reach_m = checked_length(max_range_m, "max_range_m")
        points = kernels.place_pixels(np.ascontiguousarray(depth), K, T)
        step = max(1, int(K[0, 0] * self.ever_free.resolution_m / reach_m))  # one ray a voxel
        ends = points.reshape(*depth.shape, 3)[::step, ::step].reshape(-1, 3)
        return self._split(points, Rays(ends, T[:3, 3].copy(), reach_m), depth.shape)

    def split_points(
        self, points_map: ArrayLike, *, origin_map: ArrayLike, max_range_m: float
    ) -> Split:
        """Say which points of a scan move, without changing anything.

        Args:
            points_map: Returns, (N, 3) metres in map; rows that are not finite do not move.
            origin_map: Where the sensor was, (3,) metres in map.
            max_range_m: Farther returns are not looked at.

        Raises:
            FormatError, DataError: The points, the origin or the range has the wrong form.
        """
        points = np.require(checked_points(points_map, "points_map"), requirements=["C", "W"])
        rays = Rays(
            points,
            checked_vector(origin_map, 3, "origin_map"),
            checked_length(max_range_m, "max_range_m"),
        )
        return self._split(points, rays, (len(points),))

    def learn(self, split: Split, delta: MapDelta, *, stamp_ns: int) -> Motion:
        """Take in a scan: what it says of free space, and where what moves is now.

        Args:
            split: What stands and what moves in it.
            delta: What it says of the map: what moves hits nothing.
            stamp_ns: When. A little before the last one is now; long before is a new beginning.

        Raises:
            StampError: The stamp is none.
        """
        stamp_ns = checked_stamp(stamp_ns)
        self.ever_free.learn(delta, split.rays, stamp_ns=stamp_ns)
        motion = self.tracker.update(split.clusters, stamp_ns=stamp_ns)
        for news in motion.news:
            if news.kind is NewsKind.SETTLED:
                low, high = news.track.box_map
                self.ever_free.forget_box(low - SETTLE_MARGIN_M, high + SETTLE_MARGIN_M)
        return motion

    def forget(self) -> None:
        """Forget all: what was free, and what moved."""
        self.ever_free.forget()
        self.tracker.forget()

    def _split(self, points: Points, rays: Rays, shape: tuple[int, ...]) -> Split:
        clusters = self._detector.find(points, rays.origin_map, max_range_m=rays.max_range_m)
        is_moving = np.zeros(len(points), np.bool_)
        for cluster in clusters:
            is_moving[cluster.indices] = True
        return Split(is_moving.reshape(shape), clusters, rays)
