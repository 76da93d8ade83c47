"""Graphs that others drew: street panoramas (Touchdown) and viewpoints in buildings (Matterport3D)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robomem.errors import DataError, FormatError
from robomem.geometry import Points, is_pose
from robomem.spatial.topology.graph import PositionGraph

EQUATOR_M = 6_378_137.0  # WGS 84: the radius at the equator
ECCENTRICITY_2 = 0.00669437999014  # WGS 84: the ellipse's first eccentricity, squared


@dataclass(frozen=True, slots=True, eq=False)
class StreetGraph:
    """A street graph in the plane that touches the earth at its middle: x east, y north, metres.

    Attributes:
        graph: Panoramas by id, under directed links.
        headings_rad: Where the middle of each panorama looks, (N,), clockwise from north.
        link_headings_rad: Which way each link leads, (E,), the same.
        origin_deg: Latitude and longitude of x = y = 0.
    """

    graph: PositionGraph[str]
    headings_rad: NDArray[np.float64]
    link_headings_rad: NDArray[np.float64]
    origin_deg: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class BuildingGraph:
    """Viewpoints by id, z up, metres, with edges both ways; and how high each is above its floor, (N,)."""

    graph: PositionGraph[str]
    heights_m: NDArray[np.float64]


def load_touchdown(folder: str | Path) -> StreetGraph:
    """Read `nodes.txt` (id, yaw, latitude, longitude) and `links.txt` (from, heading, to), in degrees.

    Raises:
        FormatError: A file is missing or a line is wrong; the message names both.
    """
    folder = Path(folder)
    rows: dict[str, int] = {}
    nodes: list[list[float]] = []
    for where, (name, *numbers) in _lines(folder / "nodes.txt", fields=4):
        if rows.setdefault(name, len(nodes)) != len(nodes):
            raise FormatError(f"{where}: node {name!r} comes twice")
        nodes.append(_numbers(where, numbers, bounds=(np.inf, 90.0, 180.0)))
    links, headings = [], []
    for where, (begin, heading, end) in _lines(folder / "links.txt", fields=3):
        if not (begin in rows and end in rows):
            raise FormatError(f"{where}: {begin!r} or {end!r} is not in nodes.txt")
        links.append((rows[begin], rows[end]))
        headings += _numbers(where, [heading], bounds=(np.inf,))
    table = np.array(nodes, np.float64).reshape(-1, 3)
    positions, origin_deg = _on_tangent_plane(table[:, 1:])
    return StreetGraph(
        PositionGraph(list(rows), positions, np.array(links, np.int64), is_directed=True),
        np.deg2rad(table[:, 0]),
        np.deg2rad(headings),
        origin_deg,
    )


def load_matterport(path: str | Path) -> BuildingGraph:
    """Read a building's `*_connectivity.json`: its included viewpoints, an edge where the way is unobstructed.

    Raises:
        FormatError: The file is missing or is no connectivity graph; the message says where.
    """
    path = Path(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise FormatError(f"{path}: {err}") from err
    if not isinstance(entries, list):
        raise FormatError(f"{path}: a connectivity graph is a list of viewpoints")
    views = [_view(f"{path}: viewpoint {i}", e, len(entries)) for i, e in enumerate(entries)]
    included = [view for view in views if view.is_included]
    is_edge = np.array([view.unobstructed for view in views], np.bool_).reshape(-1, len(views))
    kept = [i for i, view in enumerate(views) if view.is_included]
    is_edge = is_edge[kept][:, kept]
    positions = [view.p_map for view in included]
    try:
        graph = PositionGraph(
            [view.name for view in included], positions, np.argwhere(np.triu(is_edge | is_edge.T))
        )
    except DataError as err:
        raise FormatError(f"{path}: {err}") from err
    return BuildingGraph(graph, np.array([view.height_m for view in included]))


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    name: str
    is_included: bool
    p_map: Points
    height_m: float
    unobstructed: list[bool]


def _view(where: str, entry: object, count: int) -> _View:
    try:
        assert isinstance(entry, dict)
        T_map_view = np.array(entry["pose"], np.float64).reshape(4, 4)
        unobstructed = [bool(way) for way in entry["unobstructed"]]
        view = _View(
            str(entry["image_id"]),
            bool(entry["included"]),
            T_map_view[:3, 3],
            float(entry.get("height", np.nan)),
            unobstructed,
        )
    except (AssertionError, KeyError, TypeError, ValueError) as err:
        raise FormatError(
            f"{where}: needs image_id, pose, included, unobstructed: {err!r}"
        ) from err
    if not is_pose(T_map_view) or len(unobstructed) != count:
        raise FormatError(f"{where}: the pose is no rigid motion, or unobstructed has not {count}")
    return view


def _lines(path: Path, *, fields: int) -> Iterator[tuple[str, list[str]]]:
    """Yield where each line is, and its fields; raises FormatError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise FormatError(f"{path}: {err}") from err
    for number, line in enumerate(lines, 1):
        parts = line.strip().split(",")
        if len(parts) != fields:
            raise FormatError(f"{path}:{number}: {fields} fields expected, got {len(parts)}")
        yield f"{path}:{number}", parts


def _numbers(where: str, texts: list[str], *, bounds: tuple[float, ...]) -> list[float]:
    """Return finite numbers, each within its bound to both sides."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError as err:
        raise FormatError(f"{where}: {err}") from err
    for number, bound in zip(numbers, bounds, strict=True):
        if not (np.isfinite(number) and abs(number) <= bound):
            raise FormatError(f"{where}: {number} is not a finite number within {bound}")
    return numbers


def _on_tangent_plane(degrees: NDArray[np.float64]) -> tuple[Points, tuple[float, float]]:
    """Return metres east and north (N, 2) of the middle of latitudes and longitudes (N, 2), and that middle.

    To first order, with the two radii of the ellipsoid's curvature there: a city, not a continent.
    """
    if not len(degrees):
        return np.empty((0, 2)), (0.0, 0.0)
    middle = (degrees.min(axis=0) + degrees.max(axis=0)) / 2
    latitude = np.deg2rad(middle[0])
    curve = 1 - ECCENTRICITY_2 * np.sin(latitude) ** 2
    to_pole_m = EQUATOR_M * (1 - ECCENTRICITY_2) / curve**1.5
    to_east_m = EQUATOR_M / curve**0.5 * np.cos(latitude)
    north_east = np.deg2rad(degrees - middle) * (to_pole_m, to_east_m)
    return north_east[:, ::-1], (float(middle[0]), float(middle[1]))
