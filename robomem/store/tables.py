"""The records: SQLite in WAL mode, one table a row type, columns named and typed by its dataclass.

An array is stored as its float64 bytes. Every change happens inside `transaction()`: all of it is
there afterwards, or none. A reader sees the last whole transaction.
"""

import dataclasses
import hashlib
import os
import sqlite3
import types
import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from robomem.errors import StoreCorruptError, StoreError
from robomem.types import EntityState, EventKind, Keyframe

Array = NDArray[np.float64]
Row = TypeVar("Row")
BUSY_TIMEOUT_S = 10.0
SQL_TYPES = {int: "INTEGER", bool: "INTEGER", float: "REAL", str: "TEXT", bytes: "BLOB"}


@dataclass(frozen=True, slots=True, eq=False)
class SourceRow:
    """What is known of one source: its clock, its path, where it last was in map and in odom.

    `pending_stamp_ns` awaits confirmation.
    """

    name: str
    first_stamp_ns: int
    last_stamp_ns: int
    pending_stamp_ns: int | None
    observations: int
    path_length_m: float
    p_map: Array | None
    p_odom: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class KeyframeRow:
    """See `types.Keyframe`; T_map_kf is (16,) row by row."""

    keyframe_id: int
    stamp_ns: int
    until_ns: int
    T_map_kf: Array
    source: str
    depth_digest: str | None
    color_digest: str | None


@dataclass(frozen=True, slots=True, eq=False)
class EntityRow:
    """All that is known of a thing, believed in or not yet.

    Attributes:
        is_confirmed: Whether it was sighted often enough to be believed in.
        is_novel: Whether it stood, when first seen, where the map had seen free space.
        p_kf: Its centre in the keyframe of the last sighting, (3,) metres.
        size_m: Its extent, (3,) metres.
        score_sum: Sum of the detector's scores.
        looks: Evidence that it is gone, since the last sighting; see `semantic.absence`.
        seen_range_m: The farthest it was sighted from.
    """

    entity_id: int
    label: str
    state: EntityState
    is_confirmed: bool
    is_novel: bool
    keyframe_id: int
    p_kf: Array
    size_m: Array | None
    first_seen_ns: int
    last_seen_ns: int
    sightings: int
    score_sum: float
    looks: float
    seen_range_m: float


@dataclass(frozen=True, slots=True, eq=False)
class EventRow:
    """See `types.Event`; positions are (3,) metres in their keyframes."""

    event_id: int
    kind: EventKind
    stamp_ns: int
    until_ns: int
    text: str
    source: str
    keyframe_id: int | None
    entity_id: int | None
    label: str | None
    p_kf: Array | None
    from_keyframe_id: int | None
    p_from_kf: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class SightingRow:
    """Which keyframe saw which entity: what `forget` must look at."""

    entity_id: int
    keyframe_id: int


@dataclass(frozen=True, slots=True, eq=False)
class DeltaRow:
    """A scan that is in no brick file yet; see `spatial.octree.MapDelta`."""

    seq: int
    stamp_ns: int
    keys: bytes
    hit: bytes
    free: bytes


class Table(Generic[Row]):
    """One table of rows of one dataclass; the first `key_columns` fields are its primary key."""

    def __init__(
        self, db: sqlite3.Connection, row_type: type[Row], *, key_columns: int = 1
    ) -> None:
        self._db = db
        self._row_type = row_type
        self._name = row_type.__name__.removesuffix("Row").lower()
        hints = typing.get_type_hints(row_type)
        self._fields = [f.name for f in dataclasses.fields(row_type)]  # type: ignore[arg-type]
        self._keys = self._fields[:key_columns]
        self._decoders = [_decoder(hints[name]) for name in self._fields]
        self._columns = [f"{name} {_sql_type(hints[name])}" for name in self._fields]

    def create(self) -> None:
        """Make the table where it is absent."""
        columns = ", ".join(self._columns)
        keys = ", ".join(self._keys)
        rowid = (
            ""
            if self._columns[0].endswith("INTEGER") and len(self._keys) == 1
            else " WITHOUT ROWID"
        )
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._name} ({columns}, PRIMARY KEY ({keys})){rowid}"
        )

    def save(self, row: Row) -> None:
        """Insert a row, or replace the one with the same key."""
        values = [_encode(getattr(row, name)) for name in self._fields]
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO {self._name} VALUES ({marks})", values)

    def select(self, where: str = "1", *values: object) -> list[Row]:
        """Return the rows that satisfy an SQL condition, by key."""
        columns, keys = ", ".join(self._fields), ", ".join(self._keys)
        sql = f"SELECT {columns} FROM {self._name} WHERE {where} ORDER BY {keys}"
        return [self._decode(record) for record in self._db.execute(sql, values)]

    def get(self, *key: object) -> Row | None:
        """Return the row with this key."""
        rows = self.select(" AND ".join(f"{name} = ?" for name in self._keys), *key)
        return rows[0] if rows else None

    def last(self) -> Row | None:
        """Return the row with the highest key."""
        rows = self.select(f"{self._keys[0]} = (SELECT max({self._keys[0]}) FROM {self._name})")
        return rows[-1] if rows else None

    def delete(self, where: str, *values: object) -> None:
        """Remove the rows that satisfy an SQL condition."""
        self._db.execute(f"DELETE FROM {self._name} WHERE {where}", values)

    def count(self, where: str = "1", *values: object) -> int:
        """Count the rows that satisfy an SQL condition."""
        return int(
            self._db.execute(f"SELECT count(*) FROM {self._name} WHERE {where}", values).fetchone()[
                0
            ]
        )

    def hash_into(self, digest: "hashlib.blake2b") -> None:
        """Feed every row to a hash, by key."""
        keys = ", ".join(self._keys)
        for record in self._db.execute(f"SELECT * FROM {self._name} ORDER BY {keys}"):
            digest.update(repr(record).encode())

    def _decode(self, record: tuple[Any, ...]) -> Row:
        values = (
            None if value is None else decode(value)
            for value, decode in zip(record, self._decoders, strict=True)
        )
        return self._row_type(*values)


class Records:
    """All tables of one memory, on one connection."""

    def __init__(self, path: Path, *, is_writer: bool, sync: str = "full") -> None:
        self._path = path
        self._is_in_transaction = False
        try:
            self._db = _connect(path, is_writer=is_writer)
            self.sources = Table(self._db, SourceRow)
            self.keyframes = Table(self._db, KeyframeRow)
            self.entities = Table(self._db, EntityRow)
            self.events = Table(self._db, EventRow)
            self.sightings = Table(self._db, SightingRow, key_columns=2)
            self.deltas = Table(self._db, DeltaRow)
            if is_writer:
                self._db.execute(f"PRAGMA synchronous = {sync.upper()}")
                self._db.execute("PRAGMA secure_delete = ON")
                self._create()
        except sqlite3.DatabaseError as err:
            raise StoreCorruptError(f"{path} cannot be opened: {err}") from err

    def close(self) -> None:
        """Close the connection; nothing is lost by it."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Apply everything inside at once; durable when it returns, undone when it raises."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as err:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(err, sqlite3.DatabaseError):
                raise StoreError(f"{self._path} cannot be written: {err}") from err
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let every read inside see the same state, whatever a writer does; may be nested."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        try:
            yield
        except sqlite3.DatabaseError as err:
            raise StoreCorruptError(f"{self._path} is damaged: {err}") from err
        finally:
            self._db.execute("COMMIT")

    def reject(self, source: str, reason: str) -> None:
        """Count a rejection."""
        self._db.execute(
            "INSERT INTO rejection VALUES (?, ?, 1) "
            "ON CONFLICT (source, reason) DO UPDATE SET count = count + 1",
            (source, reason),
        )

    def rejections(self) -> dict[str, int]:
        """Return how many observations were rejected, by reason."""
        return dict(
            self._db.execute(
                "SELECT reason, sum(count) FROM rejection GROUP BY reason ORDER BY reason"
            )
        )

    def position(self, recording: str) -> int:
        """Return the number of items of a recording that were taken in."""
        row = self._db.execute(
            "SELECT next FROM cursor WHERE recording = ?", (recording,)
        ).fetchone()
        return int(row[0]) if row else 0

    def set_position(self, recording: str, position: int) -> None:
        """Remember that the items of a recording before `position` were taken in."""
        self._db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (recording, position))

    def brick_files(self) -> list[str]:
        """Return the names of the brick files, oldest first."""
        return [name for (name,) in self._db.execute("SELECT name FROM brick_file ORDER BY name")]

    def add_brick_file(self, name: str) -> None:
        """Name a brick file that is on disk."""
        self._db.execute("INSERT INTO brick_file VALUES (?)", (name,))

    def drop_brick_files(self, names: list[str]) -> None:
        """Forget the names of brick files that a newer one replaces."""
        self._db.executemany("DELETE FROM brick_file WHERE name = ?", [(name,) for name in names])

    def next_id(self, counter: str) -> int:
        """Return the next number of a counter, from 1; never one that was given before."""
        sql = (
            "INSERT INTO counter VALUES (?, 1) "
            "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        )
        return int(self._db.execute(sql, (counter,)).fetchone()[0])

    def index_text(self, event_id: int, text: str) -> None:
        """Make an event findable by its words."""
        self._db.execute("DELETE FROM event_text WHERE rowid = ?", (event_id,))
        self._db.execute("INSERT INTO event_text (rowid, text) VALUES (?, ?)", (event_id, text))

    def drop_text(self, event_id: int) -> None:
        """Make an event's words unfindable."""
        self._db.execute("DELETE FROM event_text WHERE rowid = ?", (event_id,))

    def search_text(self, words: list[str]) -> dict[int, float]:
        """Return the events with every word (stemmed), and how well each fits by BM25, above 0."""
        match = " ".join('"' + word.replace('"', '""') + '"' for word in words)
        sql = "SELECT rowid, -bm25(event_text) FROM event_text WHERE event_text MATCH ?"
        return dict(self._db.execute(sql, (match,))) if match else {}

    def doom(self, digests: Iterable[str]) -> None:
        """Say that images, and the bytes of deleted rows, are to be erased; see `erase_deleted`."""
        self._db.executemany(
            "INSERT OR IGNORE INTO doomed VALUES (?)", [("",), *((digest,) for digest in digests)]
        )

    def doomed(self) -> list[str]:
        """Return the digests of the images to be erased."""
        return [digest for (digest,) in self._db.execute("SELECT digest FROM doomed") if digest]

    def is_erasing(self) -> bool:
        """Tell whether an erasure was begun and is not finished."""
        return self._db.execute("SELECT 1 FROM doomed").fetchone() is not None

    def hash_into(self, digest: "hashlib.blake2b") -> None:
        """Feed all that is remembered to a hash; not how it came in (cursors, rejections)."""
        for table in (self.sources, self.keyframes, self.entities, self.events, self.sightings):
            table.hash_into(digest)

    def erase_deleted(self) -> None:
        """Leave no bytes of deleted rows in any file; the images must be gone by now."""
        self._db.execute("INSERT INTO event_text (event_text) VALUES ('optimize')")
        self._db.execute("VACUUM")
        self._db.execute("DELETE FROM doomed")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _create(self) -> None:
        with self.transaction():
            tables: tuple[Table[Any], ...] = (
                self.sources, self.keyframes, self.entities, self.events, self.sightings, self.deltas
            )  # fmt: skip
            for table in tables:
                table.create()
            for statement in SCHEMA:
                self._db.execute(statement)


SCHEMA = (
    """CREATE TABLE IF NOT EXISTS rejection
    (source TEXT, reason TEXT, count INTEGER, PRIMARY KEY (source, reason)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS cursor (recording TEXT PRIMARY KEY, next INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS brick_file (name TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS doomed (digest TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS event_by_until ON event (until_ns)",
    "CREATE INDEX IF NOT EXISTS event_by_entity ON event (entity_id)",
    "CREATE VIRTUAL TABLE IF NOT EXISTS event_text USING fts5 (text, tokenize = 'porter unicode61')",
)


def keyframe_of(row: KeyframeRow) -> Keyframe:
    """Return the keyframe that a row holds."""
    return Keyframe(
        keyframe_id=row.keyframe_id,
        stamp_ns=row.stamp_ns,
        until_ns=row.until_ns,
        T_map_kf=row.T_map_kf.reshape(4, 4),
        source=row.source,
        depth_digest=row.depth_digest,
        color_digest=row.color_digest,
    )


def _connect(path: Path, *, is_writer: bool) -> sqlite3.Connection:
    mode = "rwc" if is_writer else "ro"
    if not is_writer and not os.access(path.parent, os.W_OK):
        mode += "&immutable=1"  # a reader of a WAL database writes beside it, and here it cannot
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_S,
        check_same_thread=False,
    )
    if is_writer:
        db.execute("PRAGMA journal_mode = WAL")
    db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # a foreign file fails here
    return db


def _encode(value: object) -> object:
    if isinstance(value, np.ndarray):
        return np.asarray(value, dtype="<f8").tobytes()
    return value


def _plain_type(hint: object) -> Any:
    """Return the type behind `X | None`."""
    if isinstance(hint, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return hint


def _sql_type(hint: object) -> str:
    plain = _plain_type(hint)
    if plain in SQL_TYPES:
        return SQL_TYPES[plain]
    return "TEXT" if isinstance(plain, type) and issubclass(plain, str) else "BLOB"


def _decoder(hint: object) -> Any:
    plain = _plain_type(hint)
    if plain in (bool, bytes, float, int, str) or (
        isinstance(plain, type) and issubclass(plain, str)
    ):
        return plain
    return lambda blob: np.frombuffer(blob, "<f8").astype(np.float64)
