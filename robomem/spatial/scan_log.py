"""The scans that made the map, each hung on its keyframe, so that the map can follow when keyframes move.

An image is kept as coarse as its pixels are finer than the voxels; scans of a robot that stands still are
kept as one, with their number. Over the budget the oldest go; what they saw then stays where it is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robomem.config import Config, SpatialConfig
from robomem.geometry import (
    Depth,
    Points,
    Pose,
    back_project,
    inverse,
    rotation_angle,
    transform,
)
from robomem.store import scans as codec
from robomem.store.bricks import REGION_BITS
from robomem.store.records import Records
from robomem.store.rows import ScanDataRow, ScanRow
from robomem.store.scans import KeptScan
from robomem.types import Keyframe, Observation

if TYPE_CHECKING:
    from robomem.spatial.octree import MapDelta
    from robomem.spatial.octree.scanner import Scanner

Box = tuple[Points, Points]  # the lowest and the highest corner, (3,) metres

STILL_VOXELS = 0.5  # a sensor that moved less than this,
STILL_RAD = 0.01  # turned less than this,
STILL_NS = 1_000_000_000  # and within this time saw the same
HIGHEST_WEIGHT = 16  # log-odds are at their bounds by then
PIXELS_PER_VOXEL = 2.0  # at the end of the range


_NO_POINTS = np.empty((0, 3))


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """Points (N, 3) in map whose semantic codes (N,) are known."""

    points_map: Points
    codes: NDArray[np.uint16]


def trace(
    scanner: "Scanner",
    scan: Observation | KeptScan,
    T_map_cam: Pose,
    config: SpatialConfig,
) -> "Iterator[MapDelta]":
    """Yield what the depth image, and then the points, of an observation say of the map."""
    max_range_m, mode = config.max_range_m, config.mode
    if scan.depth_m is not None:
        assert scan.K is not None, "depth comes with its intrinsics"
        yield scanner.trace_depth(
            scan.depth_m, K=scan.K, T_map_cam=T_map_cam, max_range_m=max_range_m, mode=mode
        )
    if scan.points_cam is not None:
        points_map = transform(T_map_cam, scan.points_cam)
        yield scanner.trace_points(
            points_map, origin_map=T_map_cam[:3, 3], max_range_m=max_range_m, mode=mode
        )


def regions_of(deltas: "Iterable[MapDelta]") -> bytes:
    """Return the keys of the regions of the map that scans touch, in order, as int64."""
    keys = [delta.keys >> REGION_BITS for delta in deltas]
    return np.unique(np.concatenate([*keys, np.empty(0, np.int64)])).tobytes()


class ScanLog:
    """What is kept of the scans; its state is what the records hold."""

    def __init__(self, records: Records, config: Config) -> None:
        self._records = records
        self._range_m = config.spatial.max_range_m
        self._still_m = STILL_VOXELS * config.spatial.voxel_size_m
        self._pixel_m = config.spatial.voxel_size_m / PIXELS_PER_VOXEL
        self._budget_bytes = config.store.scan_budget_bytes
        self._total_bytes: int | None = None

    def keep(
        self,
        observation: Observation,
        *,
        keyframe: Keyframe,
        T_map_cam: Pose,
        regions: bytes,
        named: Named | None = None,
    ) -> None:
        """Keep a scan, or count it with the last one where the robot stood still; in a transaction.

        Args:
            observation: What was measured.
            keyframe: What it hangs on.
            T_map_cam: Its pose in map, (4, 4).
            regions: Those of the map that it touches; see `regions_of`.
            named: What of it has semantic codes.
        """
        if self._budget_bytes == 0:
            return
        last = self._last_of(observation.source)
        T_kf_cam = inverse(keyframe.T_map_kf) @ T_map_cam
        if last is not None and self._is_still(last, observation, keyframe, T_kf_cam):
            self._records.scans.save(replace(last, weight=last.weight + 1))
            return
        data = self._encode(observation, T_map_cam, named)
        size = len(data.depth) + len(data.points) + len(data.named) + len(data.codes)
        row = ScanRow(
            scan_id=data.scan_id,
            keyframe_id=keyframe.keyframe_id,
            source=observation.source,
            stamp_ns=observation.stamp_ns,
            T_kf_cam=T_kf_cam.reshape(16),
            T_map_cam=T_map_cam.reshape(16),
            weight=1,
            is_stale=False,
            regions=regions,
            data_bytes=size,
        )
        self._records.scans.save(row)
        self._records.scan_data.save(data)
        self._make_room(size)

    def rows(self, where: str = "1", *values: object) -> list[ScanRow]:
        """Return kept scans in order."""
        return self._records.scans.select(where, *values)

    def read(self, row: ScanRow) -> KeptScan:
        """Return what a scan measured; raises StoreCorruptError."""
        data = self._records.scan_data.get(row.scan_id)
        assert data is not None, "a scan's data go with it"
        return KeptScan(
            depth_m=codec.decode_depth(data.depth, (data.height, data.width), data.depth_unit_m)
            if data.height
            else None,
            K=None if data.K is None else data.K.reshape(3, 3),
            points_cam=codec.decode_points(data.points, data.point_count, data.point_unit_m)
            if data.point_count
            else None,
            named_cam=codec.decode_points(data.named, data.named_count, data.point_unit_m),
            codes=np.frombuffer(data.codes, np.uint16).copy(),
        )

    def cut_out(self, keyframe: Keyframe, boxes_map: list[Box]) -> None:
        """Take what lies in boxes out of the scans of a keyframe; in a transaction."""
        for row in self.rows("keyframe_id = ?", keyframe.keyframe_id):
            data = self._records.scan_data.get(row.scan_id)
            assert data is not None, "a scan's data go with it"
            T_map_cam = keyframe.T_map_kf @ row.T_kf_cam.reshape(4, 4)
            self._records.scan_data.save(_without(data, self.read(row), T_map_cam, boxes_map))

    def _last_of(self, source: str) -> ScanRow | None:
        rows = self.rows("scan_id = (SELECT max(scan_id) FROM scan WHERE source = ?)", source)
        return rows[0] if rows else None

    def _is_still(
        self, last: ScanRow, observation: Observation, keyframe: Keyframe, T_kf_cam: Pose
    ) -> bool:
        if last.keyframe_id != keyframe.keyframe_id:
            return False
        moved = inverse(last.T_kf_cam.reshape(4, 4)) @ T_kf_cam
        return bool(
            np.linalg.norm(moved[:3, 3]) < self._still_m
            and rotation_angle(moved[:3, :3]) < STILL_RAD
            and abs(observation.stamp_ns - last.stamp_ns) < STILL_NS
        )

    def _encode(
        self, observation: Observation, T_map_cam: Pose, named: Named | None
    ) -> ScanDataRow:
        depth_unit, point_unit = (
            codec.depth_unit_m(self._range_m),
            codec.point_unit_m(self._range_m),
        )
        depth_m, K = observation.depth_m, observation.K
        if depth_m is not None:
            assert K is not None, "depth comes with its intrinsics"
            depth_m, K = self._thinned(depth_m, K)
        points_cam, named_cam = _NO_POINTS, _NO_POINTS
        if observation.points_cam is not None:
            is_return = np.isfinite(observation.points_cam).all(axis=1)
            points_cam = observation.points_cam[is_return]
        if named is not None:
            named_cam = transform(inverse(T_map_cam), named.points_map)
        return ScanDataRow(
            scan_id=self._records.next_id("scan"),
            depth_unit_m=depth_unit,
            point_unit_m=point_unit,
            height=0 if depth_m is None else depth_m.shape[0],
            width=0 if depth_m is None else depth_m.shape[1],
            K=None if depth_m is None or K is None else K.reshape(9),
            depth=b"" if depth_m is None else codec.encode_depth(depth_m, depth_unit),
            point_count=len(points_cam),
            points=codec.encode_points(points_cam, point_unit),
            named_count=len(named_cam),
            named=codec.encode_points(named_cam, point_unit),
            codes=b"" if named is None else named.codes.tobytes(),
        )

    def _thinned(self, depth_m: Depth, K: NDArray[np.float64]) -> tuple[Depth, NDArray[np.float64]]:
        """Return every n-th row and column, as many as the voxels can tell apart."""
        focal = float(min(abs(K[0, 0]), abs(K[1, 1])))
        step = max(1, int(self._pixel_m * focal / self._range_m))
        first = step // 2
        thin = K.copy()
        thin[:2] /= step
        thin[:2, 2] -= first / step
        return depth_m[first::step, first::step], thin

    def _make_room(self, new_bytes: int) -> None:
        """Let the oldest scans go until the rest is within the budget, and freeze what they saw."""
        if self._total_bytes is None:
            self._total_bytes = self._records.scan_bytes() - new_bytes
        self._total_bytes += new_bytes
        while self._total_bytes > self._budget_bytes:
            oldest = self.rows("scan_id = (SELECT min(scan_id) FROM scan)")[0]
            self._records.freeze(np.frombuffer(oldest.regions, np.int64).tolist())
            self._records.drop_scan(oldest.scan_id)
            self._total_bytes -= oldest.data_bytes


def _without(
    data: ScanDataRow, scan: KeptScan, T_map_cam: Pose, boxes_map: list[Box]
) -> ScanDataRow:
    """Return a scan without what it measured in boxes."""
    if scan.depth_m is not None and scan.K is not None:
        p_map = transform(T_map_cam, back_project(scan.depth_m, scan.K))
        depth_m = scan.depth_m.copy()
        depth_m.reshape(-1)[_is_inside(p_map, boxes_map)] = np.nan
        data = replace(data, depth=codec.encode_depth(depth_m, data.depth_unit_m))
    points_cam = _NO_POINTS if scan.points_cam is None else scan.points_cam
    keep = ~_is_inside(transform(T_map_cam, points_cam), boxes_map)
    named = ~_is_inside(transform(T_map_cam, scan.named_cam), boxes_map)
    return replace(
        data,
        point_count=int(keep.sum()),
        points=codec.encode_points(points_cam[keep], data.point_unit_m),
        named_count=int(named.sum()),
        named=codec.encode_points(scan.named_cam[named], data.point_unit_m),
        codes=scan.codes[named].tobytes(),
    )


def _is_inside(p_map: Points, boxes_map: list[Box]) -> NDArray[np.bool_]:
    inside = np.zeros(len(p_map), np.bool_)
    for low, high in boxes_map:
        inside |= ((p_map >= low) & (p_map <= high)).all(axis=1)
    return inside
