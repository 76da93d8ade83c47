"""Small worlds whose truth can be computed by hand."""

import numpy as np

from robomem.geometry import R_BODY_OPTICAL, pose, rotation_from_yaw
from robomem.types import Detection, Observation

NS = 1_000_000_000
K = np.array([[60.0, 0, 39.5], [0, 60.0, 29.5], [0, 0, 1]])
SHAPE = (60, 80)


def camera(x=0.0, y=0.0, yaw_rad=0.0, z=1.0):
    """Pose of a level camera in map, looking along yaw."""
    return pose(rotation_from_yaw(yaw_rad) @ R_BODY_OPTICAL, [x, y, z])


def wall_observation(step, *, wall_x=3.0):
    """A camera that drives along y, 0.1 m and 0.2 s a step, and looks at a wall across x."""
    T_map_cam = camera(y=0.1 * step)
    return Observation(
        stamp_ns=NS + step * NS // 5,
        T_map_cam=T_map_cam,
        depth_m=np.full(SHAPE, wall_x, np.float32),
        K=K,
        color=np.full((*SHAPE, 3), step % 256, np.uint8),
        detections=(Detection(label="clock", p_cam=in_camera(T_map_cam, (wall_x, 1.0, 1.2))),),
    )


def in_camera(T_map_cam, p_map):
    return T_map_cam[:3, :3].T @ (np.asarray(p_map) - T_map_cam[:3, 3])


def ball_observation(
    stamp_ns, balls, *, T_map_cam=None, wall_x=4.0, size_m=0.3, text=None, is_detected=True
):
    """A camera that sees a wall across x and balls before it, each as the square that covers it.

    `balls` maps a label to its centre in map; a ball behind another one, or behind the wall, is unseen.
    """
    T_map_cam = camera() if T_map_cam is None else T_map_cam
    rays = np.stack(
        [
            *(
                (grid - K[i, 2]) / K[i, i]
                for i, grid in enumerate(np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0])))
            ),
            np.ones(SHAPE),
        ],
        axis=-1,
    )
    along_x = (rays @ T_map_cam[:3, :3].T)[..., 0]
    with np.errstate(divide="ignore"):
        depth_m = np.where(along_x > 0, (wall_x - T_map_cam[0, 3]) / along_x, np.inf)
    detections = []
    for label, p_map in balls.items():
        p_cam = in_camera(T_map_cam, p_map)
        front_m = p_cam[2] - size_m / 2
        if front_m <= 0:
            continue
        hit = (np.abs(rays[..., :2] * front_m - p_cam[:2]) <= size_m / 2).all(axis=-1)
        hit &= depth_m > front_m
        if hit.sum() >= 4:
            depth_m[hit] = front_m
            detections.append(Detection(label=label, p_cam=p_cam, size_m=np.full(3, size_m)))
    return Observation(
        stamp_ns=stamp_ns,
        T_map_cam=T_map_cam,
        depth_m=depth_m.astype(np.float32),
        K=K,
        detections=tuple(detections) if is_detected else (),
        text=text,
    )
