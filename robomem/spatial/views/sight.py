# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return"
# ruff: noqa: PLR0913, PLR0917
"""Which surfels are seen from where, and by which views they were seen: compiled."""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit
from robomem.spatial.views.layout import (
    BEST_QUALITY,
    EMPTY,
    QUANTA,
    Floats,
    Pinhole,
    Samples,
    Slots,
    Surfels,
    Views,
)

NEAREST_M = 0.05  # a surfel nearer to the camera than this is not drawn
GRAZING_COSINE = 0.05  # seen at a smaller one, a surfel may as well be seen from behind
DEPTH_ERROR = 0.01  # of a depth camera at some metres, relative
FOOTPRINT_CELLS = 1.0  # a sample stands for the rays that pass it this near


@jit
def draw(
    surfels: Surfels,
    T_cam_map: Floats,
    camera: Pinhole,
    radius_m: float,
    max_range_m: float,
) -> tuple[Floats, Slots]:
    """Draw what is in view of a camera as discs of one size: those that face it, the nearest in front.

    Returns:
        Depth of every pixel (H*W,), inf where nothing is, and the surfels in view.
    """
    size = camera.width * camera.height
    depths = np.full(size, np.inf)
    in_view = np.empty(len(surfels.keys), np.int32)
    pixels, at_m = np.empty(size, np.int32), np.empty(size)
    p, n = np.empty(3), np.empty(3)
    found = 0
    for s in range(len(surfels.keys)):
        if _aim(surfels, s, T_cam_map, max_range_m, p, n) < GRAZING_COSINE:
            continue
        covered = _cover(p, n, radius_m, camera, pixels, at_m)
        if covered:
            in_view[found] = s
            found += 1
        for k in range(covered):
            depths[pixels[k]] = min(depths[pixels[k]], at_m[k])
    return depths, in_view[:found]


@jit
def vote(
    surfels: Surfels,
    samples: Samples,
    in_view: Slots,
    views: int,
    T_cam_map: Floats,
    camera: Pinhole,
    radius_m: float,
    slack_m: float,
    depths: Floats,
) -> NDArray[np.uint64]:
    """Return which pixels of what `draw` drew each view saw, (V, words): one bit a pixel.

    A view saw a pixel when it saw a surfel that is drawn there at most `slack_m` behind the nearest.
    """
    size = camera.width * camera.height
    bits = np.zeros((views, (size + 63) // 64), np.uint64)
    pixels, at_m = np.empty(size, np.int32), np.empty(size)
    p, n = np.empty(3), np.empty(3)
    words, masks = np.empty(size, np.int32), np.empty(size, np.uint64)
    for s in in_view:
        _aim(surfels, s, T_cam_map, np.inf, p, n)
        seen = 0
        for k in range(_cover(p, n, radius_m, camera, pixels, at_m)):
            if at_m[k] > depths[pixels[k]] + slack_m:
                continue
            word, mask = pixels[k] >> 6, np.uint64(1) << np.uint64(pixels[k] & 63)
            if seen and words[seen - 1] == word:
                masks[seen - 1] |= mask
            else:
                words[seen], masks[seen] = word, mask
                seen += 1
        at = surfels.heads[s]
        while seen and at != EMPTY:
            for k in range(seen):
                bits[samples.viewer[at], words[k]] |= masks[k]
            at = samples.next[at]
    return bits


@jit
def count_bits(bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how many bits are set in each row, (V,)."""
    counts = np.zeros(len(bits), np.int64)
    for row in range(len(bits)):
        for word in range(bits.shape[1]):
            left = bits[row, word]
            while left:
                left &= left - np.uint64(1)
                counts[row] += 1
    return counts


@jit
def _aim(
    surfels: Surfels, s: int, T_cam_map: Floats, max_range_m: float, p: Floats, n: Floats
) -> float:
    """Set place and normal of a surfel in a camera's frame; returns the cosine it is seen at, -1 if out of range."""
    square, along = 0.0, 0.0
    for a in range(3):
        p[a], n[a] = T_cam_map[a, 3], 0.0
        for b in range(3):
            p[a] += T_cam_map[a, b] * surfels.p_map[s, b]
            n[a] += T_cam_map[a, b] * surfels.n_map[s, b]
        square += p[a] * p[a]
        along -= p[a] * n[a]
    if p[2] < NEAREST_M or square > max_range_m * max_range_m:
        return -1.0
    return along / np.sqrt(square)


@jit
def _cover(
    p: Floats, n: Floats, radius_m: float, camera: Pinhole, pixels: Slots, at_m: Floats
) -> int:
    """Set the pixels that a disc covers and its depth there; returns how many: at least the one of its middle."""
    u, v = camera.fx * p[0] / p[2] + camera.cx, camera.fy * p[1] / p[2] + camera.cy
    nearest = max(NEAREST_M, p[2] - radius_m)
    reach_u, reach_v = camera.fx * radius_m / nearest, camera.fy * radius_m / nearest
    if not (-reach_u <= u < camera.width + reach_u and -reach_v <= v < camera.height + reach_v):
        return 0
    plane = n[0] * p[0] + n[1] * p[1] + n[2] * p[2]
    count = 0
    for row in range(max(0, int(np.ceil(v - reach_v))), min(camera.height, int(v + reach_v) + 1)):
        y = (row - camera.cy) / camera.fy
        for column in range(
            max(0, int(np.ceil(u - reach_u))), min(camera.width, int(u + reach_u) + 1)
        ):
            x = (column - camera.cx) / camera.fx
            z = plane / (n[0] * x + n[1] * y + n[2])
            dx, dy, dz = x * z - p[0], y * z - p[1], z - p[2]
            if z > 0 and dx * dx + dy * dy + dz * dz <= radius_m * radius_m:
                pixels[count], at_m[count] = row * camera.width + column, z
                count += 1
    row, column = int(np.floor(v + 0.5)), int(np.floor(u + 0.5))
    if count == 0 and 0 <= row < camera.height and 0 <= column < camera.width:
        pixels[0], at_m[0] = row * camera.width + column, p[2]
        count = 1
    return count


@jit
def look_at(
    views: int, samples: Samples, surfels: Surfels, low: Floats, high: Floats
) -> tuple[int, Floats, Floats, Floats]:
    """Return how many surfels a box of the map holds, and of each view: quality (V,), how many it saw, their mean (V, 3).

    The quality is summed over the surfels, for each the best of the view's samples.
    """
    quality, hits, seen = np.zeros(views), np.zeros(views), np.zeros((views, 3))
    last = np.full(views, EMPTY, np.int32)
    last_quality = np.zeros(views, np.uint8)
    inside = 0
    for s in range(len(surfels.keys)):
        p = surfels.p_map[s]
        if not (
            low[0] <= p[0] <= high[0] and low[1] <= p[1] <= high[1] and low[2] <= p[2] <= high[2]
        ):
            continue
        inside += 1
        at = surfels.heads[s]
        while at != EMPTY:
            v = samples.viewer[at]
            if last[v] != s:
                last[v], last_quality[v] = s, 0
                hits[v] += 1
                seen[v] += p
            if samples.quality[at] > last_quality[v]:
                quality[v] += float(samples.quality[at] - last_quality[v]) / BEST_QUALITY
                last_quality[v] = samples.quality[at]
            at = samples.next[at]
    for v in range(views):
        if hits[v]:
            seen[v] /= hits[v]
    return inside, quality, hits, seen


@jit
def has_sight(
    views: Views,
    samples: Samples,
    which: Slots,
    p_map: Floats,
    cell_m: float,
    slack_m: float,
    max_range_m: float,
) -> NDArray[np.bool_]:
    """Tell which views certainly see a point: it is in the image, and the surface there is not before it."""
    is_seen = np.zeros(len(which), np.bool_)
    p, unit = np.empty(3), cell_m / QUANTA
    for k in range(len(which)):
        slot = which[k]
        T, camera = views.T_map_kf[slot], views.cameras[slot]
        square = 0.0
        for a in range(3):
            p[a] = 0.0
            for b in range(3):
                p[a] += T[b, a] * (p_map[b] - T[b, 3])
            square += p[a] * p[a]
        if p[2] < NEAREST_M or square > max_range_m * max_range_m:
            continue
        x, y = p[0] / p[2], p[1] / p[2]
        u, v = camera[0] * x + camera[2], camera[1] * y + camera[3]
        if not (-0.5 <= u < camera[4] - 0.5 and -0.5 <= v < camera[5] - 0.5):
            continue
        least_m, surface_m = FOOTPRINT_CELLS * cell_m, -1.0
        for i in range(views.blocks[slot, 0], views.blocks[slot, 1]):
            q0, q1, q2 = (
                samples.p_kf[i, 0] * unit,
                samples.p_kf[i, 1] * unit,
                samples.p_kf[i, 2] * unit,
            )
            away_m = max(abs(q0 - x * q2), abs(q1 - y * q2))
            if away_m < least_m and samples.surfel[i] != EMPTY:
                n0, n1, n2 = samples.n_kf[i, 0], samples.n_kf[i, 1], samples.n_kf[i, 2]
                z = (n0 * q0 + n1 * q1 + n2 * q2) / (n0 * x + n1 * y + n2)
                least_m, surface_m = away_m, max(q2 - cell_m, min(q2 + cell_m, z))
        is_seen[k] = surface_m >= p[2] - slack_m - DEPTH_ERROR * p[2]
    return is_seen
