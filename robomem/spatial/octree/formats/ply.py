"""Point clouds as PLY: x, y, z and log_odds of every point, for MeshLab, CloudCompare, Open3D, trimesh.

Turk, "The PLY polygon file format", 1994.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import DataError, FormatError
from robomem.geometry import Points
from robomem.store.folder import write_atomically

MAX_HEADER_BYTES = 1 << 16
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_HEADER = re.compile(rb"ply\r?\n(.*?)^end_header\r?\n", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class PlyPoints:
    """Points (N, 3) float64 in the frame of the file, and their log-odds (N,) float32, 0 if it has none."""

    points: Points
    log_odds: NDArray[np.float32]


def write_ply(path: Path, points: ArrayLike, *, log_odds: ArrayLike) -> None:
    """Write points, binary little-endian, whole or not at all.

    Args:
        path: The file.
        points: (N, 3) metres in map; float32 stays float32, everything else becomes float64.
        log_odds: (N,).

    Raises:
        DataError: The arrays are not of these shapes.
    """
    xyz, values = np.asarray(points), np.asarray(log_odds, dtype="<f4")
    if xyz.ndim != 2 or xyz.shape[1] != 3 or values.shape != xyz.shape[:1]:
        raise DataError(
            f"expected points (N, 3) and log_odds (N,), got {xyz.shape} and {values.shape}"
        )
    number, name = ("<f4", "float") if xyz.dtype == np.float32 else ("<f8", "double")
    rows = np.empty(len(xyz), [("x", number), ("y", number), ("z", number), ("log_odds", "<f4")])
    rows["x"], rows["y"], rows["z"] = xyz.T
    rows["log_odds"] = values
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        "comment metres in map; log_odds above 0 is occupied\n"
        f"element vertex {len(xyz)}\n"
        f"property {name} x\nproperty {name} y\nproperty {name} z\nproperty float log_odds\n"
        "end_header\n"
    )
    write_atomically(path, header.encode() + rows.tobytes())


def read_ply(path: Path) -> PlyPoints:
    """Read the vertices of an ascii or binary little-endian file; other properties are passed over.

    The vertices must come first, as they do in practice; faces behind them are not looked at.

    Raises:
        FormatError: It is no such file, cut off, or its vertices have no x, y, z or have lists.
    """
    try:
        data = path.read_bytes()
    except OSError as err:
        raise FormatError(f"{path} cannot be read: {err}") from err
    match = _HEADER.match(data[:MAX_HEADER_BYTES])
    if match is None:
        raise FormatError(f"{path} is no PLY file: its header is missing or cut off")
    try:
        coding, count, vertex = _parse_header(match[1].decode("latin-1"))
        parse = _ascii_rows if coding == "ascii" else _binary_rows
        rows = parse(data[match.end() :], count, vertex)
    except ValueError as err:
        raise FormatError(f"{path}: {err}") from err
    points = np.stack([rows[axis] for axis in "xyz"], axis=-1).astype(np.float64)
    has_values = "log_odds" in (vertex.names or ())
    values = rows["log_odds"].astype(np.float32) if has_values else np.zeros(count, np.float32)
    return PlyPoints(points, values)


def _parse_header(header: str) -> tuple[str, int, np.dtype]:
    """Return the coding, and how many vertices there are of which record; ValueError if not readable."""
    lines = [words for line in header.splitlines() if (words := line.split())]
    lines = [words for words in lines if words[0] not in ("comment", "obj_info")]
    if lines[:1] not in ([["format", "ascii", "1.0"]], [["format", "binary_little_endian", "1.0"]]):
        raise ValueError("only ascii and binary_little_endian 1.0 can be read")
    if len(lines) < 2 or lines[1][:2] != ["element", "vertex"] or len(lines[1]) != 3:
        raise ValueError("its vertices do not come first")
    fields: list[tuple[str, str]] = []
    for words in lines[2:]:
        if words[0] == "element":
            break
        if len(words) != 3 or words[0] != "property" or words[1] not in _TYPES:
            raise ValueError(f"{' '.join(words)!r} is no scalar property")
        fields.append((words[2], f"<{_TYPES[words[1]]}"))
    if not {"x", "y", "z"} <= {name for name, _ in fields}:
        raise ValueError("its vertices have no x, y, z")
    return lines[0][1], int(lines[1][2]), np.dtype(fields)


def _binary_rows(body: bytes, count: int, vertex: np.dtype) -> NDArray[np.void]:
    if not 0 <= count * vertex.itemsize <= len(body):
        raise ValueError(f"{len(body):,} bytes do not hold {count:,} vertices: it is cut off")
    return np.frombuffer(body, vertex, count)


def _ascii_rows(body: bytes, count: int, vertex: np.dtype) -> NDArray[np.void]:
    lines = body.splitlines()
    if not 0 <= count <= len(lines):
        raise ValueError(f"{len(lines):,} lines do not hold {count:,} vertices: it is cut off")
    rows = [tuple(map(float, line.split())) for line in lines[:count]]
    return np.array(rows, [(name, np.float64) for name in vertex.names or ()])
