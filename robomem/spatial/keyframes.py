"""When the robot has moved on: the rule that makes a keyframe."""

import numpy as np

from robomem.config import KeyframeConfig
from robomem.geometry import Pose, inverse, rotation_angle
from robomem.types import Keyframe


def needs_keyframe(
    last: Keyframe | None, T_map_cam: Pose, *, stamp_ns: int, source: str, config: KeyframeConfig
) -> bool:
    """Tell whether the last keyframe is too far away in space, angle, time, or of another source."""
    if last is None or last.source != source:
        return True
    T_kf_cam = inverse(last.T_map_kf) @ T_map_cam
    return bool(
        np.linalg.norm(T_kf_cam[:3, 3]) >= config.min_distance_m
        or rotation_angle(T_kf_cam[:3, :3]) >= config.min_rotation_rad
        or stamp_ns - last.stamp_ns >= config.max_interval_s * 1e9
    )
