"""The evidence that a thing is gone: a look that saw through its place, or saw the place without it.

After Khronos (Schmid et al., RSS 2024): a ray that goes on behind a point says that nothing stands
there, one that ends before it says nothing.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Points, Pose, inverse, project, transform

SEEN_THROUGH = 1.0
# The place is in plain view and the detector is silent: it may have missed the thing, so it takes more.
UNDETECTED = 0.5
NO_EVIDENCE = 0.0
# Points of a box to look at, as fractions of its size: an open thing (a table) is empty at its centre.
BOX_FRACTION = 0.35
# A ray this near to the middle is of the box: the pixel nearest to an outer sample may look somewhat past it.
RAY_FRACTION = 0.45
BOX_SAMPLES = np.array(list(itertools.product((-BOX_FRACTION, 0.0, BOX_FRACTION), repeat=3)))
MIN_THROUGH_FRACTION = 0.75
# Less is enough where hardly a ray ends in the box: the rest ends on what the thing stood on.
MIN_THROUGH_EMPTY_FRACTION = 0.5
MAX_INSIDE_FRACTION = 0.1
FOOT_FRACTION, FOOT_M = 0.15, 0.03  # of a box, what may be of the thing below it
MIN_RAYS = 3  # points whose pixel looks into the box
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
    look: Look,
    places: Points,
    *,
    sizes_m: Points,
    seen_ranges_m: NDArray[np.float64],
    see_through_m: float,
    see_through_per_m2: float,
) -> NDArray[np.float64]:
    """Weigh what a look that did not detect things says against each of them, (N,).

    Args:
        look: The look.
        places: Where they were, (N, 3) metres in map.
        sizes_m: Their extents, (N, 3) metres; NaN where unknown.
        seen_ranges_m: The farthest that each was detected from, (N,).
        see_through_m: How far behind a thing a ray must go on,
        see_through_per_m2: and how much farther with the square of the depth, which is less sure then.
    """
    sizes_m = np.where(np.isnan(sizes_m), DEFAULT_SIZE_M, sizes_m)
    samples = (places[:, None] + BOX_SAMPLES * sizes_m[:, None]).reshape(-1, 3)
    p_cam = transform(inverse(look.T_map_cam), samples)
    depths_m, p_ray = _measure(look, p_cam)
    behind_m = (depths_m - p_cam[:, 2]).reshape(len(places), -1)
    count = (~np.isnan(behind_m)).sum(axis=1)
    # An image of few pixels has no ray through every point: one that may pass beside the thing says nothing.
    rays_map = transform(look.T_map_cam, p_ray).reshape(*behind_m.shape, 3)
    away_m = np.abs(rays_map - places[:, None])
    is_of_box = (away_m <= RAY_FRACTION * sizes_m[:, None]).all(axis=2)
    measured = (is_of_box & ~np.isnan(behind_m)).sum(axis=1)
    margin_m = see_through_m + see_through_per_m2 * p_cam[:, 2].reshape(behind_m.shape) ** 2
    through = (is_of_box & (behind_m > margin_m)).sum(axis=1)  # NaN is not
    with np.errstate(invalid="ignore", divide="ignore"):  # behind the camera nothing is measured
        ends_map = transform(look.T_map_cam, p_cam * (depths_m / p_cam[:, 2])[:, None])
    is_inside = _is_in_box(ends_map.reshape(*behind_m.shape, 3), places, sizes_m)
    inside = (is_inside & is_of_box).sum(axis=1)
    is_through = (through >= MIN_THROUGH_FRACTION * measured) | (
        (through >= MIN_THROUGH_EMPTY_FRACTION * measured)
        & (inside <= MAX_INSIDE_FRACTION * measured)
    )
    is_through &= measured >= MIN_RAYS
    ranges_m = np.linalg.norm(p_cam.reshape(*behind_m.shape, 3).mean(axis=1), axis=1)
    is_near = ranges_m <= SURE_RANGE_FRACTION * seen_ranges_m
    middle_m = np.sort(behind_m, axis=1)[np.arange(len(places)), count // 2]  # NaN is last
    is_unhidden = middle_m >= -(sizes_m.max(axis=1) / 2 + see_through_m)
    undetected = np.where(look.has_detector & is_near & is_unhidden, UNDETECTED, NO_EVIDENCE)
    is_measured = count >= MIN_MEASURED_FRACTION * len(BOX_SAMPLES)
    return np.where(is_measured, np.where(is_through, SEEN_THROUGH, undetected), NO_EVIDENCE)


def _is_in_box(ends_map: NDArray[np.float64], places: Points, sizes_m: Points) -> NDArray[np.bool_]:
    """Tell which ends of rays (N, S, 3) lie in the box of their thing, but for its foot, (N, S)."""
    low, high = places - sizes_m / 2, places + sizes_m / 2
    low[:, 2] += np.maximum(FOOT_M, FOOT_FRACTION * sizes_m[:, 2])
    is_inside = (ends_map >= low[:, None]) & (ends_map <= high[:, None])
    return np.asarray(is_inside.all(axis=2))


def _measure(look: Look, p_cam: Points) -> tuple[NDArray[np.float64], Points]:
    """Return the depth measured towards every point, (N,), NaN where that is not in the image.

    And the points (N, 3) in the optical frame, as deep, that the rays of those pixels pass through.
    """
    uv_px = project(p_cam, look.K)
    is_inside = _is_inside(look, uv_px)
    pixels = np.rint(uv_px[is_inside])
    u, v = pixels.astype(np.intp).T
    measured_m = np.full(len(p_cam), np.nan)
    measured_m[is_inside] = look.depth_m[v, u]
    p_ray = p_cam.copy()
    f_px = look.K[[0, 1], [0, 1]]
    p_ray[is_inside, :2] += (pixels - uv_px[is_inside]) / f_px * p_cam[is_inside, 2:]
    return measured_m, p_ray


def _is_inside(look: Look, uv_px: NDArray[np.float64]) -> NDArray[np.bool_]:
    height, width = look.depth_m.shape
    with np.errstate(invalid="ignore"):  # NaN, from behind the camera, is not inside
        return np.asarray(((uv_px >= 0) & (uv_px <= (width - 1, height - 1))).all(axis=1))
