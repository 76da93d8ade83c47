"""Which voxels the rays of a depth image pass and hit, by asking voxels instead of following rays.

A ray passes a voxel if and only if its pixel lies within the voxel's silhouette (`view`) and its end lies
beyond the voxel along every axis (`packed`). Space carving (Kutulakos and Seitz, "A theory of shape by space
carving", 2000) asks the same of photographs. Large cubes are left alone if the bounds of the tiles that see
them (`depth_image`) say that no ray gets there, and most voxels of the others are told from one pixel: tile
by tile only those are searched for that lie where the scene begins.
"""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit, jit_inline
from robomem.spatial.octree.kernels.depth_image import (
    PIXELS,
    TILE,
    DepthImage,
    may_pass,
    window_may_pass,
)
from robomem.spatial.octree.kernels.packed import (
    Aim,
    Codes,
    Packing,
    aim_at,
    is_left,
    may_be_left,
    unpack,
)
from robomem.spatial.octree.kernels.touched import Touched, bit, has_room, seen_at, touch
from robomem.spatial.octree.kernels.view import (
    NEAR,
    Rect,
    Silhouette,
    View,
    contains,
    footprint,
    shifted,
    silhouette,
    touches,
)

LARGEST = 64  # voxels along the edge of the cubes that the search begins with
BLOCK = 4  # of those that it ends with
BLOCK_VOXELS = BLOCK**3
LIKELY = 0.8  # of the way across a voxel's rectangle: there most pixels are in its silhouette
WIDE = 3  # a level: rectangles wider than its windows, of 8x8 tiles, are searched window by window
NOWHERE = -1

# Of the voxels of a block, x first, then y, then z, (6, 64): the pixel whose ray passes it for sure, counted
# tile by tile, and the window of tiles it lies in, counted level by level, both NOWHERE where there is none;
# then the rectangle it lies in.
Places = NDArray[np.int32]


@jit
def mark_hits(image: DepthImage, packing: Packing, touched: Touched) -> bool:
    """Mark the voxels that rays hit; False says that there is no room for them."""
    rows, cols, _ = image.ends.shape
    for i in range(rows):
        for j in range(cols):
            if not has_room(touched, PIXELS):
                return False
            x, y, z = unpack(np.int64(image.bounds[0, 0, i, j]), packing.bits)
            x1, y1, z1 = unpack(np.int64(image.bounds[1, 0, i, j]), packing.bits)
            if max(x1 - x, y1 - y, z1 - z) < BLOCK:
                hits = _hits_from(image.bounds[0, 0, i, j], image.ends[i, j], packing)
                while hits:
                    lowest = hits & (~hits + np.uint64(1))
                    k = (np.float64(lowest).view(np.int64) >> 52) - 1023  # its exponent
                    _mark_hit(touched, x + (k & 3), y + ((k >> 2) & 3), z + (k >> 4))
                    hits ^= lowest
            else:
                _mark_each(image.ends[i, j], packing, touched)
    return True


@jit
def _hits_from(low: int, ends: Codes, packing: Packing) -> np.uint64:
    """Return which of the 4x4x4 voxels from `low` on the rays of a tile hit, a bit a voxel."""
    kind, bits = ends.dtype.type, packing.bits
    to_y, to_z, to_hit = kind(bits - 2), kind(2 * bits - 4), kind(3 * bits)
    hits = np.uint64(0)
    for i in range(PIXELS):
        d = kind(ends[i] - low)
        k = kind(
            kind(d & kind(3)) | kind(kind(d >> to_y) & kind(12)) | kind(kind(d >> to_z) & kind(48))
        )
        hits |= np.uint64(ends[i] >> to_hit) << np.uint64(k)
    return hits


@jit
def _mark_each(ends: Codes, packing: Packing, touched: Touched) -> None:
    last = 0
    for i in range(PIXELS):
        end = np.int64(ends[i])
        if end != last and end >> 3 * packing.bits:
            x, y, z = unpack(end, packing.bits)
            _mark_hit(touched, x, y, z)
        last = end


@jit_inline
def _mark_hit(touched: Touched, x: int, y: int, z: int) -> None:
    touched.hit[touch(touched, x, y, z), z & 7] |= bit(x, y)


@jit
def mark_free(image: DepthImage, view: View, touched: Touched) -> bool:
    """Mark the voxels that rays pass, from large cubes to small; False says that there is no room for them."""
    cubes = 8 * touched.side // LARGEST
    stack = np.empty((64, 4), np.int64)
    places = np.empty((6, BLOCK_VOXELS), np.int32)
    for first in range(cubes**3):
        stack[0, 0] = LARGEST * (first % cubes)
        stack[0, 1] = LARGEST * (first // cubes % cubes)
        stack[0, 2] = LARGEST * (first // cubes**2)
        stack[0, 3] = LARGEST
        height = 1
        while height:
            height -= 1
            x, y, z, size = stack[height, 0], stack[height, 1], stack[height, 2], stack[height, 3]
            if not _may_be_passed(image, view, x, y, z, size):
                continue
            if size > BLOCK:
                half = size >> 1
                for k in range(8):
                    stack[height, 0] = x + half * (k & 1)
                    stack[height, 1] = y + half * (k >> 1 & 1)
                    stack[height, 2] = z + half * (k >> 2)
                    stack[height, 3] = half
                    height += 1
            elif has_room(touched, 1):
                _mark_block(image, view, x, y, z, places, touched)
            else:
                return False
    return True


@jit_inline
def _may_be_passed(image: DepthImage, view: View, x: int, y: int, z: int, size: int) -> bool:
    """Tell whether rays may pass a cube."""
    seen = footprint(view, x, y, z, size)
    rect = seen.rect
    if seen.far <= 0 or rect.u0 > rect.u1 or rect.v0 > rect.v1:
        return False
    if not may_pass(image, rect, aim_at(x, y, z, size, view.home, view.packing)):
        return False
    return seen.near >= NEAR or touches(silhouette(view, x, y, z, size), rect)


@jit
def _mark_block(
    image: DepthImage, view: View, x0: int, y0: int, z0: int, places: Places, touched: Touched
) -> None:
    """Mark the voxels of a block that rays pass."""
    _find_places(image, view, x0, y0, z0, places)
    ends = image.ends.reshape(-1)
    lows, highs = image.bounds[0].reshape(-1), image.bounds[1].reshape(-1)
    i = -1
    for z in range(z0, z0 + BLOCK):
        done, found = seen_at(touched, x0, y0, z), np.uint64(0)
        for y in range(y0, y0 + BLOCK):
            for x in range(x0, x0 + BLOCK):
                i += 1
                pixel, window = places[0, i], places[1, i]
                if window == NOWHERE or done & bit(x, y):
                    continue
                aim = aim_at(x, y, z, 1, view.home, view.packing)
                if pixel != NOWHERE and is_left(np.int64(ends[pixel]), aim):
                    found |= bit(x, y)
                elif may_be_left(lows[window], highs[window], aim):
                    rect = Rect(places[2, i], places[3, i], places[4, i], places[5, i])
                    if _is_passed(image, silhouette(view, x, y, z, 1), rect, aim):
                        found |= bit(x, y)
        if found:
            touched.free[touch(touched, x0, y0, z), z & 7] |= found


@jit
def _find_places(image: DepthImage, view: View, x0: int, y0: int, z0: int, places: Places) -> None:
    """Find where in the image the voxels of a block lie, all at once: see `Places`."""
    _, _, rows, cols = image.bounds.shape
    i32 = np.int32
    for i in range(BLOCK_VOXELS):
        seen = footprint(view, x0 + (i & 3), y0 + (i >> 2 & 3), z0 + (i >> 4), 1)
        u0, v0, u1, v1 = seen.rect
        u = i32(min(max(seen.u, 0.0), view.width - 1.0) + 0.5)
        v = i32(min(max(seen.v, 0.0), view.height - 1.0) + 0.5)
        is_sure = (
            (abs(u - seen.u) <= 0.5)
            & (abs(v - seen.v) <= 0.5)
            & (seen.near >= NEAR)
            & (seen.far <= view.sharp)
        )
        pixel = ((v >> 3) * cols + (u >> 3)) * PIXELS + (v & 7) * TILE + (u & 7)
        beside = max((u1 >> 3) - (u0 >> 3), (v1 >> 3) - (v0 >> 3))
        exponent = np.float32(beside).view(i32) >> 23  # 126 more than an integer has bits
        level = max(exponent - 126, 0)
        window = (level * rows + (v0 >> 3)) * cols + (u0 >> 3)
        is_out = (u0 > u1) | (v0 > v1) | (seen.far <= 0)
        places[0, i] = pixel if is_sure else NOWHERE
        places[1, i] = NOWHERE if is_out else window
        places[2, i], places[3, i], places[4, i], places[5, i] = u0, v0, u1, v1


@jit
def _is_passed(image: DepthImage, lines: Silhouette, rect: Rect, aim: Aim) -> bool:
    """Tell whether any ray of a rectangle of pixels passes a voxel."""
    if not touches(lines, rect):
        return False
    for k in range(4):  # most often one of these does
        u = np.int64(rect.u0 + (LIKELY if k & 1 else 1 - LIKELY) * (rect.u1 - rect.u0) + 0.5)
        v = np.int64(rect.v0 + (LIKELY if k & 2 else 1 - LIKELY) * (rect.v1 - rect.v0) + 0.5)
        end = np.int64(image.ends[v >> 3, u >> 3, (v & 7) * TILE + (u & 7)])
        if is_left(end, aim) and contains(lines, u, v):
            return True
    i0, i1, j0, j1 = rect.v0 >> 3, rect.v1 >> 3, rect.u0 >> 3, rect.u1 >> 3
    level = WIDE if max(i1 - i0, j1 - j0) >> WIDE else 0
    step = 1 << level
    for a in range(i0, i1 + 1, step):
        for b in range(j0, j1 + 1, step):
            if level and not _may_pass_in(image, level, a, b, lines, aim):
                continue
            for i in range(a, min(a + step, i1 + 1)):
                for j in range(b, min(b + step, j1 + 1)):
                    if _may_pass_in(image, 0, i, j, lines, aim) and _passes_in(
                        image.ends[i, j], i, j, lines, aim
                    ):
                        return True
    return False


@jit_inline
def _may_pass_in(
    image: DepthImage, level: int, i: int, j: int, lines: Silhouette, aim: Aim
) -> bool:
    """Tell whether a ray of a window of tiles may pass a voxel."""
    u, v, last = TILE * j, TILE * i, (TILE << level) - 1
    return window_may_pass(image, level, i, j, aim) and touches(
        lines, Rect(u, v, u + last, v + last)
    )


@jit_inline
def _passes_in(ends: Codes, i: int, j: int, lines: Silhouette, aim: Aim) -> bool:
    """Tell whether a ray of a tile passes a voxel: all 64 are asked at once."""
    u, v, kind = TILE * j, TILE * i, ends.dtype.type
    a, b, c, d, e, f = lines
    near = (
        *(shifted(a, u, v), shifted(b, u, v), shifted(c, u, v)),
        *(shifted(d, u, v), shifted(e, u, v), shifted(f, u, v)),
    )
    passed = kind(0)
    for k in range(PIXELS):
        is_inside = contains(near, np.float32(k & 7), np.float32(k >> 3))
        passed |= kind(is_inside & is_left(ends[k], aim))
    return passed != 0
