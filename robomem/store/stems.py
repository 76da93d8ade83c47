"""Texts taken apart into stems, so that "Mugs," and "mug" are the same word."""

import sqlite3
from collections.abc import Iterable, Mapping

MOST_CHARS = 1 << 20  # of what is kept known


class Stemmer:
    """Stems words as FTS5 does with `porter unicode61`: by FTS5, in an index in memory that is emptied again.

    Porter, "An algorithm for suffix stripping", 1980, after folding case and diacritics.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.executescript(
            """CREATE VIRTUAL TABLE part USING fts5 (text, content = '', tokenize = 'porter unicode61');
            CREATE VIRTUAL TABLE stem USING fts5vocab ('part', 'instance');"""
        )
        self._known: dict[str, tuple[str, ...]] = {}
        self._chars = 0

    def stems_of(self, texts: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the stems of texts, as often as they are in each, beside those of texts asked for lately."""
        if self._chars > MOST_CHARS:
            self._known, self._chars = {}, 0
        unknown = list(set(texts) - self._known.keys())
        if unknown:
            self._known |= dict(zip(unknown, self._stemmed(unknown), strict=True))
            self._chars += sum(map(len, unknown))
        return self._known

    def _stemmed(self, texts: list[str]) -> list[tuple[str, ...]]:
        found: list[list[str]] = [[] for _ in texts]
        with self._db:
            self._db.executemany("INSERT INTO part (rowid, text) VALUES (?, ?)", enumerate(texts))
            for number, stem in self._db.execute("SELECT doc, term FROM stem"):
                found[number].append(stem)
            self._db.execute("INSERT INTO part (part) VALUES ('delete-all')")
        return [tuple(stems) for stems in found]
