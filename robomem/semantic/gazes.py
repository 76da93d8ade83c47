"""What keyframes had in their images, hidden or not: where a robot looked, and did not find what it found later."""

import numpy as np
from numpy.typing import NDArray

from robomem.store.records import Records
from robomem.store.rows import keyframe_of
from robomem.types import Vector


class Gazes:
    """The images of the keyframes of a memory, in arrays; make a new one when keyframes were moved."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._last_id = 0
        self._stamps = np.empty(0, np.int64)
        self._T_map_kfs = np.empty((0, 4, 4))
        self._Ks = np.empty((0, 3, 3))

    def stamps(self, p_map: Vector, *, within_m: float, until_ns: int) -> NDArray[np.int64]:
        """Return when a point (3,) in map was in an image, no farther than this, up to a moment; in order of keyframes."""
        self._follow()
        R, t = self._T_map_kfs[:, :3, :3], self._T_map_kfs[:, :3, 3]
        p_kf = np.einsum("nji,nj->ni", R, p_map - t)
        is_near = (np.linalg.norm(p_kf, axis=1) <= within_m) & (self._stamps <= until_ns)
        is_near &= p_kf[:, 2] > 0
        p_image = np.einsum("nij,nj->ni", self._Ks[is_near], p_kf[is_near])
        middles_px = self._Ks[is_near, :2, 2]
        off_px = np.abs(p_image[:, :2] / p_image[:, 2:] - middles_px)
        return np.asarray(self._stamps[is_near][(off_px <= middles_px).all(axis=1)])

    def _follow(self) -> None:
        """Take in the keyframes that are new."""
        rows = self._records.keyframes.select("keyframe_id > ? AND K IS NOT NULL", self._last_id)
        if not rows:
            return
        keyframes = [keyframe_of(row) for row in rows]
        self._last_id = keyframes[-1].keyframe_id
        self._stamps = np.append(self._stamps, [k.stamp_ns for k in keyframes])
        self._T_map_kfs = np.concatenate([self._T_map_kfs, [k.T_map_kf for k in keyframes]])
        self._Ks = np.concatenate([self._Ks, [k.K for k in keyframes if k.K is not None]])
