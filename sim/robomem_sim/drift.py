"""Odometry that drifts on purpose: by how much is a setting, so that what corrects it can be measured."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from robomem.geometry import Pose, inverse, rotation_from_yaw


@dataclass(frozen=True, slots=True)
class Drift:
    """How odometry errs: what it measures is too long by `scale`, and it believes to turn where it does not.

    Attributes:
        scale: Of every step, relative.
        yaw_rad_per_m: Of heading, on the way.
        yaw_rad_per_rad: Of heading, when turning.
        yaw_sigma_rad: Of heading, a random walk: standard deviation after a metre.
    """

    scale: float = 0.02
    yaw_rad_per_m: float = 0.01
    yaw_rad_per_rad: float = 0.01
    yaw_sigma_rad: float = 0.002


def drifted(T_map_bases: Iterable[Pose], drift: Drift, rng: Generator) -> Iterator[Pose]:
    """Yield where odometry believes the base to be, (4, 4); it begins at the truth.

    Args:
        T_map_bases: The true path, on a floor.
        drift: How it errs.
        rng: For the random walk.
    """
    path = iter(T_map_bases)
    before = next(path, None)
    if before is None:
        return
    T_odom_base = before
    yield T_odom_base
    for here in path:
        T_odom_base = T_odom_base @ _measured(inverse(before) @ here, drift, rng)
        before = here
        yield T_odom_base


def _measured(T_step: Pose, drift: Drift, rng: Generator) -> Pose:
    length_m = float(np.linalg.norm(T_step[:3, 3]))
    turned_rad = float(np.arctan2(T_step[1, 0], T_step[0, 0]))
    walk_rad = drift.yaw_sigma_rad * np.sqrt(length_m) * rng.standard_normal()
    yaw_rad = drift.yaw_rad_per_m * length_m + drift.yaw_rad_per_rad * turned_rad + walk_rad
    measured = T_step.copy()
    measured[:3, 3] *= 1 + drift.scale
    measured[:3, :3] = measured[:3, :3] @ rotation_from_yaw(yaw_rad)
    return measured
