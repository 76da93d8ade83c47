# mypy: disable-error-code="arg-type,assignment,return-value"
# ruff: noqa: C901, PLR0912, PLR0915
"""From a depth image to surfels in the frame of its camera, one to a cell: compiled.

The cells lie in the camera's frame, so what a keyframe saw does not depend on where it is believed to be.
"""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit
from robomem.spatial.views.layout import (
    EMPTY,
    FARTHEST_CELLS,
    NORMAL_UNITS,
    QUANTA,
    Normals,
    Pinhole,
    Positions,
)
from robomem.spatial.views.lists import find

PIXELS_ACROSS = 2  # the farthest cell still has so many samples across
FEWEST_ACROSS = 16  # an image has as many samples at least
SAME_SURFACE = 0.03  # of the depth: pixels of one block that differ by more lie on two surfaces
STEEPEST = 6.0  # rise of depth over lateral distance that is still one surface: 80 degrees
MAX_REACH = 8  # samples to either side that a normal is taken over


def sample_depth(
    depth_m: NDArray[np.float32], camera: Pinhole, *, resolution_m: float, max_range_m: float
) -> tuple[Positions, Normals]:
    """Return the surfels of a depth image, one to a cell of the camera's frame and direction of normal.

    Args:
        depth_m: Depth along z, (H, W) metres; what is not finite and positive is skipped.
        camera: Who took it.
        resolution_m: Edge of a cell.
        max_range_m: Farther surfaces are skipped.

    Returns:
        Positions (N, 3) in 1 / QUANTA of a cell, unit normals (N, 3) times NORMAL_UNITS.
    """
    finest = resolution_m * camera.fx / (PIXELS_ACROSS * max_range_m)
    stride = max(1, min(int(finest), min(depth_m.shape) // FEWEST_ACROSS))
    depth_m = np.require(depth_m, np.float32, "CW")  # one type of array, so one compilation
    points = _reduce(depth_m, camera, stride, max_range_m)
    return _thin(points, camera.fx / stride, resolution_m)


@jit
def _reduce(
    depth_m: NDArray[np.float32], camera: Pinhole, stride: int, max_range_m: float
) -> NDArray[np.float64]:
    """Return a point for every block of pixels, (H, W, 3) metres; z is 0 where there is none.

    It is the mean of those pixels that lie on one surface with the block's first one from the middle.
    """
    height, width = depth_m.shape[0] // stride, depth_m.shape[1] // stride
    points = np.zeros((height, width, 3))
    half = stride // 2
    for i in range(height):
        for j in range(width):
            first = np.float32(0.0)
            for k in range(stride * stride):  # from the middle row on
                row = i * stride + (k // stride + half) % stride
                z = depth_m[row, j * stride + (k % stride + half) % stride]
                if z > 0 and z < np.inf:
                    first = z
                    break
            if first == 0:
                continue
            total, count = 0.0, 0
            for row in range(i * stride, (i + 1) * stride):
                for column in range(j * stride, (j + 1) * stride):
                    z = depth_m[row, column]
                    if abs(z - first) < SAME_SURFACE * first:
                        total += z
                        count += 1
            z_m = total / count
            x = (j * stride + 0.5 * (stride - 1) - camera.cx) / camera.fx * z_m
            y = (i * stride + 0.5 * (stride - 1) - camera.cy) / camera.fy * z_m
            if x * x + y * y + z_m * z_m <= max_range_m * max_range_m:
                points[i, j] = x, y, z_m
    return points


@jit
def _thin(
    points: NDArray[np.float64], focal: float, resolution_m: float
) -> tuple[Positions, Normals]:
    """Return the mean point and normal of the samples of every cell and direction of normal.

    A sample whose pixel covers more than a cell stands for several.
    """
    height, width = points.shape[:2]
    table = np.full(1024, EMPTY, np.int32)
    keys, sums = np.empty(512, np.int64), np.zeros((512, 7))  # point, normal, count
    count = 0
    for i in range(height):
        for j in range(width):
            x, y, z = points[i, j, 0], points[i, j, 1], points[i, j, 2]
            if z == 0:
                continue
            reach = min(MAX_REACH, max(1, int(resolution_m * focal / z + 0.5)))
            ux, uy, uz, has_u = _slope(points, i, j, 0, reach)
            vx, vy, vz, has_v = _slope(points, i, j, reach, 0)
            if not has_u and not has_v:
                continue  # a lone pixel between two surfaces
            if has_u and has_v:
                nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            else:  # too thin to have a slope: it faces the camera
                nx, ny, nz = x, y, z
            length = np.sqrt(nx * nx + ny * ny + nz * nz)
            if length == 0:
                continue
            if nx * x + ny * y + nz * z > 0:
                length = -length
            nx, ny, nz = nx / length, ny / length, nz / length
            side = _side(nx, ny, nz)
            many_u = _count_cells(ux, uy, uz, resolution_m)
            many_v = _count_cells(vx, vy, vz, resolution_m)
            for a in range(many_u):
                for b in range(many_v):
                    s, t = (a + 0.5) / many_u - 0.5, (b + 0.5) / many_v - 0.5
                    px, py, pz = x + s * ux + t * vx, y + s * uy + t * vy, z + s * uz + t * vz
                    key = _key(px, py, pz, side, resolution_m)
                    if key == EMPTY:
                        continue
                    if 2 * count == len(table):
                        table, keys, sums = _grow(keys, sums)
                    h = find(keys, table, key)
                    row = table[h]
                    if row == EMPTY:
                        row = table[h] = count
                        keys[row] = key
                        count += 1
                    sums[row, 0] += px
                    sums[row, 1] += py
                    sums[row, 2] += pz
                    sums[row, 3] += nx
                    sums[row, 4] += ny
                    sums[row, 5] += nz
                    sums[row, 6] += 1
    return _round(sums[:count], resolution_m)


@jit
def _slope(
    points: NDArray[np.float64], i: int, j: int, di: int, dj: int
) -> tuple[float, float, float, bool]:
    """Return how the surface of a sample goes on, as a step (x, y, z) to the next sample along an axis of the image.

    It is taken over the samples so far to either side, or the next ones; over those that lie on one surface
    with it. Whether there is any is the last value.
    """
    height, width = points.shape[:2]
    x, y, z = points[i, j, 0], points[i, j, 1], points[i, j, 2]
    reach = max(di, dj)
    while reach > 0:
        dx, dy, dz, steps = 0.0, 0.0, 0.0, 0
        for sign in (-1, 1):
            row = i + sign * (reach if di else 0)
            column = j + sign * (reach if dj else 0)
            if row < 0 or column < 0 or row >= height or column >= width:
                continue
            to_x, to_y, to_z = (
                points[row, column, 0],
                points[row, column, 1],
                points[row, column, 2],
            )
            lateral = z * max(abs(to_x / to_z - x / z), abs(to_y / to_z - y / z))
            if to_z > 0 and abs(to_z - z) < STEEPEST * lateral:
                dx, dy, dz = dx + sign * (to_x - x), dy + sign * (to_y - y), dz + sign * (to_z - z)
                steps += reach
        if steps:
            return dx / steps, dy / steps, dz / steps, True
        reach = 1 if reach > 1 else 0
    return 0.0, 0.0, 0.0, False


@jit
def _count_cells(dx: float, dy: float, dz: float, resolution_m: float) -> int:
    """Return how many cells a step crosses, at least one."""
    cells = np.sqrt(dx * dx + dy * dy + dz * dz) / resolution_m
    return min(MAX_REACH, max(1, int(np.ceil(cells))))


@jit
def _side(nx: float, ny: float, nz: float) -> int:
    """Return which of the axes' six directions a normal is nearest to."""
    if abs(nx) >= abs(ny) and abs(nx) >= abs(nz):
        return 0 if nx > 0 else 1
    if abs(ny) >= abs(nz):
        return 2 if ny > 0 else 3
    return 4 if nz > 0 else 5


@jit
def _key(x: float, y: float, z: float, side: int, resolution_m: float) -> int:
    """Return the key of a cell and a side; EMPTY if it is too far."""
    u, v = int(np.floor(x / resolution_m)), int(np.floor(y / resolution_m))
    w = int(np.floor(z / resolution_m))
    if max(abs(u), abs(v), abs(w)) >= FARTHEST_CELLS:
        return EMPTY
    return (((u + 512) << 10 | (v + 512)) << 10 | (w + 512)) << 3 | side


@jit
def _grow(
    keys: NDArray[np.int64], sums: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    """Return a table, keys and sums with twice the room."""
    size = len(keys)
    table = np.full(4 * size, EMPTY, np.int32)
    more_keys, more_sums = np.empty(2 * size, np.int64), np.zeros((2 * size, 7))
    more_keys[:size], more_sums[:size] = keys, sums
    for row in range(size):
        table[find(keys, table, keys[row])] = row
    return table, more_keys, more_sums


@jit
def _round(sums: NDArray[np.float64], resolution_m: float) -> tuple[Positions, Normals]:
    """Return the means of sums as integers."""
    positions = np.empty((len(sums), 3), np.int16)
    normals = np.empty((len(sums), 3), np.int8)
    for row in range(len(sums)):
        nx, ny, nz = sums[row, 3], sums[row, 4], sums[row, 5]
        units = NORMAL_UNITS / np.sqrt(nx * nx + ny * ny + nz * nz)
        quanta = QUANTA / (sums[row, 6] * resolution_m)
        for a in range(3):
            positions[row, a] = round(sums[row, a] * quanta)
            normals[row, a] = round(sums[row, 3 + a] * units)
    return positions, normals
