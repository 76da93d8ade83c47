"""From a detection in an image to a sighting in map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Points, Pose, transform
from robomem.types import Detection, Observation, Vector

SIZE_RATIO = 1.5  # how much larger along an axis the same thing may seem
MIN_VALID_FRACTION = 0.2  # of the pixels inside a box; fewer say nothing about where it is


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A detection with its place: `p_map` (3,) metres, `range_m` from the sensor; `embedding` is (D,) unit length."""

    label: str
    score: float
    p_map: Vector
    range_m: float
    size_m: Vector | None
    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NamedPoints:
    """Points (N, 3) in map on things, their appearances (K, D), and which is whose (N,)."""

    points_map: Points
    embeddings: NDArray[np.float32]
    which: NDArray[np.intp]


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
                embedding=detection.embedding,
            )
        )
    return sightings


def distinct(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Return the sightings, of those that are of one thing only the surest: a detector may name it twice."""
    kept: list[Sighting] = []
    for sighting in sorted(sightings, key=lambda s: -s.score):
        if not any(
            is_same_body(sighting.p_map, sighting.size_m, other.p_map, other.size_m)
            for other in kept
        ):
            kept.append(sighting)
    return kept


def is_same_body(
    p_map: Vector, size_m: Vector | None, other_p_map: Vector, other_size_m: Vector | None
) -> bool:
    """Tell whether two boxes, (3,) metres each, of one size overlap by half: two bodies cannot."""
    if size_m is None or other_size_m is None:
        return False
    axes = (a.tolist() for a in (p_map, other_p_map, size_m, other_size_m))
    is_there = all(abs(p - q) <= min(s, t) / 2 for p, q, s, t in zip(*axes, strict=True))
    return is_there and is_alike(size_m, other_size_m)


def is_alike(size_m: Vector, other_size_m: Vector) -> bool:
    """Tell whether two sizes (3,) may be of one thing, which may have been turned about z."""
    a, b = (np.append(np.sort(size[:2]), size[2]) for size in (size_m, other_size_m))
    return bool((np.maximum(a, b) <= SIZE_RATIO * np.minimum(a, b)).all())


def name_points(
    observation: Observation, T_map_cam: Pose, *, min_score: float, dim: int
) -> NamedPoints | None:
    """Return the points of the depth image that lie on things whose appearance is known, None if none do.

    Of each box the inner half counts, as far from its median depth as the box is wide: what is farther is
    before or behind the thing. Embeddings of another size than `dim` are left out.
    """
    points, embeddings = [], []
    for detection in observation.detections:
        embedding = detection.embedding
        if embedding is None or len(embedding) != dim or detection.score < min_score:
            continue
        p_cam = _surface(detection, observation)
        if len(p_cam):
            points.append(transform(T_map_cam, p_cam))
            embeddings.append(embedding)
    if not points:
        return None
    which = np.repeat(np.arange(len(points)), [len(p) for p in points])
    return NamedPoints(np.concatenate(points), np.stack(embeddings), which)


def _surface(detection: Detection, observation: Observation) -> Points:
    """Return the points (N, 3) in the optical frame that a detection's box shows of it."""
    depth_m, K = observation.depth_m, observation.K
    if depth_m is None or K is None or detection.box_px is None:
        return np.empty((0, 3))
    rows, columns = _inner_half(detection.box_px)
    z_m = _median_depth(depth_m[rows, columns])
    if z_m is None:
        return np.empty((0, 3))
    reach_m = z_m * float(detection.box_px[2] - detection.box_px[0]) / K[0, 0]
    inner = depth_m[rows, columns]
    v_px, u_px = np.nonzero(np.abs(inner - z_m) <= reach_m)  # NaN and inf compare false
    z = inner[v_px, u_px].astype(np.float64)
    x = (u_px + columns.start - K[0, 2]) / K[0, 0] * z
    y = (v_px + rows.start - K[1, 2]) / K[1, 1] * z
    return np.stack([x, y, z], axis=-1)


def _place(detection: Detection, observation: Observation) -> Vector | None:
    if detection.p_cam is not None:
        return detection.p_cam
    depth_m, K = observation.depth_m, observation.K
    if depth_m is None or K is None or detection.box_px is None:
        return None
    z_m = _median_depth(depth_m[_inner_half(detection.box_px)])
    if z_m is None:
        return None
    u_min, v_min, u_max, v_max = detection.box_px
    u_px, v_px = (u_min + u_max) / 2, (v_min + v_max) / 2
    return z_m * np.array([(u_px - K[0, 2]) / K[0, 0], (v_px - K[1, 2]) / K[1, 1], 1.0])


def _inner_half(box_px: NDArray[np.float64]) -> tuple[slice, slice]:
    """Return the rows and columns of the inner half of a box: its rim shows what is behind."""
    u_min, v_min, u_max, v_max = box_px
    du, dv = (u_max - u_min) / 4, (v_max - v_min) / 4
    rows = slice(max(0, int(v_min + dv)), max(0, int(np.ceil(v_max - dv))) + 1)
    columns = slice(max(0, int(u_min + du)), max(0, int(np.ceil(u_max - du))) + 1)
    return rows, columns


def _median_depth(inner: Depth) -> float | None:
    """Return the median of the valid depths, None where they are too few."""
    valid = inner[np.isfinite(inner) & (inner > 0)]
    if valid.size == 0 or valid.size < MIN_VALID_FRACTION * inner.size:
        return None
    return float(np.median(valid))
