"""A linear octree (Gargantini, 1982) of occupancy: 8x8x8 bricks of log-odds under their Morton keys."""

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.config import SpatialConfig
from robomem.geometry import Depth, Points, Pose
from robomem.spatial.octree.kernels import bricks, morton, trace
from robomem.spatial.octree.kernels.morton import EMPTY, KEY_REACH, Keys, LogOdds, Masks
from robomem.spatial.octree.values import MapDelta, OccupancyGrid, Volume

UNITS_PER_LOG_ODD = 1000  # int16 then holds +-32, and a hit of 0.85 exactly


class Octree:
    """Log-odds occupancy in map. Unknown is 0.0, positive is occupied; memory grows with what is seen.

    Every voxel is updated once a scan, a hit wins over a pass: the known and occupied voxels are those
    of OctoMap's `insertPointCloud` (Hornung et al., "OctoMap", Autonomous Robots 2013) on the same scan.
    """

    def __init__(self, config: SpatialConfig | None = None) -> None:
        self.config = config or SpatialConfig()
        self._count = 0
        self._keys: Keys = np.empty(0, np.int64)
        self._log_odds: LogOdds = np.empty((0, 512), np.int16)
        self._stamps_ns = np.empty(0, np.int64)
        self._is_dirty = np.empty(0, np.bool_)
        self._table_keys, self._table_slots = _new_table(1024)
        self._scratch = _Scratch(1024)

    def __len__(self) -> int:
        """Count the bricks."""
        return self._count

    def trace(self, points_map: Points, origin_map: ArrayLike) -> MapDelta:
        """Trace one scan without changing the map.

        Args:
            points_map: Returns, (N, 3) metres in map; rows that are not finite are skipped.
            origin_map: Where the sensor was, (3,) metres in map.
        """
        points = np.ascontiguousarray(points_map, dtype=np.float64)
        origin = np.asarray(origin_map, dtype=np.float64)
        while True:
            s = self._scratch
            s.table_keys.fill(EMPTY)
            count = trace.trace_rays(
                points, origin, self.config.voxel_size_m, self.config.max_range_m,
                s.table_keys, s.table_slots, s.keys, s.hit, s.free,
            )  # fmt: skip
            if count != EMPTY:
                return MapDelta(s.keys[:count].copy(), s.hit[:count].copy(), s.free[:count].copy())
            self._scratch = _Scratch(2 * len(s.keys))

    def place_depth(self, depth_m: Depth, K: NDArray[np.float64], T_map_cam: Pose) -> Points:
        """Return the returns (N, 3) in map of a depth image (H, W); inf becomes one out of range."""
        beyond_m = 2 * self.config.max_range_m
        return trace.place_depth(np.ascontiguousarray(depth_m), K, T_map_cam, beyond_m)

    def add(self, delta: MapDelta, *, stamp_ns: int) -> None:
        """Fuse what `trace` saw."""
        slots = self._slots_of(delta.keys)
        c = self.config
        units = [
            round(UNITS_PER_LOG_ODD * x)
            for x in (c.log_odds_hit, c.log_odds_miss, c.log_odds_min, c.log_odds_max)
        ]
        bricks.apply_masks(slots, delta.hit, delta.free, self._log_odds, *units)
        self._stamps_ns[slots] = np.maximum(self._stamps_ns[slots], stamp_ns)
        self._is_dirty[slots] = True

    def log_odds(self, points_map: ArrayLike) -> NDArray[np.float32]:
        """Return the log-odds at points (N, 3) in map; 0 where unknown or not finite."""
        points = np.ascontiguousarray(np.atleast_2d(np.asarray(points_map, dtype=np.float64)))
        units = bricks.look_up(
            points, self.config.voxel_size_m, self._table_keys, self._table_slots, self._log_odds
        )
        return units.astype(np.float32) / np.float32(UNITS_PER_LOG_ODD)

    def occupied(self) -> Points:
        """Return the centres (N, 3) of the occupied voxels in map, in Morton order of bricks."""
        return self._centres(positive=True)

    def free(self) -> Points:
        """Return the centres (N, 3) of the free voxels in map, in Morton order of bricks."""
        return self._centres(positive=False)

    def volume(self) -> Volume:
        """Measure the free and the occupied space."""
        values, voxel_m3 = self._log_odds[: self._count], self.config.voxel_size_m**3
        return Volume(
            free_m3=int((values < 0).sum()) * voxel_m3,
            occupied_m3=int((values > 0).sum()) * voxel_m3,
        )

    def slice_2d(self, z_min_m: float, z_max_m: float) -> OccupancyGrid:
        """Flatten the voxels between two heights: occupied if any is, free if some is known and none is."""
        size = self.config.voxel_size_m
        if not self._count:
            return OccupancyGrid(np.full((0, 0), -1, np.int8), (0.0, 0.0), size)
        origins = morton.brick_origins(self._keys[: self._count])
        corner, top = origins.min(axis=0), origins.max(axis=0) + 8
        values = np.full((top[1] - corner[1], top[0] - corner[0]), -1, np.int8)
        z_first, z_last = int(np.floor(z_min_m / size)), int(np.ceil(z_max_m / size)) - 1
        bricks.project_columns(
            origins, self._log_odds[: self._count], z_first, z_last, corner, values
        )
        return OccupancyGrid(values, (corner[0] * size, corner[1] * size), size)

    def dirty(self) -> tuple[Keys, NDArray[np.int64], LogOdds]:
        """Return the bricks changed since `mark_clean`, by key: keys (N,), stamps (N,), log-odds (N, 512)."""
        return self._select(np.flatnonzero(self._is_dirty[: self._count]))

    def bricks(self) -> tuple[Keys, NDArray[np.int64], LogOdds]:
        """Return all bricks by key: keys (N,), stamps (N,), log-odds (N, 512) in int16 units."""
        return self._select(np.arange(self._count))

    def mark_clean(self) -> None:
        """Say that every brick is on disk."""
        self._is_dirty[:] = False

    def put(self, keys: Keys, stamps_ns: NDArray[np.int64], log_odds: LogOdds) -> None:
        """Set bricks as they were on disk; they are clean."""
        slots = self._slots_of(keys)
        self._log_odds[slots] = log_odds
        self._stamps_ns[slots] = stamps_ns
        self._is_dirty[slots] = False

    def can_hold(self, origin_map: ArrayLike) -> bool:
        """Tell whether rays of the configured range from there stay in the addressable space."""
        reach_m = 8 * KEY_REACH * self.config.voxel_size_m - self.config.max_range_m - 1.0
        return bool((np.abs(np.asarray(origin_map)) < reach_m).all())

    def digest(self) -> str:
        """Hash the content: the same bricks give the same digest whatever the order they came in."""
        h = hashlib.blake2b(digest_size=16)
        for array in self.bricks():
            h.update(np.ascontiguousarray(array).tobytes())
        return h.hexdigest()

    def _select(self, slots: NDArray[np.intp]) -> tuple[Keys, NDArray[np.int64], LogOdds]:
        slots = slots[np.argsort(self._keys[slots], kind="stable")]
        return self._keys[slots], self._stamps_ns[slots], self._log_odds[slots]

    def _centres(self, *, positive: bool) -> Points:
        keys, _, log_odds = self.bricks()
        brick, voxel = np.nonzero(log_odds > 0 if positive else log_odds < 0)
        offsets = np.stack([voxel & 7, (voxel >> 3) & 7, voxel >> 6], axis=-1)
        voxels = morton.brick_origins(keys)[brick] + offsets
        return np.asarray((voxels + 0.5) * self.config.voxel_size_m, dtype=np.float64)

    def _slots_of(self, keys: Keys) -> NDArray[np.int32]:
        self._reserve(self._count + len(keys))
        slots, self._count = morton.add_bricks(
            keys, self._table_keys, self._table_slots, self._keys, self._count
        )
        return slots

    def _reserve(self, count: int) -> None:
        if count <= len(self._keys):
            return
        capacity = max(1024, 1 << (count - 1).bit_length())
        extra = capacity - len(self._keys)
        self._keys = np.concatenate([self._keys, np.zeros(extra, np.int64)])
        self._log_odds = np.concatenate([self._log_odds, np.zeros((extra, 512), np.int16)])
        self._stamps_ns = np.concatenate([self._stamps_ns, np.zeros(extra, np.int64)])
        self._is_dirty = np.concatenate([self._is_dirty, np.zeros(extra, np.bool_)])
        self._table_keys, self._table_slots = _new_table(2 * capacity)
        morton.add_bricks(
            self._keys[: self._count].copy(), self._table_keys, self._table_slots, self._keys, 0
        )


class _Scratch:
    """Room to trace one scan into."""

    def __init__(self, bricks: int) -> None:
        self.table_keys, self.table_slots = _new_table(2 * bricks)
        self.keys: Keys = np.empty(bricks, np.int64)
        self.hit: Masks = np.empty((bricks, 8), np.uint64)
        self.free: Masks = np.empty((bricks, 8), np.uint64)


def _new_table(capacity: int) -> tuple[Keys, NDArray[np.int32]]:
    return np.full(capacity, EMPTY, np.int64), np.zeros(capacity, np.int32)
