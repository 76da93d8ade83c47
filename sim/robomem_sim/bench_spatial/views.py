"""Which keyframes saw what, against a look at every pixel of every keyframe as it truly was."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from robomem.eval.trial import Stopwatch, Times
from robomem.geometry import (
    Depth,
    Points,
    Pose,
    back_project,
    inverse,
    pose,
    project,
    rotation_from_yaw,
    transform,
)
from robomem.memory import Memory
from robomem.spatial.views import ViewMemory
from robomem.types import Keyframe
from robomem_sim.bench_spatial.houses import Lived
from robomem_sim.camera import Camera
from robomem_sim.house import ROOM_TO_STAND_M
from robomem_sim.robot import RobotSettings

BEST = 5  # answers that count
NEAR_TIE = 0.02  # shares that differ by less are equally good
STEP_PX = 3  # of the twin
DEPTH_M, DEPTH_PER_M = 0.02, 0.01  # how far a depth may be off, at 0 m and more a metre


@dataclass(frozen=True, slots=True)
class Views:
    """What the view memory of a house answered.

    Attributes:
        seed: Of the house.
        keyframes: It holds.
        covisible_recall: Part of the five best answers for poses nobody was at that are among the true five best.
        share_error: Of the part that a keyframe shares with a pose, mean.
        view_precision: Part of the five best views of a point that truly see it.
        view_recall: Part of the keyframes that truly see a point that are found at all.
        covisible: Times of the ones,
        views: and of the others.
        add: Times of keyframes added.
    """

    seed: int
    keyframes: int
    covisible_recall: float
    share_error: float
    view_precision: float
    view_recall: float
    covisible: Times
    views: Times
    add: Times


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    """What cameras at some poses truly see."""

    K: NDArray[np.float64]
    range_m: float
    T_map_cams: list[Pose]
    depths_m: list[Depth]

    def sees(self, p_map: Points) -> NDArray[np.bool_]:
        """Tell which points (P, 3) in map each camera sees, (N, P): in its image, its range, at its depth."""
        views = zip(self.depths_m, self.T_map_cams, strict=True)
        return np.stack([_sees(p_map, depth_m, self.K, T, self.range_m) for depth_m, T in views])


def measure_views(lived: Lived, *, queries: int) -> Views:
    """Ask for the views of a house that share most with a pose, and for those that show a point.

    Args:
        lived: The house and its memory.
        queries: How many of each.
    """
    memory, rng = lived.memory, np.random.default_rng([lived.seed, 3])
    keyframes = memory.keyframes()
    truth = _truth(lived, [k.T_map_kf for k in keyframes])
    row = {k.keyframe_id: i for i, k in enumerate(keyframes)}
    sharing, showing = Stopwatch(), Stopwatch()
    memory.views(of=np.zeros(3))  # read from disk, and compiled
    shares = [_ask_covisible(lived, truth, row, rng, sharing) for _ in range(queries)]
    shown = [_ask_views(memory, truth, row, rng, showing) for _ in range(queries)]
    known = [share for share in shares if share is not None]
    recall, error = np.mean(known, axis=0).tolist() if known else (0.0, 0.0)
    precision, found = np.mean(shown, axis=0).tolist()
    return Views(
        seed=lived.seed,
        keyframes=len(keyframes),
        covisible_recall=recall,
        share_error=error,
        view_precision=precision,
        view_recall=found,
        covisible=sharing.times(),
        views=showing.times(),
        add=_time_adding(memory, keyframes),
    )


def _truth(lived: Lived, T_map_cams: list[Pose]) -> _Truth:
    camera = Camera()
    depths_m = [lived.scene.render(camera, T).depth_m for T in T_map_cams]
    return _Truth(camera.K, lived.memory.config.spatial.max_range_m, T_map_cams, depths_m)


def _ask_covisible(
    lived: Lived, truth: _Truth, row: dict[int, int], rng: Generator, watch: Stopwatch
) -> tuple[float, float] | None:
    """Return recall and mean error at a drawn pose; None where too few keyframes share anything with it."""
    camera, T = Camera(), _drawn_pose(lived, rng)
    depth_m = lived.scene.render(camera, T).depth_m
    with watch.timing():
        found = lived.memory.covisible(T, K=camera.K, shape=depth_m.shape, k=len(row))
    p_map = _surface(depth_m, camera.K, T, truth.range_m)
    if not len(p_map):
        return None
    shares = truth.sees(p_map).mean(axis=1)
    fifth = np.sort(shares)[-min(BEST, len(shares))]
    if fifth <= NEAR_TIE:
        return None
    answered = np.zeros(len(shares))
    answered[[row[view.keyframe_id] for view in found]] = [view.shared for view in found]
    best = np.argsort(-answered, kind="stable")[:BEST]
    seen = shares > NEAR_TIE
    recall = float((shares[best] >= fifth - NEAR_TIE).mean())
    return recall, float(np.abs(shares - answered)[seen].mean())


def _ask_views(
    memory: Memory, truth: _Truth, row: dict[int, int], rng: Generator, watch: Stopwatch
) -> tuple[float, float]:
    """Return precision and recall of the views of a drawn point of a surface."""
    p_map = np.empty((0, 3))
    while not len(p_map):
        i = int(rng.integers(len(row)))
        p_map = _surface(truth.depths_m[i], truth.K, truth.T_map_cams[i], truth.range_m)
    point = rng.choice(p_map)
    sees = truth.sees(point[None])[:, 0]
    with watch.timing():
        best = memory.views(of=point, k=BEST)
    rows = [row[view.keyframe_id] for view in memory.views(of=point, k=len(row))]
    precision = sees[[row[view.keyframe_id] for view in best]].mean() if best else 0.0
    return float(precision), float(np.isin(np.flatnonzero(sees), rows).mean())


def _drawn_pose(lived: Lived, rng: Generator) -> Pose:
    """Draw a pose of the camera where the robot can stand."""
    points = lived.house.free_space.reachable((0.0, 0.0), radius_m=ROOM_TO_STAND_M)
    x, y = points[rng.integers(len(points))]
    T_map_base = pose(rotation_from_yaw(float(rng.uniform(-np.pi, np.pi))), (x, y, 0.0))
    return T_map_base @ RobotSettings().T_base_cam


def _surface(depth_m: Depth, K: NDArray[np.float64], T_map_cam: Pose, range_m: float) -> Points:
    """Return the points (N, 3) in map of every STEP_PX-th pixel that shows something in range."""
    depth_m = np.where(np.isfinite(depth_m), depth_m, np.float32(np.nan))
    p_cam = back_project(depth_m, K).reshape(*depth_m.shape, 3)[::STEP_PX, ::STEP_PX].reshape(-1, 3)
    p_cam = p_cam[np.linalg.norm(p_cam, axis=1) <= range_m]  # NaN is not
    return transform(T_map_cam, p_cam)


def _sees(
    p_map: Points, depth_m: Depth, K: NDArray[np.float64], T_map_cam: Pose, range_m: float
) -> NDArray[np.bool_]:
    p_cam = transform(inverse(T_map_cam), p_map)
    u, v = np.round(np.nan_to_num(project(p_cam, K), nan=-1.0)).astype(int).T
    is_inside = (u >= 0) & (v >= 0) & (u < depth_m.shape[1]) & (v < depth_m.shape[0])
    measured = np.full(len(p_map), np.inf)
    measured[is_inside] = depth_m[v[is_inside], u[is_inside]]
    off_m = np.abs(measured - p_cam[:, 2])
    is_there = off_m <= DEPTH_M + DEPTH_PER_M * p_cam[:, 2]
    return np.asarray(is_there & (np.linalg.norm(p_cam, axis=1) <= range_m))


def _time_adding(memory: Memory, keyframes: list[Keyframe]) -> Times:
    config, watch = memory.config.spatial, Stopwatch()
    views = ViewMemory(config.surfel_size_m, max_range_m=config.max_range_m)
    for keyframe in keyframes:
        depth_m = memory.depth(keyframe)
        if depth_m is None or keyframe.K is None:
            continue
        with watch.timing():
            views.add(keyframe.keyframe_id, depth_m, K=keyframe.K, T_map_kf=keyframe.T_map_kf)
    return watch.times()
