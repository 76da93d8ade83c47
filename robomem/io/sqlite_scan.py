"""rosbag2's SQLite files row by row, as far as they go: a cut file has lost pages and perhaps its index."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

_MAX_GAP = 10_000  # rows under one lost page of the tree; an id is looked up in microseconds
_SELECT = "SELECT topic_id, timestamp, data FROM messages NOT INDEXED WHERE id = ?"


class SqliteScan:
    """The readable part of a .db3 file; raises sqlite3.DatabaseError when not even its topics are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damage: str | None = None
        with closing(self._connect()) as db:
            rows = db.execute("SELECT id, name, type FROM topics").fetchall()
        # SQLite types its cells one by one: a damaged one may be anything
        self._topics = {
            row[0]: row[1:] for row in rows if isinstance(row[1], str) and isinstance(row[2], str)
        }

    def topics(self) -> list[tuple[str, str, MessageDefinition]]:
        """Return topic, type and an empty definition: a cut file seldom has that table."""
        unknown = MessageDefinition(MessageDefinitionFormat.NONE, "")
        return [(name, kind, unknown) for name, kind in self._topics.values()]

    def messages(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield topic, time of recording and data, in the order they were written."""
        self.damage = None
        misses = 0
        with closing(self._connect()) as db:
            for message_id in count(1):
                row = self._row(db, message_id)
                if row is not None:
                    yield row
                misses = 0 if row is not None else misses + 1
                if misses > _MAX_GAP:
                    return

    def _row(self, db: sqlite3.Connection, message_id: int) -> tuple[str, int, bytes] | None:
        """Look one message up: a lost page then costs its own rows and no others."""
        try:
            row = db.execute(_SELECT, (message_id,)).fetchone()
        except sqlite3.DatabaseError as err:
            self.damage = str(err)
            return None
        if row is None:
            return None
        topic_id, received_ns, data = row
        if topic_id in self._topics and isinstance(received_ns, int) and isinstance(data, bytes):
            return self._topics[topic_id][0], received_ns, data
        self.damage = "rows are lost"
        return None

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(f"{self._path.resolve().as_uri()}?immutable=1", uri=True)
        # SQLite opens a file that is shorter than its header says only so; nothing is written.
        db.execute("PRAGMA writable_schema = ON")
        return db
