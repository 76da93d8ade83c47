"""How a camera sees cubes of voxels: where they lie in its image, and which of its rays pass them.

All is in voxels of a grid around the camera. The rays of an image start in one point, so those through a
cube are those within its silhouette. A cube is the space between three pairs of planes, so the silhouette has
two lines for every pair of axes: the slab test (Kay and Kajiya, "Ray tracing complex scenes", 1986) multiplied
out for directions that are linear in the pixel.
"""

from typing import NamedTuple

import numpy as np

from robomem.jit import jit_inline
from robomem.spatial.octree.kernels.packed import Cell, Packing

NEAR = 0.25  # voxels before the camera's plane: what begins nearer may lie anywhere in the image

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
Line = tuple[float, float, float]  # p u + q v + r is positive inside
Silhouette = tuple[Line, Line, Line, Line, Line, Line]


class View(NamedTuple):
    """Where the camera is in the grid, and how it sees.

    Attributes:
        origin: Where it is.
        home: The voxel it is in.
        eye: The origin, kept off the border of that voxel: rays along a border are then in it.
        rays: From (u, v, 1) to the ray of a pixel, of depth 1.
        pixels: From a point relative to the camera to (u z, v z, z).
        width: In pixels.
        height: In pixels.
        sharp: Up to that depth the ray of the pixel nearest to a voxel's centre passes the voxel.
        packing: Of the codes of voxels.
    """

    origin: Vector
    home: Cell
    eye: Vector
    rays: Matrix
    pixels: Matrix
    width: int
    height: int
    sharp: float
    packing: Packing


class Rect(NamedTuple):
    """A rectangle of pixels, the last ones included; empty where they are before the first."""

    u0: int
    v0: int
    u1: int
    v1: int


class Footprint(NamedTuple):
    """Where a cube lies in the image: its centre, the pixels that may see it, where its depth begins and ends.

    Where it begins nearer than NEAR, the centre says nothing and the pixels are all there are.
    """

    u: float
    v: float
    rect: Rect
    near: float
    far: float


@jit_inline
def dot(a: Vector, b: Vector) -> float:
    """Return the scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@jit_inline
def footprint(view: View, x: float, y: float, z: float, size: float) -> Footprint:
    """Find where in the image a cube lies, given by its lowest corner and its edge."""
    half = 0.5 * size
    p = (x + half - view.eye[0], y + half - view.eye[1], z + half - view.eye[2])
    mu, mv, mz = view.pixels
    depth, thick = dot(mz, p), half * _spread(mz, mz, 0.0)
    near, far = depth - thick, depth + thick
    u, v, grow = dot(mu, p) / depth, dot(mv, p) / depth, half / near
    reach_u, reach_v = grow * _spread(mu, mz, u), grow * _spread(mv, mz, v)
    if near < NEAR:
        u, v, reach_u, reach_v = 0.0, 0.0, np.inf, np.inf
    rect = Rect(
        np.int32(np.ceil(min(max(u - reach_u, 0.0), view.width))),
        np.int32(np.ceil(min(max(v - reach_v, 0.0), view.height))),
        np.int32(np.floor(min(u + reach_u, view.width - 1.0))),
        np.int32(np.floor(min(v + reach_v, view.height - 1.0))),
    )
    return Footprint(u, v, rect, near, far)


@jit_inline
def _spread(row: Vector, depth_row: Vector, u: float) -> float:
    """Return by how much row - u depth_row varies at most, from the centre to a corner of a cube of edge 2."""
    return (
        abs(row[0] - u * depth_row[0])
        + abs(row[1] - u * depth_row[1])
        + abs(row[2] - u * depth_row[2])
    )


@jit_inline
def silhouette(view: View, x: float, y: float, z: float, size: float) -> Silhouette:
    """Return the lines between which the pixels lie whose rays pass a cube."""
    x, y, z = x - view.eye[0], y - view.eye[1], z - view.eye[2]
    a, b = _tangents(x, y, size, view.rays[0], view.rays[1])
    c, d = _tangents(y, z, size, view.rays[1], view.rays[2])
    e, f = _tangents(z, x, size, view.rays[2], view.rays[0])
    return a, b, c, d, e, f


@jit_inline
def _tangents(i: float, j: float, size: float, ray_i: Vector, ray_j: Vector) -> tuple[Line, Line]:
    """Return the lines of a cube for two axes, along which it begins at i and j.

    Seen along the third axis it is a square. Rays pass it between the two corners that the tangents from the
    camera touch: on which side of a corner they pass is the sign of a cross product.
    """
    side_i, side_j = _side(i, size), _side(j, size)
    if side_i == 0 and side_j == 0:  # the camera is in the square
        return (0.0, 0.0, 1.0), (0.0, 0.0, 1.0)
    near_i, near_j = i if side_i > 0 else i + size, j if side_j > 0 else j + size
    a_i = near_i if side_j == 0 else (i + size if side_j > 0 else i)
    b_i = near_i if side_j == 0 else (i if side_j > 0 else i + size)
    a_j = near_j if side_i == 0 else (j if side_i > 0 else j + size)
    b_j = near_j if side_i == 0 else (j + size if side_i > 0 else j)
    return _cross(a_i, a_j, ray_i, ray_j), _cross(-b_i, -b_j, ray_i, ray_j)


@jit_inline
def _side(low: float, size: float) -> int:
    return 1 if low > 0 else (-1 if low + size < 0 else 0)


@jit_inline
def _cross(i: float, j: float, ray_i: Vector, ray_j: Vector) -> Line:
    return i * ray_j[0] - j * ray_i[0], i * ray_j[1] - j * ray_i[1], i * ray_j[2] - j * ray_i[2]


@jit_inline
def touches(lines: Silhouette, rect: Rect) -> bool:
    """Tell whether a silhouette may reach into a rectangle: no line has all of it outside."""
    u, v, du, dv = rect.u0, rect.v0, rect.u1 - rect.u0, rect.v1 - rect.v0
    is_touched = True
    for p, q, r in lines:
        is_touched &= p * u + q * v + r + max(p, 0.0) * du + max(q, 0.0) * dv > 0
    return is_touched


@jit_inline
def contains(lines: Silhouette, u: float, v: float) -> bool:
    """Tell whether the ray of a pixel lies within a silhouette."""
    is_inside = True
    for p, q, r in lines:
        is_inside &= p * u + q * v + r > 0
    return is_inside


@jit_inline
def shifted(line: Line, u: int, v: int) -> Line:
    """Return a line as it is counted from a pixel: there single precision is enough."""
    p, q, r = line
    return np.float32(p), np.float32(q), np.float32(p * u + q * v + r)
