"""rosbag2's SQLite files row by row, as far as they go: a cut file has lost pages and perhaps its index."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat


class SqliteScan:
    """The readable part of a .db3 file; raises sqlite3.DatabaseError when not even its topics are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damage: str | None = None
        with closing(self._connect()) as db:
            rows = db.execute("SELECT id, name, type FROM topics").fetchall()
        self._topics = {topic_id: (name, kind) for topic_id, name, kind in rows}

    def topics(self) -> list[tuple[str, str, MessageDefinition]]:
        """Return topic, type and an empty definition: a cut file seldom has that table."""
        unknown = MessageDefinition(MessageDefinitionFormat.NONE, "")
        return [(name, kind, unknown) for name, kind in self._topics.values()]

    def messages(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield topic, time of recording and data, in the order they were written."""
        with closing(self._connect()) as db:
            try:
                # Without an index: the walk along the table meets the damage last.
                for topic_id, received_ns, data in db.execute(
                    "SELECT topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY id"
                ):
                    if topic_id in self._topics:
                        yield self._topics[topic_id][0], received_ns, data
                self.damage = None
            except sqlite3.DatabaseError as err:
                self.damage = str(err)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(f"{self._path.resolve().as_uri()}?immutable=1", uri=True)
        # SQLite opens a file that is shorter than its header says only so; nothing is written.
        db.execute("PRAGMA writable_schema = ON")
        return db
