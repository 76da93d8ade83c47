"""The evidence that a thing is gone: a look that saw through its place, or saw the place without it.

After Khronos (Schmid et al., RSS 2024): a ray that goes on behind a point says that nothing stands
there, one that ends before it says nothing.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Points, Pose, inverse, project, transform
from robomem.types import Vector

SEEN_THROUGH = 1.0
# The place is in plain view and the detector is silent: it may have missed the thing, so it takes more.
UNDETECTED = 0.34
NO_EVIDENCE = 0.0
# Points of a box to look at, as fractions of its size: an open thing (a table) is empty at its centre.
BOX_SAMPLES = np.array(list(itertools.product((-0.35, 0.0, 0.35), repeat=3)))
MIN_THROUGH_FRACTION = 0.75
MIN_MEASURED_FRACTION = 0.75  # of the points; a place half out of the image may be seen next time
DEFAULT_SIZE_M = 0.1
SURE_RANGE_FRACTION = 0.7  # of the farthest sighting: nearer than that the detector should see it


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A depth image, without inf, and where it was taken; `has_detector` when a detector worked on it."""

    depth_m: Depth
    K: NDArray[np.float64]
    T_map_cam: Pose
    has_detector: bool


def is_in_view(look: Look, p_map: Points) -> NDArray[np.bool_]:
    """Tell which points (N, 3) in map lie in the image, (N,): a first, cheap look at many."""
    return _is_inside(look, project(transform(inverse(look.T_map_cam), p_map), look.K))


def absence_evidence(
    look: Look, p_map: Vector, *, size_m: Vector | None, seen_range_m: float, see_through_m: float
) -> float:
    """Weigh what a look that did not detect a thing says against it.

    Args:
        look: The look.
        p_map: Where the thing was, (3,) metres in map.
        size_m: Its extent, (3,) metres.
        seen_range_m: The farthest it was detected from.
        see_through_m: How far behind it a ray must go on.
    """
    size = np.full(3, DEFAULT_SIZE_M) if size_m is None else size_m
    p_cam = transform(inverse(look.T_map_cam), p_map + BOX_SAMPLES * size)
    measured_m = _measure(look, p_cam)
    is_measured = ~np.isnan(measured_m)
    if is_measured.mean() < MIN_MEASURED_FRACTION:
        return NO_EVIDENCE
    behind_m = (measured_m - p_cam[:, 2])[is_measured]
    if (behind_m > see_through_m).mean() >= MIN_THROUGH_FRACTION:
        return SEEN_THROUGH
    is_near = float(np.linalg.norm(p_cam.mean(axis=0))) <= SURE_RANGE_FRACTION * seen_range_m
    is_unhidden = float(np.median(behind_m)) >= -(float(size.max()) / 2 + see_through_m)
    return UNDETECTED if look.has_detector and is_near and is_unhidden else NO_EVIDENCE


def _measure(look: Look, p_cam: Points) -> NDArray[np.float64]:
    """Return the depth measured towards every point, (N,); NaN where that is not in the image."""
    uv_px = project(p_cam, look.K)
    is_inside = _is_inside(look, uv_px)
    measured_m = np.full(len(p_cam), np.nan)
    u, v = np.rint(uv_px[is_inside]).astype(np.intp).T
    measured_m[is_inside] = look.depth_m[v, u]
    return measured_m


def _is_inside(look: Look, uv_px: NDArray[np.float64]) -> NDArray[np.bool_]:
    height, width = look.depth_m.shape
    with np.errstate(invalid="ignore"):  # NaN, from behind the camera, is not inside
        return np.asarray(((uv_px >= 0) & (uv_px <= (width - 1, height - 1))).all(axis=1))
