"""Brick files: immutable, checksummed blocks of the map. A later file's bricks replace an earlier one's.

header   magic "RMBRICK1", count uint64, CRC-32 of the payload uint32, little-endian
payload  zlib of keys int64 (N,), stamps int64 (N,), log-odds int16 (N, 512)
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robomem.errors import StoreCorruptError
from robomem.store.folder import write_atomically

MAGIC = b"RMBRICK1"
HEADER = struct.Struct("<8sQI")
VOXELS = 512
BYTES_A_BRICK = 8 + 8 + 2 * VOXELS


@dataclass(frozen=True, slots=True, eq=False)
class Bricks:
    """Bricks by key: keys (N,) int64, stamps_ns (N,) int64, log_odds (N, 512) int16."""

    keys: NDArray[np.int64]
    stamps_ns: NDArray[np.int64]
    log_odds: NDArray[np.int16]


def write(path: Path, bricks: Bricks) -> None:
    """Write a brick file, whole or not at all."""
    arrays = (
        bricks.keys.astype("<i8"), bricks.stamps_ns.astype("<i8"), bricks.log_odds.astype("<i2")
    )  # fmt: skip
    payload = zlib.compress(b"".join(array.tobytes() for array in arrays), level=1)
    header = HEADER.pack(MAGIC, len(bricks.keys), zlib.crc32(payload))
    write_atomically(path, header + payload)


def read(path: Path) -> Bricks:
    """Read a brick file; raises StoreCorruptError when any byte of it is wrong."""
    try:
        data = path.read_bytes()
        magic, count, checksum = HEADER.unpack_from(data)
    except (OSError, struct.error) as err:
        raise StoreCorruptError(f"{path} cannot be read: {err}") from err
    payload = data[HEADER.size :]
    if magic != MAGIC or zlib.crc32(payload) != checksum:
        raise StoreCorruptError(f"{path} is damaged: its checksum differs")
    raw = zlib.decompress(payload)
    if len(raw) != count * BYTES_A_BRICK:
        raise StoreCorruptError(f"{path} is damaged: {count} bricks are not {len(raw)} bytes")
    return Bricks(
        keys=np.frombuffer(raw, "<i8", count).astype(np.int64),
        stamps_ns=np.frombuffer(raw, "<i8", count, offset=8 * count).astype(np.int64),
        log_odds=np.frombuffer(raw, "<i2", count * VOXELS, offset=16 * count)
        .astype(np.int16)
        .reshape(count, VOXELS),
    )
