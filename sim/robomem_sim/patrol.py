"""Where to stand so that everything is seen, and in which order: the plan of a patrol."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from robomem_sim.camera import Scene
from robomem_sim.free_space import CELL_M, XY, FreeSpace
from robomem_sim.house import ROOM_TO_STAND_M, House, Thing

Vector = NDArray[np.float64]

GRID_CELLS = 4  # candidates stand this many cells apart
NEAREST_M, FARTHEST_M = 0.8, 2.7  # from a thing, in the floor plane
LOWEST, HIGHEST = np.tan(np.deg2rad([-40.0, 10.0]))  # slopes of sight that lie inside the image
MIN_FRACTION = 0.6  # of the rays to a thing that have to end on it
STOP_SHORT_M = 0.1
OTHER_ROOM_M = 4.0  # counts as extra distance, so that a room is finished first


def plan_stands(
    house: House, scene: Scene, *, eye_height_m: float, also_seen_map: Sequence[Vector] = ()
) -> list[XY]:
    """Return where to stand and look round, in order from the origin: all rooms, all things.

    Args:
        house: What is patrolled.
        scene: Its triangles.
        eye_height_m: Height of the camera.
        also_seen_map: Places (3,) in map to look at too, where something may have stood.
    """
    candidates = _candidates(house.free_space)
    eyes = np.column_stack([candidates, np.full(len(candidates), eye_height_m)])
    seen = [_sees_thing(scene, eyes, thing) for thing in house.things]
    seen += [_sees_place(scene, eyes, place) for place in also_seen_map]
    seen += [np.array([room.contains(xy) for xy in candidates]) for room in house.rooms]
    return list(_in_order(house, [candidates[i] for i in _cover(np.array(seen))]))


def _candidates(free_space: FreeSpace) -> XY:
    """Return points to stand on, (N, 2) in map, on a coarse grid."""
    points = free_space.reachable((0.0, 0.0), radius_m=ROOM_TO_STAND_M)
    cells = np.floor(points / CELL_M).astype(int)
    coarse: XY = points[(cells % GRID_CELLS == 0).all(axis=1)]
    return coarse


def _sees_thing(scene: Scene, eyes: Vector, thing: Thing) -> NDArray[np.bool_]:
    """Tell which eyes (N, 3) see most of a thing: rays to points inside its parts end on it."""
    offsets = 0.4 * np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])
    probes = np.vstack([part.center + offsets * part.size for part in thing.parts])
    rays = probes[:, None] - eyes
    _, faces = scene.cast(np.broadcast_to(eyes, rays.shape).reshape(-1, 3), rays.reshape(-1, 3))
    hits = (scene.thing_ids(faces) == thing.thing_id).reshape(rays.shape[:2])
    is_clear: NDArray[np.bool_] = hits.mean(axis=0) >= MIN_FRACTION
    return is_clear & _is_well_placed(eyes, thing.p_map)


def _sees_place(scene: Scene, eyes: Vector, place: Vector) -> NDArray[np.bool_]:
    """Tell from which eyes (N, 3) nothing hides a place."""
    rays = place - eyes
    reach, _ = scene.cast(eyes, rays)
    short = 1 - STOP_SHORT_M / np.linalg.norm(rays, axis=1)
    clear: NDArray[np.bool_] = (reach >= short) & _is_well_placed(eyes, place)
    return clear


def _is_well_placed(eyes: Vector, place: Vector) -> NDArray[np.bool_]:
    rays = place - eyes
    flat_m = np.linalg.norm(rays[:, :2], axis=1)
    slope = rays[:, 2] / np.maximum(flat_m, 1e-9)
    is_at_distance = (flat_m >= NEAREST_M) & (flat_m <= FARTHEST_M)
    placed: NDArray[np.bool_] = is_at_distance & (slope >= LOWEST) & (slope <= HIGHEST)
    return placed


def _cover(seen: NDArray[np.bool_]) -> Iterator[int]:
    """Yield columns until every row (target) that can be seen is: greedily, the most at a time."""
    left = seen[seen.any(axis=1)]
    while len(left):
        best = int(left.sum(axis=0).argmax())
        yield best
        left = left[~left[:, best]]


def _in_order(house: House, stands: list[XY]) -> Iterator[XY]:
    """Yield the nearest next, those of the same room first."""
    here = np.zeros(2)
    while stands:
        room = house.room_of(here)
        costs = [
            np.linalg.norm(stand - here) + OTHER_ROOM_M * (house.room_of(stand) != room)
            for stand in stands
        ]
        here = stands.pop(int(np.argmin(costs)))
        yield here
