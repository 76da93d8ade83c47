"""The words of events are found as SQLite's full-text search finds them, however they were added."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.store import event_words, stems
from robomem.store.event_words import EventWords
from robomem.store.stems import Stemmer

STEMMER = Stemmer()
SPOKEN = (
    "mug",
    "Mugs,",
    "the",
    "running",
    "ran",
    "runs",
    "café",
    "CAFE\u0301",
    "don't",
    "two-fold",
)
spoken = st.lists(st.sampled_from(SPOKEN), max_size=6).map(" ".join)
written = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
logs = st.lists(st.one_of(spoken, spoken, written), max_size=40)


def added(texts, sizes=(7,)):
    """Return the words of texts that were added so many at once, over and over."""
    words, first = EventWords(STEMMER), 0
    while first < len(texts):
        for size in sizes:
            words.append(first, texts[first : first + size])
            first += size
    return words


def found(words, asked, count, span=slice(0, 1 << 20)):
    rows = words.rows_with(asked, slice(span.start, min(span.stop, count)))
    assert rows.dtype == np.int64
    return rows.tolist()


def found_by_sqlite(texts, asked):
    """Return the rows that FTS5 finds; two words of one that was asked for are in none."""
    match = " ".join('"' + word.replace('"', '""') + '"' for word in asked)
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(
            "CREATE VIRTUAL TABLE t USING fts5 (x, tokenize='porter unicode61', detail=none)"
        )
        db.executemany("INSERT INTO t (rowid, x) VALUES (?, ?)", enumerate(texts))
        try:
            rows = db.execute(
                "SELECT rowid FROM t WHERE t MATCH ? ORDER BY rowid", (match or '""',)
            )
            return [row for (row,) in rows]
        except sqlite3.OperationalError as err:
            if "phrase" not in str(err):
                raise
            return []


@settings(deadline=None)
@given(logs, st.lists(st.one_of(st.sampled_from(SPOKEN), written.filter(str.strip)), max_size=3))
def test_words_are_found_as_fts5_finds_them(texts, asked):
    words = added(texts)

    assert found(words, asked, len(texts)) == found_by_sqlite(texts, asked)


@settings(deadline=None)
@given(logs, st.lists(st.integers(1, 9), min_size=1, max_size=4), st.data())
def test_it_is_the_same_however_many_come_at_once(texts, sizes, data):
    whole, parts = added(texts, (1 << 20,)), added(texts, sizes)
    first = data.draw(st.integers(0, len(texts)))
    span = slice(first, data.draw(st.integers(first, len(texts))))

    for asked in (["mug"], ["run", "mug"], ["the", "cafe", "mug"]):
        everywhere = found(whole, asked, len(texts))
        assert found(parts, asked, len(texts)) == everywhere
        assert found(parts, asked, len(texts), span) == [
            row for row in everywhere if span.start <= row < span.stop
        ]


@settings(deadline=None)
@given(logs.filter(bool), st.data())
def test_what_is_kept_is_what_was_reworded_and_is_left(texts, data):
    words = added(texts)
    reworded = data.draw(st.dictionaries(st.integers(0, len(texts) - 1), spoken, max_size=4))
    left = sorted(data.draw(st.sets(st.integers(0, len(texts) - 1))))
    for row, text in reworded.items():
        words.reword(row, text)
    now = [reworded.get(row, text) for row, text in enumerate(texts)]

    stems_kept, segment = words.kept(np.array(left, np.int64), count=len(texts))

    kept, expected = EventWords(STEMMER, stems_kept, segment), added([now[row] for row in left])
    assert set(stems_kept) == set(expected.kept(np.arange(len(left)), count=len(left))[0])
    for asked in (["mug"], ["run", "mug"], ["the"], ["cafe"], ["don"]):
        assert found(words, asked, len(texts)) == found_by_sqlite(now, asked)
        assert found(kept, asked, len(left)) == found(expected, asked, len(left))


def test_many_additions_make_few_segments(monkeypatch):
    monkeypatch.setattr(event_words, "SMALL", 4)
    words = added(["a mug"] * 1000, (1,))

    assert len(words._segments) <= 11
    assert found(words, ["mug"], 1000) == list(range(1000))


def test_rare_words_are_looked_up_in_the_rows_of_frequent_ones():
    texts = ["the mug" if row % 97 == 3 else "the" for row in range(2000)]
    words = added(texts, (500,))

    assert found(words, ["the", "mug"], 2000) == list(range(3, 2000, 97))


@pytest.mark.parametrize("most", [0, 10, 1 << 20])
def test_a_stemmer_that_forgets_stems_the_same(monkeypatch, most):
    monkeypatch.setattr(stems, "MOST_CHARS", most)
    stemmer = Stemmer()
    for _ in range(2):
        for word, stem in (("Running", "run"), ("Mugs", "mug"), ("é", "e")):
            assert stemmer.stems_of([word])[word] == (stem,)
    assert stemmer.stems_of(["two-fold", "?"])["?"] == ()
