"""What goes into the octree and comes out of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.spatial.octree.kernels.morton import Keys, Masks


@dataclass(frozen=True, slots=True, eq=False)
class MapDelta:
    """What one scan says: per touched brick which voxels it hit and which it passed through.

    Adding it twice counts twice.

    Attributes:
        keys: Morton keys of the bricks, (N,) int64, each once, in any order.
        hit: One bit a voxel, (N, 8) uint64.
        free: The same, disjoint from `hit`.
    """

    keys: Keys
    hit: Masks
    free: Masks


@dataclass(frozen=True, slots=True, eq=False)
class OccupancyGrid:
    """A 2-D slice as nav_msgs has it: 100 occupied, 0 free, -1 unknown.

    `values` is (H, W) int8, row 0 at the lowest y; `origin_map` the (x, y) of its lower corner in map.
    """

    values: NDArray[np.int8]
    origin_map: tuple[float, float]
    resolution_m: float


@dataclass(frozen=True, slots=True)
class Volume:
    """How much of space is known, in cubic metres."""

    free_m3: float
    occupied_m3: float

    @property
    def known_m3(self) -> float:
        """Free and occupied together."""
        return self.free_m3 + self.occupied_m3
