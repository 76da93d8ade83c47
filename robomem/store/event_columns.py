"""The events as columns, for what looks at many of them at once: a row an event, in the order of their ids."""

import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.store.embeddings import Codes, inverse_norms, sketches
from robomem.store.event_words import EventWords, Rows
from robomem.store.records import Records
from robomem.store.stems import Stemmer
from robomem.types import EventKind

Columns = dict[str, NDArray[Any]]
Record = tuple[Any, ...]
NONE = -1  # no label, no room, no keyframe
KINDS = tuple(EventKind)
CODE_OF_KIND = {str(kind): code for code, kind in enumerate(KINDS)}
NAMED = ("source", "label", "room")
AXES = ("x_map", "y_map", "z_map")
# `text_crc` tells whether a text is another one; `p_kf` is in the event's keyframe, NaN where it has no place; `inverse_norm` is 0 where it has no embedding.
DTYPES: dict[str, np.dtype[Any]] = {
    "event_id": np.dtype("<i8"),
    "stamp_ns": np.dtype("<i8"),
    "until_ns": np.dtype("<i8"),
    "kind": np.dtype("i1"),
    "source": np.dtype("<i4"),
    "label": np.dtype("<i4"),
    "room": np.dtype("<i4"),
    "chars": np.dtype("<i4"),
    "text_crc": np.dtype("<u4"),
    "keyframe_id": np.dtype("<i8"),
    "p_kf": np.dtype(("<f4", 3)),
    "x_map": np.dtype("<f4"),
    "y_map": np.dtype("<f4"),
    "z_map": np.dtype("<f4"),
    "inverse_norm": np.dtype("<f4"),
    "is_gone": np.dtype("?"),
}
FACTS = """SELECT event.event_id, stamp_ns, until_ns, kind, source, label, room, text, keyframe_id, p_kf,
    vector FROM event LEFT JOIN embedding ON embedding.event_id = event.event_id"""
TEXT = 7  # where it is in these
POSES = "SELECT keyframe_id, T_map_kf FROM keyframe WHERE keyframe_id IN (SELECT value FROM json_each(?))"
Zones = tuple[NDArray[np.int64], NDArray[np.int64]]
NO_ZONES: Zones = (np.empty(0, np.int64), np.empty(0, np.int64))
ZONE = 4096
BLOCK = 10_000  # events are read so many at once
NEW = f"{FACTS} WHERE event.event_id > ? ORDER BY event.event_id LIMIT {BLOCK}"
AGAIN = f"{FACTS} WHERE event.event_id IN (SELECT value FROM json_each(?)) ORDER BY event.event_id"


class EventColumns:
    """Columns of all events, and what those mean, that grow as events are logged.

    `columns["stamp_ns"]` is (N,); see `DTYPES`, and `sketch`, (N, W) uint64. The codes of their embeddings, (N, dim)
    int8, are in two arrays: `loaded_codes`, which may be mapped from a file, and then `new_codes`. `words` tells
    which rows have which words.
    """

    def __init__(
        self, arrays: Columns, names: dict[str, list[str]], codes: Codes, words: EventWords
    ) -> None:
        self._arrays = arrays
        self._count = len(arrays["event_id"])
        self._code_of = {name: {v: i for i, v in enumerate(names[name])} for name in NAMED}
        self.loaded_codes = codes
        self.words = words
        self._new_codes: Codes = np.empty((0, codes.shape[1]), np.int8)
        self._known_zones = NO_ZONES

    @classmethod
    def empty(cls, dim: int, stemmer: Stemmer) -> "EventColumns":
        """Return the columns of no events, whose embeddings will have `dim` numbers."""
        arrays = {name: np.empty(0, dtype) for name, dtype in DTYPES.items()}
        arrays["sketch"] = np.empty((0, -(-dim // 64)), np.uint64)
        names: dict[str, list[str]] = {name: [] for name in NAMED}
        return cls(arrays, names, np.empty((0, dim), np.int8), EventWords(stemmer))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name][: self._count]

    @property
    def dim(self) -> int:
        """How many numbers an embedding has."""
        return int(self.loaded_codes.shape[1])

    @property
    def last_id(self) -> int:
        """The highest id, 0 of none."""
        return int(self._arrays["event_id"][self._count - 1]) if self._count else 0

    @property
    def newest_ns(self) -> int:
        """When the last event ended, 0 of none."""
        return int(self._zones()[1].max()) if self._count else 0

    @property
    def new_codes(self) -> Codes:
        """The codes of the rows after the loaded ones."""
        return self._new_codes[: self._count - len(self.loaded_codes)]

    def names(self, column: str) -> list[str]:
        """Return what the codes of a column with names stand for, by code."""
        return list(self._code_of[column])

    def p_map(self, rows: Rows) -> NDArray[np.float32]:
        """Return the places (N, 3) of rows in map, NaN of those without one."""
        return np.stack([self[axis][rows] for axis in AXES], axis=1)

    def count_codes(self, column: str) -> int:
        """Return how many codes a column with kinds or names has."""
        return len(KINDS) if column == "kind" else len(self._code_of[column])

    def code_of(self, column: str, name: str) -> int | None:
        """Return the code of a name, None where no event has it."""
        return self._code_of[column].get(name)

    def rows_of(self, event_ids: NDArray[np.int64]) -> Rows:
        """Return the rows of those events that are here, gone or not; the ids rise."""
        if not self._count or not len(event_ids):
            return np.empty(0, np.int64)
        known: NDArray[np.int64] = self["event_id"]
        first, last = int(known[0]), int(known[-1])
        if last - first == self._count - 1:  # no gaps: nothing was forgotten
            return np.asarray(event_ids[(event_ids >= first) & (event_ids <= last)] - first)
        rows = np.searchsorted(known, event_ids)
        rows, event_ids = rows[rows < self._count], event_ids[rows < self._count]
        return np.asarray(rows[known[rows] == event_ids])

    def span(self, since_ns: int | None, until_ns: int | None) -> slice:
        """Return rows among which are all that overlap a span of time: few of a log, which is nearly in order.

        Of every `ZONE` rows the first beginning and the last end are known (small materialized aggregates,
        Moerkotte 1998).
        """
        if since_ns is None and until_ns is None:
            return slice(0, self._count)
        firsts_ns, lasts_ns = self._zones()
        is_near = np.ones(len(firsts_ns), bool)
        if since_ns is not None:
            is_near &= lasts_ns >= since_ns
        if until_ns is not None:
            is_near &= firsts_ns <= until_ns
        zones = np.flatnonzero(is_near).tolist()
        if not zones:
            return slice(0, 0)
        return slice(ZONE * zones[0], min(ZONE * (zones[-1] + 1), self._count))

    def codes_of(self, rows: Rows) -> Codes:
        """Return the codes (N, dim) of rows; zeros of those without an embedding."""
        loaded = len(self.loaded_codes)
        is_new = rows >= loaded
        codes = np.empty((len(rows), self.dim), np.int8)
        codes[~is_new] = self.loaded_codes[rows[~is_new]]
        codes[is_new] = self.new_codes[rows[is_new] - loaded]
        return codes

    def read_new(self, records: Records) -> None:
        """Add the events that were logged since."""
        while block := records.read(NEW, self.last_id):
            self._reserve(self._count + records.counter("event") - self.last_id)
            columns, codes = self._decode(records, block)
            self.words.append(self._count, [row[TEXT] for row in block])
            self._append(columns, codes)

    def read_again(self, records: Records, event_ids: Sequence[int]) -> None:
        """Read events anew that were changed or deleted."""
        self._known_zones = NO_ZONES
        ids = np.unique(np.array(event_ids, np.int64))
        rows = self.rows_of(ids)
        self["is_gone"][rows] = True
        self["until_ns"][rows] = 0  # it is not the newest either
        if block := records.read(AGAIN, json.dumps(ids[ids <= self.last_id].tolist())):
            columns, _ = self._decode(records, block)
            rows = self.rows_of(columns["event_id"])
            for i in np.flatnonzero(columns["text_crc"] != self["text_crc"][rows]):
                self.words.reword(int(rows[i]), block[i][TEXT])
            for name in DTYPES:
                self._arrays[name][rows] = columns[name]

    def move(self, records: Records, keyframe_ids: Sequence[int]) -> None:
        """Place events anew whose keyframes were moved."""
        rows = np.flatnonzero(np.isin(self["keyframe_id"], np.array(keyframe_ids, np.int64)))
        p_map = _p_map(records, self["keyframe_id"][rows], self["p_kf"][rows])
        for axis, column in zip(AXES, p_map.T, strict=True):
            self[axis][rows] = column

    def newest_in(self, span: slice) -> int:
        """Return a time by which everything in a span of rows has ended; something is in it."""
        return int(self._zones()[1][span.start // ZONE : -(-span.stop // ZONE)].max())

    def kept(self) -> tuple[Columns, dict[str, list[str]], Rows]:
        """Return columns and names without what is gone, and the rows that are left."""
        rows = np.flatnonzero(~self["is_gone"])
        columns = {name: self[name][rows] for name in self._arrays}
        names = {}
        for name in NAMED:
            used, codes = np.unique(columns[name], return_inverse=True)
            has_none = int(used.size > 0 and used[0] == NONE)
            every = self.names(name)
            names[name] = [every[code] for code in used[has_none:]]
            columns[name] = (codes - has_none).astype(DTYPES[name])
        return columns, names, rows

    def _zones(self) -> Zones:
        """Return the first beginning and the last end of every `ZONE` rows."""
        firsts_ns, lasts_ns = self._known_zones
        known = ZONE * len(firsts_ns)
        if known < self._count:
            starts = np.arange(0, self._count - known, ZONE)
            more_firsts = np.minimum.reduceat(self["stamp_ns"][known:], starts)
            more_lasts = np.maximum.reduceat(self["until_ns"][known:], starts)
            self._known_zones = np.append(firsts_ns, more_firsts), np.append(lasts_ns, more_lasts)
        return self._known_zones

    def _append(self, columns: Columns, codes: Codes) -> None:
        firsts_ns, lasts_ns = self._known_zones
        count, total = self._count, self._count + len(codes)
        self._known_zones = firsts_ns[: count // ZONE], lasts_ns[: count // ZONE]
        for name, column in columns.items():
            self._arrays[name][count:total] = column
        loaded = len(self.loaded_codes)
        self._new_codes[count - loaded : total - loaded] = codes
        self._count = total

    def _reserve(self, total: int) -> None:
        """Make room for so many rows."""
        for name, array in self._arrays.items():
            self._arrays[name] = _grown(array, self._count, total)
        loaded = len(self.loaded_codes)
        self._new_codes = _grown(self._new_codes, self._count - loaded, total - loaded)

    def _decode(self, records: Records, block: Sequence[Record]) -> tuple[Columns, Codes]:
        fields = zip(*block, strict=True)
        ids, stamps, untils, kinds, *named, texts, keyframe_ids, places, vectors = fields
        codes, has_vector = _joined(vectors, np.dtype((np.int8, self.dim)), 0)
        p_kf, _ = _joined(places, np.dtype(("<f8", 3)), np.nan)
        keyframe_id = np.array([NONE if k is None else k for k in keyframe_ids], np.int64)
        inverse_norm = np.zeros(len(block), np.float32)
        inverse_norm[has_vector] = inverse_norms(codes[has_vector])
        columns: Columns = {
            "event_id": np.array(ids, np.int64),
            "stamp_ns": np.array(stamps, np.int64),
            "until_ns": np.array(untils, np.int64),
            "kind": np.array([CODE_OF_KIND[kind] for kind in kinds], np.int8),
            "chars": np.array(list(map(len, texts)), np.int32),
            "text_crc": np.array([zlib.crc32(text.encode()) for text in texts], np.uint32),
            "keyframe_id": keyframe_id,
            "p_kf": p_kf.astype(np.float32),
            "inverse_norm": inverse_norm,
            "is_gone": np.zeros(len(block), bool),
            "sketch": sketches(codes),
        }
        p_map = _p_map(records, keyframe_id, p_kf)
        columns |= dict(zip(AXES, np.ascontiguousarray(p_map.T), strict=True))
        for name, names in zip(NAMED, named, strict=True):
            columns[name] = self._coded(name, names)
        return columns, codes

    def _coded(self, column: str, names: Iterable[str | None]) -> NDArray[np.int32]:
        code_of = self._code_of[column]
        return np.array(
            [NONE if name is None else code_of.setdefault(name, len(code_of)) for name in names],
            np.int32,
        )


def _joined(
    blobs: Iterable[bytes | None], dtype: np.dtype[Any], fill: float
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return arrays that are kept as bytes, one a row, and which rows have one."""
    found = list(blobs)
    has_one = np.array([blob is not None for blob in found])
    rows = np.full((len(found), *dtype.shape), fill, dtype.base)
    kept = b"".join(blob for blob in found if blob is not None)
    rows[has_one] = np.frombuffer(kept, dtype.base).reshape(int(has_one.sum()), *dtype.shape)
    return rows, has_one


def _p_map(
    records: Records, keyframe_id: NDArray[np.int64], p_kf: NDArray[Any]
) -> NDArray[np.float32]:
    """Return where points (N, 3) in their keyframes are in map."""
    ids, which = np.unique(keyframe_id, return_inverse=True)
    poses = np.full((len(ids), 4, 4), np.nan)
    for known_id, blob in records.read(POSES, json.dumps(ids.tolist())):
        poses[np.searchsorted(ids, known_id)] = np.frombuffer(blob, "<f8").reshape(4, 4)
    R, t = poses[which, :3, :3], poses[which, :3, 3]
    return np.asarray(np.einsum("nij,nj->ni", R, p_kf) + t, np.float32)


def _grown(array: NDArray[Any], used: int, needed: int) -> NDArray[Any]:
    """Return an array with room for more rows, a quarter more than needed; the first `used` ones are the same."""
    if needed <= len(array):
        return array
    grown = np.empty((needed + needed // 4, *array.shape[1:]), array.dtype)
    grown[:used] = array[:used]
    return grown
