"""A depth image as the voxels in which its rays end, with bounds on those of any rectangle of tiles.

The bounds are those of occlusion culling (Greene, Kass and Miller, "Hierarchical Z-buffer visibility", 1993),
of three coordinates instead of the depth: so they are sharp for walls and floors along the axes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit, jit_inline
from robomem.spatial.octree.kernels.packed import Aim, Codes, Packing, may_be_left, pack
from robomem.spatial.octree.kernels.view import Rect, Vector, View, dot

TILE = 8  # pixels along the side of a tile: >> 3 divides by it, & 7 is the rest
PIXELS = TILE * TILE


class DepthImage(NamedTuple):
    """In which voxels the rays of a depth image end. Tiles of 8x8 pixels are in rows and columns, (R, C).

    Attributes:
        ends: Their codes, (R, C, 64); the bit above the fields says that the ray hits the voxel. A ray that
            says nothing ends where the camera is.
        bounds: Of square windows of tiles the lowest and the highest coordinates of ends, (2, L, R, C): of
            level n the window from (i, j) on is 2**n tiles wide, or as wide as the image is from there on.
    """

    ends: Codes
    bounds: Codes


@jit
def read_image(
    depth_m: NDArray[np.float32],
    limit_m: NDArray[np.float32],
    voxels_per_m: float,
    view: View,
    image: DepthImage,
) -> None:
    """Find the end of every ray.

    Args:
        depth_m: Depth, (H, W) metres; NaN, zero and below say nothing.
        limit_m: The depth at which each ray is cut, in tiles, (R, C, 64).
        voxels_per_m: One over the edge of a voxel.
        view: Where the image was taken.
        image: What is filled.
    """
    rows, cols, _ = image.ends.shape
    in_tile = np.empty((3, PIXELS), np.float64)
    for i in range(PIXELS):
        for a in range(3):
            in_tile[a, i] = voxels_per_m * dot(view.rays[a], (i % TILE, i // TILE, 0.0))
    band = np.zeros((cols, PIXELS), np.float32)
    for i in range(rows):
        _copy_band(depth_m, TILE * i, band)
        for j in range(cols):
            corner = (TILE * j, TILE * i, 1.0)
            ray = (
                voxels_per_m * dot(view.rays[0], corner),
                voxels_per_m * dot(view.rays[1], corner),
                voxels_per_m * dot(view.rays[2], corner),
            )
            low, high = _read_tile(band[j], limit_m[i, j], ray, in_tile, view, image.ends[i, j])
            image.bounds[0, 0, i, j] = low
            image.bounds[1, 0, i, j] = high
    _widen_windows(image, view.packing)


@jit_inline
def _copy_band(depth_m: NDArray[np.float32], v0: int, band: NDArray[np.float32]) -> None:
    """Bring eight rows of pixels into the order of tiles; what is beyond the image is 0."""
    height, width = depth_m.shape
    whole = width // TILE if v0 + TILE <= height else 0
    for i in range(whole, len(band)):
        for k in range(PIXELS):
            band[i, k] = 0
    for j in range(whole):
        tile = band[j]
        for r in range(TILE):
            for i in range(TILE):
                tile[TILE * r + i] = depth_m[v0 + r, TILE * j + i]
    for v in range(v0, min(v0 + TILE, height)):
        for u in range(TILE * whole, width):
            band[u // TILE, TILE * (v - v0) + u % TILE] = depth_m[v, u]


@jit
def _read_tile(
    depth_m: NDArray[np.float32],
    limit_m: NDArray[np.float32],
    ray: Vector,
    in_tile: NDArray[np.float64],
    view: View,
    ends: Codes,
) -> tuple[int, int]:
    """Find the ends of 64 rays; return bounds on them. Coordinates are not negative, so int() is floor."""
    bits, kind, i32 = view.packing.bits, ends.dtype.type, np.int32
    y_unit, z_unit, hit = kind(1 << bits), kind(1 << 2 * bits), kind(1 << 3 * bits)
    ox, oy, oz = view.origin
    x0 = y0 = z0 = i32(0x7FFFFFFF)
    x1 = y1 = z1 = i32(0)
    for i in range(PIXELS):
        z_m, far_m = depth_m[i], limit_m[i]
        is_hit = (z_m > 0) & (z_m <= far_m)
        depth = np.float64(z_m if is_hit else (far_m if z_m > 0 else np.float32(0)))  # NaN is 0
        x = i32(ox + depth * (ray[0] + in_tile[0, i]))
        y = i32(oy + depth * (ray[1] + in_tile[1, i]))
        z = i32(oz + depth * (ray[2] + in_tile[2, i]))
        ends[i] = kind(
            kind(kind(x) + kind(kind(y) * y_unit))
            + kind(kind(kind(z) * z_unit) + kind(is_hit * hit))
        )
        x0, y0, z0 = min(x, x0), min(y, y0), min(z, z0)
        x1, y1, z1 = max(x, x1), max(y, y1), max(z, z1)
    return pack(x0, y0, z0, bits), pack(x1, y1, z1, bits)


@jit
def _widen_windows(image: DepthImage, packing: Packing) -> None:
    """Bound the windows of every level: one of 2**n tiles is four of half the width."""
    _, levels, rows, cols = image.bounds.shape
    pairs = np.empty(cols, image.bounds.dtype)
    for level in range(1, levels):
        half = 1 << (level - 1)
        beside = max(cols - half, 0)
        for is_high in range(2):
            narrow, wide = image.bounds[is_high, level - 1], image.bounds[is_high, level]
            for i in range(rows):
                _join(narrow[i], narrow[min(i + half, rows - 1)], is_high, packing, pairs)
                _join(pairs[:beside], pairs[half:], is_high, packing, wide[i])
                _join(pairs[beside:], pairs[beside:], is_high, packing, wide[i, beside:])


@jit
def _join(a: Codes, b: Codes, is_high: int, packing: Packing, out: Codes) -> None:
    """Take of codes (N,), field by field, the larger coordinate where is_high is 1, else the smaller."""
    kind = out.dtype.type
    guards, shift, side = kind(packing.guards), kind(packing.bits - 1), kind(is_high - 1)
    for i in range(len(a)):
        x, y = a[i], b[i]
        larger = kind(kind(kind(x | guards) - y) & guards)  # the guards of the fields where x is
        fields = kind(kind(larger - kind(larger >> shift)) ^ side)
        out[i] = kind(kind(x & fields) | kind(y & ~fields))


@jit_inline
def may_pass(image: DepthImage, rect: Rect, aim: Aim) -> bool:
    """Tell whether a ray of a rectangle, rounded out to tiles, may end beyond a voxel."""
    i0, i1, j0, j1 = rect.v0 // TILE, rect.v1 // TILE, rect.u0 // TILE, rect.u1 // TILE
    level, size = 0, min(i1 - i0, j1 - j0) + 1
    while 2 << level <= size:
        level += 1
    step = 1 << level
    for i in range(i0, i1 + 1, step):
        for j in range(j0, j1 + 1, step):
            if window_may_pass(image, level, min(i, i1 + 1 - step), min(j, j1 + 1 - step), aim):
                return True
    return False


@jit_inline
def window_may_pass(image: DepthImage, level: int, i: int, j: int, aim: Aim) -> bool:
    """Tell whether a ray of a window of tiles may end beyond a voxel."""
    return may_be_left(image.bounds[0, level, i, j], image.bounds[1, level, i, j], aim)
