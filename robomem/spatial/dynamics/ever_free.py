"""Which space stayed free for long: what is hit there moved in."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.checks import checked_vector
from robomem.errors import ConfigError, FormatError
from robomem.geometry import Points
from robomem.spatial.dynamics import kernels
from robomem.spatial.dynamics.kernels import LOOKS, OF_FREE, PLANES, Bricks, Planes
from robomem.spatial.octree.kernels import morton
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, Masks, Slots
from robomem.spatial.octree.values import MapDelta

NEVER_NS = np.iinfo(np.int64).min // 2
FIRST_CAPACITY = 1 << 10
BACK_VOXELS = 5  # so many of a surface's voxels a ray passes that grazes it at 11 degrees


@dataclass(frozen=True, slots=True)
class Noise:
    """How far before a surface a sensor may measure it: `floor_m` + `per_m2` range², at most `most_m`.

    The defaults are four standard deviations of a structured-light sensor: Khoshelham and Elberink,
    "Accuracy and Resolution of Kinect Depth Data", 2012.
    """

    floor_m: float = 0.0
    per_m2: float = 0.006
    most_m: float = 0.3

    def __post_init__(self) -> None:
        if not (
            0 <= self.floor_m < np.inf and 0 <= self.per_m2 < np.inf and 0 <= self.most_m <= 10
        ):
            raise ConfigError(f"a noise is not negative, and at most 10 m: got {self}")


class Rays(NamedTuple):
    """Where rays end, (N, 3), and begin, (3,), in map; NaN where there is no return; longer ones hit nothing."""

    ends_map: Points
    origin_map: Points
    max_range_m: float


@dataclass(frozen=True, slots=True, eq=False)
class EverFreeRows:
    """All that is known of bricks, by key.

    Attributes:
        keys: (N,) int64, ascending.
        planes: (N, PLANES, 8) uint64, one bit a voxel; see `kernels`.
        counted_ns: When a look at the brick counted last, (N,) int64.
    """

    keys: Keys
    planes: Planes
    counted_ns: NDArray[np.int64]


class EverFree:
    """The space that scans saw free for some time, with nothing solid beside it.

    A voxel is ever-free after LOOKS looks at it over `after_s`, with no hit between them: Schmid et al.,
    "Khronos", RSS 2024, and "Dynablox", RA-L 2023. It stops being so when LOOKS hits found it solid, or by
    `forget_box`. Whether something solid stands beside it is asked when a point falls into it.

    Args:
        resolution_m: The edge of a voxel: the map's.
        after_s: How long space stays free before something in it must have moved there.
    """

    def __init__(self, resolution_m: float, *, after_s: float = 1.0) -> None:
        if not 0.001 <= resolution_m <= 100:
            raise ConfigError(f"a voxel's edge lies in 0.001 to 100 m, got {resolution_m}")
        if not 0 <= after_s < 1e6:
            raise ConfigError(f"space is free after 0 to 1e6 s, got {after_s}")
        self.resolution_m = resolution_m
        self._look_ns = round(after_s * 1e9 / (LOOKS - 1))
        self._clear()

    def _clear(self) -> None:
        self._count = 0
        self._table = _new_table(FIRST_CAPACITY)
        self._keys = np.empty(FIRST_CAPACITY // 2, np.int64)
        self._planes: Planes = np.zeros((FIRST_CAPACITY // 2, PLANES, 8), np.uint64)
        self._counted_ns = np.empty(FIRST_CAPACITY // 2, np.int64)

    def __len__(self) -> int:
        """Count the bricks."""
        return self._count

    @property
    def memory_bytes(self) -> int:
        """What the arrays take."""
        return sum(
            array.nbytes for array in (*self._table, self._keys, self._planes, self._counted_ns)
        )

    def learn(self, delta: MapDelta, rays: Rays, *, stamp_ns: int) -> None:
        """Take in what a scan says; what its rays pass just before they end does not become ever-free by it."""
        back_m = BACK_VOXELS * self.resolution_m
        near = kernels.mark_near(*rays, self.resolution_m, back_m, delta.keys)
        slots = self._take(delta.keys)
        kernels.learn(
            self._planes, self._counted_ns, slots, delta.hit, delta.free, near,
            stamp_ns, self._look_ns,
        )  # fmt: skip

    def sort(
        self, points_map: Points, origin_map: Points, *, max_range_m: float, noise: Noise
    ) -> NDArray[np.uint8]:
        """Return what points (N, 3) in map lie in: STRUCTURE, LOOSE or SEED of `kernels`."""
        limits_m = np.array([noise.floor_m, noise.per_m2, noise.most_m])
        bricks = Bricks(*self._table, self._planes)
        return kernels.sort_points(
            points_map, origin_map, self.resolution_m, max_range_m, limits_m, bricks
        )

    def is_ever_free(self, points_map: ArrayLike) -> NDArray[np.bool_]:
        """Tell of points (N, 3) in map whether they lie in ever-free space with nothing solid beside."""
        points = np.array(points_map, dtype=np.float64).reshape(-1, 3)
        exact = Noise(per_m2=0.0)
        kinds = self.sort(points, np.zeros(3), max_range_m=np.inf, noise=exact)
        return np.asarray(kinds == kernels.SEED)

    def forget_box(self, low_map: ArrayLike, high_map: ArrayLike) -> None:
        """Let the voxels that a box between two corners (3,) in map touches be free from now on only."""
        edges = np.stack([checked_vector(low_map, 3, "low"), checked_vector(high_map, 3, "high")])
        low, high = np.floor(edges / self.resolution_m).astype(np.int64)
        origins = morton.brick_origins(self._keys[: self._count])
        for slot in np.flatnonzero(((origins <= high) & (origins + 7 >= low)).all(axis=1)):
            self._planes[slot, OF_FREE] &= ~_box_mask(low - origins[slot], high - origins[slot])

    def forget(self, keys: Keys | None = None) -> None:
        """Forget bricks, or all."""
        rows = self.rows()
        self._clear()
        if keys is not None:
            kept = ~np.isin(rows.keys, keys)
            self._put(EverFreeRows(rows.keys[kept], rows.planes[kept], rows.counted_ns[kept]))

    def forget_before(self, stamp_ns: int) -> None:
        """Forget the bricks that no look has counted for since a time."""
        is_old = self._counted_ns[: self._count] < stamp_ns
        if is_old.any():
            self.forget(self._keys[: self._count][is_old])

    def rows(self) -> EverFreeRows:
        """Return a copy of all bricks, by key."""
        order = np.argsort(self._keys[: self._count])
        return EverFreeRows(self._keys[order], self._planes[order], self._counted_ns[order])

    @classmethod
    def from_rows(cls, rows: EverFreeRows, *, resolution_m: float, after_s: float = 1.0) -> Self:
        """Make one of what `rows` returned; raises FormatError where the arrays do not fit."""
        n = len(rows.keys)
        is_right = (
            rows.keys.shape == rows.counted_ns.shape == (n,)
            and rows.planes.shape == (n, PLANES, 8)
            and rows.keys.dtype == rows.counted_ns.dtype == np.int64
            and rows.planes.dtype == np.uint64
        )
        if not is_right or (rows.keys < 0).any() or len(np.unique(rows.keys)) != n:
            raise FormatError(
                f"{n} bricks have a key of their own each and planes (N, {PLANES}, 8)"
            )
        ever_free = cls(resolution_m, after_s=after_s)
        ever_free._put(rows)
        return ever_free

    def _put(self, rows: EverFreeRows) -> None:
        slots = self._take(rows.keys)
        self._planes[slots], self._counted_ns[slots] = rows.planes, rows.counted_ns

    def _take(self, keys: Keys) -> Slots:
        """Return the slot (N,) of every key; new ones have rows of their own, where nothing is known."""
        if 2 * (self._count + len(keys)) > len(self._table[0]):
            self._table = _new_table(1 << (2 * (self._count + len(keys))).bit_length())
            kernels.take_slots(self._keys[: self._count], *self._table, 0)
        slots: Slots = kernels.take_slots(keys, *self._table, self._count)
        count = max(self._count, int(slots.max(initial=-1)) + 1)
        if count > len(self._keys):
            self._enlarge(max(count, 3 * len(self._keys) // 2))
        self._keys[slots] = keys
        self._counted_ns[self._count : count] = NEVER_NS
        self._count = count
        return slots

    def _enlarge(self, rows: int) -> None:
        self._keys, self._counted_ns = (np.resize(a, rows) for a in (self._keys, self._counted_ns))
        planes: Planes = np.zeros((rows, PLANES, 8), np.uint64)
        planes[: self._count] = self._planes[: self._count]
        self._planes = planes


def _new_table(capacity: int) -> tuple[Keys, Slots]:
    return np.full(capacity, EMPTY, np.int64), np.zeros(capacity, np.int32)


def _box_mask(low: NDArray[np.int64], high: NDArray[np.int64]) -> Masks:
    """Return the bits (8,) of a brick's voxels between two of them, both counted in."""
    is_in = [(np.arange(8) >= low[a]) & (np.arange(8) <= high[a]) for a in range(3)]
    bits = is_in[2][:, None, None] & is_in[1][:, None] & is_in[0]  # z, y, x
    return np.packbits(bits.reshape(8, 64), axis=1, bitorder="little").view("<u8").reshape(8)
