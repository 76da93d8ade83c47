"""Maps of OctoMap: `.ot` keeps the log-odds, `.bt` only whether a voxel is occupied or free.

OctoMap holds 65,536 voxels along each axis, the origin in the middle, and calls a value >= 0 occupied.
Here 0 is unknown: a leaf of exactly 0 is read as the least occupied value, so it stays known and occupied.
"""

import math
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robomem.errors import DataError, FormatError, Reason
from robomem.spatial.octree.kernels import octomap as kernels
from robomem.spatial.octree.kernels.morton import EMPTY, Keys, LogOdds
from robomem.spatial.octree.values import UNITS_PER_LOG_ODD
from robomem.store.folder import write_atomically

MAX_BRICKS = 1 << 20  # of 8x8x8 voxels, 1 GiB: a leaf near the root stands for terabytes
MAX_HEADER_BYTES = 1 << 16
MIN_RESOLUTION_M, MAX_RESOLUTION_M = 1e-4, 1e4
SUFFIXES = (".bt", ".ot")
# What OctoMap takes a free and an occupied leaf of .bt for: the clamping probabilities it starts with.
_FREE, _OCCUPIED = (round(UNITS_PER_LOG_ODD * math.log(p / (1 - p))) for p in (0.1192, 0.971))
_NODE_BYTES = {"OcTree": 5, "OcTreeStamped": 5, "ColorOcTree": 8}  # in .ot; stamps are not written
_HEADER = re.compile(
    rb"# Octomap OcTree (binary )?file[^\n]*\n(.*?)^data[^\n]*\n", re.DOTALL | re.MULTILINE
)
_FIELD = re.compile(rb"^(id|size|res)[ \t]+(\S+)", re.MULTILINE)
_WRONG = {
    kernels.TRUNCATED: "it ends there",
    kernels.TOO_DEEP: "it has children below the 16th level",
    kernels.NOT_A_NUMBER: "its value is not a number",
    kernels.CHILDLESS: "it is an inner node without children",
}


@dataclass(frozen=True, slots=True, eq=False)
class OctomapFile:
    """What a file holds.

    Attributes:
        resolution_m: The edge of a voxel.
        keys: Morton keys of the bricks, (N,) int64, each once, in OctoMap's order.
        log_odds: Their values, (N, 512) int16, UNITS_PER_LOG_ODD are 1; 0 is unknown.
    """

    resolution_m: float
    keys: Keys
    log_odds: LogOdds


def write(path: Path, *, keys: Keys, log_odds: LogOdds, resolution_m: float) -> None:
    """Write a map for OctoMap, pruned as it prunes: eight equal leaves are one. Whole or not at all.

    Args:
        path: Its suffix, .bt or .ot, picks the format.
        keys: Morton keys of the bricks, (N,) int64, each once, in any order.
        log_odds: Their values, (N, 512) int16, UNITS_PER_LOG_ODD are 1; 0 is unknown.
        resolution_m: The edge of a voxel.

    Raises:
        DataError: The suffix is another, an array or the resolution is of the wrong form, a key comes
            twice, or the map is wider than OctoMap's (`reason` is OUT_OF_BOUNDS).
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path.name}: a map of OctoMap is called .bt or .ot")
    _check(keys, log_odds, resolution_m)
    codes = _codes(keys, resolution_m)
    rows = np.argsort(codes)
    codes = codes[rows]
    if (codes[1:] == codes[:-1]).any():
        raise DataError("a brick comes twice: expected every key once")
    is_binary = path.suffix == ".bt"
    most_nodes = np.count_nonzero(log_odds) + kernels.MOST_INNER_NODES * len(keys)
    room = np.empty(kernels.OT_NODE_BYTES * most_nodes, np.uint8)  # what is not used is not touched
    start, nodes = kernels.write_nodes(
        codes, rows, np.ascontiguousarray(log_odds), float(UNITS_PER_LOG_ODD), is_binary, room
    )
    header = (
        f"# Octomap OcTree {'binary ' if is_binary else ''}file\n"
        "# (feel free to add / change comments, but leave the first line as it is!)\n#\n"
        f"id OcTree\nsize {nodes}\nres {float(resolution_m)!r}\ndata\n"
    )
    write_atomically(path, header.encode() + room[start:].tobytes())


def read(path: Path, *, max_bricks: int = MAX_BRICKS) -> OctomapFile:
    """Read a map of OctoMap, `.ot` or `.bt` by its first line; pruned leaves become voxels again.

    Values are rounded to a unit and clipped to int16; those of `.bt` are the clamps OctoMap starts with,
    -2.0 and 3.511. Colours and stamps are passed over.

    Args:
        path: The file.
        max_bricks: A map of more bricks is refused before anything is allocated for it.

    Raises:
        FormatError: It is no such file, of another tree, damaged, or too large.
    """
    try:
        data = path.read_bytes()
    except OSError as err:
        raise FormatError(f"{path} cannot be read: {err}") from err
    header = _parse_header(data, path)
    stream = np.frombuffer(data, np.uint8)[header.start :]
    walk = partial(
        kernels.read_nodes,
        stream,
        header.node_bytes,
        float(UNITS_PER_LOG_ODD),
        _FREE,
        _OCCUPIED,
        max_bricks,
    )
    codes, log_odds = np.empty(0, np.int64), np.empty((0, 512), np.int16)
    if header.nodes:
        bricks, nodes = walk(codes, log_odds)  # counts only
        _check_count(header, path, bricks=bricks, nodes=nodes, max_bricks=max_bricks)
        codes, log_odds = np.empty(bricks, np.int64), np.zeros((bricks, 512), np.int16)
        walk(codes, log_odds)
    return OctomapFile(header.resolution_m, kernels.brick_keys(codes), log_odds)


@dataclass(frozen=True, slots=True)
class _Header:
    node_bytes: int
    nodes: int
    resolution_m: float
    start: int


def _parse_header(data: bytes, path: Path) -> _Header:
    match = _HEADER.match(data[:MAX_HEADER_BYTES])
    if match is None:
        raise FormatError(f"{path} is no map of OctoMap: its header is missing or cut off")
    fields = {key.decode(): value.decode("latin-1") for key, value in _FIELD.findall(match[2])}
    tree = fields.get("id", "")
    if tree not in _NODE_BYTES:
        known = ", ".join(_NODE_BYTES)
        raise FormatError(f"{path} holds a tree of id {tree!r}: only {known} can be read")
    try:
        nodes, resolution_m = int(fields["size"]), float(fields["res"])
    except (KeyError, ValueError) as err:
        raise FormatError(f"{path}: the header's size or res is missing or no number") from err
    if nodes < 0 or not MIN_RESOLUTION_M <= resolution_m <= MAX_RESOLUTION_M:  # nor NaN
        raise FormatError(f"{path}: no map has size {nodes} and a resolution of {resolution_m} m")
    node_bytes = kernels.BT_NODE_BYTES if match[1] else _NODE_BYTES[tree]
    return _Header(node_bytes, nodes, resolution_m, match.end())


def _check_count(header: _Header, path: Path, *, bricks: int, nodes: int, max_bricks: int) -> None:
    if bricks == kernels.TOO_LARGE:
        raise FormatError(f"{path} is too large: it fills more than {max_bricks:,} bricks of 8x8x8")
    if bricks < 0:
        raise FormatError(f"{path} is damaged at node {nodes:,}: {_WRONG[bricks]}")
    if nodes != header.nodes:
        raise FormatError(f"{path} is damaged: it has {nodes:,} nodes, not {header.nodes:,}")


def _check(keys: Keys, log_odds: LogOdds, resolution_m: float) -> None:
    if not MIN_RESOLUTION_M <= resolution_m <= MAX_RESOLUTION_M:  # nor NaN
        raise DataError(f"a voxel of {resolution_m} m cannot be written")
    forms = [(keys.shape, keys.dtype), (log_odds.shape, log_odds.dtype)]
    if forms != [((len(keys),), np.int64), ((len(keys), 512), np.int16)]:
        raise DataError(f"expected keys (N,) int64 and log-odds (N, 512) int16, got {forms}")


def _codes(keys: Keys, resolution_m: float) -> NDArray[np.int64]:
    codes = kernels.brick_codes(keys)
    if (codes == EMPTY).any():
        reach_m = 8 * kernels.BRICK_REACH * resolution_m
        raise DataError(
            f"the map leaves the {reach_m:g} m around the origin that OctoMap can hold",
            reason=Reason.OUT_OF_BOUNDS,
        )
    return codes
