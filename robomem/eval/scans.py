"""What a sensor measured at one instant, as the maps under test are given it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robomem.errors import DataError, FormatError, Reason
from robomem.geometry import Depth, Points, Pose, back_project, transform
from robomem.io import open_recording

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class DepthScan:
    """A depth image (H, W), NaN where nothing was measured, with its intrinsics and its pose."""

    depth_m: Depth
    K: NDArray[np.float64]
    T_map_cam: Pose

    @property
    def origin_map(self) -> Points:
        """Where the sensor was, (3,)."""
        return self.T_map_cam[:3, 3].copy()

    def returns_map(self) -> Points:
        """Return what was measured, as finite points (N, 3) in map."""
        points_cam = back_project(self.depth_m, self.K)
        is_return = np.isfinite(points_cam[:, 2]) & (points_cam[:, 2] > 0)
        return transform(self.T_map_cam, points_cam[is_return])


@dataclass(frozen=True, slots=True, eq=False)
class PointScan:
    """One turn of a LiDAR: finite points (N, 3) in map, and where it stood, (3,)."""

    points_map: Points
    origin_map: Points

    def returns_map(self) -> Points:
        """Return what was measured, as finite points (N, 3) in map."""
        return self.points_map


Scan = DepthScan | PointScan


def recorded_scans(recording: Path, *, limit: int) -> Iterator[DepthScan]:
    """Yield the first depth images with a pose of a recording; raises FormatError when there is none.

    Args:
        recording: What `robomem replay` reads: an RGB-D folder or a bag.
        limit: At most so many.
    """
    count = 0
    for item in open_recording(recording).items():
        if count == limit:
            return
        try:
            seen = item.load()
        except DataError as err:
            logger.warning("left out: %s", err)
            continue
        if seen.depth_m is not None and seen.K is not None and seen.T_map_cam is not None:
            count += 1
            yield DepthScan(seen.depth_m, seen.K, seen.T_map_cam)
    if not count:
        raise FormatError(f"{recording} has no depth image with a pose", reason=Reason.NO_TRANSFORM)
