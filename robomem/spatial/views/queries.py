"""What is asked of the surfels: which views show a place best, which share most with a pose."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points, Pose
from robomem.spatial.views import sight
from robomem.spatial.views.diversity import in_diverse_order
from robomem.spatial.views.layout import HALF_PIXELS_PER_M, Pinhole
from robomem.spatial.views.surfel_index import SurfelIndex
from robomem.spatial.views.values import CovisibleView, View
from robomem.types import Vector

DRAWN_PX = 80  # width at which what a pose has in view is drawn
DISC_CELLS = 0.7  # radius of a surfel as it is drawn: the discs of neighbours overlap
SAME_SURFACE_CELLS = 1.5  # what lies so little behind the nearest surfel belongs to it
BESIDE_CELLS = 1.0  # the surfels of a point lie in a cube that reaches this far
HIDING_CELLS = 0.5  # a surface this far before a point hides it
DIGITS = 9  # scores are compared to so many: sums in another order are equal

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Shows:
    """Which views show something: slots (N,), scores (N,), coverage (N,), and where it is, (N, 3) in map."""

    slots: NDArray[np.int32]
    scores: Floats
    coverage: Floats
    seen_map: Points


def find_views(
    index: SurfelIndex, low_map: Vector, high_map: Vector, *, max_range_m: float
) -> Iterator[View]:
    """Yield the views that show a box of the map, or a point, the best and unlike each other first.

    Of a box they saw a surface in it. A point they saw; where no surface is near, they saw past it.

    Args:
        index: The surfels.
        low_map: Lowest corner, (3,) metres.
        high_map: Highest corner, (3,) metres; of a point the same.
        max_range_m: How far a view sees.
    """
    center_map, is_point = (low_map + high_map) / 2, bool((low_map == high_map).all())
    margin_m = index.cell_m * (BESIDE_CELLS if is_point else 0.5)
    shows = _surface(index, low_map - margin_m, high_map + margin_m)
    if shows is None:
        shows = _space(index, center_map)
        is_point = True
    if is_point:
        shows = _with_sight(index, shows, center_map, max_range_m)
    yield from _in_order(index, shows)


def find_covisible(
    index: SurfelIndex, T_cam_map: Pose, camera: Pinhole, *, max_range_m: float, k: int
) -> list[CovisibleView]:
    """Return the k views that saw most of what is in view of a camera, those that share most first.

    The surfels are drawn at low resolution, and each pixel votes for the views that saw it (VMem).
    """
    drawn = _shrunk(camera)
    surfels, radius_m = index.surfels, DISC_CELLS * index.cell_m
    depths, in_view = sight.draw(surfels, T_cam_map, drawn, radius_m, max_range_m)
    if not len(in_view):
        return []
    bits = sight.vote(
        surfels,
        index.samples,
        in_view,
        len(index.views.ids),
        T_cam_map,
        drawn,
        radius_m,
        SAME_SURFACE_CELLS * index.cell_m,
        depths,
    )
    pixels = sight.count_bits(bits)
    shared = pixels / np.isfinite(depths).sum()
    order = np.lexsort((index.views.ids, -pixels))[: min(k, np.count_nonzero(pixels))]
    return [CovisibleView(int(index.views.ids[i]), float(shared[i])) for i in order]


def _surface(index: SurfelIndex, low_map: Vector, high_map: Vector) -> _Shows | None:
    """Return the views that saw the surface in a box, None if there is none."""
    count, quality, hits, seen_map = sight.look_at(
        len(index.views.ids), index.samples, index.surfels, low_map, high_map
    )
    if not count:
        return None
    which = np.flatnonzero(hits)
    return _Shows(
        which.astype(np.int32), quality[which] / count, hits[which] / count, seen_map[which]
    )


def _space(index: SurfelIndex, p_map: Vector) -> _Shows:
    """Return all views, as if they saw a point head-on."""
    views = index.views
    range_m = np.linalg.norm(views.T_map_kf[:, :3, 3] - p_map, axis=1)
    scores = 1 / (1 + HALF_PIXELS_PER_M * range_m / views.cameras[:, 0])
    slots = np.arange(len(views.ids), dtype=np.int32)
    return _Shows(slots, scores, np.ones(len(slots)), np.tile(p_map, (len(slots), 1)))


def _with_sight(index: SurfelIndex, shows: _Shows, p_map: Vector, max_range_m: float) -> _Shows:
    """Return those that see a point for certain."""
    is_seen = sight.has_sight(
        index.views,
        index.samples,
        shows.slots,
        p_map,
        index.cell_m,
        HIDING_CELLS * index.cell_m,
        max_range_m,
    )
    return _Shows(
        shows.slots[is_seen],
        shows.scores[is_seen],
        shows.coverage[is_seen],
        shows.seen_map[is_seen],
    )


def _in_order(index: SurfelIndex, shows: _Shows) -> Iterator[View]:
    """Yield them by score and diversity."""
    ids = index.views.ids[shows.slots]
    order = np.lexsort((ids, -np.round(shows.scores, DIGITS)))
    eyes_map = index.views.T_map_kf[shows.slots, :3, 3]
    rays = shows.seen_map - eyes_map
    range_m = np.linalg.norm(rays, axis=1)
    rays /= np.maximum(range_m, 1e-9)[:, None]
    for i in in_diverse_order(shows.scores[order], rays[order], eyes_map[order]):
        at = order[i]
        yield View(
            keyframe_id=int(ids[at]),
            score=float(shows.scores[at]),
            coverage=float(shows.coverage[at]),
            distance_m=float(range_m[at]),
        )


def _shrunk(camera: Pinhole) -> Pinhole:
    """Return the camera with an image at most DRAWN_PX wide; pixel centres lie on integer coordinates."""
    scale = min(1.0, DRAWN_PX / camera.width)
    return Pinhole(
        fx=camera.fx * scale,
        fy=camera.fy * scale,
        cx=(camera.cx + 0.5) * scale - 0.5,
        cy=(camera.cy + 0.5) * scale - 0.5,
        width=max(1, round(camera.width * scale)),
        height=max(1, round(camera.height * scale)),
    )
