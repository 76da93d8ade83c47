"""Rigid motions, pinhole cameras and boxes: pure functions on arrays.

`T_a_b` is the pose of b in a, (4, 4) float64; it takes points from b to a.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pose = NDArray[np.float64]
Points = NDArray[np.float64]
Depth = NDArray[np.float32]

# A rotation read from a text file with 6 digits is off by about 1e-5; 1e-3 rejects what is no rotation.
ROTATION_TOLERANCE = 1e-3


def pose(R: ArrayLike, t: ArrayLike) -> Pose:
    """Build T from a rotation (3, 3) and a translation (3,)."""
    T = np.eye(4)
    T[:3, :3] = R
    T[:3, 3] = t
    return T


def inverse(T_a_b: Pose) -> Pose:
    """Return T_b_a of a rigid T_a_b."""
    R_b_a = T_a_b[:3, :3].T
    return pose(R_b_a, -R_b_a @ T_a_b[:3, 3])


def transform(T_a_b: Pose, p_b: ArrayLike) -> Points:
    """Move points (N, 3) or one point (3,) from b to a."""
    return np.asarray(p_b, dtype=np.float64) @ T_a_b[:3, :3].T + T_a_b[:3, 3]


def is_pose(T: ArrayLike) -> bool:
    """Tell whether T is a finite rigid motion (4, 4), right-handed, within ROTATION_TOLERANCE."""
    T = np.asarray(T)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        return False
    R = T[:3, :3]
    return bool(
        np.abs(R @ R.T - np.eye(3)).max() < ROTATION_TOLERANCE
        and np.linalg.det(R) > 0
        and np.abs(T[3] - (0.0, 0.0, 0.0, 1.0)).max() < ROTATION_TOLERANCE
    )


def rotation_from_quaternion(q_xyzw: ArrayLike) -> NDArray[np.float64]:
    """Return R (3, 3) of a quaternion (x, y, z, w); it is normalised, zero length raises ValueError."""
    q = np.asarray(q_xyzw, dtype=np.float64)
    norm = float(np.linalg.norm(q))
    if not np.isfinite(norm) or norm < 1e-6:
        raise ValueError(f"quaternion {q.tolist()} has no direction")
    x, y, z, w = q / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_rotation(R: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quaternion (x, y, z, w), w >= 0, of R (3, 3).

    Bar-Itzhack, "New method for extracting the quaternion from a rotation matrix", 2000.
    """
    N = np.array(
        [
            [R[0, 0] - R[1, 1] - R[2, 2], 0, 0, 0],
            [R[0, 1] + R[1, 0], R[1, 1] - R[0, 0] - R[2, 2], 0, 0],
            [R[0, 2] + R[2, 0], R[1, 2] + R[2, 1], R[2, 2] - R[0, 0] - R[1, 1], 0],
            [R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], R.trace()],
        ]
    )
    q = np.linalg.eigh(N)[1][:, -1]  # eigh reads the lower triangle
    q_signed: NDArray[np.float64] = q if q[3] >= 0 else -q
    return q_signed


def rotation_from_yaw(yaw_rad: float) -> NDArray[np.float64]:
    """Return the rotation (3, 3) about z."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_angle(R: NDArray[np.float64]) -> float:
    """Return the angle of R (3, 3) in radians, in [0, pi]."""
    return float(np.arccos(np.clip((R.trace() - 1) / 2, -1.0, 1.0)))


def interpolate(T_a_b0: Pose, T_a_b1: Pose, fraction: float) -> Pose:
    """Interpolate between two poses: translation linearly, rotation by slerp; fraction in [0, 1]."""
    t = (1 - fraction) * T_a_b0[:3, 3] + fraction * T_a_b1[:3, 3]
    q0, q1 = (quaternion_from_rotation(T[:3, :3]) for T in (T_a_b0, T_a_b1))
    cos = float(q0 @ q1)
    if cos < 0:
        q1, cos = -q1, -cos
    if cos > 1 - 1e-9:
        q = (1 - fraction) * q0 + fraction * q1
    else:
        angle = np.arccos(cos)
        q = (np.sin((1 - fraction) * angle) * q0 + np.sin(fraction * angle) * q1) / np.sin(angle)
    return pose(rotation_from_quaternion(q), t)


def back_project(depth_m: Depth, K: NDArray[np.float64]) -> Points:
    """Return the points (H*W, 3) of a depth image in the optical frame; NaN and inf stay so.

    Args:
        depth_m: Depth along z, (H, W) metres.
        K: Pinhole intrinsics, (3, 3) pixels; pixel centres lie on integer coordinates.
    """
    height, width = depth_m.shape
    u_px, v_px = np.meshgrid(np.arange(width), np.arange(height))
    z = depth_m.astype(np.float64)
    x = (u_px - K[0, 2]) / K[0, 0] * z
    y = (v_px - K[1, 2]) / K[1, 1] * z
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def project(p_cam: ArrayLike, K: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pixels (N, 2) of points (N, 3) in the optical frame; points behind it give NaN."""
    p = np.asarray(p_cam, dtype=np.float64)
    z = np.where(p[:, 2] > 0, p[:, 2], np.nan)
    return np.stack([K[0, 0] * p[:, 0] / z + K[0, 2], K[1, 1] * p[:, 1] / z + K[1, 2]], axis=-1)


# Pose of the optical frame (REP 103: z forward, x right, y down) in a body frame (x forward, y left, z up).
R_BODY_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
