"""A differential-drive robot with a camera: it drives straight, turns on the spot, and its odometry drifts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from robomem.geometry import R_BODY_OPTICAL, Pose, inverse, pose, rotation_from_yaw

ROBOT_RADIUS_M = 0.25


@dataclass(frozen=True, slots=True)
class RobotSettings:
    """How it drives, where its camera sits, how its odometry errs (standard deviations, relative)."""

    speed_m_s: float = 0.5
    turn_rate_rad_s: float = 1.0
    camera_height_m: float = 1.0
    camera_pitch_rad: float = float(np.deg2rad(15.0))  # down
    speed_sigma: float = 0.03
    turn_sigma: float = 0.02
    turn_bias: float = 0.003

    @property
    def T_base_cam(self) -> Pose:
        """Pose of the optical frame on the base, (4, 4)."""
        c, s = np.cos(self.camera_pitch_rad), np.sin(self.camera_pitch_rad)
        R_pitch = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
        return pose(R_pitch @ R_BODY_OPTICAL, (0.0, 0.0, self.camera_height_m))


class Robot:
    """The robot's true pose and what its odometry makes of it."""

    def __init__(self, settings: RobotSettings, rng: Generator) -> None:
        self._settings = settings
        self._rng = rng
        self.T_map_base: Pose = np.eye(4)
        self.T_odom_base: Pose = np.eye(4)

    @property
    def T_map_odom(self) -> Pose:
        """The drift: what a perfect localiser publishes, (4, 4)."""
        return self.T_map_base @ inverse(self.T_odom_base)

    @property
    def yaw_rad(self) -> float:
        """True heading in map."""
        return float(np.arctan2(self.T_map_base[1, 0], self.T_map_base[0, 0]))

    def place(self, xy_map: ArrayLike) -> None:
        """Put it somewhere, (2,) metres in map, as a drive that nobody watches."""
        T_odom_map = inverse(self.T_map_odom)
        self.T_map_base = pose(self.T_map_base[:3, :3], (*np.asarray(xy_map), 0.0))
        self.T_odom_base = T_odom_map @ self.T_map_base

    def follow(self, path: ArrayLike, *, step_s: float) -> Iterator[None]:
        """Drive through waypoints (N, 2) metres in map; yields after every step of time."""
        for waypoint in np.asarray(path, dtype=np.float64)[:, :2]:
            yield from self._drive_to(waypoint, step_s)

    def turn(self, angle_rad: float, *, step_s: float) -> Iterator[None]:
        """Turn on the spot; yields after every step of time."""
        most = self._settings.turn_rate_rad_s * step_s
        for amount in _portions(angle_rad, most):
            noise = (
                self._settings.turn_bias + self._settings.turn_sigma * self._rng.standard_normal()
            )
            self._advance(0.0, amount, measured_m=0.0, measured_rad=amount * (1 + noise))
            yield

    def _drive_to(self, waypoint: ArrayLike, step_s: float) -> Iterator[None]:
        ahead = np.asarray(waypoint) - self.T_map_base[:2, 3]
        distance_m = float(np.linalg.norm(ahead))
        if distance_m < 1e-6:
            return
        turn_rad = float(np.arctan2(ahead[1], ahead[0])) - self.yaw_rad
        yield from self.turn(float(np.arctan2(np.sin(turn_rad), np.cos(turn_rad))), step_s=step_s)
        settings, rng = self._settings, self._rng
        for amount in _portions(distance_m, settings.speed_m_s * step_s):
            measured_m = amount * (1 + settings.speed_sigma * rng.standard_normal())
            veer_rad = amount * settings.turn_sigma * rng.standard_normal()
            self._advance(amount, 0.0, measured_m=measured_m, measured_rad=veer_rad)
            yield

    def _advance(
        self, distance_m: float, turn_rad: float, *, measured_m: float, measured_rad: float
    ) -> None:
        self.T_map_base = self.T_map_base @ _motion(distance_m, turn_rad)
        self.T_odom_base = self.T_odom_base @ _motion(measured_m, measured_rad)


def _motion(distance_m: float, turn_rad: float) -> Pose:
    """Return a step forward and the turn at its end, (4, 4) in the base before it."""
    return pose(rotation_from_yaw(turn_rad), (distance_m, 0.0, 0.0))


def _portions(total: float, most: float) -> Iterator[float]:
    """Split an amount into equal steps of at most `most`."""
    count = int(np.ceil(abs(total) / most - 1e-9))
    for _ in range(count):
        yield total / count
