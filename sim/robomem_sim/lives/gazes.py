"""Which places a robot had in view, and when: what was looked at is what it could know of."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from robomem_sim.lives.home import Vector
from robomem_sim.lives.moments import Look, are_framed


class Gazes:
    """The looks of a life by their rooms; a place is in view of a look as far as a thing there could be detected.

    Args:
        looks: In order.
        range_m: How far the robot sees.
    """

    def __init__(self, looks: Iterable[Look], *, range_m: float) -> None:
        self._range_m = range_m
        of_room: dict[str, list[Look]] = {}
        for look in looks:
            of_room.setdefault(look.room, []).append(look)
        self._stamps = {room: np.array([g.stamp_ns for g in of_room[room]]) for room in of_room}
        self._T_map_cams = {
            room: np.array([g.T_map_cam for g in of_room[room]]) for room in of_room
        }

    def stamps(
        self, p_map: Vector, room: str, *, since_ns: int = 0, until_ns: int
    ) -> NDArray[np.int64]:
        """Return when a place (3,) in map, in a room, was in view in a time span, in order; things may have hidden it."""
        if room not in self._stamps:
            return np.empty(0, np.int64)
        first, end = np.searchsorted(self._stamps[room], (since_ns, until_ns))
        T_map_cams = self._T_map_cams[room][first:end]
        p_cams = np.einsum("nji,nj->ni", T_map_cams[:, :3, :3], p_map - T_map_cams[:, :3, 3])
        stamps = self._stamps[room][first:end]
        return np.asarray(stamps[are_framed(p_cams, range_m=self._range_m)])
