"""What it looks like: rooms and a route, people apart from structure, a map before and after a correction."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import UnreachableError
from robomem.eval.trial import new_memory
from robomem.geometry import Points
from robomem.memory import Memory
from robomem.spatial.octree import OccupancyGrid, Octree
from robomem.spatial.topology.regions import Region
from robomem.viz import check_matplotlib
from robomem_sim.bench_spatial.correction import drive_through, observe
from robomem_sim.bench_spatial.houses import Lived, lived_in
from robomem_sim.bench_spatial.motion import SURE_LOOKS, crowded_frames, map_frames
from robomem_sim.house import House
from robomem_sim.run import Frame, Simulation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SLICE_M = 0.1, 1.2  # what stands in a robot's way
BORDER_M = 0.7
PANEL_IN, BELOW_IN, ABOVE_IN = 7.4, 0.45, 0.45
DPI = 130
WINDOW = 300  # frames of people walking: more cannot be told apart

INK, TRUTH, ROUTE, TRACK = "#22262e", "#0072b2", "#d55e00", "#d55e00"
UNKNOWN, FREE, OCCUPIED = (218, 221, 227), (253, 253, 251), (70, 78, 92)
# Okabe and Ito, "Color Universal Design", 2008: told apart by those who see few colours, too.
HUES = ("#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#f0e442", "#0072b2", "#d55e00", "#999999")
Style = dict[str, Any]  # keyword arguments of matplotlib
Panel = tuple["Axes", ...]


def draw_pictures(folder: Path, *, seed: int, people: int = 3, frames: int | None = None) -> None:
    """Draw all pictures into a folder.

    Args:
        folder: It is made where it is not there.
        seed: Of the house.
        people: Who walk about.
        frames: The drives end after so many.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with lived_in(seed, frames=frames) as lived:
        draw_rooms(lived, folder / "rooms.png")
    draw_correction(seed, folder / "correction.png", frames=frames)
    draw_motion(seed, folder / "motion.png", people=people, frames=frames)


def draw_rooms(lived: Lived, file: Path) -> None:
    """Draw a house with its rooms coloured and named, and a route between the two farthest apart."""
    figure, (axes,) = _paper(lived.house, ("Rooms and a route, from what a robot remembers",))
    _draw_grid(axes, lived.memory.map)
    regions = sorted(lived.memory.rooms(), key=lambda region: -region.area_m2)
    for region, hue in zip(regions, HUES, strict=False):
        _tint(axes, region, hue, size_m=lived.memory.map.resolution_m)
    _draw_route(axes, _far_route(lived.memory, regions))
    for region in regions:
        _write(axes, region.centre_map, f"{region.name}\n{region.area_m2:.0f} m²")
    figure.savefig(file)


def draw_correction(seed: int, file: Path, *, frames: int | None = None) -> None:
    """Draw the memory of a drive with drifting odometry, and the same after its keyframes were corrected."""
    simulation, titles = Simulation(seed), ("Odometry that drifts", "After memory.correct()")
    figure, panels = _paper(simulation.house, titles, border_m=2.0)
    rng = np.random.default_rng(seed)
    drive = drive_through(islice(simulation.patrol(), frames), rng, drives_on=0.0)
    with new_memory() as memory:
        observe(memory, drive.before, drive.T_map_cams)
        _draw_against_truth(panels[0], memory, simulation.house)
        memory.correct(drive.true_poses(memory), wait=True)
        _draw_against_truth(panels[1], memory, simulation.house)
    _draw_key(
        panels[0],
        {
            "true rooms": {"color": TRUTH, "linewidth": 1.5, "linestyle": "--"},
            "a thing, as remembered": {"color": ROUTE, "marker": "o", "linestyle": ""},
            "to where it truly is": {"color": ROUTE, "linewidth": 1.5},
        },
    )
    figure.savefig(file)


def draw_motion(seed: int, file: Path, *, people: int = 3, frames: int | None = None) -> None:
    """Draw the map of a house in which people walk, and beside it how they walked."""
    crowd = list(crowded_frames(seed, people=people, frames=frames))
    mapped = map_frames(crowd, is_split=True)
    titles = ("Structure: what stands", "Motion: who walked, for a minute")
    figure, (still, moving) = _paper(House(seed), titles)
    _draw_grid(still, mapped.octree)
    _draw_grid(moving, mapped.octree, is_faint=True)
    shown = slice(len(crowd) // 2, len(crowd) // 2 + WINDOW)
    _draw_walks(moving, crowd[shown])
    ways: defaultdict[int, list[NDArray[np.float64]]] = defaultdict(list)
    for track in (track for tracks in mapped.tracks[shown] for track in tracks):
        if track.looks >= SURE_LOOKS:
            ways[track.track_id].append(track.p_map)
    for way in ways.values():
        _draw_track(moving, np.array(way))
    _draw_key(
        moving,
        {
            "followed, as seen": {"color": TRACK, "linewidth": 2.5},
            "last seen": {"color": TRACK, "marker": "o", "linestyle": ""},
            "true walks, seen or not": {"color": TRUTH, "linewidth": 1.5, "linestyle": ":"},
            "the robot": {"color": INK, "linewidth": 1},
        },
    )
    figure.savefig(file)


def _paper(
    house: House, titles: Sequence[str], *, border_m: float = BORDER_M
) -> "tuple[Figure, Panel]":
    """Return a figure with a panel for each title, each as large as the house, with a scale."""
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    o = house.outline.grown(border_m)
    height_in = PANEL_IN * (o.y_max - o.y_min) / (o.x_max - o.x_min)
    size = PANEL_IN * len(titles), height_in + BELOW_IN + ABOVE_IN
    figure = Figure(figsize=size, facecolor="white", dpi=DPI)
    FigureCanvasAgg(figure)
    panels = []
    for i, title in enumerate(titles):
        place = (
            (i + 0.02) / len(titles),
            BELOW_IN / size[1],
            0.96 / len(titles),
            height_in / size[1],
        )
        axes = figure.add_axes(place)
        axes.set(
            xlim=(o.x_min, o.x_max), ylim=(o.y_min, o.y_max), xticks=[], yticks=[], aspect="equal"
        )
        axes.set_facecolor(_rgb(UNKNOWN))
        axes.spines[:].set_color("#b8bcc4")
        axes.set_title(title, loc="left", color=INK, fontsize=14, fontweight="bold", pad=8)
        _draw_scale_bar(axes, o.x_max - 0.3, o.y_min + 0.25)
        panels.append(axes)
    return figure, tuple(panels)


def _draw_scale_bar(axes: "Axes", x: float, y: float) -> None:
    """Draw two metres that end at a place."""
    axes.plot([x - 2, x], [y, y], color=INK, linewidth=3, solid_capstyle="butt", zorder=6)
    axes.text(x - 1, y + 0.08, "2 m", color=INK, fontsize=10, ha="center", va="bottom", zorder=6)


def _draw_grid(axes: "Axes", octree: Octree, *, is_faint: bool = False) -> None:
    grid: OccupancyGrid = octree.slice_2d(*SLICE_M)
    image = np.empty((*grid.values.shape, 3), np.uint8)
    image[:] = UNKNOWN
    image[grid.values == 0] = FREE
    image[grid.values > 0] = (170, 175, 184) if is_faint else OCCUPIED
    (height, width), (x, y), size = grid.values.shape, grid.origin_map, grid.resolution_m
    extent = (x, x + width * size, y, y + height * size)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(image, origin="lower", extent=extent, interpolation="nearest", zorder=0)
    axes.set(xlim=limits[0], ylim=limits[1])


def _tint(axes: "Axes", region: Region, hue: str, *, size_m: float) -> None:
    """Colour the cells of a room."""
    cells = np.floor(region.cells_map[:, :2] / size_m).astype(int)
    first = cells.min(axis=0)
    is_room = np.zeros(cells.max(axis=0) - first + 1, np.bool_)
    is_room[tuple((cells - first).T)] = True
    image = np.zeros((*is_room.T.shape, 4))
    image[is_room.T] = (*_rgb(hue), 0.35)
    (x, y), (width, height) = first * size_m, np.array(is_room.shape) * size_m
    limits = axes.get_xlim(), axes.get_ylim()
    extent = (x, x + width, y, y + height)
    axes.imshow(image, origin="lower", extent=extent, interpolation="nearest", zorder=1)
    axes.set(xlim=limits[0], ylim=limits[1])


def _far_route(memory: Memory, regions: Sequence[Region]) -> Points:
    """Return the longest route between places in two rooms; none where none is known."""
    topology = memory.floor()
    at_map = {place.place_id: place for place in topology.places()}
    inmost = [
        max((at_map[i] for i in r.place_ids), key=lambda p: p.clearance_m).p_map
        for r in regions
        if r.place_ids
    ]
    best = np.empty((0, 3))
    for i, start in enumerate(inmost):
        for goal in inmost[:i]:
            try:
                path = memory.route(start, goal)
            except UnreachableError:
                continue
            best = max(best, path, key=_length_m)
    return best


def _length_m(path: Points) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def _draw_route(axes: "Axes", path: Points) -> None:
    if not len(path):
        return
    xy = path[:, :2]
    axes.plot(*xy.T, color="white", linewidth=6, zorder=3, solid_capstyle="round")
    axes.plot(*xy.T, color=ROUTE, linewidth=3, zorder=3, solid_capstyle="round")
    axes.plot(*xy[0], "o", color="white", markeredgecolor=ROUTE, markeredgewidth=2.5, zorder=4)
    axes.plot(*xy[-1], "s", color=ROUTE, markeredgecolor="white", zorder=4)
    _draw_key(
        axes,
        {
            "route": {"color": ROUTE, "linewidth": 3},
            "from": {
                "color": "white", "marker": "o", "markeredgecolor": ROUTE, "markeredgewidth": 2.5,
                "linestyle": "",
            },
            "to": {"color": ROUTE, "marker": "s", "linestyle": ""},
        },
    )  # fmt: skip


def _draw_against_truth(axes: "Axes", memory: Memory, house: House) -> None:
    """Draw a map, the true rooms over it, and how far things are from where they truly are."""
    _draw_grid(axes, memory.map)
    for room in house.rooms:
        r = room.inside
        x, y = (
            [r.x_min, r.x_max, r.x_max, r.x_min, r.x_min],
            [r.y_min] * 2 + [r.y_max] * 2 + [r.y_min],
        )
        axes.plot(x, y, color=TRUTH, linewidth=1.5, linestyle="--", zorder=2)
    for entity in memory.entities():
        places = [t.p_map for t in house.things if t.label == entity.label]
        if not places:
            continue
        nearest = min(places, key=lambda p_map: float(np.linalg.norm(p_map - entity.p_map)))
        axes.plot(*np.stack([entity.p_map, nearest])[:, :2].T, color=ROUTE, linewidth=1.5, zorder=3)
        axes.plot(*entity.p_map[:2], "o", color=ROUTE, markersize=4, markeredgewidth=0, zorder=4)


def _draw_walks(axes: "Axes", frames: Sequence[Frame]) -> None:
    """Draw where people truly walked, whether anybody saw them or not, and where the robot was."""
    robot = np.array([frame.T_map_base[:2, 3] for frame in frames]).reshape(-1, 2)
    axes.plot(*robot.T, color=INK, linewidth=1, zorder=2)
    walks = np.array([[p.p_map[:2] for p in f.truth.crowd.people] for f in frames])
    for walk in walks.swapaxes(0, 1) if len(walks) else ():
        axes.plot(*walk.T, color=TRUTH, linewidth=1.5, linestyle=":", zorder=2)


def _draw_track(axes: "Axes", way: Points) -> None:
    axes.plot(*way[:, :2].T, color=TRACK, linewidth=2.5, zorder=3, solid_capstyle="round")
    axes.plot(*way[-1, :2], "o", color=TRACK, markeredgecolor="white", markersize=8, zorder=4)


def _write(axes: "Axes", p_map: NDArray[np.float64], words: str) -> None:
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=3, foreground="white")]
    style: Style = {"ha": "center", "va": "center", "fontsize": 12, "fontweight": "bold"}
    x, y = p_map[:2].tolist()
    axes.text(x, y, words, color=INK, zorder=5, path_effects=halo, **style)


def _draw_key(axes: "Axes", signs: dict[str, Style]) -> None:
    """Say below a panel what the signs mean."""
    handles = [axes.plot([], [], label=label, **style)[0] for label, style in signs.items()]
    style: Style = {
        "loc": "upper left", "bbox_to_anchor": (0.0, 0.0), "borderaxespad": 0.4, "frameon": False,
        "fontsize": 11, "labelcolor": INK, "columnspacing": 1.3, "handlelength": 1.6,
    }  # fmt: skip
    axes.legend(handles=handles, ncols=len(signs), **style)


def _rgb(color: ArrayLike) -> tuple[float, float, float]:
    """Return a colour, as a name or as bytes, as parts of one."""
    from matplotlib.colors import to_rgb

    if isinstance(color, str):
        return to_rgb(color)
    red, green, blue = (float(c) / 255 for c in np.asarray(color))
    return red, green, blue
