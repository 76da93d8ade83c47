"""Inner nodes: hanging bricks below them, and keeping what they say of the space below true."""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit
from robomem.spatial.octree.kernels.bricks import (
    HAS_OCCUPIED,
    HAS_UNKNOWN,
    give_back,
    highest_of,
    take,
)
from robomem.spatial.octree.kernels.layout import PAGED, REGION_LEVEL, Bricks, Nodes, Spare, Upkeep
from robomem.spatial.octree.kernels.morton import EMPTY, KEY_BITS, Keys, Slots
from robomem.store.bricks import RegionSummaries

MAX_NEW = 2 * KEY_BITS  # nodes that one brick can need: a chain up to a new root, and one down


@jit
def _new_node(level: int, key: int, nodes: Nodes, spare: Spare) -> int:
    row = take(spare)
    nodes.children[row, :] = EMPTY
    nodes.occupied[row] = 0
    nodes.unknown[row] = 0xFF
    nodes.highest[row] = 0
    nodes.keys[row] = key
    nodes.levels[row] = level
    nodes.parents[row] = EMPTY
    return row


@jit
def reach(root: int, level: int, key: int, nodes: Nodes, spare: Spare) -> tuple[int, int]:
    """Return the row of the node with that key (at its level), made where it is not, and of the root."""
    if root == EMPTY:
        root = _new_node(
            max(level, REGION_LEVEL), key >> 3 * max(0, REGION_LEVEL - level), nodes, spare
        )
    while (
        nodes.levels[root] < level
        or key >> 3 * (np.int64(nodes.levels[root]) - level) != nodes.keys[root]
    ):
        above = _new_node(nodes.levels[root] + 1, nodes.keys[root] >> 3, nodes, spare)
        nodes.children[above, nodes.keys[root] & 7] = root
        nodes.parents[root] = above
        _note_child(above, root, nodes)
        nodes.highest[above] = nodes.highest[root]
        root = above
    row = root
    while nodes.levels[row] > level:
        below = np.int64(nodes.levels[row]) - 1
        child_key = key >> 3 * (below - level)
        child = nodes.children[row, child_key & 7]
        if child == EMPTY:
            child = _new_node(below, child_key, nodes, spare)
            nodes.children[row, child_key & 7] = child
            nodes.parents[child] = row
        row = child
    return row, root


@jit
def _note_child(above: int, row: int, nodes: Nodes) -> None:
    """Write a node's summary into the bits of the one above it."""
    bit = np.uint8(1 << (nodes.keys[row] & 7))
    keep = np.uint8(0xFF) ^ bit
    nodes.occupied[above] = (nodes.occupied[above] & keep) | (bit if nodes.occupied[row] else 0)
    nodes.unknown[above] = (nodes.unknown[above] & keep) | (bit if nodes.unknown[row] else 0)


@jit
def hang(
    new_slots: Slots, root: int, nodes: Nodes, bricks: Bricks, upkeep: Upkeep, spare: Spare
) -> int:
    """Hang new bricks (N,) below nodes of level 1; there must be room for MAX_NEW nodes a brick.

    Returns:
        The row of the root.
    """
    for slot in new_slots:
        key = bricks.keys[slot]
        row, root = reach(root, 1, key >> 3, nodes, spare)
        nodes.children[row, key & 7] = slot
        upkeep.parents[slot] = row
    return root


@jit
def propagate(
    slots: Slots, summaries: NDArray[np.uint8], nodes: Nodes, bricks: Bricks, upkeep: Upkeep
) -> None:
    """Tell the nodes above bricks (N,) what these hold now, as far up as anything changes."""
    for b in range(len(slots)):
        slot = slots[b]
        row = np.int64(upkeep.parents[slot])
        child = bricks.keys[slot] & 7
        bit = np.uint8(1 << child)
        keep = np.uint8(0xFF) ^ bit
        was_occupied, was_unknown = nodes.occupied[row] != 0, nodes.unknown[row] != 0
        nodes.occupied[row] = (nodes.occupied[row] & keep) | (
            bit if summaries[b] & HAS_OCCUPIED else 0
        )
        nodes.unknown[row] = (nodes.unknown[row] & keep) | (
            bit if summaries[b] & HAS_UNKNOWN else 0
        )
        highest = highest_of(slot, bricks)
        is_changed = was_occupied != (nodes.occupied[row] != 0) or was_unknown != (
            nodes.unknown[row] != 0
        )
        if highest != upkeep.highest[slot]:
            upkeep.highest[slot] = highest
            is_changed = _raise_highest(row, nodes, upkeep) or is_changed
        if is_changed:
            ascend(row, nodes, upkeep)


@jit
def ascend(row: int, nodes: Nodes, upkeep: Upkeep) -> None:
    """Tell the nodes above a changed node, as far up as anything changes."""
    while nodes.parents[row] != EMPTY:
        above = np.int64(nodes.parents[row])
        occupied, unknown = nodes.occupied[above], nodes.unknown[above]
        _note_child(above, row, nodes)
        is_changed = _raise_highest(above, nodes, upkeep)
        if not is_changed and occupied == nodes.occupied[above] and unknown == nodes.unknown[above]:
            return
        row = above


@jit
def _raise_highest(row: int, nodes: Nodes, upkeep: Upkeep) -> bool:
    """Set a node's highest log-odds to that of its children; tells whether it changed."""
    highest = np.int64(-32768)
    for c in range(8):
        child = nodes.children[row, c]
        if child == PAGED:
            return False  # nothing below a region on disk changes
        if child == EMPTY:
            continue
        value = upkeep.highest[child] if nodes.levels[row] == 1 else nodes.highest[child]
        if value != 0:
            highest = max(highest, np.int64(value))
    highest = highest if highest != -32768 else 0
    is_changed = nodes.highest[row] != highest
    nodes.highest[row] = highest
    return is_changed


@jit
def find_regions(keys: Keys, nodes: Nodes) -> Slots:
    """Return the row (N,) of the nodes of level REGION_LEVEL with these keys, EMPTY where there is none."""
    rows = np.full(len(keys), EMPTY, np.int32)
    if nodes.root == EMPTY:
        return rows
    root_level = np.int64(nodes.levels[nodes.root])
    for i in range(len(keys)):
        if keys[i] >> 3 * (root_level - REGION_LEVEL) != nodes.keys[nodes.root]:
            continue
        row = np.int64(nodes.root)
        while row != EMPTY and nodes.levels[row] > REGION_LEVEL:
            child_key = keys[i] >> 3 * (np.int64(nodes.levels[row]) - 1 - REGION_LEVEL)
            row = np.int64(nodes.children[row, child_key & 7])
        rows[i] = row
    return rows


@jit
def bricks_below(row: int, nodes: Nodes) -> Slots:
    """Return the slots (N,) of the bricks of a region that is in memory, in Morton order."""
    slots = np.empty(64, np.int32)
    count = 0
    for c in range(8):
        child = nodes.children[row, c]
        if child < 0:
            continue
        for d in range(8):
            if nodes.children[child, d] >= 0:
                slots[count] = nodes.children[child, d]
                count += 1
    return slots[:count]


@jit
def unhang(row: int, nodes: Nodes, spare: Spare) -> None:
    """Leave of a region only its own node, whose children are then PAGED."""
    for c in range(8):
        child = nodes.children[row, c]
        if child >= 0:
            give_back(spare, child)
            nodes.children[row, c] = PAGED


@jit
def hang_paged(
    regions: RegionSummaries, root: int, nodes: Nodes, upkeep: Upkeep, spare: Spare
) -> int:
    """Make the nodes of regions (N,) that are on disk; returns the row of the root."""
    for i in range(len(regions.keys)):
        row, root = reach(root, REGION_LEVEL, regions.keys[i], nodes, spare)
        for c in range(8):
            nodes.children[row, c] = PAGED if regions.children[i] >> c & 1 else EMPTY
        nodes.occupied[row] = regions.occupied[i]
        nodes.unknown[row] = regions.unknown[i]
        nodes.highest[row] = regions.highest[i]
        ascend(row, nodes, upkeep)
    return root


@jit
def all_regions(nodes: Nodes) -> Slots:
    """Return the rows (N,) of all regions, in Morton order."""
    rows = np.empty(len(nodes.keys), np.int32)
    stack = np.empty(8 * KEY_BITS, np.int32)
    count, height = 0, 0
    if nodes.root != EMPTY:
        stack[0] = nodes.root
        height = 1
    while height:
        height -= 1
        row = stack[height]
        if nodes.levels[row] == REGION_LEVEL:
            rows[count] = row
            count += 1
            continue
        for c in range(7, -1, -1):
            if nodes.children[row, c] != EMPTY:
                stack[height] = nodes.children[row, c]
                height += 1
    return rows[:count]
