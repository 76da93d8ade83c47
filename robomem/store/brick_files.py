"""Brick files: immutable, checksummed blocks of the map. A later file's bricks replace an earlier one's.

header   magic "RMBRICK2", voxel size in metres float64
blocks   a region's bricks each (`encode`), one after another
extra    bytes that concern the whole map: the codebook of its semantic codes
index    an entry a region, in order of their keys: where its block is, and what is known of the region
footer   where the index is, its CRC-32 (of the header too), magic "RMINDEX2"; little-endian throughout

Where a file has a region whole, it replaces all that older files have of that region.
Only the index is read to open one; a region is read when it is asked for. What the index says of a region
is true of the region as a whole, even where the file holds only those of its bricks that had changed.
"""

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robomem.errors import StoreCorruptError
from robomem.store.bricks import BrickRows, RegionSummaries
from robomem.store.folder import atomic_file

MAGIC, INDEX_MAGIC = b"RMBRICK2", b"RMINDEX2"
HEADER = struct.Struct("<8sd")
FOOTER = struct.Struct("<QQQI8s")  # extra's offset, index's offset, its entries, its checksum
VOXELS = 512
ENTRY = np.dtype(
    [
        ("key", "<i8"), ("offset", "<u8"), ("length", "<u4"), ("checksum", "<u4"), ("children", "u1"),
        ("occupied", "u1"), ("unknown", "u1"), ("is_whole", "u1"), ("highest", "<i2"), ("spare", "<i2"),
    ]
)  # fmt: skip
BRICK = np.dtype(
    [("key", "<i8"), ("stamp_ns", "<i8"), ("hits", "<u4"), ("uniform", "<i2"), ("flags", "<u2")]
)
DENSE, DIRTY, CODED = 1, 2, 4  # flags


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """What a file says of one region: its summary, one row long, and bricks.

    They are those that changed; or, where `is_whole`, all that the region has from now on, perhaps none.
    """

    summary: RegionSummaries
    bricks: BrickRows
    is_whole: bool = False


_NONE = np.empty(0, np.uint8)
_NO_REGIONS = RegionSummaries(np.empty(0, np.int64), _NONE, _NONE, _NONE, np.empty(0, np.int16))


class BrickFile:
    """A brick file, open for reading; closed when nothing refers to it any more."""

    spill_folder: Path | None = None  # of a file alone nothing is known but the file

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1
        try:
            self._handle = os.open(path, os.O_RDONLY)
            self.size_bytes = os.fstat(self._handle).st_size
            self._read_index()
        except (OSError, struct.error, ValueError, OverflowError) as err:
            raise StoreCorruptError(
                f"{path} is no brick file, is cut short or cannot be read: {err}"
            ) from err

    def __del__(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)

    def __contains__(self, region_key: int) -> bool:
        return region_key in self._rows

    def is_whole(self, region_key: int) -> bool:
        """Tell whether what older files have of a region is void."""
        row = self._rows.get(region_key)
        return row is not None and bool(self._entries["is_whole"][row])

    def regions(self) -> RegionSummaries:
        """Return what is known of every region in it, by key."""
        e = self._entries
        return RegionSummaries(
            keys=e["key"].astype(np.int64),
            children=e["children"].copy(),
            occupied=e["occupied"].copy(),
            unknown=e["unknown"].copy(),
            highest=e["highest"].astype(np.int16),
        )

    def read(self, region_key: int) -> BrickRows:
        """Return the bricks of a region that are in this file; raises StoreCorruptError."""
        entry = self._entries[self._rows[region_key]]
        block = self._pread(int(entry["length"]), int(entry["offset"]))
        if zlib.crc32(block) != entry["checksum"]:
            raise StoreCorruptError(f"{self.path} is damaged: a region's checksum differs")
        return decode(block)

    def _read_index(self) -> None:
        header = self._pread(HEADER.size, 0)
        magic, self.resolution_m = HEADER.unpack(header)
        if magic != MAGIC:
            raise StoreCorruptError(f"{self.path} is no brick file: it begins with {magic!r}")
        end = self.size_bytes - FOOTER.size
        extra_at, index_at, count, checksum, magic = FOOTER.unpack(self._pread(FOOTER.size, end))
        if (
            magic != INDEX_MAGIC
            or not HEADER.size <= extra_at <= index_at
            or count * ENTRY.itemsize != end - index_at
        ):
            raise StoreCorruptError(f"{self.path} is cut short, or damaged at its end")
        tail = self._pread(end - extra_at, extra_at)
        if zlib.crc32(tail, zlib.crc32(header)) != checksum:
            raise StoreCorruptError(f"{self.path} is damaged: its checksum differs")
        self.extra = tail[: index_at - extra_at]
        self._entries = np.frombuffer(tail[index_at - extra_at :], ENTRY)
        self._rows = {int(key): row for row, key in enumerate(self._entries["key"])}

    def _pread(self, length: int, offset: int) -> bytes:
        data = os.pread(self._handle, length, offset)
        if len(data) != length:
            raise StoreCorruptError(f"{self.path} is cut short")
        return data


class BrickFiles:
    """Several brick files, oldest first, read as one.

    `spill_folder` is where temporary ones may be, `extra` what the newest file says of the whole map; where
    there is none it can be given.
    """

    def __init__(
        self,
        files: Iterable[BrickFile] = (),
        *,
        spill_folder: Path | None = None,
        extra: bytes = b"",
    ) -> None:
        self.files = list(files)
        self.spill_folder = spill_folder
        self.extra = self.files[-1].extra if self.files else extra

    def regions(self) -> RegionSummaries:
        """Return what the newest file that has a region knows of it, by key; not those with no brick left."""
        regions = self._newest()
        return regions.select(regions.children != 0)

    def read(self, region_key: int) -> BrickRows:
        """Return all bricks of a region."""
        return BrickRows.joined([file.read(region_key) for file in self._files_of(region_key)])

    def merged(self) -> Iterator[Region]:
        """Yield every region, to be written as one file."""
        regions = self._newest()
        for row, key in enumerate(regions.keys.tolist()):
            is_whole = self._files_of(key)[0].is_whole(key)
            yield Region(regions.select(slice(row, row + 1)), self.read(key), is_whole)

    def _newest(self) -> RegionSummaries:
        parts = [file.regions() for file in self.files] or [_NO_REGIONS]
        every = RegionSummaries._make(map(np.concatenate, zip(*parts, strict=True)))
        _, last = np.unique(every.keys[::-1], return_index=True)
        return every.select(len(every.keys) - 1 - last)

    def _files_of(self, region_key: int) -> list[BrickFile]:
        """Return the files that say something of a region: from the newest that has it whole."""
        files = [file for file in self.files if region_key in file]
        whole = [i for i, file in enumerate(files) if file.is_whole(region_key)]
        return files[whole[-1] :] if whole else files


def write(
    path: Path, regions: Iterable[Region], *, resolution_m: float, extra: bytes = b""
) -> None:
    """Write a brick file, whole or not at all; the regions come in order of their keys."""
    entries = []
    header = HEADER.pack(MAGIC, resolution_m)
    with atomic_file(path) as handle:
        handle.write(header)
        for region in regions:
            block = encode(region.bricks)
            s = region.summary
            entry = (int(s.keys[0]), handle.tell(), len(block), zlib.crc32(block))
            bits = (int(s.children[0]), int(s.occupied[0]), int(s.unknown[0]))
            entries.append((*entry, *bits, region.is_whole, int(s.highest[0]), 0))
            handle.write(block)
        extra_at = handle.tell()
        index = np.array(entries, ENTRY).tobytes()
        handle.write(extra)
        handle.write(index)
        checksum = zlib.crc32(index, zlib.crc32(extra, zlib.crc32(header)))
        handle.write(
            FOOTER.pack(extra_at, extra_at + len(extra), len(entries), checksum, INDEX_MAGIC)
        )


def encode(rows: BrickRows) -> bytes:
    """Return the bytes of bricks: how many, then a record each, then the values of those that have some."""
    records = np.zeros(len(rows), BRICK)
    records["key"], records["stamp_ns"], records["hits"] = rows.keys, rows.stamps_ns, rows.hits
    records["uniform"] = rows.uniform
    records["flags"] = DENSE * rows.is_dense + DIRTY * rows.is_dirty + CODED * rows.is_coded
    values = (rows.log_odds.astype("<i2"), rows.codes.astype("<u2"), rows.weights)
    payload = b"".join([records.tobytes(), *(v.tobytes() for v in values)])
    return struct.pack("<I", len(rows)) + zlib.compress(payload, level=1)


def decode(block: bytes) -> BrickRows:
    """Undo `encode`."""
    (count,) = struct.unpack_from("<I", block)
    payload = zlib.decompress(block[4:])
    records = np.frombuffer(payload, BRICK, count)
    is_dense, is_dirty, is_coded = ((records["flags"] & f) != 0 for f in (DENSE, DIRTY, CODED))
    values, at = [], count * BRICK.itemsize
    for dtype, flags in (("<i2", is_dense), ("<u2", is_coded), ("|u1", is_coded)):
        rows = int(flags.sum())
        values.append(np.frombuffer(payload, dtype, rows * VOXELS, offset=at).reshape(rows, VOXELS))
        at += values[-1].nbytes
    return BrickRows(
        keys=records["key"].astype(np.int64),
        stamps_ns=records["stamp_ns"].astype(np.int64),
        hits=records["hits"].astype(np.uint32),
        is_dirty=is_dirty,
        uniform=records["uniform"].astype(np.int16),
        is_dense=is_dense,
        log_odds=values[0].astype(np.int16),
        is_coded=is_coded,
        codes=values[1].astype(np.uint16),
        weights=values[2].astype(np.uint8),
    )
