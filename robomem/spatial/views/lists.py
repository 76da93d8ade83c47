# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return"
# ruff: noqa: PLR0913, PLR0917
"""Which samples make one surfel: lists that are filled and emptied view by view, compiled."""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit
from robomem.spatial.views.layout import (
    BEST_QUALITY,
    EMPTY,
    HALF_PIXELS_PER_M,
    KEY_BITS,
    KEY_REACH,
    NORMAL_UNITS,
    QUANTA,
    Floats,
    Normals,
    Positions,
    Samples,
    Slots,
    Surfels,
    Views,
)

ORIGIN_CELLS = 0.3  # where in a cell the origin of map lies


@jit
def judge(p_kf: Positions, n_kf: Normals, focal_px: float, cell_m: float) -> NDArray[np.uint8]:
    """Return how well surfels are seen, (S,): by the cosine of incidence and by pixels to a metre, r / (r + r0).

    It falls with the angle and the distance as the weight cos / (1 + depth) of VMem does (Li et al., 2025).
    """
    quality = np.empty(len(p_kf), np.uint8)
    for i in range(len(p_kf)):
        square, along = 0.0, 0.0
        for a in range(3):
            square += float(p_kf[i, a]) * p_kf[i, a]
            along -= float(p_kf[i, a]) * n_kf[i, a]
        range_m = np.sqrt(square) * cell_m / QUANTA
        cosine = along / max(1.0, np.sqrt(square)) / NORMAL_UNITS
        sharp = 1.0 / (1.0 + HALF_PIXELS_PER_M * range_m / focal_px)
        quality[i] = round(BEST_QUALITY * min(1.0, max(0.0, cosine)) * sharp)
    return quality


@jit
def link(
    views: Views,
    samples: Samples,
    surfels: Surfels,
    table: Slots,
    which: Slots,
    count: int,
    cell_m: float,
    most: int,
) -> int:
    """Put the samples of some views into lists of at most so many; returns how many surfels there are now.

    Where a list is full its worst sample goes.
    """
    p, n = np.empty(3), np.empty(3)
    for slot in which:
        for i in range(views.blocks[slot, 0], views.blocks[slot, 1]):
            _place(views, samples, i, cell_m, p, n)
            key = _key(p, n, cell_m)
            h = find(surfels.keys, table, key)
            s = table[h]
            if s == EMPTY:
                s = table[h] = count
                surfels.keys[s], surfels.heads[s] = key, EMPTY
                surfels.counts[s], surfels.floors[s] = 0, 0
                count += 1
            if surfels.counts[s] == most and not _drop_worst(views, samples, surfels, s, i):
                samples.surfel[i] = EMPTY
                continue
            _push(views, samples, surfels, s, i, cell_m)
    return count


@jit
def unlink(
    views: Views,
    samples: Samples,
    surfels: Surfels,
    which: Slots,
    is_gone: NDArray[np.bool_],
    cell_m: float,
) -> None:
    """Take the samples of some views, which `is_gone` (V,) marks, out of their lists."""
    for slot in which:
        for i in range(views.blocks[slot, 0], views.blocks[slot, 1]):
            s = samples.surfel[i]
            if s == EMPTY:
                continue
            head, last, at = surfels.heads[s], EMPTY, surfels.heads[s]
            while at != EMPTY:
                after = samples.next[at]
                if not is_gone[samples.viewer[at]]:
                    last = at
                else:
                    samples.surfel[at] = EMPTY
                    surfels.counts[s] -= 1
                    if last == EMPTY:
                        surfels.heads[s] = after
                    else:
                        samples.next[last] = after
                at = after
            surfels.floors[s] = 0
            if surfels.counts[s] and surfels.heads[s] != head:
                _lead(views, samples, surfels, s, cell_m)


@jit
def empty(samples: Samples, surfels: Surfels, which: Slots) -> None:
    """Take all samples out of some lists."""
    for s in which:
        at = surfels.heads[s]
        while at != EMPTY:
            samples.surfel[at] = EMPTY
            at = samples.next[at]
        surfels.counts[s] = 0


@jit
def pack(samples: Samples, surfels: Surfels, table: Slots, count: int) -> int:
    """Close the gaps of empty lists and fill the table anew; returns how many surfels there are now."""
    table[:] = EMPTY
    kept = 0
    for s in range(count):
        if surfels.counts[s] == 0:
            continue
        if kept != s:
            surfels.keys[kept], surfels.heads[kept] = surfels.keys[s], surfels.heads[s]
            surfels.counts[kept], surfels.floors[kept] = surfels.counts[s], surfels.floors[s]
            surfels.p_map[kept], surfels.n_map[kept] = surfels.p_map[s], surfels.n_map[s]
            at = surfels.heads[s]
            while at != EMPTY:
                samples.surfel[at] = kept
                at = samples.next[at]
        table[find(surfels.keys, table, surfels.keys[kept])] = kept
        kept += 1
    return kept


@jit
def _place(views: Views, samples: Samples, i: int, cell_m: float, p: Floats, n: Floats) -> None:
    """Set where a sample is in map, and its normal there."""
    T = views.T_map_kf[samples.viewer[i]]
    for a in range(3):
        p[a], n[a] = 0.0, 0.0
        for b in range(3):
            p[a] += T[a, b] * samples.p_kf[i, b]
            n[a] += T[a, b] * samples.n_kf[i, b]
        p[a] = p[a] * (cell_m / QUANTA) + T[a, 3]
        n[a] /= NORMAL_UNITS


@jit
def _key(p: Floats, n: Floats, cell_m: float) -> int:
    """Return the key of a cell and of the one of the axes' six directions that a normal is nearest to.

    No round number is on the border of a cell: a floor at height 0 is in one layer, whatever the noise.
    """
    axis = 0
    for a in (1, 2):
        if abs(n[a]) > abs(n[axis]):
            axis = a
    key = 2 * axis + (1 if n[axis] > 0 else 0)
    for a in range(3):
        key = key << KEY_BITS | (int(np.floor(p[a] / cell_m + ORIGIN_CELLS)) + KEY_REACH)
    return key


@jit
def find(keys: NDArray[np.int64], table: Slots, key: int) -> int:
    """Return the place of a key in the table, or the one where it belongs; Fibonacci hashing."""
    mask = len(table) - 1
    h = np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
    while table[h] != EMPTY and keys[table[h]] != key:
        h = (h + 1) & mask
    return h


@jit
def _is_better(views: Views, samples: Samples, i: int, j: int) -> bool:
    """Tell which of two samples of one surfel is the better one; a tie goes to the older keyframe."""
    if samples.quality[i] != samples.quality[j]:
        return samples.quality[i] > samples.quality[j]
    if samples.viewer[i] != samples.viewer[j]:
        return views.ids[samples.viewer[i]] < views.ids[samples.viewer[j]]
    return i < j


@jit
def _push(views: Views, samples: Samples, surfels: Surfels, s: int, i: int, cell_m: float) -> None:
    """Put a sample into a list, as its head where it is the best."""
    head = surfels.heads[s]
    samples.surfel[i] = s
    surfels.counts[s] += 1
    if head != EMPTY and not _is_better(views, samples, i, head):
        samples.next[i], samples.next[head] = samples.next[head], i
        return
    samples.next[i] = head
    surfels.heads[s] = i
    _take_place(views, samples, surfels, s, cell_m)


@jit
def _lead(views: Views, samples: Samples, surfels: Surfels, s: int, cell_m: float) -> None:
    """Make the best sample of a list its head."""
    head = surfels.heads[s]
    before_best, best, last = EMPTY, head, head
    while samples.next[last] != EMPTY:
        if _is_better(views, samples, samples.next[last], best):
            before_best, best = last, samples.next[last]
        last = samples.next[last]
    if best != head:
        samples.next[before_best] = samples.next[best]
        samples.next[best] = head
        surfels.heads[s] = best
    _take_place(views, samples, surfels, s, cell_m)


@jit
def _take_place(views: Views, samples: Samples, surfels: Surfels, s: int, cell_m: float) -> None:
    """Put a surfel where its best sample is."""
    p, n = np.empty(3), np.empty(3)
    _place(views, samples, surfels.heads[s], cell_m, p, n)
    surfels.p_map[s], surfels.n_map[s] = p, n


@jit
def _drop_worst(views: Views, samples: Samples, surfels: Surfels, s: int, i: int) -> bool:
    """Make room for a sample in a full list; False if it is itself the worst."""
    if samples.quality[i] < surfels.floors[s]:
        return False
    before_worst, worst = EMPTY, surfels.heads[s]
    before, at = worst, samples.next[worst]
    while at != EMPTY:
        if _is_better(views, samples, worst, at):
            before_worst, worst = before, at
        before, at = at, samples.next[at]
    surfels.floors[s] = samples.quality[worst]
    if _is_better(views, samples, worst, i):
        return False
    if before_worst == EMPTY:
        surfels.heads[s] = samples.next[worst]
    else:
        samples.next[before_worst] = samples.next[worst]
    samples.surfel[worst] = EMPTY
    surfels.counts[s] -= 1
    return True
