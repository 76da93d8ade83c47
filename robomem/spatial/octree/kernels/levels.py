"""The map at a coarser resolution: the cells of one level of the octree."""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit
from robomem.spatial.octree.kernels.layout import UNIFORM, Bricks, Nodes
from robomem.spatial.octree.kernels.morton import (
    EMPTY,
    KEY_BITS,
    KEY_OFFSET,
    Slots,
    gather_bits,
)

BRICK_LEVEL = 3  # a brick is 2**3 voxels long, a node of level n 2**(3 + n)
_NOTHING = -32768  # below every log-odds


@jit
def at_level(
    bricks: Bricks, nodes: Nodes, level: int
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.bool_]]:
    """Return the cells of 2**level voxels' edge that hold a known voxel, in Morton order of bricks or nodes.

    Levels 0 to 3 leave out what is on disk. For one region give `nodes._replace(root=its row)`.

    Returns:
        origins: The lowest voxel of every cell, (N, 3).
        highest: The highest log-odds of its known voxels, (N,).
        has_unknown: Whether one of its voxels is unknown, (N,).
    """
    if level > BRICK_LEVEL:
        return _cells_of_nodes(nodes, level - BRICK_LEVEL)
    return _cells_of_bricks(bricks, nodes, level)


@jit
def rows_at(nodes: Nodes, row: int, level: int) -> Slots:
    """Return the rows (N,) of the nodes of a level that are in memory, below a row, in Morton order."""
    rows = np.empty(len(nodes.keys), np.int32)
    stack = np.empty(8 * KEY_BITS, np.int32)
    count, height = 0, 0
    if row != EMPTY:
        stack[0] = row
        height = 1
    while height:
        height -= 1
        row = stack[height]
        if nodes.levels[row] <= level:
            rows[count] = row
            count += 1
            continue
        for c in range(7, -1, -1):
            if nodes.children[row, c] >= 0:
                stack[height] = nodes.children[row, c]
                height += 1
    return rows[:count]


@jit
def corner_of(key: int, level: int) -> tuple[int, int, int]:
    """Return the lowest voxel of the cell with that key; level 0 is that of bricks."""
    brick = key << (3 * level)
    return (
        8 * (gather_bits(brick) - KEY_OFFSET),
        8 * (gather_bits(brick >> 1) - KEY_OFFSET),
        8 * (gather_bits(brick >> 2) - KEY_OFFSET),
    )


@jit
def _cells_of_nodes(
    nodes: Nodes, level: int
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.bool_]]:
    rows = rows_at(nodes, nodes.root, level)
    origins = np.empty((len(rows), 3), np.int64)
    highest = np.empty(len(rows), np.int16)
    has_unknown = np.empty(len(rows), np.bool_)
    count = 0
    for row in rows:
        if nodes.highest[row] == 0:
            continue
        above = level - np.int64(nodes.levels[row])  # the root may be lower than the level
        origins[count] = corner_of(nodes.keys[row] >> (3 * above), level)
        highest[count] = nodes.highest[row]
        has_unknown[count] = above > 0 or nodes.unknown[row] != 0
        count += 1
    return origins[:count], highest[:count], has_unknown[:count]


@jit
def _cells_of_bricks(
    bricks: Bricks, nodes: Nodes, level: int
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.bool_]]:
    rows = rows_at(nodes, nodes.root, 1)
    cells = 1 << 3 * (BRICK_LEVEL - level)  # of one brick
    most = 8 * len(rows) * cells
    origins = np.empty((most, 3), np.int64)
    highest = np.empty(most, np.int16)
    has_unknown = np.empty(most, np.bool_)
    edge = 1 << level
    count = 0
    for row in rows:
        for c in range(8):
            slot = nodes.children[row, c]
            if slot < 0:
                continue
            x, y, z = corner_of(bricks.keys[slot], 0)
            for cell in range(cells):
                # The bits of a cell's number are those of a Morton key below the brick's.
                i, j, k = (
                    gather_bits(cell) << level,
                    gather_bits(cell >> 1) << level,
                    gather_bits(cell >> 2) << level,
                )
                value, is_partial = _summarise(bricks, slot, i + 8 * j + 64 * k, edge)
                if value == 0:
                    continue
                origins[count, 0], origins[count, 1], origins[count, 2] = x + i, y + j, z + k
                highest[count] = value
                has_unknown[count] = is_partial
                count += 1
    return origins[:count], highest[:count], has_unknown[:count]


@jit
def _summarise(bricks: Bricks, slot: int, first: int, edge: int) -> tuple[int, bool]:
    """Return the highest known value of a cube of voxels of a brick, and whether one is unknown."""
    block = bricks.blocks[slot]
    if block == UNIFORM:
        value = np.int64(bricks.uniform[slot])
        return value, value == 0
    highest, is_partial = np.int64(_NOTHING), False
    for z in range(edge):
        for y in range(edge):
            for x in range(edge):
                value = np.int64(bricks.log_odds[block, first + x + 8 * y + 64 * z])
                highest = max(highest, value if value != 0 else _NOTHING)
                is_partial |= value == 0
    return highest if highest != _NOTHING else 0, is_partial
