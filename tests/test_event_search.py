"""Events found by everything at once: filters decide, cues rank."""

import numpy as np
import pytest

from robomem.config import Config, StoreConfig
from robomem.episodic.search import EventFilter
from robomem.errors import QueryError
from robomem.memory import Memory
from robomem.types import EventKind, Happening
from tests.worlds import NS

CONFIG = Config(store=StoreConfig(sync="normal"))


def log(memory, *happenings):
    fields = ("stamp_s", "text", "label", "room", "p_map", "embedding", "source")
    for values in happenings:
        given = dict(zip(fields, values, strict=False))
        stamp_ns = int(given.pop("stamp_s") * NS)
        assert memory.log([Happening(kind=EventKind.OBSERVED, stamp_ns=stamp_ns, **given)])


@pytest.fixture
def memory(tmp_path):
    e = np.eye(3)
    with Memory.open(tmp_path / "a.rmem", config=CONFIG) as memory:
        log(
            memory,
            (0, "a red mug on the table", "red mug", "kitchen", (0, 0, 1), e[0]),
            (10, "the robot drove on", None, "hall", (3, 0, 0), e[1]),
            (20, "a blue mug", "mug", "bedroom", (6, 0, 1), e[0] + 0.2 * e[2]),
            (30, "somebody said hello", None, None, None, e[2], "ear"),
            (500, "the red mugs are gone", "red mug", "kitchen", (0.5, 0, 1)),
        )
        yield memory


def ids(memory, **fields):
    asked = {
        k: fields.pop(k) for k in ("text", "embedding", "limit", "has_neighbours") if k in fields
    }
    return [hit.event_id for hit in memory.event_search.search(EventFilter(**fields), **asked)]


def test_every_filter_narrows(memory):
    assert ids(memory) == [5, 4, 3, 2, 1]
    assert ids(memory, since_ns=10 * NS, until_ns=30 * NS) == [4, 3, 2]
    assert ids(memory, kinds=(EventKind.TOLD,)) == []
    assert ids(memory, labels=("mug", "unicorn")) == [3]
    assert ids(memory, rooms=("kitchen",), until_ns=100 * NS) == [1]
    assert ids(memory, sources=("ear",)) == [4]
    assert ids(memory, excluded_ids=frozenset({5, 3, 77})) == [4, 2, 1]
    assert ids(memory, is_inside=lambda p_map: p_map[:, 0] > 1) == [3, 2]
    assert ids(memory, near_map=(0, 0), radius_m=1) == [1, 5]
    assert ids(memory, near_map=(0, 0, 0), radius_m=0.9) == []
    assert ids(memory, text="mug") == [3, 5, 1]
    assert ids(memory, text="mug red") == [5, 1]
    assert ids(memory, text='mug* OR "') == []
    assert ids(memory, text="?!") == []


def test_a_meaning_is_found_before_its_neighbours_in_meaning(memory):
    assert ids(memory, embedding=[1, 0, 0], limit=2) == [1, 3]
    assert ids(memory, embedding=[1, 0, 0], text="mug", rooms=("bedroom",)) == [3]
    assert 5 not in ids(memory, embedding=[1, 0, 0])


def test_what_was_logged_beside_a_hit_is_of_its_episode(memory):
    hits = memory.event_search.search(text="robot", has_neighbours=True)

    assert [hit.event_id for hit in hits] == [2, 3, 1]
    assert [hit.beside_id for hit in hits] == [None, 2, 2]
    assert hits[1].score == pytest.approx(0.7 * hits[0].score)


def test_a_wrong_question_is_refused(memory):
    for wrong in ([1, 0], [np.nan, 0, 0], [0, 0, 0], "mug"):
        with pytest.raises(QueryError):
            memory.event_search.search(embedding=wrong)
    with pytest.raises(QueryError):
        memory.event_search.search(limit=0)
    for wrong in (
        {"near_map": (1,)},
        {"near_map": (0, np.nan)},
        {"radius_m": 0},
        {"radius_m": np.nan},
        {"kinds": ("unheard of",)},
    ):
        with pytest.raises(QueryError):
            EventFilter(**wrong)


def test_a_span_may_be_longer_than_time(memory):
    assert ids(memory, since_ns=-(10**30), until_ns=10**30) == [5, 4, 3, 2, 1]


def test_an_empty_memory_has_no_hits(tmp_path):
    with Memory.open(tmp_path / "a.rmem") as memory:
        assert memory.event_search.search(text="mug", embedding=[1, 0], has_neighbours=True) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("red_mug", [5, 1]),
        ('"red mug" OR *', []),
        ("mug NEAR(red, 1)", []),
        ("red\u1c80mug", []),  # a letter that the index has not heard of, between two words
        ("²", []),
    ],
)
def test_words_are_words_whatever_stands_between_them(memory, text, found):
    assert sorted(ids(memory, text=text), reverse=True) == found
