"""Which keyframes saw a surface, and how well: surfels as an index from places to views."""

from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike

from robomem.checks import checked_depth, checked_intrinsics, checked_pose
from robomem.errors import ConfigError, DataError, FormatError, QueryError, Reason
from robomem.geometry import Points, Pose, inverse
from robomem.spatial.views.layout import FARTHEST_CELLS, KEY_REACH, QUANTA, Pinhole
from robomem.spatial.views.queries import find_covisible, find_views
from robomem.spatial.views.sampling import sample_depth
from robomem.spatial.views.surfel_index import SurfelIndex
from robomem.spatial.views.values import CovisibleView, View, ViewRow


class ViewMemory:
    """Remembers which keyframes saw which surface; VMem's surfel-indexed memory, made to be corrected.

    What a keyframe saw is kept in its own frame, sampled there: so nothing depends on the order of additions,
    and after a correction or a removal all is as if it had been so from the beginning. Only beyond the
    budget, where of a surface's observations the best are kept, what is gone does not come back.
    One thread at a time may use it.

    Args:
        resolution_m: Edge of the cells: what is nearer together is one surfel.
        max_range_m: Farther surfaces are not remembered.
        max_observations: The most observations that a surfel keeps.
        max_surfels: The most surfels.

    Li et al., "VMem: Consistent Interactive Video Scene Generation with Surfel-Indexed View Memory", 2025.
    """

    def __init__(
        self,
        resolution_m: float = 0.1,
        *,
        max_range_m: float = 5.0,
        max_observations: int = 256,
        max_surfels: int = 1 << 20,
    ) -> None:
        if not 0.005 <= resolution_m <= 100:
            raise ConfigError(f"a surfel's cell is 0.005 to 100 m wide, got {resolution_m}")
        if not 0 < max_range_m <= FARTHEST_CELLS * resolution_m:
            raise ConfigError(
                f"with cells of {resolution_m} m surfaces are remembered up to "
                f"{FARTHEST_CELLS * resolution_m:g} m, not {max_range_m}"
            )
        if max_observations < 1 or max_surfels < 1:
            raise ConfigError("a view memory has room for at least one surfel seen once")
        self.resolution_m = resolution_m
        self.max_range_m = max_range_m
        self._index = SurfelIndex(
            resolution_m, max_observations=max_observations, max_surfels=max_surfels
        )

    def __len__(self) -> int:
        return len(self._index.slots)

    def __contains__(self, keyframe_id: int) -> bool:
        return keyframe_id in self._index.slots

    @property
    def surfel_count(self) -> int:
        """How many surfels there are."""
        return self._index.surfel_count

    @property
    def memory_bytes(self) -> int:
        """What it takes in memory."""
        return self._index.memory_bytes

    # ---- keyframes --------------------------------------------------------------------------------

    def add(
        self, keyframe_id: int, depth_m: ArrayLike, *, K: ArrayLike, T_map_kf: ArrayLike
    ) -> ViewRow:
        """Remember what a keyframe saw; returns it, to be kept on disk.

        Args:
            keyframe_id: A new one, >= 0.
            depth_m: Depth along z, (H, W) metres; what is not finite and positive is skipped.
            K: Pinhole intrinsics, (3, 3) pixels.
            T_map_kf: Pose of the keyframe's optical frame in map, (4, 4).

        Raises:
            DataError: The keyframe is there already, or out of reach.
            FormatError, FrameError: The depth, K or T has the wrong form, or K is of another image.
        """
        T = self._checked_pose(T_map_kf)
        self._check_new(keyframe_id)
        row = sample_view(
            keyframe_id, depth_m, K=K, resolution_m=self.resolution_m, max_range_m=self.max_range_m
        )
        self._index.add(row, T)
        return row

    def correct(self, T_map_kf: Mapping[int, ArrayLike]) -> None:
        """Move keyframes, and all they saw with them.

        Args:
            T_map_kf: New poses (4, 4), by keyframe.

        Raises:
            DataError: One of the keyframes is not there; nothing has moved.
            FrameError: One of the poses is no rigid motion; nothing has moved.
        """
        poses = {self._slot(i): self._checked_pose(T) for i, T in T_map_kf.items()}
        before = self._index.views.T_map_kf
        moved = {slot: T for slot, T in poses.items() if not np.array_equal(T, before[slot])}
        if moved:
            self._index.move(list(moved), list(moved.values()))

    def remove(self, keyframe_ids: Iterable[int]) -> None:
        """Forget keyframes: no trace of what they saw remains.

        Raises:
            DataError: One of them is not there; nothing is forgotten.
        """
        slots = {self._slot(keyframe_id) for keyframe_id in keyframe_ids}
        if slots:
            self._index.remove(sorted(slots))

    def rows(self) -> list[ViewRow]:
        """Return what every keyframe saw, by id, as far as the budget kept it."""
        return [self._index.row(slot) for _, slot in sorted(self._index.slots.items())]

    def restore(self, rows: Iterable[ViewRow], T_map_kf: Mapping[int, ArrayLike]) -> None:
        """Remember again what keyframes saw, as it was kept on disk.

        Args:
            rows: What `add` returned, or `rows`.
            T_map_kf: Where the keyframes are, (4, 4).

        Raises:
            ConfigError: The rows were made at another resolution; nothing is added.
            DataError: A row is damaged, its keyframe is there already, or has no pose; nothing is added.
        """
        poses: dict[int, tuple[ViewRow, Pose]] = {}
        for row in rows:
            self._check_row(row)
            if row.keyframe_id not in T_map_kf or row.keyframe_id in poses:
                raise DataError(f"keyframe {row.keyframe_id} has no pose, or two rows")
            poses[row.keyframe_id] = row, self._checked_pose(T_map_kf[row.keyframe_id])
        for row, T in poses.values():
            self._index.add(row, T)

    # ---- questions --------------------------------------------------------------------------------

    def views(self, *, of: ArrayLike, k: int = 5) -> list[View]:
        """Return the keyframes that show something best, each unlike those before it.

        A keyframe shows what its camera measured there; of two views alike in direction only the better is
        among the first. The first k of k + 1 views are those of k.

        Args:
            of: A point (3,) in map; or points (N, 3), for the box around them: two corners of a box are enough.
            k: How many at most.

        Raises:
            QueryError: `of` is no finite point, or k is less than one.
        """
        points = _checked_target(of)
        _check_count(k)
        found = find_views(
            self._index, points.min(axis=0), points.max(axis=0), max_range_m=self.max_range_m
        )
        return list(islice(found, k))

    def covisible(
        self, T_map_cam: ArrayLike, *, K: ArrayLike, shape: tuple[int, int], k: int = 5
    ) -> list[CovisibleView]:
        """Return the keyframes that share most surface with what is in view of a pose, best first.

        Args:
            T_map_cam: Pose of the optical frame in map, (4, 4).
            K: Pinhole intrinsics, (3, 3) pixels.
            shape: Height and width of its image in pixels.
            k: How many at most.

        Raises:
            QueryError: k is less than one.
            FormatError, FrameError: K or T has the wrong form, or K is of another image.
        """
        T_cam_map, camera = inverse(checked_pose(T_map_cam, "T_map_cam")), _camera(K, shape)
        _check_count(k)
        return find_covisible(self._index, T_cam_map, camera, max_range_m=self.max_range_m, k=k)

    def _slot(self, keyframe_id: int) -> int:
        slot = self._index.slots.get(keyframe_id)
        if slot is None:
            raise DataError(f"the view memory has no keyframe {keyframe_id}")
        return slot

    def _check_new(self, keyframe_id: int) -> None:
        if not 0 <= keyframe_id < 2**63:
            raise DataError(f"a keyframe's id is an int >= 0, got {keyframe_id!r}")
        if keyframe_id in self:
            raise DataError(f"keyframe {keyframe_id} is in the view memory already")

    def _check_row(self, row: ViewRow) -> None:
        self._check_new(row.keyframe_id)
        if row.quantum_m != self.resolution_m / QUANTA:
            raise ConfigError(
                f"what keyframe {row.keyframe_id} saw was kept in steps of {row.quantum_m} m, "
                f"not of {self.resolution_m / QUANTA} m: use the resolution it was made at"
            )
        is_whole = (
            row.camera.shape == (6,)
            and np.isfinite(row.camera).all()
            and (row.camera[[0, 1, 4, 5]] > 0).all()
            and row.p_kf.ndim == 2
            and row.p_kf.shape[1] == 3
            and row.p_kf.shape == row.n_kf.shape
            and row.p_kf.dtype == np.int16
            and row.n_kf.dtype == np.int8
        )
        if not is_whole:
            raise DataError(f"what keyframe {row.keyframe_id} saw is damaged")

    def _checked_pose(self, T_map_kf: ArrayLike) -> Pose:
        T = checked_pose(T_map_kf, "T_map_kf")
        reach_m = KEY_REACH * self.resolution_m - FARTHEST_CELLS * self.resolution_m * 2
        if not (np.abs(T[:3, 3]) < reach_m).all():
            raise DataError(
                f"{T[:3, 3].tolist()} is beyond the reach of cells of {self.resolution_m} m",
                reason=Reason.OUT_OF_BOUNDS,
            )
        return T


def sample_view(
    keyframe_id: int, depth_m: ArrayLike, *, K: ArrayLike, resolution_m: float, max_range_m: float
) -> ViewRow:
    """Return what a keyframe saw, as a `ViewMemory` of that resolution and range remembers it.

    Raises:
        FormatError: The depth or K has the wrong form, or K is of another image.
    """
    depth = checked_depth(depth_m)
    camera = _camera(K, depth.shape)
    p_kf, n_kf = sample_depth(depth, camera, resolution_m=resolution_m, max_range_m=max_range_m)
    return ViewRow(
        keyframe_id=keyframe_id,
        camera=np.array(camera, np.float64),
        quantum_m=resolution_m / QUANTA,
        p_kf=p_kf,
        n_kf=n_kf,
    )


def _camera(K: ArrayLike, shape: tuple[int, ...]) -> Pinhole:
    """Return the camera of an image of that shape; raises FormatError when K is of another one."""
    matrix = checked_intrinsics(K)
    if len(shape) != 2:
        raise FormatError(f"an image has a height and a width, got {shape}")
    height, width = shape
    cx, cy = matrix[0, 2], matrix[1, 2]
    if not (0 <= cx < width and 0 <= cy < height):
        raise FormatError(
            f"the principal point ({cx:g}, {cy:g}) is outside of an image of {width} x {height}: "
            "K is of another one",
            reason=Reason.INTRINSICS_INVALID,
        )
    return Pinhole(matrix[0, 0], matrix[1, 1], cx, cy, width, height)


def _checked_target(of: ArrayLike) -> Points:
    try:
        points = np.atleast_2d(np.asarray(of, dtype=np.float64))
    except (TypeError, ValueError) as err:
        raise QueryError(f"views are of a point (3,) or points (N, 3) in map: {err}") from err
    if points.ndim != 2 or points.shape[1] != 3 or not len(points) or not np.isfinite(points).all():
        raise QueryError(
            f"views are of a finite point (3,) or points (N, 3) in map, got {points.tolist()}"
        )
    return points


def _check_count(k: int) -> None:
    if k < 1:
        raise QueryError(f"k is at least 1, got {k}")
