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
from robomem.store.rows import ScanRow
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


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """Points (N, 3) in map whose semantic codes (N,) are known."""

    points_map: Points
    codes: NDArray[np.uint16]


def measured(observation: Observation) -> KeptScan:
    """Return what an observation measured."""
    return KeptScan(
        K=observation.K,
        depth_m=observation.depth_m,
        moving_depth_m=None,
        points_cam=observation.points_cam,
        moving_cam=codec.NO_POINTS,
        named_cam=codec.NO_POINTS,
        codes=np.empty(0, np.uint16),
    )


def with_names(scan: KeptScan, named: Named, T_map_cam: Pose) -> KeptScan:
    """Return a scan with what of it has semantic codes."""
    named_cam = transform(inverse(T_map_cam), named.points_map)
    return replace(scan, named_cam=named_cam, codes=named.codes)


def trace(
    scanner: "Scanner", scan: KeptScan, T_map_cam: Pose, config: SpatialConfig
) -> "Iterator[MapDelta]":
    """Yield what the depth image, and then the points, of a scan say of the map.

    What moves clears the space before it, and hits nothing.
    """

    def depth_of(depth_m: Depth) -> "MapDelta":
        assert scan.K is not None, "depth comes with its intrinsics"
        if not (depth_m > 0).any():
            return _nothing()
        return scanner.trace_depth(
            depth_m, K=scan.K, T_map_cam=T_map_cam, max_range_m=config.max_range_m, mode=config.mode
        )

    def points_of(points_cam: Points) -> "MapDelta":
        if not len(points_cam):
            return _nothing()
        points_map, origin = transform(T_map_cam, points_cam), T_map_cam[:3, 3]
        return scanner.trace_points(
            points_map, origin_map=origin, max_range_m=config.max_range_m, mode=config.mode
        )

    if scan.depth_m is not None:
        delta = depth_of(scan.depth_m)
        moving = scan.moving_depth_m
        yield delta if moving is None else delta.with_passes_of(depth_of(moving))
    if scan.points_cam is not None:
        delta = points_of(scan.points_cam)
        yield delta.with_passes_of(points_of(scan.moving_cam)) if len(scan.moving_cam) else delta


def thinned(scan: KeptScan, config: SpatialConfig) -> KeptScan:
    """Return every n-th row and column of the image, as many as the voxels can tell apart."""
    if scan.K is None or scan.depth_m is None:
        return scan
    step = pixel_step(scan.K, config)
    every, moving = np.s_[step // 2 :: step], scan.moving_depth_m
    K = scan.K.copy()
    K[:2] /= step
    K[:2, 2] -= step // 2 / step
    return replace(
        scan,
        K=K,
        depth_m=scan.depth_m[every, every],
        moving_depth_m=None if moving is None else moving[every, every],
    )


def pixel_step(K: NDArray[np.float64], config: SpatialConfig) -> int:
    """Return how many pixels of an image are half a voxel at the end of the range."""
    focal = float(min(abs(K[0, 0]), abs(K[1, 1])))
    return max(1, int(config.voxel_size_m / PIXELS_PER_VOXEL * focal / config.max_range_m))


def _nothing() -> "MapDelta":
    """Return what a scan says of which all moved, or was forgotten."""
    from robomem.spatial.octree import MapDelta

    return MapDelta(np.empty(0, np.int64), *np.empty((2, 0, 8), np.uint64))


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
        self._config = config.spatial
        self._budget_bytes = config.store.scan_budget_bytes
        self._total_bytes: int | None = None

    def keep(
        self,
        scan: KeptScan,
        *,
        stamp_ns: int,
        keyframe: Keyframe,
        T_map_cam: Pose,
        regions: bytes,
    ) -> None:
        """Keep a scan, or count it with the last one where the robot stood still; in a transaction.

        Args:
            scan: What was measured.
            stamp_ns: When.
            keyframe: What it hangs on.
            T_map_cam: Its pose in map, (4, 4).
            regions: Those of the map that it touches; see `regions_of`.
        """
        if self._budget_bytes == 0:
            return
        last, T_kf_cam = self._last_of(keyframe.source), inverse(keyframe.T_map_kf) @ T_map_cam
        if last is not None and self._is_still(last, stamp_ns, keyframe, T_kf_cam):
            self._records.scans.save(replace(last, weight=last.weight + 1))
            return
        scan_id = self._records.next_id("scan")
        data = codec.pack(scan_id, thinned(scan, self._config), max_range_m=self._range_m)
        row = ScanRow(
            scan_id=scan_id,
            keyframe_id=keyframe.keyframe_id,
            source=keyframe.source,
            stamp_ns=stamp_ns,
            T_kf_cam=T_kf_cam.reshape(16),
            T_map_cam=T_map_cam.reshape(16),
            weight=1,
            is_stale=False,
            regions=regions,
            data_bytes=codec.size_bytes(data),
        )
        self._records.scans.save(row)
        self._records.scan_data.save(data)
        self._make_room(row.data_bytes)

    def rows(self, where: str = "1", *values: object) -> list[ScanRow]:
        """Return kept scans in order."""
        return self._records.scans.select(where, *values)

    def read(self, row: ScanRow) -> KeptScan | None:
        """Return what a scan measured, None where it is not kept any more; raises StoreCorruptError."""
        data = self._records.scan_data.get(row.scan_id)
        return None if data is None else codec.unpack(data)

    def cut_out(self, keyframe: Keyframe, boxes_map: list[Box]) -> None:
        """Take what lies in boxes out of the scans of a keyframe; in a transaction."""
        for row in self.rows("keyframe_id = ?", keyframe.keyframe_id):
            data = self._records.scan_data.get(row.scan_id)
            assert data is not None, "a scan's data go with it"
            T_map_cam = keyframe.T_map_kf @ row.T_kf_cam.reshape(4, 4)
            data = codec.repack(data, _without(codec.unpack(data), T_map_cam, boxes_map))
            self._records.scan_data.save(data)
            self._records.scans.save(replace(row, data_bytes=codec.size_bytes(data)))

    def _last_of(self, source: str) -> ScanRow | None:
        rows = self.rows("scan_id = (SELECT max(scan_id) FROM scan WHERE source = ?)", source)
        return rows[0] if rows else None

    def _is_still(self, last: ScanRow, stamp_ns: int, keyframe: Keyframe, T_kf_cam: Pose) -> bool:
        if last.keyframe_id != keyframe.keyframe_id:
            return False
        moved = inverse(last.T_kf_cam.reshape(4, 4)) @ T_kf_cam
        return bool(
            np.linalg.norm(moved[:3, 3]) < self._still_m
            and rotation_angle(moved[:3, :3]) < STILL_RAD
            and abs(stamp_ns - last.stamp_ns) < STILL_NS
        )

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


def _without(scan: KeptScan, T_map_cam: Pose, boxes_map: list[Box]) -> KeptScan:
    """Return a scan without what it measured in boxes."""

    def image(depth_m: Depth | None) -> Depth | None:
        if depth_m is None or scan.K is None:
            return depth_m
        measured_m = np.where(np.isfinite(depth_m), depth_m, np.float32(np.nan))
        p_map = transform(T_map_cam, back_project(measured_m, scan.K))
        is_inside = _is_inside(p_map, boxes_map).reshape(depth_m.shape)
        return np.where(is_inside, np.float32(np.nan), depth_m)

    def points(points_cam: Points) -> Points:
        return points_cam[~_is_inside(transform(T_map_cam, points_cam), boxes_map)]

    return replace(
        scan,
        depth_m=image(scan.depth_m),
        moving_depth_m=image(scan.moving_depth_m),
        points_cam=None if scan.points_cam is None else points(scan.points_cam),
        moving_cam=points(scan.moving_cam),
        named_cam=points(scan.named_cam),
        codes=scan.codes[~_is_inside(transform(T_map_cam, scan.named_cam), boxes_map)],
    )


def _is_inside(p_map: Points, boxes_map: list[Box]) -> NDArray[np.bool_]:
    inside = np.zeros(len(p_map), np.bool_)
    for low, high in boxes_map:
        inside |= ((p_map >= low) & (p_map <= high)).all(axis=1)
    return inside
