"""Which voxels does a map know, and how far do two maps agree on it?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.geometry import Points

Codes = NDArray[np.int64]  # (N,): voxels as single numbers, sorted, each once
_BITS = 21  # for each of x, y, z
_OFFSET = 1 << (_BITS - 1)


@dataclass(frozen=True, slots=True, eq=False)
class VoxelSets:
    """The voxels that a map knows, and those of them that it takes for occupied."""

    known: Codes
    occupied: Codes


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a map agrees with another one, the reference.

    Attributes:
        map: Its name.
        known: How many voxels it knows.
        known_found: The part of the reference's known voxels that it knows too.
        known_extra: How many it knows beyond these, as a part of the reference's.
        occupied_iou: Of the voxels occupied in one of the two, the part that is in both.
    """

    map: str
    known: int
    known_found: float
    known_extra: float
    occupied_iou: float


def voxel_sets(occupied: Points, free: Points, *, resolution_m: float) -> VoxelSets:
    """Return the voxels whose centres (N, 3) these are."""
    is_occupied = voxel_codes(np.floor(occupied / resolution_m).astype(np.int64))
    is_free = voxel_codes(np.floor(free / resolution_m).astype(np.int64))
    return VoxelSets(known=np.union1d(is_occupied, is_free), occupied=is_occupied)


def voxel_codes(voxels: NDArray[np.int64]) -> Codes:
    """Return voxels (N, 3) as sorted numbers; each coordinate lies within 2^20 of zero."""
    shifted = voxels + _OFFSET
    codes = (shifted[:, 0] << 2 * _BITS) | (shifted[:, 1] << _BITS) | shifted[:, 2]
    return np.unique(codes)


def compare(name: str, found: VoxelSets, reference: VoxelSets) -> Agreement:
    """Measure how a map of that name agrees with the reference."""
    known = len(np.intersect1d(found.known, reference.known, assume_unique=True))
    occupied = len(np.intersect1d(found.occupied, reference.occupied, assume_unique=True))
    either = len(found.occupied) + len(reference.occupied) - occupied
    return Agreement(
        map=name,
        known=len(found.known),
        known_found=_part(known, len(reference.known)),
        known_extra=_part(len(found.known) - known, len(reference.known)),
        occupied_iou=_part(occupied, either) if either else 1.0,
    )


def _part(count: int, whole: int) -> float:
    return count / whole if whole else 0.0
