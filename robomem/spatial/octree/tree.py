"""The octree: occupancy in map as log-odds, in bricks of 8x8x8 voxels below inner nodes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import (
    checked_length,
    checked_points,
    checked_vector,
)
from robomem.errors import ConfigError, DataError, QueryError
from robomem.geometry import Points
from robomem.spatial.octree import queries
from robomem.spatial.octree.codebook import Codebook
from robomem.spatial.octree.formats import nav2, octomap, ply
from robomem.spatial.octree.kernels import bricks, distance, morton
from robomem.spatial.octree.kernels.layout import Nodes
from robomem.spatial.octree.kernels.morton import EMPTY, KEY_BITS, KEY_REACH, Keys, LogOdds
from robomem.spatial.octree.kernels.semantics import reduce_view
from robomem.spatial.octree.paged_bricks import Home, PagedBricks
from robomem.spatial.octree.queries import Rays
from robomem.spatial.octree.scanner import Scanner
from robomem.spatial.octree.semantic_layer import SemanticBlocks
from robomem.spatial.octree.values import (
    UNITS_PER_LOG_ODD,
    Cells,
    Labels,
    MapDelta,
    Mode,
    OccupancyGrid,
    OccupancyModel,
    Volume,
    VoxelBox,
)
from robomem.store import brick_files
from robomem.store.bricks import BrickRows

MIN_BUDGET_BYTES = 1 << 20
MAX_BOX_VOXELS = 1 << 28
MAX_LEVEL = 3 + KEY_BITS


class Octree:
    """Log-odds occupancy in map. Unknown is 0.0, positive is occupied; memory grows with what is seen.

    Every voxel is updated once a scan, a hit wins over a pass: the known and occupied voxels are those
    of OctoMap's `insertPointCloud` (Hornung et al., "OctoMap", Autonomous Robots 2013) on the same scan.

    Args:
        resolution_m: The edge of a voxel.
        occupancy: What a hit and a miss add.
        budget_bytes: How much memory it may take; what was seen longest ago is on disk beyond that.
        threads: How many threads trace a scan's rays and answer a large batch of queries.
        code_similarity: Embeddings whose cosine is this or more may share a code: somewhat less than that of
            two looks at one thing.
        home: The files of a map that was written before; its regions are read when they are needed.
    """

    def __init__(
        self,
        resolution_m: float = 0.05,
        *,
        occupancy: OccupancyModel | None = None,
        budget_bytes: int | None = None,
        threads: int = 1,
        code_similarity: float = 0.8,
        home: Home | None = None,
    ) -> None:
        if not 0.001 <= resolution_m <= 100:
            raise ConfigError(f"a voxel's edge lies in 0.001 to 100 m, got {resolution_m}")
        if budget_bytes is not None and budget_bytes < MIN_BUDGET_BYTES:
            raise ConfigError(
                f"an octree needs at least {MIN_BUDGET_BYTES} bytes, got {budget_bytes}"
            )
        if threads < 1:
            raise ConfigError(f"threads is at least 1, got {threads}")
        self.resolution_m = resolution_m
        self.scanner = Scanner(resolution_m, threads=threads)
        self.occupancy = occupancy or OccupancyModel()
        self._threads = threads
        self._code_similarity = code_similarity
        self._paged = PagedBricks(budget_bytes=budget_bytes, home=home)

    # ---- scans ------------------------------------------------------------------------------------

    def integrate_depth(
        self,
        depth_m: ArrayLike,
        *,
        K: ArrayLike,
        T_map_cam: ArrayLike,
        max_range_m: float,
        mode: Mode = "fast",
        stamp_ns: int = 0,
    ) -> None:
        """Fuse a depth image; see `Scanner.trace_depth`."""
        delta = self.scanner.trace_depth(
            depth_m, K=K, T_map_cam=T_map_cam, max_range_m=max_range_m, mode=mode
        )
        self.add(delta, stamp_ns=stamp_ns)

    def integrate_points(
        self,
        points_map: ArrayLike,
        *,
        origin_map: ArrayLike,
        max_range_m: float,
        mode: Mode = "fast",
        stamp_ns: int = 0,
    ) -> None:
        """Fuse a scan of points; see `Scanner.trace_points`."""
        delta = self.scanner.trace_points(
            points_map, origin_map=origin_map, max_range_m=max_range_m, mode=mode
        )
        self.add(delta, stamp_ns=stamp_ns)

    def add(self, delta: MapDelta, *, stamp_ns: int = 0) -> None:
        """Fuse what the scanner saw; adding it twice counts twice."""
        self._paged.fuse(delta, self.occupancy.units, stamp_ns=stamp_ns)

    # ---- questions --------------------------------------------------------------------------------

    def log_odds(self, points_map: ArrayLike) -> NDArray[np.float32]:
        """Return the log-odds at points (N, 3) in map; 0 where unknown or not finite."""
        return _log_odds(self._look_up(points_map))

    def classify(self, points_map: ArrayLike) -> NDArray[np.int8]:
        """Return what is at points (N, 3) in map: 1 occupied, 0 free, -1 unknown or not finite."""
        units = self._look_up(points_map)
        return np.where(units > 0, 1, np.where(units < 0, 0, -1)).astype(np.int8)

    def cast_rays(
        self,
        origins_map: ArrayLike,
        directions_map: ArrayLike,
        *,
        max_range_m: float,
        stop_at_unknown: bool = False,
    ) -> NDArray[np.float64]:
        """Return how far rays get: metres to where each enters the first occupied voxel.

        Args:
            origins_map: Where they begin, (N, 3) metres in map; or one for all, (3,).
            directions_map: Where they go, (N, 3), of any length.
            max_range_m: A ray ends there.
            stop_at_unknown: An unknown voxel ends a ray as an occupied one does.

        Returns:
            (N,) metres, 0 where the origin is occupied, inf where nothing ends the ray.

        Raises:
            QueryError: A number is not finite, a direction has no length.
        """
        directions = np.atleast_2d(np.asarray(directions_map, dtype=np.float64))
        origins = np.atleast_2d(np.asarray(origins_map, dtype=np.float64))
        if directions.shape[1:] != (3,) or origins.shape not in ((1, 3), directions.shape):
            raise QueryError(f"rays are (N, 3), got {origins.shape} and {directions.shape}")
        lengths = np.linalg.norm(directions, axis=1)
        if not (np.isfinite(origins).all() and ((lengths > 0) & (lengths < np.inf)).all()):
            raise QueryError("a ray's origin is finite, its direction finite and not zero")
        asked = Rays(
            _writable(np.broadcast_to(origins, directions.shape)),
            _writable(directions),
            checked_length(max_range_m, "max_range_m"),
            stop_at_unknown,
        )
        return queries.cast_rays(self._paged, asked, self.resolution_m, threads=self._threads)

    def at_level(self, level: int) -> Cells:
        """Return the map in cells of 2**level voxels' edge: voxels at 0, bricks at 3, inner nodes above."""
        if not 0 <= level <= MAX_LEVEL:
            raise QueryError(f"levels are 0 to {MAX_LEVEL}, got {level}")
        first, highest, has_unknown = queries.at_level(self._paged, level)
        size_m = self.resolution_m * 2**level
        centres = first * self.resolution_m + size_m / 2
        return Cells(centres, size_m, _log_odds(highest), ~has_unknown)

    def box(self, min_map: ArrayLike, max_map: ArrayLike) -> VoxelBox:
        """Return the voxels that a box between two corners (3,) in map touches.

        Raises:
            QueryError: The box is empty, or has more than MAX_BOX_VOXELS.
        """
        low, high = checked_vector(min_map, 3, "min"), checked_vector(max_map, 3, "max")
        edges = np.floor(np.stack([low, high]) / self.resolution_m)
        edges[1] = np.ceil(high / self.resolution_m)
        shape = edges[1] - edges[0]
        if not (low < high).all() or shape.prod() > MAX_BOX_VOXELS:
            raise QueryError(
                f"a box has up to {MAX_BOX_VOXELS:,} voxels, got {low.tolist()} to {high.tolist()}"
            )
        if np.abs(edges).max() >= 8 * KEY_REACH:
            raise QueryError(f"{low.tolist()} to {high.tolist()} is beyond the reach of the map")
        first = edges[0].astype(np.int64)
        values = queries.fill_box(self._paged, first, tuple(int(n) for n in shape))
        return VoxelBox(_log_odds(values), first * self.resolution_m, self.resolution_m)

    def distance_field(self, box: VoxelBox) -> NDArray[np.float32]:
        """Return the metres (X, Y, Z) from each voxel's centre to that of the box's nearest occupied one.

        inf where the box holds none. Exact: Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled
        Functions", Theory of Computing 2012.
        """
        return distance.measure_distances(np.ascontiguousarray(box.log_odds > 0), box.resolution_m)

    def frontiers(self) -> Points:
        """Return the centres (N, 3) of the free voxels with an unknown one among their six neighbours."""
        return self._centres_of([queries.find_frontiers(self._paged)])

    def occupied(self) -> Points:
        """Return the centres (N, 3) of the occupied voxels in map, in Morton order of bricks."""
        return self._centres(positive=True)

    def free(self) -> Points:
        """Return the centres (N, 3) of the free voxels in map, in Morton order of bricks."""
        return self._centres(positive=False)

    def volume(self) -> Volume:
        """Measure the free and the occupied space."""
        free = occupied = 0
        for rows in self._paged.each():
            values = rows.log_odds
            is_uniform = ~rows.is_dense
            free += int((values < 0).sum()) + 512 * int((rows.uniform[is_uniform] < 0).sum())
            occupied += int((values > 0).sum()) + 512 * int((rows.uniform[is_uniform] > 0).sum())
        voxel_m3 = self.resolution_m**3
        return Volume(free_m3=free * voxel_m3, occupied_m3=occupied * voxel_m3)

    def slice_2d(self, z_min_m: float, z_max_m: float) -> OccupancyGrid:
        """Flatten the voxels between two heights: occupied if any is, free if some is known and none is."""
        size = self.resolution_m
        z_first, z_last = int(np.floor(z_min_m / size)), int(np.ceil(z_max_m / size)) - 1
        corner, top = self._bounds()
        values = np.full((top[1] - corner[1], top[0] - corner[0]), -1, np.int8)
        for rows in self._paged.each():
            origins = morton.brick_origins(rows.keys)
            is_cut = (origins[:, 2] <= z_last) & (origins[:, 2] + 7 >= z_first)
            cut = rows.select(is_cut)
            bricks.project_columns(origins[is_cut], cut.values(), z_first, z_last, corner, values)
        return OccupancyGrid(values, (corner[0] * size, corner[1] * size), size)

    def last_seen_ns(self, points_map: ArrayLike) -> NDArray[np.int64]:
        """Return when the bricks of points (N, 3) were last seen, nanoseconds; -1 where never."""
        return self._of_bricks(points_map, "stamps_ns")

    def hit_counts(self, points_map: ArrayLike) -> NDArray[np.int64]:
        """Return how often voxels in the bricks of points (N, 3) were hit; -1 where nothing is known."""
        return self._of_bricks(points_map, "hits")

    # ---- what things are --------------------------------------------------------------------------

    @property
    def embedding_dim(self) -> int | None:
        """How many numbers an embedding has, None before the first."""
        semantics = self._paged.semantics
        return None if semantics is None else semantics.codebook.dim

    def label(
        self, points_map: ArrayLike, embeddings: ArrayLike, *, which: ArrayLike | None = None
    ) -> None:
        """Say what was seen where, once a view; see `trace_labels`."""
        self.add_labels(self.trace_labels(points_map, embeddings, which=which))

    def trace_labels(
        self, points_map: ArrayLike, embeddings: ArrayLike, *, which: ArrayLike | None = None
    ) -> Labels:
        """Return what a view says of which voxel is what, without changing the map.

        Args:
            points_map: Points on things, (N, 3) metres in map; rows that are not finite are skipped.
            embeddings: What these are, of unit length: one for all (D,), one for each (N, D), or (K, D).
            which: Of (K, D), the one of each point, (N,).

        Raises:
            FormatError, DataError: The points or the embeddings have the wrong form or size.
        """
        points = checked_points(points_map, "points_map")
        vectors = np.atleast_2d(np.asarray(embeddings, dtype=np.float32))
        rows = np.arange(len(points)) if which is None else np.asarray(which, dtype=np.int64)
        if which is None and len(vectors) == 1:
            rows = np.zeros(len(points), np.int64)
        if rows.shape != (len(points),) or ((rows < 0) | (rows >= len(vectors))).any():
            raise DataError(
                f"{len(points)} points have one embedding each, or one for all: got {len(vectors)}"
            )
        codebook = self._codebook(vectors.shape[1])
        count = len(codebook)
        codes = codebook.assign(vectors)[rows]
        born = codebook.rows_since(count)
        codebook.forget_since(count)
        points = _writable(points)
        seen = reduce_view(points, codes, self.resolution_m)
        return Labels(*seen, *born)

    def add_labels(self, labels: Labels) -> None:
        """Fuse what `trace_labels` saw: every view has one vote on every voxel, unknown ones have no code."""
        codebook = self._codebook(labels.born_rows.shape[1])
        codebook.append(labels.born_rows, labels.born_scales)
        self._paged.label(labels)

    def label_with(self, points_map: Points, codes: NDArray[np.uint16]) -> None:
        """Say what was seen at points (N, 3) by codes (N,) that the codebook has, once a view."""
        none = np.empty((0, self.embedding_dim or 1), np.int8), np.empty(0, np.float32)
        seen = reduce_view(_writable(points_map), codes, self.resolution_m)
        self.add_labels(Labels(*seen, *none))

    def places_of(self, labels: Labels) -> Points:
        """Return the centres (M, 3) in map of the voxels that labels are of."""
        return self._centres_of([_voxels(labels.keys, labels.voxels.astype(np.intp))])

    def embeddings(self, points_map: ArrayLike) -> NDArray[np.float32]:
        """Return what is at points (N, 3): embeddings (N, D) of unit length, zeros where nothing was named."""
        points, semantics = _points(points_map), self._paged.semantics
        if semantics is None:
            return np.zeros((len(points), 0), np.float32)
        keys = morton.brick_keys(points, self.resolution_m)
        voxels = np.where((keys == EMPTY)[:, None], 0, np.floor(points / self.resolution_m))
        at = ((voxels.astype(np.int64) & 7) @ (1, 8, 64)).astype(np.int16)
        codes = np.zeros(len(points), np.uint16)
        for is_here in self._paged.parts(keys):
            codes[is_here] = semantics.codes_at(keys[is_here], at[is_here])
        return semantics.codebook.decode(codes)

    def similar(self, embedding: ArrayLike, *, min_similarity: float = 0.9) -> Points:
        """Return the centres (N, 3) of the voxels that resemble an embedding (D,) by that cosine or more."""
        semantics, found = self._paged.semantics, [np.empty((0, 3), np.int64)]
        if semantics is None:
            return self._centres_of(found)
        if self._paged.is_whole:
            keys, voxels = semantics.similar(embedding, min_similarity=min_similarity)
            return self._centres_of([_voxels(keys, voxels.astype(np.intp))])
        is_wanted = semantics.wanted(embedding, min_similarity=min_similarity)
        for rows in self._paged.each():
            brick, voxel = np.nonzero(is_wanted[rows.codes])
            found.append(_voxels(rows.keys[rows.is_coded][brick], voxel))
        return self._centres_of(found)

    def _codebook(self, dim: int) -> Codebook:
        """Return the codebook, begun with the first embedding; raises DataError where it has another size."""
        if self._paged.semantics is None:
            self._paged.semantics = SemanticBlocks(
                Codebook(dim, min_similarity=self._code_similarity)
            )
        codebook = self._paged.semantics.codebook
        if codebook.dim != dim:
            raise DataError(f"this map's embeddings have {codebook.dim} numbers, got {dim}")
        return codebook

    # ---- keeping ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Count the bricks in memory."""
        return self._paged.bricks_in_memory()

    @property
    def memory_bytes(self) -> int:
        """What the map takes in memory."""
        return self._paged.memory_bytes

    @property
    def extra(self) -> bytes:
        """The codebook as bytes, for a file; none where nothing was named."""
        semantics = self._paged.semantics
        return b"" if semantics is None else semantics.codebook.to_bytes()

    @property
    def nodes(self) -> Nodes:
        """The inner nodes, as arrays."""
        return self._paged.nodes

    def rows(self) -> Iterator[BrickRows]:
        """Yield all bricks by key, some at a time."""
        return self._paged.each()

    def put(self, rows: BrickRows) -> None:
        """Set bricks, whatever they were."""
        self._paged.put(rows)

    def changed(self) -> Iterator[brick_files.Region]:
        """Yield the regions with bricks that changed since `settle`, and those bricks."""
        return self._paged.changed()

    def settle(self, home: Home) -> None:
        """Take note that everything is in these files now."""
        self._paged.settle(home)

    def save(self, path: str | Path) -> None:
        """Write the whole map to one file, whole or not at all."""
        regions = self._paged.regions()
        brick_files.write(Path(path), regions, resolution_m=self.resolution_m, extra=self.extra)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        occupancy: OccupancyModel | None = None,
        budget_bytes: int | None = None,
        threads: int = 1,
    ) -> Self:
        """Read a map that `save` wrote; with a budget, its regions when they are needed.

        Raises:
            StoreCorruptError: The file is none, is cut short or damaged.
        """
        file = brick_files.BrickFile(Path(path))
        octree = cls(
            file.resolution_m,
            occupancy=occupancy,
            budget_bytes=budget_bytes,
            threads=threads,
            home=file,
        )
        if budget_bytes is None:
            for _ in octree._paged.load(file.regions().keys):
                pass
        return octree

    def to_octomap(self, path: str | Path) -> None:
        """Write the map as OctoMap does: `.ot` with its log-odds, `.bt` with occupied and free only.

        Raises:
            DataError: The map is wider than OctoMap's 65,536 voxels.
        """
        rows = BrickRows.joined(list(self._paged.each()))
        octomap.write(
            Path(path), keys=rows.keys, log_odds=rows.values(), resolution_m=self.resolution_m
        )

    @classmethod
    def from_octomap(
        cls,
        path: str | Path,
        *,
        occupancy: OccupancyModel | None = None,
        budget_bytes: int | None = None,
        threads: int = 1,
    ) -> Self:
        """Read an OctoMap file; raises FormatError where it is none, is cut short or holds too much."""
        file = octomap.read(Path(path))
        octree = cls(
            file.resolution_m, occupancy=occupancy, budget_bytes=budget_bytes, threads=threads
        )
        octree.put(BrickRows.from_values(file.keys, file.log_odds))
        return octree

    def to_ply(self, path: str | Path) -> None:
        """Write the centres of the occupied voxels with their log-odds, as a binary PLY."""
        points = self.occupied()
        ply.write_ply(Path(path), points, log_odds=self.log_odds(points))

    def to_nav2(self, path: str | Path, *, z_min_m: float, z_max_m: float) -> None:
        """Write `slice_2d` as nav2's map_server reads it: NAME.yaml and, beside it, NAME.pgm."""
        nav2.write_nav2(Path(path), self.slice_2d(z_min_m, z_max_m))

    def digest(self) -> str:
        """Hash the content: the same bricks give the same digest whatever the order they came in."""
        columns = [hashlib.blake2b(digest_size=16) for _ in range(7)]
        for rows in self._paged.each():
            coded = (rows.keys[rows.is_coded], rows.codes, rows.weights)
            arrays = (rows.keys, rows.stamps_ns, rows.hits, rows.values(), *coded)
            for column, array in zip(columns, arrays, strict=True):
                column.update(np.ascontiguousarray(array).tobytes())
        whole = b"".join(column.digest() for column in columns)
        return hashlib.blake2b(whole, digest_size=16).hexdigest()

    # ---- below ------------------------------------------------------------------------------------

    def _of_bricks(self, points_map: ArrayLike, layer: str) -> NDArray[np.int64]:
        keys = morton.brick_keys(_points(points_map), self.resolution_m)
        values = np.full(len(keys), -1, np.int64)
        for is_here in self._paged.parts(keys):
            values[is_here] = self._paged.layer(keys[is_here], layer)
        return values

    def _look_up(self, points_map: ArrayLike) -> NDArray[np.int16]:
        points = _points(points_map)
        return queries.look_up(self._paged, points, self.resolution_m, threads=self._threads)

    def _bounds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the lowest voxel (3,) of all bricks, and one beyond the highest."""
        origins = [morton.brick_origins(rows.keys) for rows in self._paged.each()]
        if not origins:
            return np.zeros(3, np.int64), np.zeros(3, np.int64)
        every = np.concatenate(origins)
        return every.min(axis=0), every.max(axis=0) + 8

    def _centres(self, *, positive: bool) -> Points:
        parts = [np.empty((0, 3), np.int64)]
        for rows in self._paged.each():
            values = rows.values()
            brick, voxel = np.nonzero(values > 0 if positive else values < 0)
            parts.append(_voxels(rows.keys[brick], voxel))
        return self._centres_of(parts)

    def _centres_of(self, voxels: list[NDArray[np.int64]]) -> Points:
        return np.asarray((np.concatenate(voxels) + 0.5) * self.resolution_m, dtype=np.float64)


def _voxels(keys: Keys, voxel: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the voxels (N, 3) that lie at these places (N,) in bricks (N,)."""
    offsets = np.stack([voxel & 7, (voxel >> 3) & 7, voxel >> 6], axis=-1)
    return morton.brick_origins(keys) + offsets


def _points(points_map: ArrayLike) -> Points:
    """Return points (N, 3) to ask of; raises QueryError."""
    points = np.atleast_2d(np.asarray(points_map, dtype=np.float64))
    if points.ndim != 2 or points.shape[1] != 3:
        raise QueryError(f"points are (N, 3), got {points.shape}")
    return _writable(points)


def _writable(array: Points) -> Points:
    """Return it contiguous and writable: to Numba a read-only array is of another type."""
    return np.require(array, requirements=["C", "W"])


def _log_odds(units: LogOdds) -> NDArray[np.float32]:
    return units.astype(np.float32) / np.float32(UNITS_PER_LOG_ODD)
