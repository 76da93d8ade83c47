"""Keyframes move: what hangs on them goes along at once, and the map is made anew where it was touched.

A keyframe's scans move rigidly with it. The regions of the map that any of them touches, before or after,
are made anew from all scans that touch them, in the order in which they came; so these regions are as if the
corrected poses had been known from the start. Everything else stays as it is.
"""

import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_pose
from robomem.config import Config
from robomem.errors import DataError, QueryError, Reason
from robomem.geometry import Pose, inverse, transform
from robomem.spatial.scan_log import HIGHEST_WEIGHT, ScanLog, regions_of, trace
from robomem.spatial.scan_splitter import ScanSplitter
from robomem.spatial.stored_map import StoredMap
from robomem.store.bricks import REGION_BITS
from robomem.store.records import Records
from robomem.store.rows import KeyframeRow, ScanRow, SightingRow
from robomem.store.scans import KeptScan
from robomem.store.sightings import running_mean
from robomem.types import Vector

if TYPE_CHECKING:
    from robomem.spatial.octree import Octree

Keys = NDArray[np.int64]


def move_keyframes(
    records: Records, T_map_kfs: Mapping[int, ArrayLike], *, config: Config
) -> list[int]:
    """Give keyframes other poses, and entities the places that follow; in a transaction.

    Args:
        records: Where all of them are.
        T_map_kfs: By keyframe id the pose (4, 4) in map that it has from now on.
        config: Bounds, and over how many sightings an entity's place is averaged.

    Returns:
        The keyframes that moved.

    Raises:
        QueryError: There is no such keyframe.
        FrameError, DataError: A pose is no rigid motion, or out of bounds. Nothing has changed then.
    """
    before = _poses(records)
    moved = _checked(records, T_map_kfs, config)
    for row in moved:
        records.keyframes.save(row)
        for scan in records.scans.select("keyframe_id = ?", row.keyframe_id):
            records.scans.save(replace(scan, is_stale=_is_elsewhere(scan, row)))
    moved_ids = [row.keyframe_id for row in moved]
    _place_entities(records, moved_ids, before, config.semantic.average_sightings)
    return moved_ids


def _poses(records: Records) -> dict[int, Pose]:
    return {row.keyframe_id: row.T_map_kf.reshape(4, 4) for row in records.keyframes.select()}


def _checked(
    records: Records, T_map_kfs: Mapping[int, ArrayLike], config: Config
) -> list[KeyframeRow]:
    rows = []
    for keyframe_id, T_map_kf in T_map_kfs.items():
        row = records.keyframes.get(keyframe_id)
        if row is None:
            raise QueryError(f"there is no keyframe {keyframe_id}")
        T = checked_pose(T_map_kf, f"T_map_kf of keyframe {keyframe_id}")
        if np.abs(T[:3, 3]).max() > config.intake.max_coordinate_m:
            raise DataError(
                f"keyframe {keyframe_id} cannot be at {T[:3, 3].tolist()}: farther than "
                f"{config.intake.max_coordinate_m} m from the origin",
                reason=Reason.OUT_OF_BOUNDS,
            )
        if not np.array_equal(T.reshape(16), row.T_map_kf):
            rows.append(replace(row, T_map_kf=T.reshape(16)))
    return rows


def _is_elsewhere(scan: ScanRow, keyframe: KeyframeRow) -> bool:
    T_map_cam = keyframe.T_map_kf.reshape(4, 4) @ scan.T_kf_cam.reshape(4, 4)
    return not np.allclose(T_map_cam, scan.T_map_cam.reshape(4, 4), rtol=0, atol=1e-9)


def _place_entities(
    records: Records, moved_ids: list[int], before: Mapping[int, Pose], window: int
) -> None:
    """Shift entities by as much as the mean of their sightings moves."""
    after, moved = _poses(records), set(moved_ids)
    for entity in records.entities.select():
        sightings = records.sightings.select("entity_id = ? AND count > 0", entity.entity_id)
        mean_in = partial(_mean_place, sightings, window=window)
        if moved.isdisjoint([entity.keyframe_id, *(s.keyframe_id for s in sightings)]):
            continue
        p_map = transform(before[entity.keyframe_id], entity.p_kf)
        p_map = p_map + mean_in(after) - mean_in(before)
        p_kf = transform(inverse(after[entity.keyframe_id]), p_map)
        records.entities.save(replace(entity, p_kf=p_kf))


def _mean_place(
    sightings: Iterable[SightingRow], poses: Mapping[int, Pose], *, window: int
) -> Vector:
    return running_mean(sightings, pose_of=poses.__getitem__, window=window)


class MapFollower:
    """Makes the map follow its keyframes, in a thread of its own; others take their turn between two scans.

    What of a scan moves is decided anew, too: where poses drifted, walls seem to. It can be stopped at any time,
    and goes on where it matters when the memory is opened again: which scans are elsewhere than in the map is
    on the disk.
    """

    def __init__(
        self,
        records: Records,
        stored_map: StoredMap,
        scans: ScanLog,
        *,
        lock: AbstractContextManager[object],
        config: Config,
    ) -> None:
        self._records, self._map, self._scans = records, stored_map, scans
        self._lock, self._config = lock, config
        self._turn = threading.Lock()  # for the next three
        self._is_wanted = False
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Follow; a run that is at it will see what is new before it ends."""
        with self._turn:
            self._is_wanted = True
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(
                    target=self._run, name="robomem-correction", daemon=True
                )
                self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the map has followed; False when it has not by then. Raises what went wrong."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
            if thread.is_alive():
                return False
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True

    def stop(self) -> None:
        """End after the scan at hand."""
        self._stopping.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while self._goes_on():
            try:
                while not self._stopping.is_set() and self._follow():
                    pass
            except Exception as err:  # it is raised where somebody waits
                self._error = err

    def _goes_on(self) -> bool:
        with self._turn:
            goes_on = self._is_wanted and not self._stopping.is_set()
            self._is_wanted = False
            if not goes_on:
                self._thread = None
            return goes_on

    def _follow(self) -> bool:
        """Make anew what stale scans touch; False when there are none."""
        with self._lock:
            rows = {row.scan_id: row for row in self._scans.rows()}
            poses = _poses(self._records)
        stale = [row for row in rows.values() if row.is_stale]
        if not stale:
            return False
        octree, splitter = self._map.new_octree(), ScanSplitter(self._config)
        moved = {row.scan_id: self._moved(row, poses, octree) for row in self._in_turn(stale)}
        if self._stopping.is_set():
            return False
        regions = _regions_of([*stale, *moved.values()])
        wanted = _touching((moved.get(row.scan_id, row) for row in rows.values()), regions)
        for row in self._in_turn(wanted):
            self._add(row, regions, octree, splitter)
        if self._stopping.is_set():
            return False
        with self._lock:
            for row in _touching(self._scans.rows("scan_id > ?", max(rows)), regions):
                self._add(row, regions, octree, splitter)
            frozen = np.array(self._records.frozen_regions(), np.int64)
            self._map.replace(
                np.setdiff1d(regions, frozen), octree, also=lambda: self._note(moved.values())
            )
        return True

    def _in_turn(self, rows: Iterable[ScanRow]) -> Iterable[ScanRow]:
        for row in rows:
            if self._stopping.is_set():
                return
            yield row

    def _moved(self, row: ScanRow, poses: Mapping[int, Pose], octree: "Octree") -> ScanRow:
        """Return the scan as it is where its keyframe is now."""
        T_map_cam = poses[row.keyframe_id] @ row.T_kf_cam.reshape(4, 4)
        row = replace(row, T_map_cam=T_map_cam.reshape(16), is_stale=False)
        scan = self._read(row)
        if scan is None:
            return row
        deltas = trace(octree.scanner, scan, T_map_cam, self._config.spatial)
        return replace(row, regions=regions_of(deltas))

    def _add(self, row: ScanRow, regions: Keys, octree: "Octree", splitter: ScanSplitter) -> None:
        """Fuse what a scan says of the regions, apart from what moves by what all of them say."""
        scan, T_map_cam = self._read(row), row.T_map_cam.reshape(4, 4)
        if scan is None:
            return
        scan, splits = splitter.split(scan.whole, T_map_cam, stamp_ns=row.stamp_ns)
        deltas = list(trace(octree.scanner, scan, T_map_cam, self._config.spatial))
        splitter.learn(splits, deltas, stamp_ns=row.stamp_ns)
        for delta in deltas:
            part = delta.select(np.isin(delta.keys >> REGION_BITS, regions))
            for _ in range(min(row.weight, HIGHEST_WEIGHT)):
                octree.add(part, stamp_ns=row.stamp_ns)
        if len(scan.codes):
            octree.label_with(transform(T_map_cam, scan.named_cam), scan.codes)

    def _read(self, row: ScanRow) -> KeptScan | None:
        with self._lock:
            return self._scans.read(row)

    def _note(self, moved: Iterable[ScanRow]) -> None:
        """Write down where the scans are in the map now, unless they were moved on meanwhile, or let go."""
        poses = _poses(self._records)
        for row in moved:
            kept = self._records.scans.get(row.scan_id)
            if kept is None:
                continue
            T_map_cam = poses[row.keyframe_id] @ row.T_kf_cam.reshape(4, 4)
            is_stale = not np.array_equal(T_map_cam.reshape(16), row.T_map_cam)
            self._records.scans.save(
                replace(row, is_stale=is_stale, weight=kept.weight, data_bytes=kept.data_bytes)
            )


_NO_KEYS = np.empty(0, np.int64)


def _regions_of(rows: Iterable[ScanRow]) -> Keys:
    keys = [np.frombuffer(row.regions, np.int64) for row in rows]
    return np.unique(np.concatenate([*keys, _NO_KEYS]))


def _touching(rows: Iterable[ScanRow], regions: Keys) -> list[ScanRow]:
    return [row for row in rows if np.isin(np.frombuffer(row.regions, np.int64), regions).any()]
