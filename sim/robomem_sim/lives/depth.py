"""Depth images of a home made of boxes: walls with open doors, furniture, things."""

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Depth, Pose
from robomem_sim.lives.home import HALL, WALL_M, Home, Room

SHAPE_PX = 60, 80  # height and width
F_PX = SHAPE_PX[1] / 2 / np.tan(np.deg2rad(60))  # 120 degrees across
K = np.array([[F_PX, 0, 39.5], [0, F_PX, 29.5], [0, 0, 1]])
CEILING_M, DOOR_M, DOOR_WIDTH_M = 2.5, 2.0, 0.9
NOISE_PER_M2 = 0.003  # of the depth, with the square of the range
Array = NDArray[np.float64]
Boxes = Array  # (N, 2, 3): the low and the high corners, metres in map


def box_around(p_map: Array, size_m: Array) -> Array:
    """Return the box (2, 3) of a size around its middle."""
    return np.stack([p_map - size_m / 2, p_map + size_m / 2])


def render(home: Home, room: Room, solids: Boxes, T_map_cam: Pose, *, seed: int) -> Depth:
    """Return the depth (60, 80) in metres that a camera in a room measures.

    Args:
        home: Its walls; the doors between the rooms and the hall are open.
        room: Where the camera is.
        solids: What stands in the room.
        T_map_cam: Pose of the optical frame in map, (4, 4).
        seed: Of the noise.
    """
    sight = _Sight(T_map_cam[:3, 3], T_map_cam[:3, :3] @ _RAYS_CAM)
    depth_m = _to_walls(home, room, sight)
    for low, high in solids:
        near_m, far_m = sight.crossing(low, high)
        is_hit = (near_m <= far_m) & (near_m > 0)
        depth_m = np.where(is_hit, np.minimum(depth_m, near_m), depth_m)
    noise = np.random.default_rng(seed).standard_normal(len(depth_m), np.float32)
    depth_m = depth_m + NOISE_PER_M2 * depth_m**2 * noise
    return depth_m.reshape(SHAPE_PX)


class _Sight:
    """The rays of one camera, (3, N) in map, from one point (3,)."""

    def __init__(self, origin: Array, rays: Array) -> None:
        self._origin = origin.astype(np.float32)[:, None]
        self._rays = rays.astype(np.float32)
        with np.errstate(divide="ignore"):
            self._inverse = 1 / self._rays

    def crossing(self, low: Array, high: Array) -> tuple[Depth, Depth]:
        """Return where the rays enter and leave a box, (N,), by the slabs between its faces (Kay and Kajiya, 1986)."""
        with np.errstate(invalid="ignore"):
            to_low = (low.astype(np.float32)[:, None] - self._origin) * self._inverse
            to_high = (high.astype(np.float32)[:, None] - self._origin) * self._inverse
        near, far = np.fmin(to_low, to_high), np.fmax(to_low, to_high)
        return (
            np.maximum(np.maximum(near[0], near[1]), near[2]),
            np.minimum(np.minimum(far[0], far[1]), far[2]),
        )

    def at(self, depth_m: Depth) -> Depth:
        """Return the points (3, N) in map at some depth along the rays."""
        return self._origin + depth_m * self._rays


def _to_walls(home: Home, room: Room, sight: _Sight) -> Depth:
    """Return how far the wall, floor or ceiling is along each ray, (N,), through the doors."""
    exits_m = _leaving(room, sight)
    hall = home.room(HALL)
    for inner in [other for other in home.rooms if other is not hall]:
        if room is inner or room is hall:
            is_open = _is_in_door(inner, hall, sight.at(exits_m))
            beyond_m = _leaving(hall if room is inner else inner, sight)
            exits_m = np.where(is_open, beyond_m, exits_m)
    return exits_m


def _is_in_door(room: Room, hall: Room, p_map: Depth) -> NDArray[np.bool_]:
    wall_y = hall.y_max if room.y_min >= hall.y_max else hall.y_min
    x, y, z = p_map
    is_across = abs(x - room.centre_map[0]) < DOOR_WIDTH_M / 2
    return np.asarray((abs(y - wall_y) <= WALL_M + 1e-3) & is_across & (z > 0.01) & (z < DOOR_M))


def _leaving(room: Room, sight: _Sight) -> Depth:
    low = np.array([room.x_min, room.y_min, 0.0])
    return sight.crossing(low, np.array([room.x_max, room.y_max, CEILING_M]))[1]


def _rays() -> Array:
    """Return the directions (3, N) of all pixels in the optical frame, as long as their depth is 1."""
    v, u = np.mgrid[: SHAPE_PX[0], : SHAPE_PX[1]]
    x, y = (u - K[0, 2]) / F_PX, (v - K[1, 2]) / F_PX
    return np.stack([x, y, np.ones_like(x)]).reshape(3, -1)


_RAYS_CAM = _rays()
