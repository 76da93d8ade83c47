"""Pose graphs as g2o files: SE2, SE3:QUAT and FIX, and TORO's 3-D records, in; SE2, SE3:QUAT, FIX out.

    VERTEX_SE2 id x y yaw                EDGE_SE2 from to x y yaw, and 6 of the information
    VERTEX_SE3:QUAT id x y z qx qy qz qw EDGE_SE3:QUAT from to x y z qx qy qz qw, and 21
    VERTEX3 id x y z roll pitch yaw      EDGE3 from to x y z roll pitch yaw, and 21
    FIX id ...

The information is the upper triangle by rows, translation first. Kümmerle et al., "g2o: A general
framework for graph optimization", 2011; Grisetti et al., "TORO", 2007.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robomem.errors import DataError, FormatError
from robomem.geometry import (
    Pose,
    inverse,
    pose,
    quaternion_from_rotation,
    rotation_from_quaternion,
    rotation_from_yaw,
)
from robomem.spatial.slam.pose_graph import Edge, EdgeKind, PoseGraph

Numbers = NDArray[np.float64]


def read_g2o(path: str | Path) -> PoseGraph:
    """Read a pose graph. An edge between neighbouring ids is odometry, any other a loop.

    Without vertices the poses follow from the edges, the lowest id at the origin.

    Raises:
        FormatError: A line cannot be understood, or what it says cannot be; the message names the line.
    """
    path = Path(path)
    records = _Records()
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            _read_line(line, number, records, where=f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as err:
        raise FormatError(f"{path}: {err}") from err
    return _graph(records, path)


def write_g2o(path: str | Path, graph: PoseGraph) -> None:
    """Write a pose graph; reading it gives the same graph."""
    layout = PLANE if graph.is_planar else SPACE
    lines = [f"{layout.vertex} {i} {_text(layout.numbers(T))}" for i, T in graph.poses.items()]
    lines += [f"FIX {keyframe_id}" for keyframe_id in sorted(graph.fixed)]
    for edge in graph.edges:
        upper = edge.information[np.triu_indices(layout.freedom)]
        numbers = np.concatenate([layout.numbers(edge.T_from_to), upper])
        lines.append(f"{layout.edge} {edge.kf_from} {edge.kf_to} {_text(numbers)}")
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one kind of record spells a pose: by `size` numbers, with `freedom` degrees of freedom."""

    vertex: str
    edge: str
    size: int
    freedom: int
    pose: Callable[[Numbers], Pose]
    numbers: Callable[[Pose], Numbers]


def _planar(n: Numbers) -> Pose:
    return pose(rotation_from_yaw(n[2]), (n[0], n[1], 0.0))


def _planar_numbers(T: Pose) -> Numbers:
    return np.array([T[0, 3], T[1, 3], np.arctan2(T[1, 0], T[0, 0])])


def _spatial(n: Numbers) -> Pose:
    return pose(rotation_from_quaternion(n[3:]), n[:3])


def _spatial_numbers(T: Pose) -> Numbers:
    return np.concatenate([T[:3, 3], quaternion_from_rotation(T[:3, :3])])


def _euler(n: Numbers) -> Pose:
    """Turn by roll about x, then by pitch about y, then by yaw about z, all axes standing still."""
    (cx, cy, _), (sx, sy, _) = np.cos(n[3:]), np.sin(n[3:])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return pose(rotation_from_yaw(n[5]) @ about_y @ about_x, n[:3])


PLANE = _Layout("VERTEX_SE2", "EDGE_SE2", 3, 3, _planar, _planar_numbers)
SPACE = _Layout("VERTEX_SE3:QUAT", "EDGE_SE3:QUAT", 7, 6, _spatial, _spatial_numbers)
TORO = _Layout("VERTEX3", "EDGE3", 6, 6, _euler, _spatial_numbers)
LAYOUTS = {tag: layout for layout in (PLANE, SPACE, TORO) for tag in (layout.vertex, layout.edge)}


@dataclass(slots=True)
class _Records:
    """What the lines said, each with its number."""

    vertices: list[tuple[int, int, Pose]] = field(default_factory=list)
    edges: list[tuple[int, Edge]] = field(default_factory=list)
    fixed: list[tuple[int, int]] = field(default_factory=list)
    dimensions: set[int] = field(default_factory=set)


def _read_line(line: str, number: int, records: _Records, *, where: str) -> None:
    tag, *words = line.split() or ["#"]
    if tag.startswith("#"):
        return
    layout = LAYOUTS.get(tag)
    if layout is None and tag != "FIX":
        raise FormatError(
            f"{where}: unknown record {tag[:40]!r}; known are {', '.join(LAYOUTS)}, FIX"
        )
    try:
        if layout is None:
            records.fixed += [(number, int(word)) for word in words]
            return
        records.dimensions.add(layout.freedom)
        if tag == layout.vertex:
            T = layout.pose(_numbers(words[1:], layout.size))
            records.vertices.append((number, int(words[0]), T))
        else:
            records.edges.append((number, _edge(words, layout)))
    except (ValueError, IndexError) as err:
        raise FormatError(f"{where}: {tag}: {err}") from err


def _edge(words: list[str], layout: _Layout) -> Edge:
    freedom = layout.freedom
    rows, columns = np.triu_indices(freedom)
    numbers = _numbers(words[2:], layout.size + len(rows))
    information = np.zeros((freedom, freedom))
    information[rows, columns] = information[columns, rows] = numbers[layout.size :]
    kf_from, kf_to = int(words[0]), int(words[1])
    return Edge(kf_from, kf_to, layout.pose(numbers[: layout.size]), information)


def _numbers(words: list[str], count: int) -> Numbers:
    if len(words) != count:
        raise ValueError(f"expected {count} numbers after the ids, got {len(words)}")
    numbers = np.array([float(word) for word in words])
    if not np.isfinite(numbers).all():
        raise ValueError("a number is not finite")
    return numbers


def _graph(records: _Records, path: Path) -> PoseGraph:
    if len(records.dimensions) != 1:
        what = "both 2-D and 3-D records" if records.dimensions else "no vertex and no edge"
        raise FormatError(f"{path}: it holds {what}")
    graph = PoseGraph(is_planar=records.dimensions == {PLANE.freedom})
    vertices = records.vertices or list(_vertices_by_edges([edge for _, edge in records.edges]))
    order = {i: rank for rank, i in enumerate(sorted(i for _, i, _ in vertices))}
    steps = [(number, partial(graph.add_pose, i, T)) for number, i, T in vertices]
    steps += [(number, partial(graph.fix, i)) for number, i in records.fixed]
    steps += [
        (number, partial(graph.add_edge, _with_kind(e, order))) for number, e in records.edges
    ]
    for number, step in steps:
        try:
            step()
        except DataError as err:
            raise FormatError(f"{path}:{number}: {err}") from err
    return graph


def _with_kind(edge: Edge, order: dict[int, int]) -> Edge:
    apart = abs(order.get(edge.kf_from, 0) - order.get(edge.kf_to, 0))
    kind = EdgeKind.ODOMETRY if apart == 1 else EdgeKind.LOOP
    return replace(edge, kind=kind)


def _vertices_by_edges(edges: list[Edge]) -> Iterator[tuple[int, int, Pose]]:
    """Yield the poses that a walk along the edges gives, breadth first from the lowest id."""
    steps: dict[int, list[tuple[int, Pose]]] = {}
    for edge in edges:
        steps.setdefault(edge.kf_from, []).append((edge.kf_to, edge.T_from_to))
        steps.setdefault(edge.kf_to, []).append((edge.kf_from, inverse(edge.T_from_to)))
    reached: dict[int, Pose] = {}
    for start in sorted(steps):
        queue = deque([] if start in reached else [(start, np.eye(4))])
        while queue:
            here, T_map_here = queue.popleft()
            if here not in reached:
                reached[here] = T_map_here
                yield 0, here, T_map_here
                queue.extend((there, T_map_here @ T) for there, T in steps[here])


def _text(numbers: Numbers) -> str:
    return " ".join(repr(float(x)) for x in numbers)
