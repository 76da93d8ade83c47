from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.ask.canonical import render
from robomem.ask.grammar import parse
from robomem.errors import QueryError
from robomem.query import (
    MEASURED,
    NEGATED,
    WORDED,
    Measure,
    Query,
    QueryKind,
    Relation,
)

SECOND_NS = 10**9
NOW = 1767607_200 * SECOND_NS + 10 * SECOND_NS  # 2026-01-05 10:00:10 UTC
START = 1767603_600 * SECOND_NS  # 09:00
DAY = 1767571_200 * SECOND_NS  # 00:00
MINUTE = 60 * SECOND_NS


def ask(question):
    return parse(question, now_ns=NOW, start_ns=START, timezone="UTC")


def words(query):
    return render(query, start_ns=START, timezone="UTC")


@pytest.mark.parametrize(
    "question",
    [
        "Where is the red mug?",
        "where's my red mug",
        "wheres the red mug?",
        "where was the red mug",
        "where did I last see the red mug?",
        "Where did you see the red mug last?",
        "where have you seen the red mug",
        "where did we leave the red mug?",
        "where is the red mug located",
        "where can I find the red mug",
        "have you seen my red mug anywhere?",
        "did you see a red mug",
        "find the red mug",
        "Locate the red mug, please",
        "show me the red mug",
        "is there a red mug?",
        "I'm looking for my red mug",
        "I lost my red mug",
        "could you tell me where the red mug is?",
        "do you know where my red mug is",
        "what is the last known position of the red mug?",
        "where was the last time you saw the red mug",
        "where red mug",
        'where is "Red Mug"',
    ],
)
def test_where_something_is_can_be_asked_in_many_ways(question):
    assert ask(question) == Query(kind=QueryKind.WHERE, label="red mug")


@pytest.mark.parametrize(
    "question",
    [
        "when did you last see the mug?",
        "when was the mug last seen",
        "when has the mug last been seen?",
        "What time did you see the mug",
        "how long ago did you see the mug?",
        "when was the last time you saw the mug?",
        "last time you saw the mug",
        "when have you seen the mug",
    ],
)
def test_when_something_was_seen_can_be_asked_in_many_ways(question):
    assert ask(question) == Query(kind=QueryKind.WHEN, label="mug")


@pytest.mark.parametrize(
    "question",
    [
        "what is near the sofa?",
        "what's around the sofa",
        "what is next to the sofa",
        "what is close to my sofa",
        "what objects are by the sofa?",
        "what did you see near the sofa",
        "is there anything near the sofa?",
        "what is there near the sofa",
        "what surrounds the sofa",
        "list everything near the sofa",
        "near the sofa",
    ],
)
def test_what_is_near_a_thing_can_be_asked_in_many_ways(question):
    assert ask(question) == Query(kind=QueryKind.NEAR, label="sofa")


@pytest.mark.parametrize(
    ("question", "near_map", "radius_m"),
    [
        ("what is near (2, 3)", (2, 3), None),
        ("what is near (-2.5,3, 0.5)?", (-2.5, 3, 0.5), None),
        ("near 2, -3", (2, -3), None),
        ("what is near x=2, y=3", (2, 3), None),
        ("what is near the point (2 m, 3 m)", (2, 3), None),
        ("what is within 1.5 m of (2, 3)", (2, 3), 1.5),
        ("what is within 50 cm of [2 3]", (2, 3), 0.5),
        ("what is there in a radius of 2 metres around (2, 3)", (2, 3), 2.0),
        ("is there anything near (2, 3)?", (2, 3), None),
    ],
)
def test_what_is_near_a_point_is_understood(question, near_map, radius_m):
    assert ask(question) == Query(kind=QueryKind.NEAR, near_map=near_map, radius_m=radius_m)


@pytest.mark.parametrize(
    "question",
    [
        "what did you see between 09:10 and 09:20?",
        "Between 09:10 and 09:20, what did you see?",
        "what have you seen from 09:10 to 09:20",
        "what did we see since 09:10 until 09:20",
        "did you see anything after 09:10 and before 09:20?",
        "what was seen between 9:10 am and 9:20 am",
    ],
)
def test_what_was_seen_can_be_asked_in_many_ways(question):
    expected = Query(
        kind=QueryKind.SEEN, since_ns=START + 10 * MINUTE, until_ns=START + 20 * MINUTE
    )

    assert ask(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "what changed since 09:10?",
        "what has changed since 9:10",
        "what's new since 09:10",
        "what moved since 09:10",
        "what has appeared since 09:10",
        "what disappeared since 09:10",
        "what is missing since 09:10",
        "did anything change since 09:10?",
        "has anything moved since 09:10",
        "any changes since 09:10?",
        "anything new since 09:10?",
        "since 09:10, what has changed?",
    ],
)
def test_what_changed_can_be_asked_in_many_ways(question):
    assert ask(question) == Query(kind=QueryKind.CHANGES, since_ns=START + 10 * MINUTE)


@pytest.mark.parametrize(
    "question",
    [
        "how many chairs",
        "how many chairs are there?",
        "How many chairs have you seen?",
        "how many chairs did you see in total",
        "how many chairs are there in the house?",
        "count the chairs",
        "what is the number of chairs",
    ],
)
def test_how_many_can_be_asked_in_many_ways(question):
    assert ask(question) == Query(kind=QueryKind.COUNT, label="chairs")


@pytest.mark.parametrize(
    "question",
    [
        "when were you last near the sofa?",
        "when were you near the sofa last",
        "when was I last at the sofa",
        "when did you last visit the sofa",
        "when did you go to the sofa",
        "when have you last been by the sofa",
        "have you been near the sofa?",
        "were you ever at the sofa",
        "how long ago were you near the sofa",
        "when was the last time you were near the sofa?",
        "did you visit the sofa",
        "last visit to the sofa",
    ],
)
def test_a_visit_can_be_asked_for_in_many_ways(question):
    assert ask(question) == Query(kind=QueryKind.VISITED, label="sofa")


@pytest.mark.parametrize(
    "question",
    ["when were you last near (1, 2)?", "when were you at (1,2)", "have you been to (1, 2)"],
)
def test_a_visit_to_a_point_is_understood(question):
    assert ask(question) == Query(kind=QueryKind.VISITED, near_map=(1, 2))


@pytest.mark.parametrize(
    "question",
    [
        "what was I told about the keys?",
        "what were you told about keys",
        "What have you been told about my keys",
        "what did I tell you about the keys",
        "what did anyone say about the keys?",
        "what was said about the keys",
        "what do you know about the keys?",
        "what did you hear about the keys",
        "did anyone say anything about the keys",
        "tell me about the keys",
        "were you told anything about the keys?",
    ],
)
def test_what_was_told_can_be_asked_in_many_ways(question):
    assert ask(question) == Query(kind=QueryKind.TOLD, text="keys")


@pytest.mark.parametrize(
    ("question", "query"),
    [
        (
            "how many chairs near (2, 3)",
            Query(kind=QueryKind.COUNT, label="chairs", near_map=(2, 3)),
        ),
        (
            "how many chairs are within 2 m of (2, 3)?",
            Query(kind=QueryKind.COUNT, label="chairs", near_map=(2, 3), radius_m=2),
        ),
        ("where did I see the mug before 09:10", Query(label="mug", until_ns=START + 10 * MINUTE)),
        ("where was the mug at 09:10", Query(label="mug", until_ns=START + 11 * MINUTE)),
        (
            "where did you see the mug today",
            Query(label="mug", since_ns=DAY, until_ns=DAY + 1440 * MINUTE),
        ),
        ("where is the mug at most 3", Query(label="mug", limit=3)),
        ("what happened to the mug", Query(kind=QueryKind.HAPPENED, label="mug")),
        ("has the mug moved", Query(kind=QueryKind.CHANGES, label="mug")),
        ("how many things have you seen", Query(kind=QueryKind.COUNT)),
        ("where is everything", Query()),
        ("what was I told", Query(kind=QueryKind.TOLD)),
        ("what did anna say", Query(kind=QueryKind.TOLD, text="anna")),
        ("where were you", Query(kind=QueryKind.VISITED)),
        ("where were you at 09:10", Query(kind=QueryKind.VISITED, until_ns=START + 11 * MINUTE)),
        ('where is "the mug on the table"', Query(label="the mug on the table")),
        ("where is the picture of the flowers", Query(label="picture of the flowers")),
    ],
)
def test_questions_can_be_narrowed(question, query):
    assert ask(question) == query


@pytest.mark.parametrize(
    ("question", "hint"),
    [
        ("", "where is X"),
        ("mug", "where is X"),
        ("what is the color of the mug", "what changed since T"),
        ("where can I wash my hands?", "how many X"),
        ("where is the mug since the flood", "since the flood.*09:10"),
        ("where is the mug under the table", "cannot narrow by 'under the table'"),
        ("how many chairs are behind the table", "cannot narrow by 'behind the table'"),
        ("where are the mug and the keys", "one at a time"),
        ("how many chairs within 2 m", "distance of what"),
        ("what is near me", "where is X"),
        ("what is", "near what"),
        ("what did you see between 2026-01-04 09:20 and 2026-01-04 09:10", "ends before"),
        ("where is the", "where is X"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_hint(question, hint):
    with pytest.raises(QueryError, match=hint):
        ask(question)


@given(st.text(max_size=40))
def test_any_text_is_a_query_or_refused(text):
    with suppress(QueryError):
        assert isinstance(ask(text), Query)


FRAGMENTS = [
    "where is",
    "the",
    "mug",
    "near",
    "(1, 2)",
    "what",
    "did you see",
    "since",
    "09:10",
    "how many",
    "when",
    "were you",
    "last",
    "told",
    "about",
    "between",
    "and",
    '"x y"',
    "within 2 m of",
    "at most 3",
    "changed",
    "yesterday",
    "you",
    "?",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=8))
def test_what_is_understood_is_understood_again_from_its_own_words(fragments):
    try:
        query = ask(" ".join(fragments))
    except QueryError:
        return

    assert ask(words(query)) == query


names = st.one_of(
    st.sampled_from(
        ["mug", "red mugs", "since 9", "the mug on the table", "mug near (1, 2)", "me"]
    ),
    st.text(max_size=12)
    .map(lambda text: " ".join(text.lower().replace('"', "").split()))
    .filter(lambda text: text and text == " ".join(text.lower().split()) and ascii_or_plain(text)),
)
coordinates = st.floats(-1e6, 1e6)
stamps = st.integers(0, 2**62)


def ascii_or_plain(text):
    return not any(0xE000 <= ord(c) <= 0xF8FF or c in "\u201c\u201d\u2019" for c in text)


@st.composite
def queries(draw, parts=2):
    kind = draw(st.sampled_from(QueryKind))
    inner = st.none() | (queries(parts=0) if parts else st.nothing())
    is_about_place = kind in (QueryKind.NEAR, QueryKind.VISITED)
    has_label = draw(st.booleans())
    label = draw(names) if has_label else None
    near_map = draw(st.none() | st.tuples(coordinates, coordinates) | st.tuples(*[coordinates] * 3))
    at = None if near_map or (is_about_place and label) else draw(inner)
    if is_about_place and near_map is not None:
        label = None
    if kind is QueryKind.NEAR and label is near_map is at is None:
        label = "sofa"
    has_place = near_map is not None or at is not None or (is_about_place and label is not None)
    radius_m = draw(st.none() | st.floats(0.001, 1e3)) if has_place else None
    since_ns, until_ns = draw(st.none() | stamps), draw(st.none() | stamps)
    if since_ns is not None and until_ns is not None:
        since_ns, until_ns = sorted((since_ns, until_ns))
    measures = [None, *(m for m in Measure if kind in MEASURED[m])]
    measure = draw(st.sampled_from(measures))
    return Query(
        kind=kind,
        label=label,
        like=draw(st.none() | names),
        which=draw(inner) if parts == 2 else None,
        near_map=near_map,
        radius_m=radius_m,
        at=at,
        relation=draw(st.sampled_from(Relation)) if at and not radius_m else Relation.NEAR,
        room=draw(st.none() | st.just("kitchen") | names),
        since_ns=since_ns,
        until_ns=until_ns,
        after=draw(inner) if parts == 2 else None,
        before=draw(inner) if parts == 2 else None,
        text=draw(st.none() | names) if kind in WORDED else None,
        measure=measure,
        is_negated=kind in NEGATED and measure is None and draw(st.booleans()),
        limit=draw(st.integers(1, 1000)),
    )


@given(queries())
def test_every_query_is_understood_from_its_canonical_words(query):
    assert ask(words(query)) == query


def test_canonical_words_read_well():
    query = ask("how many of my chairs are near (2,3) since 9:10?")

    assert words(query) == "how many chairs near (2, 3) since 2026-01-05 09:10"


def test_a_quoted_name_is_shown_when_the_question_is_refused():
    with pytest.raises(QueryError, match="understand 'sing red song'"):
        ask('sing "Red Song"')


def test_a_question_beyond_all_length_is_refused_at_once():
    with pytest.raises(QueryError, match="500"):
        ask("where is the mug " * 100)
