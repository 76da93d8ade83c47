"""What keyframes had in their images, hidden or not: where a robot looked, and did not find what it found later."""

import numpy as np
from numpy.typing import NDArray

from robomem.store.records import Records
from robomem.types import Vector

FIRST_ROOM = 64  # keyframes; twice as many whenever that is too few
COLUMNS = ("keyframe_id", "stamp_ns", "T_map_kf", "K")


class Gazes:
    """The images of the keyframes of a memory, in arrays; make a new one when keyframes were moved."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._last_id = self._count = 0
        self._stamps = np.zeros(FIRST_ROOM, np.int64)
        self._T_map_kfs = np.zeros((FIRST_ROOM, 4, 4))
        self._Ks = np.zeros((FIRST_ROOM, 3, 3))

    def stamps(
        self, p_map: Vector, *, within_m: float, until_ns: int, after_ns: int = -1
    ) -> NDArray[np.int64]:
        """Return when a point (3,) in map was in an image, no farther than this, in order of keyframes.

        Args:
            p_map: The point.
            within_m: How far from the camera at most.
            until_ns: Up to this moment,
            after_ns: and after this one.
        """
        self._follow()
        stamps = self._stamps[: self._count]
        then = np.flatnonzero((stamps > after_ns) & (stamps <= until_ns))
        T_map_kfs = self._T_map_kfs[then]
        p_kf = np.einsum("nji,nj->ni", T_map_kfs[:, :3, :3], p_map - T_map_kfs[:, :3, 3])
        is_near = (np.linalg.norm(p_kf, axis=1) <= within_m) & (p_kf[:, 2] > 0)
        near = then[is_near]
        p_image = np.einsum("nij,nj->ni", self._Ks[near], p_kf[is_near])
        middles_px = self._Ks[near, :2, 2]
        off_px = np.abs(p_image[:, :2] / p_image[:, 2:] - middles_px)
        return np.asarray(stamps[near][(off_px <= middles_px).all(axis=1)])

    def _follow(self) -> None:
        """Take in the keyframes that are new; those without a camera have no image."""
        last = self._records.keyframes.last()
        if last is None or last.keyframe_id == self._last_id:
            return
        rows = sorted(
            self._records.keyframes.values(
                COLUMNS, "keyframe_id > ? AND K IS NOT NULL", self._last_id
            )
        )
        self._last_id = last.keyframe_id
        begin, self._count = self._count, self._count + len(rows)
        while self._count > len(self._stamps):
            self._stamps, self._T_map_kfs, self._Ks = (
                np.concatenate([a, np.zeros_like(a)])
                for a in (self._stamps, self._T_map_kfs, self._Ks)
            )
        new = slice(begin, self._count)
        self._stamps[new] = [row[1] for row in rows]
        for array, column in ((self._T_map_kfs, 2), (self._Ks, 3)):
            values = np.frombuffer(b"".join(row[column] for row in rows), "<f8")
            array[new] = values.reshape(len(rows), *array.shape[1:])
