"""Loops are closed: by how much does the error of a drifting path fall, and are two houses kept apart?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robomem.config import Config, KeyframeConfig, StoreConfig
from robomem.eval.trial import Stopwatch, new_memory
from robomem.geometry import Points, Pose, inverse, rotation_angle
from robomem.memory import Memory
from robomem.spatial.keyframes import needs_keyframe
from robomem.spatial.slam import Loop
from robomem.types import Keyframe, Observation
from robomem_sim.bench_spatial.houses import patrol_frames
from robomem_sim.drift import Drift, drifted

PATROLS = 2
WRONG_M, WRONG_RAD = 0.3, 0.12  # a loop that is off by more joins what is not the same
PATH_ONLY = Config(store=StoreConfig(sync="normal", scan_budget_bytes=0))  # the map need not follow


@dataclass(frozen=True, slots=True)
class LoopClosing:
    """What loop closure made of a drive. Errors are root mean squares over its keyframes.

    Attributes:
        seed: Of the house, the drive and the drift.
        way_m: How far it drove.
        keyframes: On it.
        before_m: How far off odometry is, from a beginning at the truth.
        after_m: How far off the corrected path is.
        factor: How many times the error fell.
        aligned_before_m: The same after the rigid motion that fits each path to the truth best: the absolute
            trajectory error of Sturm et al., "A Benchmark for the Evaluation of RGB-D SLAM Systems", 2012,
        aligned_after_m: and that of the corrected path.
        loops: Accepted,
        wrong: and those of them that join what is not the same.
        close_s: What it took.
    """

    seed: int
    way_m: float
    keyframes: int
    before_m: float
    after_m: float
    factor: float
    aligned_before_m: float
    aligned_after_m: float
    loops: int
    wrong: int
    close_s: float


@dataclass(frozen=True, slots=True)
class TwoHouses:
    """A robot drives out of one house into another, by odometry without a gap: which loops join the two?"""

    seeds: tuple[int, int]
    tried: int
    accepted: int


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """The keyframes of a drive: what a memory is told, where odometry drifts, and true poses of the camera."""

    seed: int
    observations: tuple[Observation, ...]
    T_map_cams: tuple[Pose, ...]


def drive_through(seed: int, *, frames: int | None) -> Drive:
    """Drive through a house with odometry that drifts.

    Args:
        seed: Of the house, the drive and the drift.
        frames: Of each patrol, at most.
    """
    all_frames = list(patrol_frames(seed, patrols=PATROLS, frames=frames))
    odometry = drifted(
        (f.T_map_base for f in all_frames), Drift(), np.random.default_rng([seed, 1])
    )
    observations: list[Observation] = []
    T_map_cams = []
    last: Keyframe | None = None
    for frame, T_odom_base in zip(all_frames, odometry, strict=True):
        stamp_ns, T = frame.stamp_ns, T_odom_base @ frame.T_base_cam
        if needs_keyframe(last, T, stamp_ns=stamp_ns, source="", config=KeyframeConfig()):
            last = Keyframe(len(observations), stamp_ns, stamp_ns, T, "")
            T_map_cams.append(frame.T_map_cam)
            observations.append(
                Observation(
                    stamp_ns=stamp_ns,
                    T_odom_base=T_odom_base,
                    T_base_cam=frame.T_base_cam,
                    depth_m=frame.depth_m,
                    K=frame.K,
                    color=frame.color,
                )
            )
    return Drive(seed, tuple(observations), tuple(T_map_cams))


def measure_loops(drive: Drive) -> LoopClosing:
    """Close the loops of a drive."""
    truth = {o.stamp_ns: T for o, T in zip(drive.observations, drive.T_map_cams, strict=True)}
    closing_time = Stopwatch()
    with _remembered(drive.observations) as memory:
        true = {k.keyframe_id: truth[k.stamp_ns] for k in memory.keyframes()}
        positions = np.array([T[:3, 3] for T in true.values()])
        before = _positions(memory)
        with closing_time.timing():
            closing = memory.close_loops()
        after = _positions(memory)
    before_m, after_m = _error_m(before, positions), _error_m(after, positions)
    return LoopClosing(
        seed=drive.seed,
        way_m=float(np.linalg.norm(np.diff(positions, axis=0), axis=1).sum()),
        keyframes=len(positions),
        before_m=before_m,
        after_m=after_m,
        factor=before_m / after_m,
        aligned_before_m=_error_m(_aligned(before, positions), positions),
        aligned_after_m=_error_m(_aligned(after, positions), positions),
        loops=len(closing.accepted),
        wrong=sum(_is_wrong(loop, true) for loop in closing.accepted),
        close_s=closing_time.total_s,
    )


def measure_two_houses(one: Drive, other: Drive) -> TwoHouses:
    """Drive through a house, and on through another one: once, where the drives went round twice."""
    first, second = (
        drive.observations[: len(drive.observations) // PATROLS] for drive in (one, other)
    )
    with _remembered(_driven_on(first, second)) as memory:
        last_ns = first[-1].stamp_ns
        of_one = {k.keyframe_id for k in memory.keyframes() if k.stamp_ns <= last_ns}
        closing = memory.close_loops()
    across = [
        loop
        for loop in closing.loops
        if (loop.edge.kf_from in of_one) != (loop.edge.kf_to in of_one)
    ]
    accepted = sum(loop in across for loop in closing.accepted)
    return TwoHouses((one.seed, other.seed), len(across), accepted)


def _driven_on(one: Sequence[Observation], other: Sequence[Observation]) -> Iterator[Observation]:
    """Yield a drive, and another one that begins where and when the first one ends."""
    yield from one
    end, begin = one[-1], other[0]
    assert end.T_odom_base is not None
    assert begin.T_odom_base is not None
    T_end_begin = end.T_odom_base @ inverse(begin.T_odom_base)
    later_ns = end.stamp_ns - begin.stamp_ns + 1_000_000_000
    for o in other:
        assert o.T_odom_base is not None
        yield replace(o, stamp_ns=o.stamp_ns + later_ns, T_odom_base=T_end_begin @ o.T_odom_base)


@contextmanager
def _remembered(observations: Iterable[Observation]) -> Iterator[Memory]:
    with new_memory(PATH_ONLY) as memory:
        for observation in observations:
            memory.observe(observation)
        yield memory


def _positions(memory: Memory) -> Points:
    return np.array([k.T_map_kf[:3, 3] for k in memory.keyframes()])


def _error_m(positions: Points, true: Points) -> float:
    return float(np.sqrt(np.square(positions - true).sum(axis=1).mean()))


def _aligned(positions: Points, true: Points) -> NDArray[np.float64]:
    """Return positions (N, 3) after the rigid motion that brings them nearest to the true ones.

    Umeyama, "Least-squares Estimation of Transformation Parameters", 1991, Equation (40), without scale.
    """
    middle, true_middle = positions.mean(axis=0), true.mean(axis=0)
    left, _, right = np.linalg.svd((true - true_middle).T @ (positions - middle))
    R = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    return np.asarray((positions - middle) @ R.T + true_middle)


def _is_wrong(loop: Loop, true: Mapping[int, Pose]) -> bool:
    T_from_to = inverse(true[loop.edge.kf_from]) @ true[loop.edge.kf_to]
    T_error = inverse(T_from_to) @ loop.edge.T_from_to
    is_apart = np.linalg.norm(T_error[:3, 3]) > WRONG_M
    return bool(is_apart or rotation_angle(T_error[:3, :3]) > WRONG_RAD)
