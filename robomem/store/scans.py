"""Scans as rows: what is kept of a depth image and of points, so that the map can be made anew from them.

Lengths are 16-bit numbers of a unit; an image is kept as differences along its rows, and what moved in it
below zero.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robomem.errors import StoreCorruptError
from robomem.geometry import Depth, Points
from robomem.store.rows import ScanDataRow

CAMERA_UNIT_M = 0.001
HIGHEST = 32766
NO_RETURN = 32767
BEYOND = 1.05  # of the range: what is farther clears the space up to there, however far it is
NO_POINTS = np.empty((0, 3))


@dataclass(frozen=True, slots=True, eq=False)
class KeptScan:
    """What one observation measured, in the frame of its sensor.

    Attributes:
        K: Intrinsics of the depth image, (3, 3) pixels. None without one.
        depth_m: Depth along z, (H, W) metres; NaN is invalid, inf is no return. None without an image.
        moving_depth_m: That of what moves, (H, W), which `depth_m` is without. None where nothing moves.
        points_cam: Returns of a LiDAR, (N, 3) metres. None without one.
        moving_cam: Returns of what moves, (M, 3).
        named_cam: Points whose semantic code is known, (C, 3).
        codes: These codes, (C,).
    """

    K: NDArray[np.float64] | None
    depth_m: Depth | None
    moving_depth_m: Depth | None
    points_cam: Points | None
    moving_cam: Points
    named_cam: Points
    codes: NDArray[np.uint16]

    @property
    def whole(self) -> "KeptScan":
        """The scan with what moves among the rest."""
        depth_m, points_cam, moving_m = self.depth_m, self.points_cam, self.moving_depth_m
        if depth_m is not None and moving_m is not None:
            depth_m = np.where(np.isnan(moving_m), depth_m, moving_m)
        if points_cam is not None and len(self.moving_cam):
            points_cam = np.concatenate([points_cam, self.moving_cam])
        return replace(
            self,
            depth_m=depth_m,
            moving_depth_m=None,
            points_cam=points_cam,
            moving_cam=NO_POINTS,
        )


def pack(scan_id: int, scan: KeptScan, *, max_range_m: float) -> ScanDataRow:
    """Return a scan as a row."""
    return _pack(scan_id, scan, point_unit_m=BEYOND * max_range_m / HIGHEST)


def repack(row: ScanDataRow, scan: KeptScan) -> ScanDataRow:
    """Return a row with another scan in the same units."""
    return _pack(row.scan_id, scan, point_unit_m=row.point_unit_m)


def size_bytes(row: ScanDataRow) -> int:
    """Return how large it is."""
    return sum(map(len, (row.depth, row.points, row.moving, row.named, row.codes)))


def _pack(scan_id: int, scan: KeptScan, *, point_unit_m: float) -> ScanDataRow:
    depth_unit_m = max(CAMERA_UNIT_M, point_unit_m)
    points_cam = NO_POINTS if scan.points_cam is None else scan.points_cam
    return ScanDataRow(
        scan_id=scan_id,
        depth_unit_m=depth_unit_m,
        point_unit_m=point_unit_m,
        height=0 if scan.depth_m is None else scan.depth_m.shape[0],
        width=0 if scan.depth_m is None else scan.depth_m.shape[1],
        K=None if scan.depth_m is None or scan.K is None else scan.K.reshape(9),
        depth=b"" if scan.depth_m is None else _pack_depth(scan, depth_unit_m),
        has_points=scan.points_cam is not None,
        points=_pack_points(points_cam, point_unit_m),
        moving=_pack_points(scan.moving_cam, point_unit_m),
        named=_pack_points(scan.named_cam, point_unit_m),
        codes=scan.codes.tobytes(),
    )


def unpack(row: ScanDataRow) -> KeptScan:
    """Undo `pack`, to half a unit; raises StoreCorruptError."""
    depth_m = moving_depth_m = None
    if row.height:
        depth_m, moving_depth_m = _unpack_depth(row)
    points_cam = _unpack_points(row.points, row.point_unit_m)
    return KeptScan(
        K=None if row.K is None else row.K.reshape(3, 3),
        depth_m=depth_m,
        moving_depth_m=moving_depth_m,
        points_cam=points_cam if row.has_points else None,
        moving_cam=_unpack_points(row.moving, row.point_unit_m),
        named_cam=_unpack_points(row.named, row.point_unit_m),
        codes=np.frombuffer(row.codes, np.uint16).copy(),
    )


def _pack_depth(scan: KeptScan, unit_m: float) -> bytes:
    assert scan.depth_m is not None
    image = _in_units(scan.depth_m, unit_m)
    if scan.moving_depth_m is not None:
        image -= _in_units(scan.moving_depth_m, unit_m)
    image[:, 1:] -= image[:, :-1].copy()
    return zlib.compress(image.astype("<i2").tobytes(), level=1)


def _in_units(depth_m: Depth, unit_m: float) -> NDArray[np.int16]:
    with np.errstate(invalid="ignore"):
        units = np.clip(np.rint(depth_m / np.float32(unit_m)), 0, HIGHEST)
    units[np.isnan(depth_m)] = 0
    units[np.isposinf(depth_m)] = NO_RETURN
    image: NDArray[np.int16] = units.astype(np.int16)
    return image


def _unpack_depth(row: ScanDataRow) -> tuple[Depth, Depth | None]:
    values = _integers(row.depth).reshape(-1, row.width)
    if len(values) != row.height:
        raise StoreCorruptError(f"the image of scan {row.scan_id} is cut short")
    image = np.cumsum(values, axis=1, dtype=np.int16)
    depth_m = np.abs(image).astype(np.float32) * np.float32(row.depth_unit_m)
    depth_m[image == NO_RETURN] = np.inf
    still, moving = (
        np.where(is_it, depth_m, np.float32(np.nan)) for is_it in (image > 0, image < 0)
    )
    return still, moving if (image < 0).any() else None


def _pack_points(points_cam: Points, unit_m: float) -> bytes:
    """Return the bytes of points (N, 3); those beyond the range are drawn nearer, along their rays."""
    points = points_cam[np.isfinite(points_cam).all(axis=1)]
    limit_m = HIGHEST * unit_m
    lengths_m = np.linalg.norm(points, axis=1, keepdims=True)
    points = points * np.minimum(1.0, limit_m / np.maximum(lengths_m, limit_m))
    return zlib.compress(np.rint(points / unit_m).astype("<i2").T.tobytes(), level=1)


def _unpack_points(data: bytes, unit_m: float) -> Points:
    return np.ascontiguousarray(_integers(data).reshape(3, -1).T * unit_m)


def _integers(data: bytes) -> NDArray[np.int16]:
    try:
        return np.frombuffer(zlib.decompress(data), "<i2").astype(np.int16)
    except (zlib.error, ValueError) as err:
        raise StoreCorruptError(f"a kept scan is damaged: {err}") from err
