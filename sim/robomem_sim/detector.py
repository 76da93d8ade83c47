"""A detector of things with known mistakes: it misses, is off, mixes labels up, sees what is not there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.geometry import Points, Pose, back_project, inverse, transform
from robomem.types import Detection
from robomem_sim.camera import View
from robomem_sim.house import Thing

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """What the detector can see and how often it errs; zeros turn each error off."""

    min_pixels: int = 10
    max_error_m: float = 0.2  # so little shows that its place would be off by more: not reported
    max_range_m: float = 4.5
    miss: float = 0.05
    confusion: float = 0.003
    false_positive: float = 0.003  # per image
    position_sigma_m: float = 0.01
    size_sigma: float = 0.03  # relative
    embedding_size: int = 0  # 0: no embeddings
    embedding_sigma: float = 0.05
    embedding_own: float = 0.0  # cosine that two things of one label lack to be the same


PERFECT_DETECTOR = DetectorSettings(
    miss=0.0,
    confusion=0.0,
    false_positive=0.0,
    position_sigma_m=0.0,
    size_sigma=0.0,
    embedding_sigma=0.0,
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A detection and its truth; `thing_id` is None for a false positive."""

    detection: Detection
    thing_id: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Visible:
    """The part of a thing that shows: how many pixels, their box (4,), the centre estimated (3,)."""

    thing: Thing
    pixels: int
    box_px: Vector
    center_map: Vector


class Detector:
    """Finds the things in a rendered view."""

    def __init__(self, settings: DetectorSettings, rng: Generator) -> None:
        self._settings = settings
        self._rng = rng

    def detect(
        self, view: View, K: NDArray[np.float64], T_map_cam: Pose, things: Sequence[Thing]
    ) -> tuple[Sighting, ...]:
        """Return what is seen of the things, by id, then false positives.

        Args:
            view: The rendered image.
            K: Its intrinsics, (3, 3) pixels.
            T_map_cam: Its pose, (4, 4).
            things: Everything in the house.
        """
        depth_m = np.where(np.isfinite(view.depth_m), view.depth_m, np.float32(np.nan))
        p_map = transform(T_map_cam, back_project(depth_m, K))
        labels = sorted({thing.label for thing in things})
        sightings = [
            Sighting(self._detection(visible, T_map_cam, labels), visible.thing.thing_id)
            for visible in _visibles(view, p_map, T_map_cam[:3, 3], things)
            if self._is_seen(visible, T_map_cam)
        ]
        if self._rng.random() < self._settings.false_positive:
            sightings.append(Sighting(self._false_positive(p_map, T_map_cam, labels), None))
        return tuple(sightings)

    def _is_seen(self, visible: _Visible, T_map_cam: Pose) -> bool:
        """Tell whether enough of a thing shows, and draw whether it is missed all the same."""
        settings = self._settings
        distance_m = np.linalg.norm(visible.center_map - T_map_cam[:3, 3])
        error_m = np.linalg.norm(visible.center_map - visible.thing.p_map)
        is_near = distance_m <= settings.max_range_m
        is_clear = visible.pixels >= settings.min_pixels and error_m <= settings.max_error_m
        return bool(is_near and is_clear and self._rng.random() >= settings.miss)

    def _detection(self, visible: _Visible, T_map_cam: Pose, labels: list[str]) -> Detection:
        settings, rng, thing = self._settings, self._rng, visible.thing
        center_map = visible.center_map + settings.position_sigma_m * rng.standard_normal(3)
        is_confused = rng.random() < settings.confusion
        label = str(rng.choice(labels)) if is_confused else thing.label
        return Detection(
            label=label,
            score=float(rng.uniform(0.5, 0.7) if is_confused else rng.uniform(0.75, 0.99)),
            p_cam=transform(inverse(T_map_cam), center_map),
            box_px=visible.box_px,
            size_m=thing.size_m * (1 + settings.size_sigma * rng.standard_normal(3)),
            embedding=self._embedding(thing.label, thing.thing_id),
        )

    def _false_positive(self, p_map: Points, T_map_cam: Pose, labels: list[str]) -> Detection:
        """Draw a label for a drawn point of what shows."""
        valid = np.flatnonzero(np.isfinite(p_map).all(axis=1))
        label = str(self._rng.choice(labels))
        place = p_map[int(self._rng.choice(valid))] if len(valid) else T_map_cam[:3, 3]
        return Detection(
            label=label,
            score=float(self._rng.uniform(0.3, 0.6)),
            p_cam=transform(inverse(T_map_cam), place),
            embedding=self._embedding(label),
        )

    def _embedding(self, label: str, thing_id: int | None = None) -> NDArray[np.float32] | None:
        """Return what a thing looks like, disturbed: its label's direction, and its own; None when they are off."""
        settings = self._settings
        if settings.embedding_size == 0:
            return None
        own = 0.0 if thing_id is None else settings.embedding_own
        vector = np.sqrt(1 - own) * _direction(label, settings.embedding_size)
        vector += np.sqrt(own) * _direction(f"{label} {thing_id}", settings.embedding_size)
        noise = self._rng.standard_normal(settings.embedding_size)
        return np.asarray(vector + settings.embedding_sigma * noise, np.float32)


def _direction(name: str, size: int) -> Vector:
    """Return the direction (D,) that belongs to a name."""
    seed = int.from_bytes(sha256(name.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(size)
    direction: Vector = vector / np.linalg.norm(vector)
    return direction


def completed_center(points_map: Points, size_m: Vector, eye_map: Vector) -> Vector:
    """Estimate the centre of a thing of known size from the part of it that shows.

    What is missing of its box is hidden on the far side: the box of the points is grown away from the
    eye (to both sides where the eye looks at its middle), but not below the floor. All are metres in
    map; points (N, 3).
    """
    low, high = points_map.min(axis=0), points_map.max(axis=0)
    missing_m = np.maximum(size_m - (high - low), 0)
    away = np.clip(((low + high) / 2 - eye_map) / size_m, -1, 1)
    center: Vector = (low + high + away * missing_m) / 2
    center[2] = max(center[2], size_m[2] / 2)
    return center


def _visibles(
    view: View, p_map: Points, eye_map: Vector, things: Sequence[Thing]
) -> Iterator[_Visible]:
    width = view.thing_ids.shape[1]
    ids = view.thing_ids.ravel()
    for thing in things:
        pixels = np.flatnonzero(ids == thing.thing_id)
        if len(pixels):
            rows, columns = np.divmod(pixels, width)
            box_px = np.array(
                [columns.min(), rows.min(), columns.max(), rows.max()], dtype=np.float64
            )
            center_map = completed_center(p_map[pixels], thing.size_m, eye_map)
            yield _Visible(thing, len(pixels), box_px, center_map)
