"""From a detection in an image to a sighting in map."""

from dataclasses import dataclass

import numpy as np

from robomem.geometry import Depth, Pose, transform
from robomem.types import Detection, Observation, Vector

MIN_VALID_FRACTION = 0.2  # of the pixels inside a box; fewer say nothing about where it is


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A detection with its place: `p_map` (3,) metres, `range_m` from the sensor."""

    label: str
    score: float
    p_map: Vector
    range_m: float
    size_m: Vector | None


def lift(observation: Observation, T_map_cam: Pose, *, min_score: float) -> list[Sighting]:
    """Place every detection that is sure enough; one whose box holds no depth is left out."""
    sightings = []
    for detection in observation.detections:
        p_cam = _place(detection, observation)
        if p_cam is None or detection.score < min_score:
            continue
        sightings.append(
            Sighting(
                label=detection.label,
                score=detection.score,
                p_map=transform(T_map_cam, p_cam),
                range_m=float(np.linalg.norm(p_cam)),
                size_m=detection.size_m,
            )
        )
    return sightings


def _place(detection: Detection, observation: Observation) -> Vector | None:
    if detection.p_cam is not None:
        return detection.p_cam
    depth_m, K = observation.depth_m, observation.K
    if depth_m is None or K is None or detection.box_px is None:
        return None
    u_min, v_min, u_max, v_max = detection.box_px
    z_m = _median_depth(depth_m, (u_min, v_min, u_max, v_max))
    if z_m is None:
        return None
    u_px, v_px = (u_min + u_max) / 2, (v_min + v_max) / 2
    return z_m * np.array([(u_px - K[0, 2]) / K[0, 0], (v_px - K[1, 2]) / K[1, 1], 1.0])


def _median_depth(depth_m: Depth, box_px: tuple[float, float, float, float]) -> float | None:
    """Return the median depth of the inner half of a box: its rim shows what is behind."""
    u_min, v_min, u_max, v_max = box_px
    du, dv = (u_max - u_min) / 4, (v_max - v_min) / 4
    rows = slice(max(0, int(v_min + dv)), max(0, int(np.ceil(v_max - dv))) + 1)
    columns = slice(max(0, int(u_min + du)), max(0, int(np.ceil(u_max - du))) + 1)
    inner = depth_m[rows, columns]
    valid = inner[np.isfinite(inner) & (inner > 0)]
    if valid.size == 0 or valid.size < MIN_VALID_FRACTION * inner.size:
        return None
    return float(np.median(valid))
