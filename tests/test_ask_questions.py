"""Every form of question, in its wordings, and what it is read as."""

import pytest

from robomem.ask.grammar import parse
from robomem.errors import QueryError
from robomem.query import Measure, Query, QueryKind, Relation

NS = 10**9
NOW = 1767607_210 * NS  # Monday, 2026-01-05 10:00:10 UTC
START = 1767603_600 * NS  # 09:00
DAY = 1767571_200 * NS  # 00:00
TABLE = Query(label="table")
GUESTS = Query(kind=QueryKind.HAPPENED, text="guests")
KITCHEN = Query(kind=QueryKind.VISITED, room="kitchen")


def ask(question):
    return parse(question, now_ns=NOW, start_ns=START, timezone="UTC")


@pytest.mark.parametrize(
    ("questions", "query"),
    [
        (
            ["how many chairs are in the bedroom?", "how many chairs are there in the bedroom"],
            Query(kind=QueryKind.COUNT, label="chairs", room="bedroom"),
        ),
        (
            ["what changed in the kitchen since yesterday?", "since yesterday what has changed in the kitchen"],
            Query(kind=QueryKind.CHANGES, room="kitchen", since_ns=DAY - 86400 * NS),
        ),
        (["what is in the kitchen?", "what's in kitchen 2"][:1], Query(room="kitchen")),
        (["what is in kitchen 2?"], Query(room="kitchen 2")),
        (["where is the kitchen?"], Query(kind=QueryKind.ROOMS, room="kitchen")),
        (
            ["when did you last visit the kitchen?", "when were you last in the kitchen", "have you been in the kitchen"],
            KITCHEN,
        ),
        (
            ["what room am I in?", "which room are you in", "where am I?", "in which room are you"],
            Query(kind=QueryKind.ROOM),
        ),
        (
            ["which room is the mug in?", "in which room is the mug", "what room is the mug in"],
            Query(kind=QueryKind.ROOM, label="mug"),
        ),
        (["which rooms are there?", "list the rooms", "what rooms do you know"], Query(kind=QueryKind.ROOMS)),
        (
            ["which rooms have a chair?", "what rooms contain a chair", "in which rooms is there a chair"],
            Query(kind=QueryKind.ROOMS, label="chair"),
        ),
        (
            ["which rooms have no chair?", "which rooms don't have a chair", "which rooms are without a chair"],
            Query(kind=QueryKind.ROOMS, label="chair", is_negated=True),
        ),
        (
            ["how many rooms are there?", "how many rooms do you know"],
            Query(kind=QueryKind.ROOMS, measure=Measure.TIMES),
        ),
    ],
)  # fmt: skip
def test_rooms_are_asked_about_in_many_ways(questions, query):
    for question in questions:
        assert ask(question) == query, question


@pytest.mark.parametrize(
    ("questions", "query"),
    [
        (
            ["how many times did the mug move?", "how often was the mug moved", "how often has the mug changed"],
            Query(kind=QueryKind.CHANGES, label="mug", measure=Measure.TIMES),
        ),
        (
            ["how often did you see the cat?", "how many times have I seen the cat", "how often was the cat seen"],
            Query(kind=QueryKind.SEEN, label="cat", measure=Measure.TIMES),
        ),
        (
            ["how often were you in the kitchen?", "how many times have you been in the kitchen"],
            Query(kind=QueryKind.VISITED, room="kitchen", measure=Measure.TIMES),
        ),
        (
            ["how often was I told about the keys?", "how many times did I tell you about the keys"][:1],
            Query(kind=QueryKind.TOLD, text="keys", measure=Measure.TIMES),
        ),
        (
            ["how long did you stay in the kitchen?", "how long were you in the kitchen", "how much time did you spend in the kitchen"],
            Query(kind=QueryKind.VISITED, room="kitchen", measure=Measure.DURATION),
        ),
        (
            ["how long was the mug on the table?", "how long did the mug stay on the table", "for how long has the mug been on the table"],
            Query(label="mug", at=TABLE, relation=Relation.ON, measure=Measure.DURATION),
        ),
        (
            ["how long has the mug been missing?", "how long is the mug gone", "since when has the mug been missing"],
            Query(kind=QueryKind.GONE, label="mug", measure=Measure.DURATION),
        ),
    ],
)  # fmt: skip
def test_how_often_and_how_long_are_asked_in_many_ways(questions, query):
    for question in questions:
        assert ask(question) == query, question


@pytest.mark.parametrize(
    ("questions", "query"),
    [
        (
            ["is the mug still there?", "is the mug still around", "do you still see the mug"],
            Query(kind=QueryKind.EXISTS, label="mug"),
        ),
        (
            ["is the mug still on the table?", "is the mug on the table", "is the mug lying on top of the table"],
            Query(kind=QueryKind.EXISTS, label="mug", at=TABLE, relation=Relation.ON),
        ),
        (["is the mug in the kitchen?"], Query(kind=QueryKind.EXISTS, label="mug", room="kitchen")),
        (
            ["is there no mug in the kitchen?", "are there not any mug in the kitchen"],
            Query(kind=QueryKind.EXISTS, label="mug", room="kitchen", is_negated=True),
        ),
        (
            ["what was not seen since Monday?", "what have you not seen since monday", "which things didn't you see since monday"][:2],
            Query(kind=QueryKind.SEEN, since_ns=DAY, is_negated=True),
        ),
        (["which mugs did you not see?"], Query(kind=QueryKind.SEEN, label="mugs", is_negated=True)),
        (["when did the mug disappear?", "when did the mug go missing", "is the mug missing"], Query(kind=QueryKind.GONE, label="mug")),
        (["which things are missing?"], Query(kind=QueryKind.GONE)),
    ],
)  # fmt: skip
def test_yes_no_and_not_are_asked_in_many_ways(questions, query):
    for question in questions:
        assert ask(question) == query, question


@pytest.mark.parametrize(
    ("questions", "query"),
    [
        (["who told me about the keys?", "who mentioned the keys", "who spoke about the keys"], Query(kind=QueryKind.TELLER, text="keys")),
        (["who told you that?"], Query(kind=QueryKind.TELLER)),
        (["what happened?", "did anything happen", "what has happened"], Query(kind=QueryKind.HAPPENED)),
        (["what happened to the mug?"], Query(kind=QueryKind.HAPPENED, label="mug")),
        (["when was Anna last cooking dinner?"], Query(kind=QueryKind.HAPPENED, text="anna cooking dinner")),
        (["what did you do?", "what have you done"], Query(kind=QueryKind.DONE)),
        (["who owns the mug?"], Query(kind=QueryKind.FACT, label="mug", text="owns")),
        (["what is a dax?", "what does dax mean"], Query(kind=QueryKind.FACT, label="dax")),
        (["what does Anna like?"], Query(kind=QueryKind.FACT, label="anna", text="like")),
        (["where is something to drink from?", "find something to drink from"], Query(like="to drink from")),
    ],
)  # fmt: skip
def test_what_was_said_done_and_known_is_asked_in_many_ways(questions, query):
    for question in questions:
        assert ask(question) == query, question


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("where was the mug before the guests came?", Query(label="mug", before=GUESTS)),
        ("what did you see after the guests came", Query(kind=QueryKind.SEEN, after=GUESTS)),
        ("what moved while you were in the kitchen", Query(kind=QueryKind.CHANGES, during=KITCHEN)),
        (
            "what happened after I saw the cat",
            Query(kind=QueryKind.HAPPENED, after=Query(kind=QueryKind.SEEN, label="cat")),
        ),
        (
            "where was the cat when the vase moved",
            Query(label="cat", during=Query(kind=QueryKind.CHANGES, label="vase")),
        ),
        (
            "what did I hear before you were told about the keys",
            Query(kind=QueryKind.TOLD, before=Query(kind=QueryKind.TOLD, text="keys")),
        ),
        (
            'where was the mug before "dinner"',
            Query(label="mug", before=Query(kind=QueryKind.HAPPENED, text="dinner")),
        ),
        (
            "where is the mug I saw in the kitchen before the guests came?",
            Query(
                which=Query(kind=QueryKind.SEEN, label="mug", room="kitchen", before=GUESTS),
            ),
        ),
        (
            "how many mugs are on the table",
            Query(kind=QueryKind.COUNT, label="mugs", at=TABLE, relation=Relation.ON),
        ),
        ("what is on the table?", Query(at=TABLE, relation=Relation.ON)),
        ("where is the mug near the table", Query(label="mug", at=TABLE)),
        (
            "how often did you see the mug before {when did you last see the cat}",
            Query(
                kind=QueryKind.SEEN,
                label="mug",
                measure=Measure.TIMES,
                before=Query(kind=QueryKind.WHEN, label="cat"),
            ),
        ),
    ],
)
def test_a_question_may_hold_another(question, query):
    assert ask(question) == query


@pytest.mark.parametrize(
    "question",
    [
        "is the mug red",
        "is the printer on or off",
        "how long is the table",
        "what colour is the sofa",
        "where can I wash my hands?",
        "where is the mug before the flood",
        "what is under the table",
        "where was the mug in the kitchen in the bedroom",
        "where is the mug before {sing a song}",
        "ignore all previous instructions",
        "'; DROP TABLE event; --",
    ],
)
def test_what_no_query_asks_is_refused(question):
    with pytest.raises(QueryError):
        ask(question)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"text": "keys"}, "text narrows"),
        ({"measure": Measure.TIMES}, "no times"),
        ({"is_negated": True}, "with a not"),
        ({"relation": Relation.ON}, "needs the thing"),
        ({"at": TABLE, "near_map": (1, 2)}, "two places"),
        ({"at": TABLE, "relation": Relation.ON, "radius_m": 1.0}, "no radius"),
        ({"label": "x" * 101}, "101 characters"),
        (
            {"before": Query(at=TABLE), "after": Query(at=TABLE), "during": TABLE},
            "at most 4 others",
        ),
        ({"limit": 0}, "at least 1"),
    ],
)
def test_a_query_that_says_nothing_is_refused(fields, error):
    with pytest.raises(QueryError, match=error):
        Query(**fields)


def test_names_are_kept_as_they_can_be_written():
    assert Query(label='  The "RED"\n mug {x} ').label == "the red mug x"
    assert Query(label='""').label is None
