"""What goes into the octree and comes out of it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robomem.errors import ConfigError
from robomem.geometry import Points
from robomem.spatial.octree.kernels.morton import Keys, Masks

Mode = Literal["exact", "fast"]
UNITS_PER_LOG_ODD = 1000  # int16 then holds +-32, and a hit of 0.85 exactly


@dataclass(frozen=True, slots=True)
class OccupancyModel:
    """What one look says of a voxel, in log-odds, and where certainty ends; the defaults are OctoMap's."""

    hit: float = 0.85
    miss: float = -0.4
    lowest: float = -2.0
    highest: float = 3.5

    def __post_init__(self) -> None:
        if not -30 <= self.lowest < 0 < self.highest <= 30 or not self.miss < 0 < self.hit:
            raise ConfigError(f"a hit raises, a miss lowers, within -30 to 30: got {self}")

    @property
    def units(self) -> tuple[int, int, int, int]:
        """Hit, miss, lowest and highest as the integers that voxels hold."""
        hit, miss, lowest, highest = (
            round(UNITS_PER_LOG_ODD * x) for x in (self.hit, self.miss, self.lowest, self.highest)
        )
        return hit, miss, lowest, highest


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

    def select(self, wanted: NDArray[np.bool_]) -> "MapDelta":
        """Return what it says of some of its bricks."""
        return MapDelta(self.keys[wanted], self.hit[wanted], self.free[wanted])

    def with_passes_of(self, other: "MapDelta") -> "MapDelta":
        """Return it with what another one passed, too; what that one hit does not count."""
        keys = np.union1d(self.keys, other.keys)
        hit, free = np.zeros((2, len(keys), 8), np.uint64)
        rows = np.searchsorted(keys, self.keys)
        hit[rows], free[rows] = self.hit, self.free
        free[np.searchsorted(keys, other.keys)] |= other.free
        return MapDelta(keys, hit, free & ~hit)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What one view says of which voxel is what, by codes of the map's codebook.

    Attributes:
        keys: Morton keys of the voxels' bricks, (M,) int64.
        voxels: Where they lie in them, (M,) int16: x + 8 y + 64 z.
        codes: What they are, (M,) uint16.
        born_rows: The codes that the view adds to the codebook, (B, D) int8.
        born_scales: Their scales, (B,) float32.
    """

    keys: Keys
    voxels: NDArray[np.int16]
    codes: NDArray[np.uint16]
    born_rows: NDArray[np.int8]
    born_scales: NDArray[np.float32]


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


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The octree at one level: cells of one size.

    Attributes:
        centres_map: (N, 3) metres.
        size_m: Their edge.
        log_odds: The highest of a known voxel inside, (N,) float32; positive: something is occupied.
        is_whole: Whether all of a cell's voxels are known, (N,) bool.
    """

    centres_map: Points
    size_m: float
    log_odds: NDArray[np.float32]
    is_whole: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class VoxelBox:
    """The voxels of a box: log-odds (X, Y, Z) float32, 0 unknown; `origin_map` (3,) is its lower corner."""

    log_odds: NDArray[np.float32]
    origin_map: Points
    resolution_m: float
