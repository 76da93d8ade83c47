"""The view memory on disk: what each keyframe saw, read when somebody asks, as the keyframes are by then."""

import logging
from typing import TYPE_CHECKING

import numpy as np

from robomem.config import SpatialConfig
from robomem.errors import DataError
from robomem.geometry import Pose
from robomem.store.records import Records
from robomem.store.rows import SurfelsRow
from robomem.types import Observation

if TYPE_CHECKING:  # its kernels take half a second to import
    from robomem.spatial.views import ViewMemory, ViewRow

logger = logging.getLogger(__name__)


class StoredViews:
    """What keyframes saw; its state is what the records hold."""

    def __init__(self, records: Records, config: SpatialConfig) -> None:
        self._records = records
        self._resolution_m = config.surfel_size_m
        self._max_range_m = config.max_range_m
        self._views: ViewMemory | None = None
        self._poses: dict[int, Pose] = {}
        self._version: tuple[int, int] | None = None

    def keep(self, keyframe_id: int, observation: Observation) -> None:
        """Keep what a new keyframe saw, in a transaction; nothing without a depth image that can be used."""
        if observation.depth_m is None or observation.K is None:
            return
        from robomem.spatial.views.view_memory import sample_view

        try:
            row = sample_view(
                keyframe_id,
                observation.depth_m,
                K=observation.K,
                resolution_m=self._resolution_m,
                max_range_m=self._max_range_m,
            )
        except DataError as err:
            logger.debug("keyframe %d shows no surfaces: %s", keyframe_id, err)
            return
        self._records.surfels.save(
            SurfelsRow(
                keyframe_id, row.camera, row.quantum_m, row.p_kf.tobytes(), row.n_kf.tobytes()
            )
        )

    def current(self) -> "ViewMemory":
        """Return the view memory as the records are now; inside a snapshot."""
        from robomem.spatial.views import ViewMemory

        if self._views is not None and self._version == self._records.version:
            return self._views
        poses = self._poses_now()
        if self._views is None or not poses.keys() >= self._poses.keys():
            self._views = ViewMemory(self._resolution_m, max_range_m=self._max_range_m)
            self._poses = {}
        views, self._views = self._views, None  # whatever fails below, it is made anew
        moved = {i for i, T in self._poses.items() if not np.array_equal(T, poses[i])}
        views.correct({i: poses[i] for i in moved})
        newest = max(self._poses, default=-1)
        rows = self._records.surfels.select("keyframe_id > ?", newest)
        views.restore(map(_view_row, rows), poses)
        self._views, self._poses, self._version = views, poses, self._records.version
        return views

    def _poses_now(self) -> dict[int, Pose]:
        seen = set(self._records.surfel_keyframes())
        rows = self._records.keyframes.select()
        return {r.keyframe_id: r.T_map_kf.reshape(4, 4) for r in rows if r.keyframe_id in seen}


def _view_row(row: SurfelsRow) -> "ViewRow":
    from robomem.spatial.views import ViewRow

    return ViewRow(
        keyframe_id=row.keyframe_id,
        camera=row.camera,
        quantum_m=row.quantum_m,
        p_kf=np.frombuffer(row.p_kf, np.int16).reshape(-1, 3),
        n_kf=np.frombuffer(row.n_kf, np.int8).reshape(-1, 3),
    )
