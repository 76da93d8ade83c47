"""Scans as bytes: what is kept of a depth image or of points, so that the map can be made anew from them.

Lengths are 16-bit numbers of a unit; an image is kept as differences along its rows.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.errors import StoreCorruptError
from robomem.geometry import Depth, Points

CAMERA_UNIT_M = 0.001
HIGHEST = 32766
NO_RETURN = 32767
BEYOND = 1.05  # of the range: what is farther clears the space up to there, however far it is


@dataclass(frozen=True, slots=True, eq=False)
class KeptScan:
    """What one observation measured, in the frame of its sensor.

    Attributes:
        depth_m: Depth along z, (H, W) metres; NaN is invalid, inf is no return. None without an image.
        K: Its intrinsics, (3, 3) pixels.
        points_cam: Returns, (N, 3) metres. None without a LiDAR.
        named_cam: Points whose semantic code is known, (M, 3) metres.
        codes: These codes, (M,).
    """

    depth_m: Depth | None
    K: NDArray[np.float64] | None
    points_cam: Points | None
    named_cam: Points
    codes: NDArray[np.uint16]


def point_unit_m(max_range_m: float) -> float:
    """Return the length of which points are multiples: as fine as 16 bits hold."""
    return BEYOND * max_range_m / HIGHEST


def depth_unit_m(max_range_m: float) -> float:
    """Return the length of which depths are multiples: that of cameras, or what 16 bits hold."""
    return max(CAMERA_UNIT_M, point_unit_m(max_range_m))


def encode_depth(depth_m: Depth, unit: float) -> bytes:
    """Return the bytes of a depth image."""
    with np.errstate(invalid="ignore"):
        units = np.clip(np.rint(depth_m / np.float32(unit)), 0, HIGHEST)
    units[np.isnan(depth_m)] = 0
    units[np.isposinf(depth_m)] = NO_RETURN
    image = units.astype(np.int16)
    image[:, 1:] -= image[:, :-1].copy()
    return zlib.compress(image.astype("<i2").tobytes(), level=1)


def decode_depth(data: bytes, shape: tuple[int, int], unit: float) -> Depth:
    """Undo `encode_depth`, to half a unit."""
    image = np.cumsum(_integers(data, shape), axis=1, dtype=np.int16)
    depth_m = image.astype(np.float32) * np.float32(unit)
    depth_m[image == 0] = np.nan
    depth_m[image == NO_RETURN] = np.inf
    return depth_m


def encode_points(points_cam: Points, unit: float) -> bytes:
    """Return the bytes of points (N, 3); those beyond the range are drawn nearer, along their rays."""
    points = points_cam[np.isfinite(points_cam).all(axis=1)]
    limit = HIGHEST * unit
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    points = points * np.minimum(1.0, limit / np.maximum(lengths, limit))
    return zlib.compress(np.rint(points / unit).astype("<i2").T.tobytes(), level=1)


def decode_points(data: bytes, count: int, unit: float) -> Points:
    """Undo `encode_points`, to half a unit."""
    return np.ascontiguousarray(_integers(data, (3, count)).T * unit)


def _integers(data: bytes, shape: tuple[int, int]) -> NDArray[np.int16]:
    try:
        values = np.frombuffer(zlib.decompress(data), "<i2").reshape(shape)
    except (zlib.error, ValueError) as err:
        raise StoreCorruptError(f"a kept scan is damaged: {err}") from err
    return values.astype(np.int16)
