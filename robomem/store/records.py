"""The records of a memory, in SQLite with a write-ahead log.

Every change happens inside `transaction()`: all of it is there afterwards, or none. A reader sees
the last whole transaction.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robomem.claims import ClaimKind, Ruling
from robomem.errors import StoreCorruptError, StoreError
from robomem.store.entity_rows import AppearanceRow, TombstoneRow
from robomem.store.episode_rows import EPISODE_SCHEMA, EpisodeRow, TailRow
from robomem.store.event_schema import EVENT_SCHEMA
from robomem.store.experience_index import EXPERIENCE_SCHEMA, ExperienceIndex
from robomem.store.experience_rows import ExperienceRow, ProcedureRow
from robomem.store.fact_rows import (
    FACT_INDICES,
    AliasRow,
    FactRow,
    NameRow,
    NameWordRow,
    RelationRow,
    TruthRow,
)
from robomem.store.guard_rows import GUARD_SCHEMA, ClaimRow, LessonRow, TrustRow
from robomem.store.retention_rows import (
    RETENTION_SCHEMA,
    EvictedRow,
    LearningRow,
    ShadowRow,
    TraceRow,
    VisitRow,
)
from robomem.store.rows import (
    DeltaRow,
    EmbeddingRow,
    EntityRow,
    EventRow,
    KeyframeRow,
    LabelRow,
    LogClockRow,
    ScanDataRow,
    ScanRow,
    SightingRow,
    SourceRow,
    SurfelsRow,
)
from robomem.store.table import Table

BUSY_TIMEOUT_S = 10.0
EVENT_INDEX = "events.idx"
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS rejection
    (source TEXT, reason TEXT, count INTEGER, PRIMARY KEY (source, reason)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS cursor (recording TEXT PRIMARY KEY, next INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS brick_file (name TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS doomed (digest TEXT PRIMARY KEY) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS jump (source TEXT PRIMARY KEY, keyframe_id INTEGER)
    WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS frozen (region INTEGER PRIMARY KEY) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS keyframe_by_source ON keyframe (source)",
    "CREATE INDEX IF NOT EXISTS scan_by_keyframe ON scan (keyframe_id)",
    "CREATE INDEX IF NOT EXISTS stale_scan ON scan (is_stale) WHERE is_stale",
    *EVENT_SCHEMA,
    *EXPERIENCE_SCHEMA,
    *EPISODE_SCHEMA,
    *FACT_INDICES,
    *RETENTION_SCHEMA,
    *GUARD_SCHEMA,
)


class Records:
    """All tables of one memory, on one connection."""

    def __init__(self, path: Path, *, is_writer: bool, sync: str = "full") -> None:
        self._path = path
        try:
            self._db = _connect(path, is_writer=is_writer)
        except sqlite3.DatabaseError as err:
            raise StoreCorruptError(f"{path} cannot be opened: {err}") from err
        self._name_tables()
        self._name_tables_of_rooms()
        if is_writer:
            self._db.execute(f"PRAGMA synchronous = {sync.upper()}")
            self._db.execute("PRAGMA secure_delete = ON")
            self._create()

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

    @property
    def version(self) -> tuple[int, int]:
        """What is another one after any change, by whomever."""
        (others,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(others), self._db.total_changes

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

    def jumped_at(self, source: str) -> int:
        """Return the first keyframe of a source since map last jumped against odom, 0 where it never did."""
        row = self._db.execute(
            "SELECT keyframe_id FROM jump WHERE source = ?", (source,)
        ).fetchone()
        return int(row[0]) if row else 0

    def set_jumped_at(self, source: str, keyframe_id: int) -> None:
        """Remember the first keyframe since map jumped against odom."""
        self._db.execute("INSERT OR REPLACE INTO jump VALUES (?, ?)", (source, keyframe_id))

    def keyframe_path(self) -> list[tuple[int, int, int, bytes]]:
        """Return every keyframe's id, when it began and ended, and its pose in map (16,) float64, by id."""
        sql = "SELECT keyframe_id, stamp_ns, until_ns, T_map_kf FROM keyframe ORDER BY keyframe_id"
        return self._db.execute(sql).fetchall()

    def rooms_told(self) -> list[tuple[str, int]]:
        """Return the rooms that events were said to be in, each with the keyframes of those events; not the held."""
        sql = (
            "SELECT DISTINCT room, keyframe_id FROM event "
            "WHERE room IS NOT NULL AND keyframe_id IS NOT NULL AND event_id NOT IN "
            "(SELECT item_id FROM claim WHERE kind = ? AND ruling != ?) ORDER BY room, keyframe_id"
        )
        return self._db.execute(sql, (ClaimKind.EVENT, Ruling.ADMIT)).fetchall()

    def surfel_keyframes(self) -> list[int]:
        """Return the ids of the keyframes whose surfels are kept, in order."""
        sql = "SELECT keyframe_id FROM surfels ORDER BY keyframe_id"
        return [keyframe_id for (keyframe_id,) in self._db.execute(sql)]

    def scan_bytes(self) -> int:
        """Return how large all kept scans are."""
        return int(self._db.execute("SELECT coalesce(sum(data_bytes), 0) FROM scan").fetchone()[0])

    def drop_scan(self, scan_id: int) -> None:
        """Keep a scan no longer."""
        self.scans.delete("scan_id = ?", scan_id)
        self.scan_data.delete("scan_id = ?", scan_id)

    def freeze(self, region_keys: Iterable[int]) -> None:
        """Say that regions of the map cannot be made anew: not all scans of them are kept."""
        self._db.executemany(
            "INSERT OR IGNORE INTO frozen VALUES (?)", [(key,) for key in region_keys]
        )

    def frozen_regions(self) -> list[int]:
        """Return the keys of the regions that cannot be made anew, in order."""
        return [key for (key,) in self._db.execute("SELECT region FROM frozen ORDER BY region")]

    def next_id(self, counter: str) -> int:
        """Return the next number of a counter, from 1; never one that was given before."""
        return self.next_ids(counter, 1)[0]

    def next_ids(self, counter: str, count: int) -> range:
        """Return the next numbers of a counter; never one that was given before."""
        sql = (
            "INSERT INTO counter VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value RETURNING value"
        )
        last = int(self._db.execute(sql, (counter, count)).fetchone()[0])
        return range(last - count + 1, last + 1)

    def counter(self, name: str) -> int:
        """Return where a counter is, 0 of one that never counted."""
        row = self._db.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def entity_now(self, entity_id: int) -> int:
        """Return what an entity is called that turned out to be another one; the same where it did not."""
        tombstone = self.tombstones.get(entity_id)
        return tombstone.into_id if tombstone else entity_id

    def set_counter(self, name: str, value: int) -> None:
        """Set a counter."""
        self._db.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (name, value))

    def note_index(self, token: int, *, last_id: int, change: int) -> None:
        """Say what the index of the events holds; see `store.event_index`."""
        self.set_counter("event_index", token)
        self.set_counter("event_written", last_id)
        self.set_counter("change_written", change)
        self._db.execute("DELETE FROM event_change WHERE seq <= ?", (change,))
        self._db.execute("DELETE FROM keyframe_change WHERE seq <= ?", (change,))

    def read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        return self._db.execute(sql, values).fetchall()

    def pop_stale_events(self) -> list[int]:
        """Return the events that were deleted or reworded since this was asked, in order."""
        rows = self._db.execute("DELETE FROM stale_event RETURNING event_id").fetchall()
        return sorted(event_id for (event_id,) in rows)

    def tally(self) -> tuple[int, int]:
        """Return how many events there are, and their bytes."""
        events, total_bytes = self._db.execute("SELECT events, bytes FROM tally").fetchone()
        return int(events), int(total_bytes)

    def held_ids(self, kind: ClaimKind) -> set[int]:
        """Return the ids of what is in quarantine: no recall shows it unasked."""
        # As the condition of its index says it.
        sql = "SELECT item_id FROM claim WHERE kind = ? AND ruling != 'admit'"
        return {item_id for (item_id,) in self._db.execute(sql, (kind,))}

    def is_held(self, kind: ClaimKind, item_id: int) -> bool:
        """Tell whether a memory is in quarantine."""
        claim = self.claims.get(kind, item_id)
        return claim is not None and claim.ruling is not Ruling.ADMIT

    def drop_claims(self, kind: ClaimKind, item_ids: Iterable[int]) -> None:
        """Forget that memories were claimed, and what they taught."""
        for item_id in item_ids:
            self.claims.delete("kind = ? AND item_id = ?", kind, item_id)
            self.lessons.delete("kind = ? AND item_id = ?", kind, item_id)

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
        tables: tuple[Table[Any], ...] = (
            self.sources, self.keyframes, self.entities, self.events, self.embeddings, self.sightings,
            self.experiences, self.procedures,
            self.facts, self.names, self.aliases, self.relations,
            self.appearances, self.tombstones,
            self.claims, self.trusts, self.lessons,
        )  # fmt: skip
        for table in tables:
            table.hash_into(digest)

    def erase_deleted(self) -> None:
        """Leave no bytes of deleted rows in any file; the images must be gone by now."""
        self._path.with_name(EVENT_INDEX).unlink(missing_ok=True)
        self.experience_index.compact()
        self._db.execute("VACUUM")
        self._db.execute("DELETE FROM doomed")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _name_tables(self) -> None:
        """Name what was perceived, and the map."""
        self.sources = Table(self._db, SourceRow)
        self.keyframes = Table(self._db, KeyframeRow)
        self.entities = Table(self._db, EntityRow)
        self.events = Table(self._db, EventRow)
        self.embeddings = Table(self._db, EmbeddingRow)
        self.log_clocks = Table(self._db, LogClockRow)
        self.sightings = Table(self._db, SightingRow, key_columns=2)
        self.appearances = Table(self._db, AppearanceRow)
        self.tombstones = Table(self._db, TombstoneRow)
        self.deltas = Table(self._db, DeltaRow)
        self.labels = Table(self._db, LabelRow)
        self.surfels = Table(self._db, SurfelsRow)
        self.scans = Table(self._db, ScanRow)
        self.scan_data = Table(self._db, ScanDataRow)

    def _name_tables_of_rooms(self) -> None:
        """Name what was made of it."""
        self.episodes = Table(self._db, EpisodeRow)
        self.tails = Table(self._db, TailRow)
        self.experiences = Table(self._db, ExperienceRow)
        self.procedures = Table(self._db, ProcedureRow)
        self.experience_index = ExperienceIndex(self._db)
        self.facts = Table(self._db, FactRow)
        self.truths = Table(self._db, TruthRow, key_columns=2)
        self.names = Table(self._db, NameRow)
        self.name_words = Table(self._db, NameWordRow, key_columns=2)
        self.aliases = Table(self._db, AliasRow)
        self.relations = Table(self._db, RelationRow)
        self.traces = Table(self._db, TraceRow)
        self.evicted = Table(self._db, EvictedRow, key_columns=2)
        self.shadows = Table(self._db, ShadowRow)
        self.visits = Table(self._db, VisitRow)
        self.learning = Table(self._db, LearningRow)
        self.claims = Table(self._db, ClaimRow, key_columns=2)
        self.trusts = Table(self._db, TrustRow)
        self.lessons = Table(self._db, LessonRow)

    def _create(self) -> None:
        with self.transaction():
            for table in vars(self).values():
                if isinstance(table, Table):
                    table.create()
            for statement in SCHEMA:
                self._db.execute(statement)


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
    try:
        if is_writer:
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # a foreign file fails here
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
