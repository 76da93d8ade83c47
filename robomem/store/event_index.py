"""The columns of the events, kept current, and in a file so that a memory opens at once.

The rows of the records are the truth: where the file is absent, damaged, or not of these records, the columns
are read from them. `events.idx` is a line of JSON, the columns one after the other, the rows of every word, and
the codes of the embeddings, which are mapped and not read. Its checksum is in the records, written after it: a
file that is newer than its records (a power cut took their end) is none of theirs.
"""

import json
import os
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from robomem.store.access import Access
from robomem.store.embeddings import Codes
from robomem.store.event_columns import DTYPES, KINDS, Columns, EventColumns
from robomem.store.event_queries import changed
from robomem.store.event_words import EventWords, Segment
from robomem.store.folder import atomic_file
from robomem.store.records import EVENT_INDEX, Records
from robomem.store.stems import Stemmer

MIN_NEW = 10_000  # fewer new events are read from the records as fast
NEW_SHARE = 4  # while a memory is open: one in so many, so that what is written stays in proportion
BLOCK = 1 << 16
Layout = dict[str, tuple[int, np.dtype[Any]]]
# What reading a damaged file raises.
INVALID = ValueError, KeyError, TypeError, OSError, OverflowError, RecursionError


class EventIndex:
    """Keeps the columns of the events of one memory current."""

    def __init__(self, access: Access, folder: Path) -> None:
        self._access = access
        self._path = folder / EVENT_INDEX
        self._columns: EventColumns | None = None
        self._stemmer = Stemmer()
        self._change = 0
        access.on_rollback(self._drop)

    def current(self, records: Records) -> EventColumns:
        """Return the columns as the records are now; do not keep them."""
        dim, change = records.counter("embedding_dim"), records.counter("change")
        columns = self._columns
        if columns is None or self._change < records.counter("change_written"):
            columns, self._change = self._load(records)
        if columns is None or columns.dim != dim:
            columns, self._change = EventColumns.empty(dim, self._stemmer), change
        columns.read_new(records)
        if self._change != change:
            columns.read_again(records, changed(records, "event", since=self._change))
            columns.move(records, changed(records, "keyframe", since=self._change))
            self._change = change
        self._columns = columns
        return columns

    def save(self, *, is_closing: bool = False) -> None:
        """Write the file, if it is worth it."""
        with self._access.lock:
            if not self._is_worth_it(self._access.records, is_closing=is_closing):
                return
            with self._access.reading() as records:
                columns = self.current(records)
                token = self._write(columns)
            with self._access.writing() as records:
                records.note_index(token, last_id=columns.last_id, change=self._change)
            self._drop()

    def _is_worth_it(self, records: Records, *, is_closing: bool) -> bool:
        written = records.counter("event_written") if self._path.exists() else 0
        new = records.counter("event") - written
        new += len(changed(records, "event", since=0)) + len(changed(records, "keyframe", since=0))
        return new > MIN_NEW and (is_closing or new > written // NEW_SHARE)

    def _drop(self) -> None:
        self._columns = None

    def _write(self, columns: EventColumns) -> int:
        kept, names, rows = columns.kept()
        stems, words = columns.words.kept(rows, count=len(columns))
        header = {
            "count": len(rows),
            "dim": columns.dim,
            "change": self._change,
            "kinds": KINDS,
            "names": names,
            "stems": stems,
            "words": len(words),
        }
        with atomic_file(self._path) as handle:
            checksum = _write_line(handle, header)
            columns_kept = (kept[name] for name in (*DTYPES, "sketch"))
            for array in (*columns_kept, words.starts, words.rows):
                data = np.ascontiguousarray(array).data.cast("B") if array.size else b""
                handle.write(data)
                checksum = zlib.crc32(data, checksum)
            for first in range(0, len(rows), BLOCK):
                handle.write(columns.codes_of(rows[first : first + BLOCK]).tobytes())
        return _token(checksum, len(rows))

    def _load(self, records: Records) -> tuple[EventColumns | None, int]:
        """Return what the file holds, and when it was written; None where it is absent, damaged or foreign."""
        try:
            with self._path.open("rb") as handle:
                line = handle.readline()
                header = json.loads(line)
                count, dim = int(header["count"]), int(header["dim"])
                layout = _layout(header)
                _check_size(handle, layout, codes=count * dim)
                arrays, checksum = _read_arrays(handle, layout, zlib.crc32(line))
                is_known = tuple(header["kinds"]) == KINDS  # kinds are kept by their numbers
                if not is_known or _token(checksum, count) != records.counter("event_index"):
                    return None, 0
                codes = _map_codes(handle, count, dim)
                stems = header["stems"]
                words = Segment(
                    np.arange(len(stems), dtype=np.int32), arrays.pop("starts"), arrays.pop("rows")
                )
                columns = EventColumns(
                    arrays, header["names"], codes, EventWords(self._stemmer, stems, words)
                )
                return columns, int(header["change"])
        except INVALID:
            return None, 0


def _write_line(handle: Any, header: dict[str, object]) -> int:
    line = json.dumps(header).encode() + b"\n"
    handle.write(line)
    return zlib.crc32(line)


def _layout(header: dict[str, Any]) -> Layout:
    """Return what is in a file after its header, but for the codes: how many of what, by name."""
    count, dim = int(header["count"]), int(header["dim"])
    dtypes = DTYPES | {"sketch": np.dtype((np.uint64, -(-dim // 64)))}
    return {name: (count, dtype) for name, dtype in dtypes.items()} | {
        "starts": (len(header["stems"]) + 1, np.dtype("<i8")),
        "rows": (int(header["words"]), np.dtype("<i4")),
    }


def _check_size(handle: IO[bytes], layout: Layout, *, codes: int) -> None:
    needed = sum(count * dtype.itemsize for count, dtype in layout.values()) + codes
    has = os.fstat(handle.fileno()).st_size - handle.tell()
    if has != needed:
        raise ValueError(f"the file has {has} bytes after its header, not {needed}")


def _read_arrays(handle: IO[bytes], layout: Layout, checksum: int) -> tuple[Columns, int]:
    arrays: Columns = {}
    for name, (count, dtype) in layout.items():
        array: NDArray[Any] = np.empty((count, *dtype.shape), dtype.base)
        data = array.reshape(-1).view(np.uint8).data
        if handle.readinto(data) != len(data):  # type: ignore[attr-defined]
            raise ValueError(f"the file ends within {name}")
        checksum = zlib.crc32(data, checksum)
        arrays[name] = array
    return arrays, checksum


def _map_codes(handle: IO[bytes], count: int, dim: int) -> Codes:
    if not count * dim:
        return np.empty((count, dim), np.int8)
    return np.memmap(handle, np.int8, "r", handle.tell(), (count, dim))


def _token(checksum: int, count: int) -> int:
    """Return what names the contents of a file in the records."""
    return count << 32 | checksum
