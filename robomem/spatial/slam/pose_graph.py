"""A graph of keyframe poses and what was measured between them, and its optimum under a robust kernel."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from robomem.checks import checked_pose
from robomem.errors import DataError
from robomem.geometry import Pose
from robomem.spatial.slam import solver

Information = NDArray[np.float64]

PLANAR_TOLERANCE = 1e-6
# Honest edges lie within a few sigma of the optimum; far out of that, they exclude each other.
CONTRADICTION_SIGMAS = 50.0
KEPT_WEIGHT = 0.5  # graduated non-convexity ends with weights near 0 or near 1


class EdgeKind(StrEnum):
    """Where an edge comes from. Odometry is trusted, a loop may turn out to be wrong."""

    ODOMETRY = "odometry"
    LOOP = "loop"


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """A measured pose of one keyframe in another.

    Attributes:
        kf_from: The keyframe it was measured from.
        kf_to: The keyframe that was measured.
        T_from_to: Pose of `kf_to` in `kf_from`, (4, 4).
        information: Inverse covariance in the frame of `kf_to`, (6, 6) in the order x, y, z, and
            rotation about x, y, z; of a planar graph (3, 3) in the order x, y, yaw.
        kind: Whether it may be rejected.
    """

    kf_from: int
    kf_to: int
    T_from_to: Pose
    information: Information
    kind: EdgeKind = EdgeKind.ODOMETRY


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """What `PoseGraph.optimize` found; arrays hold one value per edge, in the order of `edges`.

    Attributes:
        poses: Corrected T_map_kf by keyframe id.
        cost_before: Half the sum of squared Mahalanobis distances of all edges at the poses of the graph.
        cost: The same at the optimum, each edge times its weight.
        sigmas: Mahalanobis distance of each edge at the optimum.
        weights: Weight of each edge, 1 but for rejected loops.
    """

    poses: dict[int, Pose]
    cost_before: float
    cost: float
    sigmas: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def rejected(self) -> tuple[int, ...]:
        """Indices of the edges that the robust kernel left out."""
        return tuple(np.flatnonzero(self.weights < KEPT_WEIGHT).tolist())


class PoseGraph:
    """Poses T_map_kf by id, and edges between them. What it refuses leaves it as it was.

    A planar graph lives in SE(2): its poses are turns about z and shifts in x and y.
    """

    def __init__(self, *, is_planar: bool = False) -> None:
        self.is_planar = is_planar
        self._poses: dict[int, Pose] = {}
        self._edges: list[Edge] = []
        self._fixed: set[int] = set()

    @property
    def poses(self) -> Mapping[int, Pose]:
        """T_map_kf (4, 4) by keyframe id."""
        return self._poses

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges in the order they were added."""
        return tuple(self._edges)

    @property
    def fixed(self) -> frozenset[int]:
        """Ids of the keyframes that stay where they are."""
        return frozenset(self._fixed)

    def add_pose(self, keyframe_id: int, T_map_kf: Pose, *, is_fixed: bool = False) -> None:
        """Add a keyframe where it is believed to be.

        Raises:
            DataError: The id is taken or negative, or the pose is no rigid motion (of the plane).
        """
        if keyframe_id < 0 or keyframe_id in self._poses:
            raise DataError(f"keyframe ids are unique and not negative, got {keyframe_id}")
        self._poses[keyframe_id] = self._checked(T_map_kf, name=f"T_map_kf of {keyframe_id}")
        if is_fixed:
            self._fixed.add(keyframe_id)

    def fix(self, keyframe_id: int) -> None:
        """Hold a keyframe where it is; raises DataError where there is none of that id."""
        self._check_known(keyframe_id)
        self._fixed.add(keyframe_id)

    def add_edge(self, edge: Edge) -> None:
        """Add what was measured between two keyframes.

        Raises:
            DataError: A keyframe is unknown, the motion is not rigid, or the information is not a
                finite, symmetric, positive definite matrix.
        """
        name = f"edge {edge.kf_from}-{edge.kf_to}"
        self._check_known(edge.kf_from, edge.kf_to)
        if edge.kf_from == edge.kf_to:
            raise DataError(f"{name} joins a keyframe with itself")
        T_from_to = self._checked(edge.T_from_to, name=f"T_from_to of {name}")
        information = _checked_information(edge.information, 3 if self.is_planar else 6, name)
        self._edges.append(Edge(edge.kf_from, edge.kf_to, T_from_to, information, edge.kind))

    def components(self) -> list[list[int]]:
        """Return the parts that no edge joins, each as sorted ids."""
        neighbours = self._neighbours()
        parts, seen = [], set[int]()
        for start in sorted(self._poses):
            if start not in seen:
                part = _breadth_first(neighbours, start)
                seen.update(part)
                parts.append(sorted(part))
        return parts

    def optimize(self, *, is_robust: bool = True) -> Optimum:
        """Return the most likely poses; the graph itself stays as it is.

        Parts that no edge joins are each held by their fixed keyframes, or else by that of the lowest id.

        Args:
            is_robust: Find out which loops are wrong, by graduated non-convexity with truncated least
                squares (Yang et al., 2020), and leave them out. Otherwise all edges count.

        Raises:
            DataError: Edges that must not be left out exclude each other; the message names the cycle.
            MissingExtraError: gtsam is not installed.
        """
        anchors = set(self._fixed)
        for part in self.components():
            if anchors.isdisjoint(part):
                anchors.add(part[0])
        is_loop = np.array([edge.kind is EdgeKind.LOOP for edge in self._edges], dtype=bool)
        solution = solver.solve(
            self._poses,
            [(e.kf_from, e.kf_to, e.T_from_to, e.information) for e in self._edges],
            anchors=sorted(anchors),
            suspects=np.flatnonzero(is_loop & is_robust),
            is_planar=self.is_planar,
        )
        kept = solution.weights >= KEPT_WEIGHT
        self._check_cycles(np.where(kept, solution.sigmas, 0.0))
        return Optimum(
            poses=solution.poses,
            cost_before=0.5 * float(np.sum(solution.sigmas_before**2)),
            cost=0.5 * float(np.sum(solution.weights * solution.sigmas**2)),
            sigmas=solution.sigmas,
            weights=solution.weights,
        )

    def _check_cycles(self, sigmas: NDArray[np.float64]) -> None:
        """Raise DataError when the worst edge is out of all proportion."""
        if not len(sigmas) or not sigmas.max() > CONTRADICTION_SIGMAS:
            return
        worst = self._edges[int(sigmas.argmax())]
        others = self._neighbours(without=worst)
        came_from = _breadth_first(others, worst.kf_to)
        cycle = [worst.kf_from]
        while cycle[-1] != worst.kf_to and cycle[-1] in came_from:
            cycle.append(came_from[cycle[-1]])
        raise DataError(
            f"the edges of the cycle {'-'.join(map(str, [worst.kf_to, *cycle]))} contradict each other: "
            f"edge {worst.kf_from}-{worst.kf_to} is off by {sigmas.max():.0f} sigma"
        )

    def _neighbours(self, without: Edge | None = None) -> dict[int, list[int]]:
        neighbours: dict[int, list[int]] = {keyframe_id: [] for keyframe_id in self._poses}
        for edge in self._edges:
            if edge is not without:
                neighbours[edge.kf_from].append(edge.kf_to)
                neighbours[edge.kf_to].append(edge.kf_from)
        return neighbours

    def _check_known(self, *keyframe_ids: int) -> None:
        unknown = [i for i in keyframe_ids if i not in self._poses]
        if unknown:
            raise DataError(f"the graph has no keyframe {', '.join(map(str, unknown))}")

    def _checked(self, T: Pose, name: str) -> Pose:
        T = checked_pose(T, name)
        planar = np.abs([*T[2, :2], *T[:2, 2], T[2, 2] - 1, T[2, 3]])
        if self.is_planar and planar.max() > PLANAR_TOLERANCE:
            raise DataError(f"{name} leaves the plane of a planar graph: {T.tolist()}")
        return T


def _checked_information(information: Information, size: int, name: str) -> Information:
    matrix = np.array(information, dtype=np.float64)
    if matrix.shape != (size, size) or not np.isfinite(matrix).all():
        raise DataError(f"the information of {name} is ({size}, {size}) finite numbers")
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-9 * np.abs(matrix).max()):
        raise DataError(f"the information of {name} is not symmetric")
    if not np.linalg.eigvalsh(matrix)[0] > 0:
        raise DataError(f"the information of {name} is not positive definite")
    return (matrix + matrix.T) / 2


def _breadth_first(neighbours: Mapping[int, Iterable[int]], start: int) -> dict[int, int]:
    """Return whence each id that can be reached from `start` was reached first."""
    came_from, queue = {start: start}, deque([start])
    while queue:
        here = queue.popleft()
        for there in neighbours[here]:
            if there not in came_from:
                came_from[there] = here
                queue.append(there)
    return came_from
