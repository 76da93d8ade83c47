"""Takes what moves out of scans before they go into the map, and remembers it for a while."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from robomem.config import Config
from robomem.geometry import Pose, transform
from robomem.spatial.scan_log import pixel_step, thinned
from robomem.store.scans import KeptScan

if TYPE_CHECKING:  # its kernels take half a second to import
    from robomem.spatial.dynamics import MotionFilter, Track
    from robomem.spatial.dynamics.motion_filter import Split
    from robomem.spatial.octree import MapDelta

Mask = NDArray[np.bool_]


class ScanSplitter:
    """What it knows of free space and of what moves is of the last minutes, and not kept on disk."""

    def __init__(self, config: Config) -> None:
        self._config = config.motion
        self._spatial = config.spatial
        self._filter: MotionFilter | None = None

    def split(
        self, scan: KeptScan, T_map_cam: Pose, *, stamp_ns: int
    ) -> "tuple[KeptScan, list[Split]]":
        """Return a scan with what moves apart from what stands, and what `learn` wants of it."""
        if not self._config.is_split:
            return scan, []
        moves = self._filter or self._new_filter()
        self._filter = moves
        moves.forget_old(stamp_ns)
        splits = []
        if scan.depth_m is not None and scan.K is not None:
            thin = thinned(scan, self._spatial)
            assert thin.depth_m is not None, "it was there before"
            assert thin.K is not None
            split = moves.split_depth(
                thin.depth_m, K=thin.K, T_map_cam=T_map_cam, max_range_m=self._spatial.max_range_m
            )
            splits.append(split)
            scan = _apart_px(scan, split.is_moving, step=pixel_step(scan.K, self._spatial))
        if scan.points_cam is not None:
            points_map, origin = transform(T_map_cam, scan.points_cam), T_map_cam[:3, 3]
            splits.append(
                moves.split_points(
                    points_map, origin_map=origin, max_range_m=self._spatial.max_range_m
                )
            )
            scan = _apart(scan, splits[-1])
        return scan, splits

    def learn(
        self, splits: "Iterable[Split]", deltas: "Iterable[MapDelta]", *, stamp_ns: int
    ) -> None:
        """Take in what the parts of a scan said of the map."""
        for split, delta in zip(splits, deltas, strict=True):
            assert self._filter is not None, "it split them"
            self._filter.learn(split, delta, stamp_ns=stamp_ns)

    def tracks(self) -> "tuple[Track, ...]":
        """Return what moved lately, the last look at each, by id."""
        return () if self._filter is None else self._filter.tracker.tracks()

    def _new_filter(self) -> "MotionFilter":
        from robomem.spatial.dynamics import MotionFilter, MotionSettings, Noise, TrackSettings

        c = self._config
        return MotionFilter(
            self._spatial.voxel_size_m,
            free_after_s=c.free_after_s,
            remember_s=c.remember_s,
            motion=MotionSettings(noise=Noise(floor_m=c.noise_m, per_m2=c.noise_per_m2)),
            tracking=TrackSettings(settle_s=c.settle_s, rest_s=c.rest_s, history_s=c.history_s),
        )


def _apart_px(scan: KeptScan, is_moving: Mask, *, step: int) -> KeptScan:
    """Take pixels out of an image: a mask (h, w) has one of every `step` by `step`."""
    if scan.depth_m is None or not is_moving.any():
        return scan
    if step > 1:
        is_moving = _enlarged(is_moving, step, scan.depth_m.shape)
    nothing = np.float32(np.nan)
    return replace(
        scan,
        depth_m=np.where(is_moving, nothing, scan.depth_m),
        moving_depth_m=np.where(is_moving, scan.depth_m, nothing),
    )


def _enlarged(mask: Mask, step: int, shape: tuple[int, ...]) -> Mask:
    """Return a mask for all pixels, one step wider to every side: the rim of a body lies in between."""
    wide = np.pad(mask, 1)
    for axis in (0, 1):
        wide = wide | np.roll(wide, 1, axis) | np.roll(wide, -1, axis)
    rows, columns = (
        np.minimum(np.arange(n) // step + 1, m) for n, m in zip(shape, mask.shape, strict=True)
    )
    return wide[np.ix_(rows, columns)]


def _apart(scan: KeptScan, split: "Split") -> KeptScan:
    if scan.points_cam is None or not split.is_moving.any():
        return scan
    return replace(
        scan,
        points_cam=scan.points_cam[~split.is_moving],
        moving_cam=scan.points_cam[split.is_moving],
    )
