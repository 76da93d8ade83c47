"""OctoMap's node streams: the depth-first walk of an octree, written backwards and read forwards.

Voxels are the leaves at level 0, bricks stand at level 3, the root at level 16. Codes are Morton codes
counted from the lowest corner of OctoMap's space: child c of a node with code k has the code 8 k + c,
bit 0 of c is x, bit 1 y, bit 2 z, which is the order of OctoMap's children.

.ot  a node is its value (float32), what its type adds, a bit for every child, then the children.
.bt  only inner nodes are there: two bits a child, 1 free, 2 occupied, 3 inner, then the inner children.

Hornung et al., "OctoMap", Autonomous Robots 2013; the layout is that of its version 1.10.
"""

import numpy as np
from numpy.typing import NDArray

from robomem.jit import jit, jit_inline
from robomem.spatial.octree.kernels.morton import (
    EMPTY,
    KEY_OFFSET,
    Keys,
    LogOdds,
    gather_bits,
    spread_bits,
)

ROOT_LEVEL = 16
BRICK_LEVEL = 3
BRICK_REACH = 1 << 12  # bricks -4096 .. 4095 along each axis are in OctoMap's space
OT_NODE_BYTES = 5
BT_NODE_BYTES = 2
MOST_INNER_NODES = 73 + 13  # 1 + 8 + 64 in a brick, and one on every level above it

# What `read_nodes` returns in place of a count of bricks.
TRUNCATED = -1
TOO_DEEP = -2
TOO_LARGE = -3
NOT_A_NUMBER = -4
CHILDLESS = -5

# Columns of the walk's state: masks with one bit a child, then the range of the values of the leaves.
KNOWN = 0
INNER = 1
OCCUPIED = 2
LOWEST = 3
HIGHEST = 4

Stream = NDArray[np.uint8]


@jit
def brick_codes(keys: Keys) -> NDArray[np.int64]:
    """Return the codes (N,) of bricks; EMPTY where a brick is outside OctoMap's space."""
    codes = np.zeros(len(keys), np.int64)
    for i in range(len(keys)):
        for a in range(3):
            b = gather_bits(keys[i] >> a) - KEY_OFFSET + BRICK_REACH
            if b < 0 or b >= 2 * BRICK_REACH:
                codes[i] = EMPTY
                break
            codes[i] |= spread_bits(b) << a
    return codes


@jit
def brick_keys(codes: NDArray[np.int64]) -> Keys:
    """Undo `brick_codes`."""
    keys = np.zeros(len(codes), np.int64)
    for i in range(len(codes)):
        for a in range(3):
            keys[i] |= spread_bits(gather_bits(codes[i] >> a) - BRICK_REACH + KEY_OFFSET) << a
    return keys


@jit
def write_nodes(
    codes: NDArray[np.int64],
    rows: NDArray[np.int64],
    log_odds: LogOdds,
    units: float,
    is_binary: bool,
    stream: Stream,
) -> tuple[int, int]:
    """Write a tree to the end of a stream; return where it begins and how many nodes it has.

    Going backwards, a node comes after its children: its value and whether it can be pruned are known,
    and pruning is to forget what was just written.

    Args:
        codes: Of the bricks, (N,), ascending, each once.
        rows: Where each brick is in `log_odds`, (N,).
        log_odds: (M, 512) int16; 0 is unknown.
        units: How many units of `log_odds` are 1.
        is_binary: Write .bt, in which a leaf is occupied or free and equal ones are pruned.
        stream: Room enough.
    """
    voxels = _voxels_in_morton_order()
    state = np.zeros((ROOT_LEVEL + 2, 5), np.int64)
    at, count = len(stream), 0
    for i in range(len(codes) - 1, -1, -1):
        brick = log_odds[rows[i]]
        for m in range(511, -1, -1):
            value = np.int64(brick[voxels[m]])
            if value != 0:
                if is_binary:
                    value = 1 if value > 0 else -1
                else:
                    at = _write_ot_node(value, 0, units, stream, at)
                count += 1
                _note(state, 1, m & 7, value, False)
            if m & 7 == 0:
                at, count = _close(state, 1, m >> 3, units, is_binary, stream, at, count)
            if m & 63 == 0:
                at, count = _close(state, 2, m >> 6, units, is_binary, stream, at, count)
        here, following = codes[i], codes[i - 1] if i > 0 else EMPTY
        for level in range(BRICK_LEVEL, ROOT_LEVEL + 1):
            at, count = _close(state, level, here, units, is_binary, stream, at, count)
            here, following = here >> 3, following >> 3
            if here == following:
                break
    return at, count


@jit
def read_nodes(
    stream: Stream,
    node_bytes: int,
    units: float,
    value_free: int,
    value_occupied: int,
    max_bricks: int,
    codes: NDArray[np.int64],
    log_odds: LogOdds,
) -> tuple[int, int]:
    """Read a tree; return how many bricks and nodes it has, or what is wrong and at which node.

    Args:
        stream: The nodes, and perhaps more behind them.
        node_bytes: What a node takes in .ot; BT_NODE_BYTES means .bt.
        units: How many units of `log_odds` are 1.
        value_free: What a free leaf of .bt becomes, in units.
        value_occupied: The same of an occupied one.
        max_bricks: More than so many are TOO_LARGE.
        codes: Set to the codes of the bricks, ascending, (N,); none to count them first.
        log_odds: Set to their values, (N, 512) int16, all 0 before.
    """
    voxels = _voxels_in_morton_order()
    is_binary, is_filling = node_bytes == BT_NODE_BYTES, len(codes) > 0
    waiting = np.zeros(ROOT_LEVEL + 2, np.int64)  # bit c: child c has not been visited yet
    inner = np.zeros(ROOT_LEVEL + 2, np.int64)  # of .bt, as `occupied`
    occupied = np.zeros(ROOT_LEVEL + 2, np.int64)
    parents = np.zeros(ROOT_LEVEL + 2, np.int64)  # their codes
    level, at, nodes, bricks, last = ROOT_LEVEL + 1, 0, 0, 0, np.int64(EMPTY)
    waiting[level] = inner[level] = 1
    while level <= ROOT_LEVEL + 1:
        if waiting[level] == 0:
            level += 1
            continue
        child = 0
        while not waiting[level] >> child & 1:
            child += 1
        waiting[level] &= waiting[level] - 1
        code = parents[level] << 3 | child
        nodes += 1
        if is_binary and not inner[level] >> child & 1:
            value = value_occupied if occupied[level] >> child & 1 else value_free
        else:
            wrong, value, low, high = _read_node(stream, at, level - 1, node_bytes, units)
            if wrong != 0:
                return wrong, nodes
            at += node_bytes
            children = low | high
            if children != 0:
                level -= 1
                waiting[level], parents[level] = children, code
                inner[level], occupied[level] = low & high, high
                continue
            if is_binary:
                continue  # a root that knows nothing
        leaf_level = level - 1
        if leaf_level >= BRICK_LEVEL:
            spread = 3 * (leaf_level - BRICK_LEVEL)
            end = bricks + (1 << spread)
            if end > max_bricks:
                return TOO_LARGE, nodes
            if is_filling:
                _fill_bricks(code << spread, value, bricks, end, codes, log_odds)
            bricks = end
            continue
        brick = code >> 3 * (BRICK_LEVEL - leaf_level)
        if brick != last:
            if bricks + 1 > max_bricks:
                return TOO_LARGE, nodes
            if is_filling:
                codes[bricks] = brick
            bricks, last = bricks + 1, brick
        if is_filling:
            _fill_voxels(code, leaf_level, value, voxels, log_odds[bricks - 1])
    return bricks, nodes


@jit_inline
def _read_node(
    stream: Stream, at: int, level: int, node_bytes: int, units: float
) -> tuple[int, int, int, int]:
    """Read a node that is written; return what is wrong or 0, its value, and the lower and upper bits of its children.

    Of .ot the lower bits say which children there are, and there are no upper ones.
    """
    if at + node_bytes > len(stream):
        return TRUNCATED, 0, 0, 0
    value, low, high = 0, 0, 0
    if node_bytes == BT_NODE_BYTES:
        low, high = _split_pairs(stream[at] | np.int64(stream[at + 1]) << 8)
        if low | high == 0 and level < ROOT_LEVEL:
            return CHILDLESS, 0, 0, 0
    else:
        number = _float_at(stream, at)
        if np.isnan(number):
            return NOT_A_NUMBER, 0, 0, 0
        value, low = _quantised(number, units), np.int64(stream[at + node_bytes - 1])
    wrong = TOO_DEEP if low | high != 0 and level == 0 else 0
    return wrong, value, low, high


@jit_inline
def _fill_bricks(
    code: int, value: int, begin: int, end: int, codes: NDArray[np.int64], log_odds: LogOdds
) -> None:
    """Write a leaf that is some bricks, the rows from `begin` to `end`."""
    for i in range(begin, end):
        codes[i] = code + i - begin
        log_odds[i] = value


@jit_inline
def _fill_voxels(
    code: int, level: int, value: int, voxels: NDArray[np.int64], brick: NDArray[np.int16]
) -> None:
    """Write a leaf that is a part of a brick."""
    first = code << 3 * level & 511
    for m in range(first, first + (1 << 3 * level)):
        brick[voxels[m]] = value


@jit
def _voxels_in_morton_order() -> NDArray[np.int64]:
    """Return which voxel x + 8 y + 64 z of a brick comes at each place of OctoMap's order, (512,)."""
    voxels = np.empty(512, np.int64)
    for m in range(512):
        voxels[m] = gather_bits(m) | gather_bits(m >> 1) << 3 | gather_bits(m >> 2) << 6
    return voxels


@jit
def _note(state: NDArray[np.int64], level: int, child: int, value: int, is_inner: bool) -> None:
    """Tell the open node of a level about a child."""
    node, bit = state[level], np.int64(1) << child
    if node[KNOWN] == 0:
        node[LOWEST] = node[HIGHEST] = value
    node[LOWEST], node[HIGHEST] = min(node[LOWEST], value), max(node[HIGHEST], value)
    node[KNOWN] |= bit
    if is_inner:
        node[INNER] |= bit
    if value > 0:
        node[OCCUPIED] |= bit


@jit
def _close(
    state: NDArray[np.int64],
    level: int,
    code: int,
    units: float,
    is_binary: bool,
    stream: Stream,
    at: int,
    count: int,
) -> tuple[int, int]:
    """Write the open node of a level, tell its parent and open the next; nothing where it has no child."""
    node = state[level]
    if node[KNOWN] == 0:
        return at, count
    value, children = node[HIGHEST], node[KNOWN]
    if children == 255 and node[INNER] == 0 and node[LOWEST] == node[HIGHEST]:
        children, count = 0, count - 8
        if not is_binary:
            at += 8 * OT_NODE_BYTES
    if not is_binary:
        at = _write_ot_node(value, children, units, stream, at)
    elif children != 0:
        high = node[INNER] | node[OCCUPIED]
        pairs = _spread_pairs(children & (node[INNER] | ~high), high)
        at -= BT_NODE_BYTES
        stream[at], stream[at + 1] = pairs & 255, pairs >> 8
    _note(state, level + 1, code & 7, value, children != 0)
    node[:] = 0
    return at, count + 1


@jit
def _write_ot_node(value: int, children: int, units: float, stream: Stream, at: int) -> int:
    """Write a node before a place; return where it begins."""
    bits = np.float32(value / units).view(np.uint32)
    at -= OT_NODE_BYTES
    for i in range(4):
        stream[at + i] = bits >> np.uint32(8 * i) & np.uint32(255)
    stream[at + 4] = children
    return at


@jit
def _float_at(stream: Stream, at: int) -> float:
    bits = np.uint32(0)
    for i in range(4):
        bits |= np.uint32(stream[at + i]) << np.uint32(8 * i)
    return np.uint32(bits).view(np.float32)


@jit
def _quantised(number: float, units: float) -> int:
    """Return a known value in units: its sign is kept, it is never 0, and OctoMap's 0 is occupied."""
    value = np.int64(np.rint(min(max(number * units, -32768.0), 32767.0)))
    if value == 0:
        return 1 if number >= 0 else -1
    return value


@jit
def _spread_pairs(low: int, high: int) -> int:
    """Join the bits of two masks to pairs."""
    pairs = 0
    for i in range(8):
        pairs |= (low >> i & 1) << 2 * i | (high >> i & 1) << 2 * i + 1
    return pairs


@jit
def _split_pairs(pairs: int) -> tuple[int, int]:
    """Undo `_spread_pairs`."""
    low = high = 0
    for i in range(8):
        low |= (pairs >> 2 * i & 1) << i
        high |= (pairs >> 2 * i + 1 & 1) << i
    return low, high
