"""Scenes made of boxes and walks through them: what is there is known to the last digit.

A world is an array of boxes (M, 2, 3), their lowest and highest corners in map. Randomness comes from
the generator that is passed in, so a seed names the scans.
"""

from collections.abc import Iterator

import numpy as np

from robomem.eval.scans import DepthScan, PointScan
from robomem.eval.sensors import Boxes, Camera, Lidar, Rng, camera_pose, photograph, sweep
from robomem.geometry import pose, rotation_from_yaw

Corner = tuple[float, float, float]

WALL_M = 0.1
GALLERY_PERIOD_M = 8.0  # 20 bricks of 5 cm voxels: every period falls onto the grid alike
GALLERY_FRAMES = 25  # in one period
STEP_M = 0.12  # between the frames in the flat: a slow walk at 5 Hz
STREET_STEP_M = 1.0  # between the turns of the LiDAR: 36 km/h at 10 Hz


def flat_scans(count: int, *, camera: Camera, rng: Rng) -> Iterator[DepthScan]:
    """Yield what a camera sees that walks round the table of a furnished living room."""
    world = flat(rng)
    for i in range(count):
        angle_rad = i * STEP_M / 1.5
        p_map = (1.7 * np.cos(angle_rad), 1.25 * np.sin(angle_rad), 1.35 + 0.1 * np.sin(i / 7))
        yaw_rad = angle_rad + 2.7 + 0.5 * np.sin(i / 9)  # across the room
        T_map_cam = camera_pose(p_map, yaw_rad=yaw_rad, pitch_rad=0.25 + 0.15 * np.sin(i / 5))
        yield photograph(world, T_map_cam, camera=camera, rng=rng)


def gallery_scans(count: int, *, camera: Camera, rng: Rng) -> Iterator[DepthScan]:
    """Yield what a camera sees on a straight walk through a hall that repeats itself every 8 m.

    So the images of one period, moved along, are those of any walk: a thousand cost no more than 25.
    """
    world, period = gallery(rng), []
    for i in range(count):
        lap, k = divmod(i, GALLERY_FRAMES)
        if lap == 0:
            along_m = k * GALLERY_PERIOD_M / GALLERY_FRAMES
            yaw_rad = np.sin(2 * np.pi * k / GALLERY_FRAMES)
            T_map_cam = camera_pose((along_m, 0, 1.4), yaw_rad=yaw_rad, pitch_rad=0.2)
            period.append(photograph(world, T_map_cam, camera=camera, rng=rng))
        T_map_cam = period[k].T_map_cam.copy()
        T_map_cam[0, 3] += lap * GALLERY_PERIOD_M
        yield DepthScan(period[k].depth_m, period[k].K, T_map_cam)


def street_scans(count: int, *, lidar: Lidar, rng: Rng) -> Iterator[PointScan]:
    """Yield what the LiDAR of a car sees in a street of houses, parked cars and poles."""
    world = street(rng)
    for i in range(count):
        T_map_lidar = pose(
            rotation_from_yaw(0.02 * np.sin(i / 5)), (i * STREET_STEP_M, -1.5, lidar.height_m)
        )
        yield sweep(world, T_map_lidar, lidar=lidar, rng=rng)


def flat(rng: Rng) -> Boxes:
    """Furnish a living room of 7 m x 5 m x 2.6 m, open to a kitchen through a doorway."""
    boxes = [
        *_room((-3.5, -2.5, 0), (7.5, 2.5, 2.6)),
        _box((3.5, -2.5, 0), (3.6, -0.9, 2.6)),  # the wall to the kitchen, a doorway in it
        _box((3.5, 0.2, 0), (3.6, 2.5, 2.6)),
        _box((3.5, -0.9, 2.05), (3.6, 0.2, 2.6)),
        *_table((-0.7, -0.4, 0), (0.7, 0.4, 0.75)),
        *_clutter((-0.6, -0.3, 0.75), (0.6, 0.3, 0.75), count=6, rng=rng),
        _box((-1.1, 1.6, 0), (1.1, 2.4, 0.42)),  # a sofa and its back
        _box((-1.1, 2.25, 0), (1.1, 2.5, 0.85)),
        *_shelf((-3.5, -1.2, 0), (-3.15, 1.2, 2.0)),
        *_clutter((-3.45, -1.1, 0.42), (-3.2, 1.1, 0.42), count=8, rng=rng),
        _box((-1.4, -2.5, 0), (0.9, -2.05, 0.55)),  # a sideboard, and the screen above it
        _box((-0.9, -2.5, 0.85), (0.5, -2.42, 1.6)),
        _box((5.2, -2.5, 0), (7.5, -1.9, 0.9)),  # the kitchen
        *_table((5.0, 0.9, 0), (6.4, 1.8, 0.75)),
        *_clutter((-3.0, -2.0, 0), (-2.3, 2.0, 0), count=4, rng=rng),
        *_clutter((2.4, -2.2, 0), (3.2, 2.2, 0), count=5, rng=rng),
    ]
    return np.array(boxes)


def gallery(rng: Rng) -> Boxes:
    """Build a hall along x, 5 m wide, whose pillars and furniture repeat every 8 m; two laps each way."""
    lap = np.array(
        [
            _box((1.0, 2.1, 0), (1.4, 2.5, 3.0)),
            _box((5.0, -2.5, 0), (5.4, -2.1, 3.0)),
            *_shelf((2.0, 2.15, 0), (3.8, 2.5, 2.0)),
            *_table((5.6, 1.2, 0), (7.2, 2.0, 0.75)),
            *_clutter((5.7, 1.3, 0.75), (7.1, 1.9, 0.75), count=5, rng=rng),
            *_clutter((0.2, -2.3, 0), (4.6, -1.2, 0), count=9, rng=rng),
        ]
    )
    laps = [lap + np.array([k * GALLERY_PERIOD_M, 0, 0]) for k in range(-2, 4)]
    ends = 4 * GALLERY_PERIOD_M
    walls = _room((-ends, -2.5, 0), (ends + GALLERY_PERIOD_M, 2.5, 3.0))
    return np.concatenate([np.array(walls[:4]), *laps])


def street(rng: Rng) -> Boxes:
    """Build a street along x, 320 m of it: houses of differing height and setback, cars, poles."""
    boxes = [_box((-170, -60, -0.5), (260, 60, 0.0))]
    for side in (-1, 1):
        x = -160.0
        while x < 240:
            width, setback, height = rng.uniform(8, 18), rng.uniform(8, 12), rng.uniform(6, 15)
            boxes.append(_box((x, side * setback, 0), (x + width, side * (setback + 10), height)))
            x += width + (rng.uniform(3, 8) if rng.random() < 0.3 else 0.0)
        for x in np.arange(-150, 240, 11.0) + rng.uniform(0, 5, 36):
            boxes.append(_box((x, side * 4.5, 0.2), (x + 4.3, side * 6.2, 0.9)))  # a car, its cabin
            boxes.append(_box((x + 1.0, side * 4.7, 0.9), (x + 3.3, side * 6.0, 1.45)))
        boxes += [_box((x, side * 7.0, 0), (x + 0.2, side * 7.2, 6)) for x in range(-150, 240, 25)]
    return np.array(boxes)


def _box(a: Corner, b: Corner) -> Boxes:
    """Return the box (2, 3) between two corners."""
    corners = np.array([a, b], dtype=np.float64)
    return np.stack([corners.min(axis=0), corners.max(axis=0)])


def _room(low: Corner, high: Corner) -> list[Boxes]:
    """Return floor, ceiling and walls round a space: those across y before those across x."""
    inner = _box(low, high)
    outer = inner + np.array([[-WALL_M], [WALL_M]])
    sides = []
    for axis in (2, 1, 0):
        for side in (0, 1):
            wall = outer.copy()
            wall[1 - side, axis] = inner[side, axis]
            sides.append(wall)
    return sides


def _table(low: Corner, high: Corner) -> list[Boxes]:
    """Return the top, 4 cm thick, and four legs of 6 cm."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    legs = [(x, y) for x in (x0, x1 - 0.06) for y in (y0, y1 - 0.06)]
    top = _box((x0, y0, z1 - 0.04), high)
    return [top, *(_box((x, y, z0), (x + 0.06, y + 0.06, z1 - 0.04)) for x, y in legs)]


def _shelf(low: Corner, high: Corner) -> list[Boxes]:
    """Return boards of 2 cm, 40 cm apart, between two sides."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    boards = [_box((x0, y0, z), (x1, y1, z + 0.02)) for z in np.arange(z0 + 0.4, z1 + 0.01, 0.4)]
    is_along_x = x1 - x0 > y1 - y0
    near = (x0 + 0.02, y1, z1) if is_along_x else (x1, y0 + 0.02, z1)
    far = (x1 - 0.02, y0, z0) if is_along_x else (x0, y1 - 0.02, z0)
    return [*boards, _box(low, near), _box(far, high)]


def _clutter(low: Corner, high: Corner, *, count: int, rng: Rng) -> list[Boxes]:
    """Return boxes of 8 cm to 35 cm that stand at random places between two corners of a surface."""
    sizes = rng.uniform(0.08, 0.35, (count, 3))
    corners = rng.uniform(low, high, (count, 3))
    return [_box(corner, corner + size) for corner, size in zip(corners, sizes, strict=True)]
