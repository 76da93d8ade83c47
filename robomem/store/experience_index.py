"""What SQLite keeps beside the experiences: their words, findable by BM25, and nothing of what was deleted."""

import sqlite3
from collections.abc import Iterator, Sequence

EXPERIENCE_SCHEMA = (
    "CREATE INDEX IF NOT EXISTS experience_by_task ON experience (task_key)",
    "CREATE INDEX IF NOT EXISTS experience_by_procedure ON experience (procedure_id)",
    "CREATE INDEX IF NOT EXISTS procedure_by_task ON procedure (task_key)",
    """CREATE VIRTUAL TABLE IF NOT EXISTS experience_text USING fts5
    (task, state, plan, outcome, content = 'experience', content_rowid = 'experience_id',
    tokenize = 'porter unicode61')""",
    """CREATE TRIGGER IF NOT EXISTS experience_born AFTER INSERT ON experience BEGIN
    INSERT INTO experience_text (rowid, task, state, plan, outcome)
    VALUES (new.experience_id, new.task, new.state, new.plan, new.outcome);
    END""",
    """CREATE TRIGGER IF NOT EXISTS experience_gone AFTER DELETE ON experience BEGIN
    INSERT INTO experience_text (experience_text, rowid, task, state, plan, outcome)
    VALUES ('delete', old.experience_id, old.task, old.state, old.plan, old.outcome);
    END""",
)
# Of task, state, plan and outcome: what was to be done says most about whether it is the same again.
WEIGHTS = (3.0, 2.0, 1.0, 1.0)


class ExperienceIndex:
    """What finds experiences: their words and their embeddings."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def search(self, words: Sequence[str]) -> dict[int, float]:
        """Return the experiences with any of the words (stemmed), and how well each fits by BM25, above 0."""
        match = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
        sql = (
            "SELECT rowid, -bm25(experience_text, ?, ?, ?, ?) FROM experience_text "
            "WHERE experience_text MATCH ?"
        )
        return dict(self._db.execute(sql, (*WEIGHTS, match))) if match else {}

    def embeddings(self) -> Iterator[tuple[int, bytes]]:
        """Return id and embedding of each experience that has one, by id."""
        yield from self._db.execute(
            "SELECT experience_id, embedding FROM experience WHERE embedding IS NOT NULL "
            "ORDER BY experience_id"
        )

    def compact(self) -> None:
        """Leave no bytes of deleted words."""
        self._db.execute("INSERT INTO experience_text (experience_text) VALUES ('optimize')")
