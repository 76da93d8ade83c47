"""What a corrected path, or a jump of map against odom, says of every keyframe's pose."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_pose
from robomem.errors import DataError, StampError
from robomem.geometry import Pose, interpolate, inverse, rotation_angle
from robomem.store.rows import KeyframeRow

MAX_GAP_NS = 2_000_000_000  # between two poses of a path for one in between to be known
JUMP_M, JUMP_RAD = 0.1, 0.05  # less is jitter of the localisation
# A keyframe that a path moves by less stays: no voxel would change.
STILL_M, STILL_RAD = 0.01, 0.002


def poses_on_path(
    keyframes: Sequence[KeyframeRow], stamps_ns: ArrayLike, T_map_bases: ArrayLike
) -> dict[int, Pose]:
    """Return the pose in map of every keyframe, by id, that a corrected path of the base leads to.

    A keyframe whose time the path covers is placed on it. Others are moved like those before and after them.
    Those that would move by less than a centimetre are left out.

    Args:
        keyframes: In order of time, of one source.
        stamps_ns: Times of the path, (N,), rising.
        T_map_bases: Its poses, (N, 4, 4).

    Raises:
        DataError, StampError, FrameError: The path has no pose, another number of stamps, stamps that do not
            rise, or a pose that is no rigid motion.
    """
    stamps, path = _checked_path(stamps_ns, T_map_bases)
    found = {}
    for row in keyframes:
        T_map_base = _at(stamps, path, row.stamp_ns)
        if T_map_base is not None:
            T_base_kf = np.eye(4) if row.T_base_kf is None else row.T_base_kf.reshape(4, 4)
            found[row.keyframe_id] = T_map_base @ T_base_kf
    known = [row for row in keyframes if row.keyframe_id in found]
    if not known:
        return {}
    times = [row.stamp_ns for row in known]
    moves = [found[row.keyframe_id] @ inverse(_pose(row)) for row in known]
    for row in keyframes:
        if row.keyframe_id not in found:
            found[row.keyframe_id] = _between(times, moves, row.stamp_ns) @ _pose(row)
    return {
        row.keyframe_id: found[row.keyframe_id]
        for row in keyframes
        if _is_apart(_pose(row), found[row.keyframe_id], STILL_M, STILL_RAD)
    }


def jump_of(last: KeyframeRow, T_map_cam: Pose, T_odom_cam: Pose) -> Pose | None:
    """Return how map moved under odom since a keyframe, (4, 4) in map, None where it did not, or none knows."""
    if last.T_odom_kf is None:
        return None
    T_map_odom = _pose(last) @ inverse(last.T_odom_kf.reshape(4, 4))
    if not _is_apart(T_map_odom @ T_odom_cam, T_map_cam, JUMP_M, JUMP_RAD):
        return None
    return T_map_cam @ inverse(T_odom_cam) @ inverse(T_map_odom)


def spread(keyframes: Sequence[KeyframeRow], jump: Pose) -> dict[int, Pose]:
    """Return poses that share a jump out over the way: none of it at the first keyframe, all at the last.

    Drift grows with the way, so where only its sum is known this is the likeliest share.
    """
    positions = np.array([row.T_map_kf.reshape(4, 4)[:3, 3] for row in keyframes])
    steps_m = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    way_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    shares = way_m / way_m[-1] if way_m[-1] > 0 else np.ones(len(keyframes))
    return {
        row.keyframe_id: interpolate(_pose(row), jump @ _pose(row), float(share))
        for row, share in zip(keyframes, shares, strict=True)
    }


def by_odometry(keyframe: KeyframeRow) -> Pose:
    """Return where a keyframe was by odometry, which never jumps, else where it is in map; (4, 4)."""
    return _pose(keyframe) if keyframe.T_odom_kf is None else keyframe.T_odom_kf.reshape(4, 4)


def from_odometry(
    keyframes: Sequence[KeyframeRow], T_odom_kfs: Mapping[int, Pose]
) -> dict[int, Pose]:
    """Return poses in map of keyframes whose path by odometry was corrected; the first one stays."""
    T_map_odom = _pose(keyframes[0]) @ inverse(T_odom_kfs[keyframes[0].keyframe_id])
    return {keyframe_id: T_map_odom @ T_odom_kf for keyframe_id, T_odom_kf in T_odom_kfs.items()}


def _checked_path(
    stamps_ns: ArrayLike, T_map_bases: ArrayLike
) -> tuple[NDArray[np.int64], list[Pose]]:
    stamps = np.asarray(stamps_ns, dtype=np.int64)
    poses = [
        checked_pose(T, f"pose {i} of the path") for i, T in enumerate(np.asarray(T_map_bases))
    ]
    if not poses or stamps.shape != (len(poses),):
        raise DataError(f"a path has a stamp a pose, got {stamps.shape} and {len(poses)} poses")
    if (np.diff(stamps) <= 0).any():
        raise StampError("the stamps of a path rise, these do not")
    return stamps, poses


def _at(stamps: NDArray[np.int64], path: list[Pose], stamp_ns: int) -> Pose | None:
    i = int(np.searchsorted(stamps, stamp_ns))
    if i < len(path) and stamps[i] == stamp_ns:
        return path[i]
    if i in (0, len(path)) or stamps[i] - stamps[i - 1] > MAX_GAP_NS:
        return None
    share = (stamp_ns - int(stamps[i - 1])) / int(stamps[i] - stamps[i - 1])
    return interpolate(path[i - 1], path[i], share)


def _between(times: list[int], moves: list[Pose], stamp_ns: int) -> Pose:
    """Return the move at a time: between those before and after, at the ends that of the end."""
    i = int(np.searchsorted(times, stamp_ns))
    if i == 0 or i == len(times):
        return moves[min(i, len(times) - 1)]
    return interpolate(
        moves[i - 1], moves[i], (stamp_ns - times[i - 1]) / (times[i] - times[i - 1])
    )


def _is_apart(T_map_a: Pose, T_map_b: Pose, distance_m: float, angle_rad: float) -> bool:
    T_a_b = inverse(T_map_a) @ T_map_b
    return bool(
        np.linalg.norm(T_a_b[:3, 3]) >= distance_m or rotation_angle(T_a_b[:3, :3]) >= angle_rad
    )


def _pose(row: KeyframeRow) -> Pose:
    return row.T_map_kf.reshape(4, 4)
