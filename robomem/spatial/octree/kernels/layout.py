"""How the octree lies in memory: the arrays that kernels are given.

A brick (8x8x8 voxels) has a slot. Where all its voxels hold one value it is uniform and that value is all
there is of it; else it has a block of 512. Inner nodes stand above the bricks: a node of level 1 has eight
bricks below it, one of level n + 1 eight nodes of level n; the root is as high as the map needs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomem.spatial.octree.kernels.morton import Keys, LogOdds, Slots

UNIFORM = -1  # in `blocks`: the brick has no block
PAGED = -2  # in `children`: the child is on disk; its summary bits are here
REGION_LEVEL = 2  # a node of this level, 4x4x4 bricks, goes to disk and comes back as one

Bits = NDArray[np.uint8]


class Bricks(NamedTuple):
    """The leaves. Rows of unused slots are stale: only what the table leads to counts.

    Attributes:
        table_keys: Morton keys, open-addressed, (power of two,) int64; EMPTY where free.
        table_slots: The slot of each, (the same,) int32.
        keys: The key of a slot, (S,) int64.
        blocks: The row of a slot in `log_odds`, (S,) int32; UNIFORM where it has none.
        uniform: The value of a uniform brick's voxels, (S,) int16.
        log_odds: The values of the others, (B, 512) int16; 0 is unknown.
    """

    table_keys: Keys
    table_slots: Slots
    keys: Keys
    blocks: Slots
    uniform: NDArray[np.int16]
    log_odds: LogOdds


class Upkeep(NamedTuple):
    """What is kept of every brick besides its values, by slot.

    Attributes:
        highest: (S,) int16: the highest log-odds of a known voxel.
        stamps_ns: (S,) int64: when it was last seen.
        hits: (S,) uint32: how often one of its voxels was hit.
        is_dirty: (S,) bool: whether it changed since it was last on disk.
        parents: (S,) int32: the row of the node above it.
    """

    highest: NDArray[np.int16]
    stamps_ns: NDArray[np.int64]
    hits: NDArray[np.uint32]
    is_dirty: NDArray[np.bool_]
    parents: Slots


class Spare(NamedTuple):
    """Which rows of an array are not used: those on a stack, and all that never were.

    Attributes:
        rows: The stack, (capacity,) int32: rows that were given back.
        counts: (2,) int64: the height of the stack, and one more than the highest row ever used.
    """

    rows: Slots
    counts: NDArray[np.int64]


class Nodes(NamedTuple):
    """The inner nodes. Child c of a node with key k has the key 8 k + c, one level below.

    Attributes:
        children: (N, 8) int32: slots of bricks at level 1, above it rows of nodes; EMPTY or PAGED.
        occupied: (N,) uint8: bit c says that child c holds an occupied voxel.
        unknown: (N,) uint8: bit c says that child c holds an unknown voxel; so does one that is EMPTY.
        highest: (N,) int16: the highest log-odds of a known voxel below, 0 where there is none.
        keys: (N,) int64: the Morton key of the node at its level, brick key >> 3 level.
        levels: (N,) uint8.
        parents: (N,) int32: the row of the node above, EMPTY for the root.
        root: The row of the root; EMPTY in an empty map.
    """

    children: Slots
    occupied: Bits
    unknown: Bits
    highest: NDArray[np.int16]
    keys: Keys
    levels: Bits
    parents: Slots
    root: int
