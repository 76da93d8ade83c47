"""Bricks of the octree as rows: what is written, paged, hashed and exported."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]
REGION_BITS = 6  # a region is 4x4x4 bricks: brick key >> 6


@dataclass(frozen=True, slots=True, eq=False)
class BrickRows:
    """Bricks, each once.

    Attributes:
        keys: Morton keys, (N,) int64.
        stamps_ns: When each was last seen, (N,) int64.
        hits: How often its voxels were hit, (N,) uint32.
        is_dirty: Whether it changed since it was last in a file, (N,) bool.
        uniform: The value of all its voxels, (N,) int16, 0 where it is dense.
        is_dense: Whether its voxels differ, (N,) bool.
        log_odds: The values of the dense ones, in their order, (M, 512) int16.
        is_coded: Whether any of its voxels has a semantic code, (N,) bool.
        codes: The codes of those, in their order, (C, 512) uint16, 0 where there is none.
        weights: How firm each code is, (C, 512) uint8.
    """

    keys: Keys
    stamps_ns: NDArray[np.int64]
    hits: NDArray[np.uint32]
    is_dirty: NDArray[np.bool_]
    uniform: NDArray[np.int16]
    is_dense: NDArray[np.bool_]
    log_odds: NDArray[np.int16]
    is_coded: NDArray[np.bool_]
    codes: NDArray[np.uint16]
    weights: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.keys)

    def select(self, wanted: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Self:
        """Return some of them, in the order asked for."""
        wanted = np.arange(len(self))[wanted]
        dense_row, coded_row = np.cumsum(self.is_dense) - 1, np.cumsum(self.is_coded) - 1
        coded = coded_row[wanted[self.is_coded[wanted]]]
        return type(self)(
            keys=self.keys[wanted],
            stamps_ns=self.stamps_ns[wanted],
            hits=self.hits[wanted],
            is_dirty=self.is_dirty[wanted],
            uniform=self.uniform[wanted],
            is_dense=self.is_dense[wanted],
            log_odds=self.log_odds[dense_row[wanted[self.is_dense[wanted]]]],
            is_coded=self.is_coded[wanted],
            codes=self.codes[coded],
            weights=self.weights[coded],
        )

    def values(self) -> NDArray[np.int16]:
        """Return the values (N, 512) of all, uniform ones expanded."""
        values: NDArray[np.int16] = np.repeat(self.uniform[:, None], 512, axis=1)
        values[self.is_dense] = self.log_odds
        return values

    def by_region(self) -> Iterator[tuple[int, Self]]:
        """Yield each region's key and its bricks; the rows are in order of their keys."""
        region_keys = self.keys >> REGION_BITS
        borders = np.flatnonzero(np.diff(region_keys)) + 1
        for part in np.split(np.arange(len(self)), borders):
            if len(part):
                yield int(region_keys[part[0]]), self.select(part)

    @classmethod
    def joined(cls, parts: "list[BrickRows]") -> Self:
        """Return several as one, by key; of a brick that is in more than one the last counts."""
        if not parts:
            return cls.from_values(np.empty(0, np.int64), np.empty((0, 512), np.int16))
        whole = cls(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__)
        )
        _, last = np.unique(whole.keys[::-1], return_index=True)
        return whole.select(len(whole) - 1 - last)

    @classmethod
    def without_codes(cls, **columns: Any) -> Self:
        """Return bricks of which no voxel has a code, from their other columns."""
        return cls(
            **columns,
            is_coded=np.zeros(len(columns["keys"]), np.bool_),
            codes=np.empty((0, 512), np.uint16),
            weights=np.empty((0, 512), np.uint8),
        )

    @classmethod
    def from_values(cls, keys: Keys, log_odds: NDArray[np.int16]) -> Self:
        """Return bricks with the values (N, 512); they count as changed, and as never seen or hit."""
        return cls.without_codes(
            keys=keys,
            stamps_ns=np.zeros(len(keys), np.int64),
            hits=np.zeros(len(keys), np.uint32),
            is_dirty=np.ones(len(keys), np.bool_),
            uniform=np.zeros(len(keys), np.int16),
            is_dense=np.ones(len(keys), np.bool_),
            log_odds=log_odds,
        )


class RegionSummaries(NamedTuple):
    """What is known of regions of 4x4x4 bricks without looking into them.

    Attributes:
        keys: Brick key >> 6, (N,) int64.
        children: One bit for each of the eight nodes below that there is, (N,) uint8.
        occupied: One bit for each that holds an occupied voxel, (N,) uint8.
        unknown: One bit for each that holds an unknown voxel, or is not, (N,) uint8.
        highest: The highest log-odds of a known voxel, (N,) int16.
    """

    keys: Keys
    children: NDArray[np.uint8]
    occupied: NDArray[np.uint8]
    unknown: NDArray[np.uint8]
    highest: NDArray[np.int16]

    def select(self, wanted: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "RegionSummaries":
        """Return some of the rows, in the order asked for."""
        return RegionSummaries._make(column[wanted] for column in self)

    @classmethod
    def of_nothing(cls, key: int) -> Self:
        """Return the row of a region without bricks."""
        none = np.zeros(1, np.uint8)
        return cls(np.array([key], np.int64), none, none, none, np.zeros(1, np.int16))
