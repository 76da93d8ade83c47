"""A memory seen from above: its map, the robot's way, the things it knows, a route, its answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.geometry import Points
from robomem.spatial.octree import OccupancyGrid
from robomem.types import Entity, EntityState, Keyframe
from robomem.viz import check_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

SLICE_M = 0.1, 1.5  # heights in map that count as occupied: furniture, neither floor nor ceiling
LONG_SIDE_IN = 12.0
LEGEND_LINE_IN = 0.26
DPI = 150
BORDER_M = 0.4
BREAK_S = 60.0  # the track is not joined over a longer pause

UNKNOWN_RGB, FREE_RGB, OCCUPIED_RGB = (218, 221, 227), (253, 253, 251), (70, 78, 92)
TRACK, ROUTE, PRESENT, MISSING, MARK = "#8fb4dd", "#e4572e", "#14766b", "#8c8f96", "#6f2c91"
INK = "#22262e"
# Where a label is tried round its dot: directions, at growing distances in points.
DIRECTIONS = [(np.cos(a), np.sin(a)) for a in np.deg2rad([0, 180, 45, -45, 135, -135, 90, -90])]
DISTANCES_PT = (6, 11, 17, 24, 33, 44, 58, 75)
NO_LEADER_PT = 12  # a label this near needs no line to its dot
LABEL_PT = 8.5
DOT_PX = 12.0
BADGE_PT = 16.0  # from a place to its number
SAME_PLACE_M = 0.3  # marks this near share a badge
Style = dict[str, Any]  # keyword arguments of matplotlib
LEADER: Style = {
    "arrowstyle": "-",
    "color": "#7d828c",
    "linewidth": 0.7,
    "shrinkA": 0,
    "shrinkB": 3,
}
PRESENT_DOT: Style = {"marker": "o", "markersize": 6, "color": PRESENT, "markeredgecolor": "white"}
MISSING_DOT: Style = {"marker": "x", "markersize": 7, "color": MISSING, "markeredgewidth": 2}
BADGE: Style = {
    "color": "white",
    "fontsize": 10,
    "fontweight": "bold",
    "bbox": {
        "boxstyle": "round,pad=0.3,rounding_size=0.8",
        "facecolor": MARK,
        "edgecolor": "white",
    },
    "zorder": 8,
}

Box = NDArray[np.float64]  # (2, 2): its lower and its upper corner, pixels


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A numbered answer: a place, (2,) or (3,) metres in map, and its line in the legend."""

    p_map: NDArray[np.float64]
    text: str


class Sliceable(Protocol):
    """A map that can be cut; `robomem.spatial.octree.Octree` is one."""

    def slice_2d(self, z_min_m: float, z_max_m: float) -> OccupancyGrid:
        """Return what is occupied between two heights in map."""


class Drawable(Protocol):
    """What is drawn of a memory; `robomem.memory.Memory` is one."""

    @property
    def map(self) -> Sliceable:
        """Its map."""

    def entities(self) -> list[Entity]:
        """Return the things it believes in."""

    def keyframes(self) -> list[Keyframe]:
        """Return where it was."""


def draw_top_view(
    memory: Drawable,
    path_png: Path,
    *,
    route: Points | None = None,
    marks: Sequence[Mark] = (),
    title: str = "What the robot remembers",
) -> None:
    """Draw a memory from above into a PNG.

    Args:
        memory: What to draw.
        path_png: The file to write.
        route: Waypoints (N, 2) or (N, 3) metres in map.
        marks: Answers, numbered from 1 in the picture and in the legend under it.
        title: The line above.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    grid = _cropped(memory.map.slice_2d(*SLICE_M))
    figure, axes = _paper(grid, lines=len(marks), title=title)
    _draw_grid(axes, grid)
    _draw_track(axes, memory.keyframes())
    _draw_scale_bar(axes)
    _draw_key(axes)
    taken = _draw_marks(axes, marks)
    if route is not None and len(route):
        _draw_route(axes, route)
        taken += [_box_at(end, np.full(2, DOT_PX)) for end in _pixels(axes, route[[0, -1], :2])]
    _draw_entities(axes, memory.entities(), taken)
    figure.savefig(path_png)


def _cropped(grid: OccupancyGrid) -> OccupancyGrid:
    """Cut the unknown border off, but for BORDER_M; a map without anything known becomes one cell."""
    rows, columns = (np.flatnonzero((grid.values >= 0).any(axis=axis)) for axis in (1, 0))
    size = grid.resolution_m
    if not len(rows):
        return OccupancyGrid(np.full((1, 1), -1, np.int8), grid.origin_map, size)
    border = int(np.ceil(BORDER_M / size))
    known = grid.values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    x = grid.origin_map[0] + (columns[0] - border) * size
    y = grid.origin_map[1] + (rows[0] - border) * size
    return OccupancyGrid(np.pad(known, border, constant_values=-1), (float(x), float(y)), size)


def _paper(grid: OccupancyGrid, *, lines: int, title: str) -> "tuple[Figure, Axes]":
    """Return a figure as large as the map needs, with room for the legend under it."""
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = grid.values.shape
    scale = (LONG_SIDE_IN - 1.0) / max(height, width, 1)
    left, right, top, bottom = 0.75, 0.25, 0.55, 0.7 + 0.35 + lines * LEGEND_LINE_IN
    map_w, map_h = max(width * scale, 4.0), max(height * scale, 3.0)
    size = left + map_w + right, bottom + map_h + top
    figure = Figure(figsize=size, facecolor="white", dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left / size[0], bottom / size[1], map_w / size[0], map_h / size[1]))
    axes.set_title(title, loc="left", color=INK, fontsize=15, fontweight="bold", pad=10)
    return figure, axes


def _draw_grid(axes: "Axes", grid: OccupancyGrid) -> None:
    image = np.empty((*grid.values.shape, 3), dtype=np.uint8)
    image[:] = UNKNOWN_RGB
    image[grid.values == 0] = FREE_RGB
    image[grid.values > 0] = OCCUPIED_RGB
    (height, width), (x, y), size = grid.values.shape, grid.origin_map, grid.resolution_m
    extent = (x, x + width * size, y, y + height * size)
    axes.imshow(image, origin="lower", extent=extent, interpolation="nearest", zorder=0)
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    axes.set_xlabel("x [m]", color=INK)
    axes.set_ylabel("y [m]", color=INK)
    axes.tick_params(colors=INK, length=3)
    axes.spines[:].set_color("#b8bcc4")


def _draw_track(axes: "Axes", keyframes: Sequence[Keyframe]) -> None:
    """Draw where the keyframes were taken, joined in order of time."""
    ordered = sorted(keyframes, key=lambda keyframe: keyframe.stamp_ns)
    if not ordered:
        return
    xy = np.array([keyframe.T_map_kf[:2, 3] for keyframe in ordered])
    stamps_s = np.array([keyframe.stamp_ns for keyframe in ordered]) / 1e9
    for piece in np.split(xy, np.flatnonzero(np.diff(stamps_s) > BREAK_S) + 1):
        axes.plot(*piece.T, color=TRACK, linewidth=1.4, zorder=1, solid_joinstyle="round")
    axes.plot(*xy.T, ".", color=TRACK, markersize=4, zorder=1)


def _draw_route(axes: "Axes", route: Points) -> None:
    xy = np.asarray(route)[:, :2]
    axes.plot(*xy.T, color="white", linewidth=6, zorder=3, solid_capstyle="round")
    axes.plot(*xy.T, color=ROUTE, linewidth=3, zorder=3, solid_capstyle="round")
    axes.plot(*xy[0], "o", color="white", markeredgecolor=ROUTE, markeredgewidth=2.5, zorder=4)
    axes.plot(*xy[-1], "s", color=ROUTE, markeredgecolor="white", markeredgewidth=1, zorder=4)


def _draw_key(axes: "Axes") -> None:
    """Say above the map what the signs mean."""
    signs: list[tuple[str, Style]] = [
        ("where it was", {"color": TRACK, "marker": "."}),
        ("route", {"color": ROUTE, "linewidth": 3}),
        ("thing", {"linestyle": "", **PRESENT_DOT}),
        ("missing thing", {"linestyle": "", **MISSING_DOT}),
    ]
    handles = [axes.plot([], [], label=label, **style)[0] for label, style in signs]
    place: Style = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.4}
    axes.legend(
        handles=handles, ncols=len(signs), frameon=False, fontsize=9, labelcolor=INK, **place
    )


def _draw_scale_bar(axes: "Axes") -> None:
    """Draw a bar of 1, 2 or 5 times a power of ten metres, about an eighth of the width."""
    (x_min, x_max), (y_min, y_max) = axes.get_xlim(), axes.get_ylim()
    wish = (x_max - x_min) / 8
    power = 10.0 ** np.floor(np.log10(wish))
    length = max(step * power for step in (1, 2, 5) if step * power <= wish * 1.0001)
    x, y = x_max - 0.02 * (x_max - x_min), y_min + 0.02 * (y_max - y_min)
    axes.plot([x - length, x], [y, y], color=INK, linewidth=3, solid_capstyle="butt", zorder=6)
    axes.annotate(
        f"{length:g} m", (x - length / 2, y), (0, 3), textcoords="offset points", ha="center",
        va="bottom", fontsize=9, color=INK, zorder=6, path_effects=_halo(),
    )  # fmt: skip


def _draw_marks(axes: "Axes", marks: Sequence[Mark]) -> list[Box]:
    """Draw numbered badges beside their places, and the legend; returns the boxes of the badges."""
    places: dict[tuple[float, float], list[int]] = {}
    for number, mark in enumerate(marks, start=1):
        _draw_legend_line(axes, number, mark.text)
        near = (p for p in places if np.hypot(*(mark.p_map[:2] - p)) < SAME_PLACE_M)
        place = next(near, (float(mark.p_map[0]), float(mark.p_map[1])))
        places.setdefault(place, []).append(number)
    return [_draw_badge(axes, place, numbers) for place, numbers in places.items()]


def _draw_legend_line(axes: "Axes", number: int, text: str) -> None:
    below_pt = -58 - (number - 1) * LEGEND_LINE_IN * 72
    where: Style = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center"}
    axes.annotate(f"{number}", (0, 0), (8, below_pt), ha="center", **where, **BADGE)
    axes.annotate(text, (0, 0), (24, below_pt), color=INK, fontsize=11, **where)


def _draw_badge(axes: "Axes", place: tuple[float, float], numbers: Sequence[int]) -> Box:
    """Draw a ring at a place and the numbers over it; returns their box."""
    ring: Style = {"color": "none", "markeredgecolor": MARK, "markeredgewidth": 2, "markersize": 13}
    axes.plot(*place, "o", **ring, zorder=6)
    text = ", ".join(map(str, numbers))
    where: Style = {"textcoords": "offset points", "ha": "center", "va": "center"}
    axes.annotate(text, place, (0, BADGE_PT), **where, **BADGE)
    center_px = _pixels(axes, place) + np.array([0.0, BADGE_PT * DPI / 72 / 2])
    return _box_at(center_px, np.array([16 + 8 * len(numbers), 34 + BADGE_PT]) * DPI / 100)


def _draw_entities(axes: "Axes", entities: Sequence[Entity], taken: Sequence[Box]) -> None:
    """Draw a dot per entity, then the labels, each where it hides neither a dot nor another label."""
    boxes = list(taken)
    for entity in entities:
        is_present = entity.state is EntityState.PRESENT
        style = PRESENT_DOT if is_present else MISSING_DOT
        axes.plot(*entity.p_map[:2], **style, zorder=5)
        boxes.append(_box_at(_pixels(axes, entity.p_map[:2]), np.full(2, DOT_PX)))
    for entity in sorted(entities, key=lambda entity: -float(entity.p_map[1])):
        boxes.append(_draw_label(axes, entity, boxes))


def _draw_label(axes: "Axes", entity: Entity, boxes: Sequence[Box]) -> Box:
    """Write a label at the first spot that is clear, or at the last one tried; returns its box."""
    is_present = entity.state is EntityState.PRESENT
    words = entity.label if is_present else f"{entity.label} (missing)"
    style: Style = {"fontsize": LABEL_PT, "ha": "center", "va": "center"}
    ruler = axes.annotate(words, (0, 0), **style)
    low, high = _box_of(ruler)
    ruler.remove()
    offset_px, box, distance_pt = _clear_spot(axes, entity.p_map[:2], high - low, boxes)
    axes.annotate(
        words,
        (float(entity.p_map[0]), float(entity.p_map[1])),
        tuple(offset_px),
        textcoords="offset pixels",
        color=PRESENT if is_present else MISSING,
        zorder=7,
        path_effects=_halo(),
        arrowprops=LEADER if distance_pt > NO_LEADER_PT else None,
        **style,
    )
    return box


def _clear_spot(
    axes: "Axes", p_map: NDArray[np.float64], size_px: NDArray[np.float64], boxes: Sequence[Box]
) -> tuple[NDArray[np.float64], Box, float]:
    """Return the offset (2,) in pixels, the box and the distance in points of a label's place."""
    dot_px = _pixels(axes, p_map)
    frame = np.asarray(axes.get_window_extent())
    spot = np.zeros(2), frame, 0.0
    for distance_pt in DISTANCES_PT:
        for direction in DIRECTIONS:
            offset_px = np.array(direction) * (distance_pt * DPI / 72 + size_px / 2)
            box = _box_at(dot_px + offset_px, size_px)
            spot = offset_px, box, distance_pt
            is_inside = (box[0] >= frame[0]).all() and (box[1] <= frame[1]).all()
            if is_inside and not any(_overlap(box, other) for other in boxes):
                return spot
    return spot


def _halo() -> list[Any]:
    """Return a white rim, so that a text can be read on the map."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground="white")]


def _box_of(note: "Annotation") -> Box:
    """Return the corners (2, 2) of a text without its line, pixels."""
    from matplotlib.text import Text

    return np.asarray(Text.get_window_extent(note))


def _pixels(axes: "Axes", p_map: ArrayLike) -> NDArray[np.float64]:
    """Return where points (..., 2) in map lie on the paper, pixels from its lower left corner."""
    return np.asarray(axes.transData.transform(p_map))


def _box_at(center_px: NDArray[np.float64], size_px: NDArray[np.float64]) -> Box:
    return np.array([center_px - size_px / 2, center_px + size_px / 2])


def _overlap(a: Box, b: Box) -> bool:
    return bool((a[0] < b[1]).all() and (b[0] < a[1]).all())
