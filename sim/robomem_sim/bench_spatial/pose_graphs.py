"""Pose graphs that others measured: is the optimum the one that another optimiser comes to?"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.random import Generator

from robomem.eval.trial import Stopwatch
from robomem.geometry import pose, rotation_from_yaw
from robomem.spatial.slam import Optimum, PoseGraph, read_g2o, write_g2o
from robomem.spatial.slam.solver import load

POSE_GRAPHS = "posegraphs"
FILES = ("input_INTEL.g2o", "sphere2500.txt")
SHAKE_M, SHAKE_RAD = 0.02, 0.02  # how far off the optimum the other one starts
ANCHOR_SIGMA = 1e-3


@dataclass(frozen=True, slots=True)
class PoseGraphFit:
    """The optimum of a graph.

    Attributes:
        name: Of its file.
        poses: In it,
        edges: and between them.
        cost_before: Half the sum of squared Mahalanobis distances of the edges, as the file has the poses.
        cost: The same at the optimum.
        cost_by_batch: The same where gtsam's Gauss-Newton comes to, which reads the file by itself.
        optimize_s: What it took.
    """

    name: str
    poses: int
    edges: int
    cost_before: float
    cost: float
    cost_by_batch: float
    optimize_s: float


def measure_pose_graphs(folder: Path, *, seed: int) -> list[PoseGraphFit]:
    """Optimise the graphs of a folder with `posegraphs`, as far as they are there."""
    files = (folder / POSE_GRAPHS / name for name in FILES)
    rng = np.random.default_rng(seed)
    return [_measure(file, rng) for file in files if file.exists()]


def _measure(file: Path, rng: Generator) -> PoseGraphFit:
    graph, watch = read_g2o(file), Stopwatch()
    with watch.timing():
        optimum = graph.optimize()
    return PoseGraphFit(
        name=file.name,
        poses=len(graph.poses),
        edges=len(graph.edges),
        cost_before=optimum.cost_before,
        cost=optimum.cost,
        cost_by_batch=_batch_cost(graph, optimum, rng),
        optimize_s=watch.total_s,
    )


def _batch_cost(graph: PoseGraph, optimum: Optimum, rng: Generator) -> float:
    """Return the cost that gtsam comes to; it starts near the optimum, for from afar it gets lost."""
    gtsam = load("gtsam")
    start = PoseGraph(is_planar=graph.is_planar)
    for keyframe_id, T in optimum.poses.items():
        yaw_rad, x, y = rng.standard_normal(3) * (SHAKE_RAD, SHAKE_M, SHAKE_M)
        start.add_pose(keyframe_id, T @ pose(rotation_from_yaw(yaw_rad), (x, y, 0.0)))
    for edge in graph.edges:
        start.add_edge(edge)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "start.g2o"
        write_g2o(file, start)
        factors, values = gtsam.readG2o(str(file), not graph.is_planar)
    first, noise = min(graph.poses), gtsam.noiseModel.Isotropic.Sigma
    held = gtsam.NonlinearFactorGraph(factors)
    if graph.is_planar:
        held.add(gtsam.PriorFactorPose2(first, values.atPose2(first), noise(3, ANCHOR_SIGMA)))
    else:
        held.add(gtsam.PriorFactorPose3(first, values.atPose3(first), noise(6, ANCHOR_SIGMA)))
    settings = gtsam.GaussNewtonParams()
    settings.setLinearSolverType("MULTIFRONTAL_QR")
    found = gtsam.GaussNewtonOptimizer(held, values, settings).optimize()
    return float(factors.error(found))
