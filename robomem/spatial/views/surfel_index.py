"""The surfels: samples of every view, in lists by cell of the map; arrays that grow, shrink and move along."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Pose
from robomem.spatial.views import lists
from robomem.spatial.views.layout import EMPTY, QUANTA, Samples, Slots, Surfels, Views
from robomem.spatial.views.values import ViewRow

Arrays = TypeVar("Arrays", Views, Samples, Surfels)

FIRST_ROWS = 1024
VIEWS_AT_ONCE = 64  # views whose samples are put into lists before there is room made again
LOST_FRACTION = 0.25  # of the samples, in no list any more, before they are cleared away
KEPT_FRACTION = 0.9  # of the most surfels, when there are more: so it is not every keyframe's work


class SurfelIndex:
    """Which views saw which surfel.

    Args:
        cell_m: Edge of a cell: samples in one cell with like normals are one surfel.
        max_observations: The most samples that a surfel keeps, the best ones.
        max_surfels: The most surfels, those that were seen best.
    """

    def __init__(self, cell_m: float, *, max_observations: int, max_surfels: int) -> None:
        self.cell_m = cell_m
        self._max_observations = max_observations
        self._max_surfels = max_surfels
        self.slots: dict[int, int] = {}  # of keyframes
        self.surfel_count = 0
        self._sample_count = 0
        self._views = Views(
            ids=np.zeros(0, np.int64),
            T_map_kf=np.zeros((0, 4, 4)),
            cameras=np.zeros((0, 6)),
            blocks=np.zeros((0, 2), np.int64),
        )
        self._samples = Samples(
            p_kf=np.zeros((0, 3), np.int16),
            n_kf=np.zeros((0, 3), np.int8),
            quality=np.zeros(0, np.uint8),
            viewer=np.zeros(0, np.int32),
            surfel=np.zeros(0, np.int32),
            next=np.zeros(0, np.int32),
        )
        self._surfels = Surfels(
            keys=np.zeros(0, np.int64),
            heads=np.zeros(0, np.int32),
            counts=np.zeros(0, np.int32),
            floors=np.zeros(0, np.uint8),
            p_map=np.zeros((0, 3), np.float32),
            n_map=np.zeros((0, 3), np.float32),
        )
        self._table = np.full(FIRST_ROWS, EMPTY, np.int32)

    @property
    def views(self) -> Views:
        """The keyframes."""
        return _each(self._views, lambda array: array[: len(self.slots)])

    @property
    def samples(self) -> Samples:
        """What they saw."""
        return _each(self._samples, lambda array: array[: self._sample_count])

    @property
    def surfels(self) -> Surfels:
        """What was seen."""
        return _each(self._surfels, lambda array: array[: self.surfel_count])

    @property
    def memory_bytes(self) -> int:
        """What all arrays take."""
        arrays: list[NDArray[Any]] = [*self._views, *self._samples, *self._surfels, self._table]
        return sum(array.nbytes for array in arrays)

    def add(self, row: ViewRow, T_map_kf: Pose) -> None:
        """Take in what a keyframe saw."""
        slot, size = len(self.slots), len(row.p_kf)
        self._make_room(size)
        begin, end = self._sample_count, self._sample_count + size
        views, samples = self._views, self._samples
        views.ids[slot], views.T_map_kf[slot] = row.keyframe_id, T_map_kf
        views.cameras[slot], views.blocks[slot] = row.camera, (begin, end)
        samples.p_kf[begin:end], samples.n_kf[begin:end] = row.p_kf, row.n_kf
        samples.quality[begin:end] = lists.judge(
            samples.p_kf[begin:end], samples.n_kf[begin:end], float(row.camera[0]), self.cell_m
        )
        samples.viewer[begin:end] = slot
        self.slots[row.keyframe_id] = slot
        self._sample_count = end
        self._link(np.array([slot], np.int32))

    def move(self, slots: Sequence[int], poses: Sequence[Pose]) -> None:
        """Set where keyframes are, and put what they saw where it belongs."""
        which = np.array(slots, np.int32)
        self._unlink(which)
        self._views.T_map_kf[which] = poses
        for first in range(0, len(which), VIEWS_AT_ONCE):
            self._link(which[first : first + VIEWS_AT_ONCE])

    def remove(self, slots: Sequence[int]) -> None:
        """Erase what keyframes saw, and the keyframes."""
        which = np.array(slots, np.int32)
        self._unlink(which)
        is_kept = np.ones(len(self.slots), np.bool_)
        is_kept[which] = False
        self._pack_samples(is_kept)

    def row(self, slot: int) -> ViewRow:
        """Return what is kept of what a keyframe saw."""
        begin, end = self._views.blocks[slot]
        is_kept = self._samples.surfel[begin:end] != EMPTY
        return ViewRow(
            keyframe_id=int(self._views.ids[slot]),
            camera=self._views.cameras[slot].copy(),
            quantum_m=self.cell_m / QUANTA,
            p_kf=self._samples.p_kf[begin:end][is_kept],
            n_kf=self._samples.n_kf[begin:end][is_kept],
        )

    def _link(self, which: Slots) -> None:
        blocks = self._views.blocks[which]
        most = self.surfel_count + int((blocks[:, 1] - blocks[:, 0]).sum())
        _grow(self._surfels, most)
        if len(self._table) < 2 * most:
            self._table = np.empty(_power_of_two(2 * most), np.int32)
            self._pack_surfels()
        self.surfel_count = lists.link(
            self._views,
            self._samples,
            self._surfels,
            self._table,
            which,
            self.surfel_count,
            self.cell_m,
            self._max_observations,
        )
        if self.surfel_count > self._max_surfels:
            self._drop_surfels(self.surfel_count - int(KEPT_FRACTION * self._max_surfels))

    def _unlink(self, which: Slots) -> None:
        is_gone = np.zeros(len(self.slots), np.bool_)
        is_gone[which] = True
        lists.unlink(self._views, self._samples, self._surfels, which, is_gone, self.cell_m)
        self._pack_surfels()

    def _drop_surfels(self, count: int) -> None:
        """Forget the surfels that were never seen well; of equals those that lie lowest in the order of keys."""
        best = self._samples.quality[self.surfels.heads]
        worst = np.lexsort((self.surfels.keys, best))[:count].astype(np.int32)
        lists.empty(self._samples, self._surfels, worst)
        self._pack_surfels()

    def _pack_surfels(self) -> None:
        self.surfel_count = lists.pack(self._samples, self._surfels, self._table, self.surfel_count)
        for array in self._surfels:
            array[self.surfel_count :] = 0

    def _make_room(self, size: int) -> None:
        """Make room for a view and so many samples: first where many samples are that no surfel kept."""
        if self._sample_count + size > len(self._samples.viewer):
            lost = np.count_nonzero(self.samples.surfel == EMPTY)
            if lost > LOST_FRACTION * self._sample_count:
                self._pack_samples(np.ones(len(self.slots), np.bool_))
        _grow(self._samples, self._sample_count + size)
        _grow(self._views, len(self.slots) + 1)

    def _pack_samples(self, is_kept: NDArray[np.bool_]) -> None:
        """Drop the samples that are in no list, and the views that are not kept: of these no sample is."""
        views, samples = self.views, self.samples
        is_listed = samples.surfel != EMPTY
        ends = np.concatenate([[0], np.cumsum(is_listed)])  # samples that are listed before each
        listed = _each(samples, lambda array: array[is_listed])
        listed.next[:] = np.where(listed.next == EMPTY, EMPTY, ends[listed.next])
        listed.viewer[:] = (np.cumsum(is_kept) - 1)[listed.viewer]
        self.surfels.heads[:] = ends[self.surfels.heads]
        kept = _each(views, lambda array: array[is_kept])
        kept.blocks[:] = ends[kept.blocks]
        self._samples, self._views = listed, kept
        self._sample_count = len(listed.viewer)
        self.slots = {int(keyframe_id): slot for slot, keyframe_id in enumerate(kept.ids)}


def _grow(arrays: Views | Samples | Surfels, rows: int) -> None:
    """Give arrays at least so many rows, in place: large ones are not copied then.

    What was sliced of them before is void.
    """
    columns: tuple[NDArray[Any], ...] = arrays
    most = rows + max(FIRST_ROWS, rows // 16)
    if rows > len(columns[0]):
        for column in columns:
            column.resize((most, *column.shape[1:]), refcheck=False)


def _each(arrays: Arrays, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Arrays:
    columns: tuple[NDArray[Any], ...] = arrays
    return type(arrays)(*map(change, columns))


def _power_of_two(rows: int) -> int:
    return 1 << (rows - 1).bit_length()
