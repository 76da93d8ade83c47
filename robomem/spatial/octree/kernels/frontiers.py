"""Where the known ends: free voxels beside unknown ones, 64 at a time by their bits."""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit
from robomem.spatial.octree.kernels.layout import PAGED, UNIFORM, Bricks, Nodes
from robomem.spatial.octree.kernels.levels import corner_of, rows_at
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, gather_bits, spread_bits

_KNOWN = -3  # a node that is on disk and holds nothing unknown
_X_0 = np.uint64(0x0101010101010101)  # the voxels of a word with x = 0
_X_7 = np.uint64(0x8080808080808080)

Words = NDArray[np.uint64]  # (8,): one bit a voxel of a brick


@jit
def find_frontiers(bricks: Bricks, nodes: Nodes, row: int) -> tuple[NDArray[np.int64], Keys]:
    """Find the free voxels that have an unknown one among their six neighbours.

    Args:
        bricks: The leaves.
        nodes: The inner nodes; a brick that is nowhere below the root is unknown.
        row: The node below which to look, in memory: the root, or a region.

    Returns:
        voxels: (N, 3), brick after brick in Morton order.
        regions: The keys (M,) of regions on disk that border on these bricks and hold something unknown:
            where there are any, look again with them in memory.
    """
    voxels = np.empty((1024, 3), np.int64)
    count = 0
    is_needed = np.zeros(len(nodes.keys), np.bool_)
    beside = np.empty(6, np.int64)
    free, unknown, beyond = np.empty(8, np.uint64), np.empty(8, np.uint64), np.empty(8, np.uint64)
    for node in rows_at(nodes, row, 1):
        _find_beside(nodes, node, beside, is_needed)
        for c in range(8):
            slot = nodes.children[node, c]
            if slot < 0:
                continue
            beyond[:] = 0
            for d in range(6):
                axis_bit = 1 << (d >> 1)
                is_sibling = (c & axis_bit != 0) != (d & 1 != 0)
                _look_beyond(
                    bricks, nodes, node if is_sibling else beside[d], c ^ axis_bit, d, beyond
                )
            unknown[:] = 0
            if nodes.unknown[node] >> c & 1:
                _mark(bricks, slot, 0, unknown)
            if not (unknown.any() or beyond.any()):
                continue
            _mark(bricks, slot, -1, free)
            _keep_frontiers(free, unknown, beyond)
            if count + 512 > len(voxels):
                longer = np.empty((2 * len(voxels), 3), np.int64)
                longer[:count] = voxels[:count]
                voxels = longer
            count = _write_voxels(free, corner_of(bricks.keys[slot], 0), voxels, count)
    return voxels[:count], nodes.keys[is_needed]


@jit
def _find_beside(
    nodes: Nodes, node: int, beside: NDArray[np.int64], is_needed: NDArray[np.bool_]
) -> None:
    """Write the rows of the six neighbours of a node of level 1: at -x, +x, -y, +y, -z, +z.

    EMPTY where there is none, _KNOWN for one on disk that does not matter. For others on disk, the region is
    marked as needed.
    """
    for d in range(6):
        step = 1 if d & 1 else -1
        x = gather_bits(nodes.keys[node]) + (step if d >> 1 == 0 else 0)
        y = gather_bits(nodes.keys[node] >> 1) + (step if d >> 1 == 1 else 0)
        z = gather_bits(nodes.keys[node] >> 2) + (step if d >> 1 == 2 else 0)
        key = spread_bits(x) | spread_bits(y) << 1 | spread_bits(z) << 2
        row, child = _find_node(nodes, key)
        beside[d] = child
        if child == PAGED:
            is_needed[row] = True
            beside[d] = _KNOWN


@jit
def _find_node(nodes: Nodes, key: int) -> tuple[int, int]:
    """Return the node of level 1 with that key, or why there is none, and the row of the node above that."""
    row = child = np.int64(nodes.root)
    level = np.int64(nodes.levels[row])
    if key >> 3 * (level - 1) != nodes.keys[row]:
        return EMPTY, EMPTY
    while level > 1:
        row = child
        level -= 1
        c = key >> 3 * (level - 1) & 7
        child = np.int64(nodes.children[row, c])
        if child < 0:
            is_known = not nodes.unknown[row] >> c & 1
            return row, _KNOWN if is_known else child
    return row, child


@jit
def _look_beyond(bricks: Bricks, nodes: Nodes, node: int, c: int, d: int, beyond: Words) -> None:
    """Mark the voxels of a brick whose neighbour in direction d, in child c of a node, is unknown."""
    if node == _KNOWN or (node >= 0 and not nodes.unknown[node] >> c & 1):
        return
    slot = nodes.children[node, c] if node >= 0 else EMPTY
    block = bricks.blocks[slot] if slot >= 0 else UNIFORM
    if slot >= 0 and block == UNIFORM and bricks.uniform[slot] != 0:
        return
    across = 1 << 3 * (
        d >> 1
    )  # from voxel to voxel along the axis of d, and in the plane of the border
    u_step, v_step = (8 if across == 1 else 1), (8 if across == 64 else 64)
    here, there = (7 * across, 0) if d & 1 else (0, 7 * across)
    for v in range(8):
        for u in range(8):
            i = u * u_step + v * v_step
            if block == UNIFORM or bricks.log_odds[block, there + i] == 0:
                i += here
                beyond[i >> 6] |= np.uint64(1) << np.uint64(i & 63)


@jit
def _mark(bricks: Bricks, slot: int, sign: int, words: Words) -> None:
    """Mark the voxels of a brick whose log-odds have that sign."""
    block = bricks.blocks[slot]
    for w in range(8):
        word = np.uint64(0)
        if block == UNIFORM:
            if np.sign(np.int64(bricks.uniform[slot])) == sign:
                word = ~word
        else:
            for i in range(64):
                is_marked = np.sign(np.int64(bricks.log_odds[block, 64 * w + i])) == sign
                word |= np.uint64(is_marked) << np.uint64(i)
        words[w] = word


@jit
def _keep_frontiers(free: Words, unknown: Words, beyond: Words) -> None:
    """Leave of the free voxels of a brick those that have an unknown neighbour."""
    one, eight = np.uint64(1), np.uint64(8)
    for w in range(8):
        near = beyond[w]
        near |= (unknown[w] >> one) & ~_X_7 | (unknown[w] << one) & ~_X_0
        near |= unknown[w] >> eight | unknown[w] << eight
        if w > 0:
            near |= unknown[w - 1]
        if w < 7:
            near |= unknown[w + 1]
        free[w] &= near


@jit
def _write_voxels(
    marked: Words, corner: tuple[int, int, int], voxels: NDArray[np.int64], count: int
) -> int:
    """Append the marked voxels of the brick at `corner`; return the new count."""
    for w in range(8):
        if marked[w] == 0:
            continue
        for i in range(64):
            if marked[w] >> np.uint64(i) & np.uint64(1):
                voxels[count, 0] = corner[0] + (i & 7)
                voxels[count, 1] = corner[1] + (i >> 3)
                voxels[count, 2] = corner[2] + w
                count += 1
    return count
