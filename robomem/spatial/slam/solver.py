"""The one place that speaks to gtsam: graphs in its form, and its optimisers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.errors import DataError, MissingExtraError
from robomem.geometry import Pose, pose, quaternion_from_rotation, rotation_from_yaw

# gtsam puts rotation before translation, here and in g2o files translation comes first.
ROTATION_FIRST = np.array([3, 4, 5, 0, 1, 2])
ANCHOR_SIGMA = 1e-6  # metres and radians: it does not move
INLIER_PROBABILITY = 0.99  # of a true loop to be kept: what its squared distance exceeds in 1 %
MAX_ITERATIONS = 100
RELATIVE_TOLERANCE = 1e-9  # of the cost, between two iterations

Measured = tuple[int, int, Pose, NDArray[np.float64]]  # from, to, T_from_to, information


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Poses, and per edge its Mahalanobis distance before and after and its weight."""

    poses: dict[int, Pose]
    sigmas_before: NDArray[np.float64]
    sigmas: NDArray[np.float64]
    weights: NDArray[np.float64]


def solve(
    poses: Mapping[int, Pose],
    edges: Sequence[Measured],
    *,
    anchors: Sequence[int],
    suspects: NDArray[np.intp],
    is_planar: bool,
) -> Solution:
    """Minimise the squared Mahalanobis distances of the edges by Powell's dog leg.

    Args:
        poses: Where to start, T_map_kf by id.
        edges: From, to, T_from_to and information, translation first.
        anchors: Ids of the poses that are held.
        suspects: Indices of the edges that may be left out: those are weighed by graduated non-convexity.
        is_planar: Whether it is SE(2).

    Raises:
        MissingExtraError: gtsam is not installed.
        DataError: There is no optimum.
    """
    gtsam = load("gtsam")
    space = _Plane(gtsam) if is_planar else _Space(gtsam)
    graph, values = gtsam.NonlinearFactorGraph(), gtsam.Values()
    for keyframe_id, T in poses.items():
        values.insert(keyframe_id, space.pose(T))
    for kf_from, kf_to, T_from_to, information in edges:
        graph.add(space.between(kf_from, kf_to, space.pose(T_from_to), space.noise(information)))
    measured = gtsam.NonlinearFactorGraph(graph)
    for keyframe_id in anchors:
        graph.add(space.prior(keyframe_id, values, ANCHOR_SIGMA))
    best, weights = _minimise(gtsam, graph, values, suspects=suspects, count=len(edges))
    return Solution(
        poses={keyframe_id: space.matrix(best, keyframe_id) for keyframe_id in poses},
        sigmas_before=_sigmas(measured, values),
        sigmas=_sigmas(measured, best),
        weights=weights,
    )


def load(module: str) -> Any:
    """Import a module of the extra `slam`; raises MissingExtraError with the command that installs it."""
    try:
        return import_module(module)
    except ImportError as err:
        raise MissingExtraError(f"{module} is not installed: pip install 'robomem[slam]'") from err


def _minimise(
    gtsam: Any, graph: Any, values: Any, *, suspects: NDArray[np.intp], count: int
) -> tuple[Any, NDArray[np.float64]]:
    """Return the optimum and the weights of the first `count` factors, by Cholesky or else by QR.

    Cholesky is five times as fast, and gives up where informations differ by ten orders of magnitude.
    """
    for factorization in ("MULTIFRONTAL_CHOLESKY", "MULTIFRONTAL_QR"):
        with suppress(RuntimeError):  # "Indeterminate linear system"
            settings = _settings(gtsam.DoglegParams(), factorization)
            best = gtsam.DoglegOptimizer(graph, values, settings).optimize()
            if not len(suspects):
                return best, np.ones(count)
            settings = _settings(gtsam.LevenbergMarquardtParams(), factorization)
            graduated = gtsam.GncLMParams(settings)
            graduated.setKnownInliers(np.setdiff1d(np.arange(graph.size()), suspects).tolist())
            optimizer = gtsam.GncLMOptimizer(graph, best, graduated)
            optimizer.setInlierCostThresholdsAtProbability(INLIER_PROBABILITY)
            best = optimizer.optimize()
            return best, np.array(optimizer.getWeights(), dtype=np.float64)[:count]
    raise DataError("the pose graph has no optimum: its edges do not determine its poses")


def _settings(settings: Any, factorization: str) -> Any:
    settings.setMaxIterations(MAX_ITERATIONS)
    settings.setRelativeErrorTol(RELATIVE_TOLERANCE)
    settings.setLinearSolverType(factorization)
    return settings


def _sigmas(graph: Any, values: Any) -> NDArray[np.float64]:
    errors = [graph.at(i).error(values) for i in range(graph.size())]  # half the squares
    return np.sqrt(2 * np.array(errors, dtype=np.float64))


class _Space:
    """SE(3) in gtsam's words."""

    def __init__(self, gtsam: Any) -> None:
        self._gtsam = gtsam
        self.between = gtsam.BetweenFactorPose3

    def pose(self, T: Pose) -> Any:
        x, y, z, w = quaternion_from_rotation(
            T[:3, :3]
        )  # normalised: text has its last digit wrong
        return self._gtsam.Pose3(self._gtsam.Rot3.Quaternion(w, x, y, z), T[:3, 3])

    def noise(self, information: NDArray[np.float64]) -> Any:
        ordered = information[np.ix_(ROTATION_FIRST, ROTATION_FIRST)]
        return self._gtsam.noiseModel.Gaussian.Information(ordered)

    def prior(self, keyframe_id: int, values: Any, sigma: float) -> Any:
        noise = self._gtsam.noiseModel.Isotropic.Sigma(6, sigma)
        return self._gtsam.PriorFactorPose3(keyframe_id, values.atPose3(keyframe_id), noise)

    def matrix(self, values: Any, keyframe_id: int) -> Pose:
        return np.asarray(values.atPose3(keyframe_id).matrix(), dtype=np.float64)


class _Plane:
    """SE(2) in gtsam's words."""

    def __init__(self, gtsam: Any) -> None:
        self._gtsam = gtsam
        self.between = gtsam.BetweenFactorPose2

    def pose(self, T: Pose) -> Any:
        return self._gtsam.Pose2(T[0, 3], T[1, 3], np.arctan2(T[1, 0], T[0, 0]))

    def noise(self, information: NDArray[np.float64]) -> Any:
        return self._gtsam.noiseModel.Gaussian.Information(information)

    def prior(self, keyframe_id: int, values: Any, sigma: float) -> Any:
        noise = self._gtsam.noiseModel.Isotropic.Sigma(3, sigma)
        return self._gtsam.PriorFactorPose2(keyframe_id, values.atPose2(keyframe_id), noise)

    def matrix(self, values: Any, keyframe_id: int) -> Pose:
        planar = values.atPose2(keyframe_id)
        return pose(rotation_from_yaw(planar.theta()), (planar.x(), planar.y(), 0.0))
