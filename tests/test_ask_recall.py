"""What recall finds, on a small memory whose truth is plain, and the laws that hold of every query."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robomem.claims import Level
from robomem.errors import QueryError
from robomem.memory import Memory
from robomem.query import MEASURED, NEGATED, WORDED, Measure, Query, QueryKind, Relation
from robomem.types import Detection, EventKind, Happening, Observation

NS = 10**9
DAY = 1_767_571_200 * NS  # Monday 2026-01-05 00:00 UTC
KITCHEN, STUDY = (0.0, 0.0), (20.0, 0.0)
WORDS = [None, "mug", "guests", "the keys", "drawer"]


def at(hour):
    return DAY + round(hour * 3600) * NS


def stand(place):
    T_map_base = np.eye(4)
    T_map_base[:2, 3] = place
    return T_map_base


def look(memory, hour, place, things):
    for k in range(3):
        memory.observe(
            Observation(
                stamp_ns=at(hour) + k * NS,
                T_map_cam=stand(place),
                detections=[
                    Detection(label=label, p_cam=np.array(p, float), size_m=np.array(size, float))
                    for label, (p, size) in things.items()
                ],
            )
        )


def said(hour, text, *, kind=EventKind.OBSERVED, place=None, room=None, source="robot"):
    return Happening(
        kind=kind,
        stamp_ns=at(hour),
        text=text,
        room=room,
        source=source,
        T_map_base=None if place is None else stand(place),
    )


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    """Live a morning: kitchen at 8 and 10, study at 9 and 11; guests come at 10:30."""
    table = ((2, 0, 0.4), (1, 1, 0.8))
    with Memory.open(tmp_path_factory.mktemp("ask") / "m.rmem") as memory:
        memory.guard.set_trust("anna", Level.KNOWN)
        look(memory, 8, KITCHEN, {"table": table, "red mug": ((2, 0, 0.9), (0.1,) * 3)})
        memory.log([said(8.1, "this is the kitchen", place=KITCHEN, room="kitchen")])
        look(memory, 9, STUDY, {"chair": ((1, 1, 0.5), (0.5,) * 3)})
        memory.log([said(9.1, "this is the study", place=STUDY, room="study")])
        look(memory, 10, KITCHEN, {"table": table, "kettle": ((2, 0.3, 0.9), (0.2,) * 3)})
        memory.log(
            [
                said(10.2, "the keys are in the drawer", kind=EventKind.TOLD, source="anna"),
                said(10.5, "the guests are having tea", place=KITCHEN, room="kitchen"),
                said(10.8, "the guests are talking", place=KITCHEN, room="kitchen"),
                said(10.9, "opened the drawer", kind=EventKind.ACTED),
            ]
        )
        look(memory, 11, STUDY, {"chair": ((1, 1, 0.5), (0.5,) * 3)})
        memory.facts.learn("red mug", "belongs to", "Anna", stamp_ns=at(11), source="anna")
        yield memory


def test_where_something_was_told_to_be_is_said_when_it_was_not_seen(memory):
    answer = memory.ask("where are the keys?")

    assert not answer
    assert answer.text == 'I have not seen keys. But anna said "the keys are in the drawer".'


@pytest.mark.parametrize("question", ["who owns the red mug?", "who does the red mug belong to?"])
def test_owners_are_known(memory, question):
    assert memory.ask(question).text == "Red mug belongs to Anna."


def labels(answer):
    return sorted(hit.entity.label for hit in answer.hits if hit.entity)


@pytest.mark.parametrize(
    ("question", "things"),
    [
        ("what is in the kitchen?", ["kettle", "red mug", "table"]),
        ("what is in the study?", ["chair"]),
        ("what is on the table?", ["kettle", "red mug"]),
        ("where was the mug before the guests came?", ["red mug"]),
        ("what was not seen since 9:30?", ["red mug"]),
        ("where is the mug I saw in the kitchen?", ["red mug"]),
        ("where is the thing I saw in the study before the guests came?", ["chair"]),
        ("where was the kettle at 9:00?", []),
        ("where is the mug near the chair?", []),
    ],
)
def test_questions_find_the_things_they_mean(memory, question, things):
    assert labels(memory.ask(question)) == things


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("how many things are in the kitchen?", 3),
        ("how many chairs are in the kitchen?", 0),
        ("how many mugs are on the table?", 1),
        ("how often were you in the study?", 2),
        ("how often did you see the chair?", 2),
        ("how many rooms are there?", 2),
        ("how long were you in the kitchen between 10:00 and 11:00?", 3600),
        ("how often did anything happen about guests?", 2),
        ("is the mug still on the table?", 1),
        ("is the mug in the study?", 0),
        ("is there no mug in the study?", 1),
        ("is there no mug in the kitchen?", 0),
        ("is there no unicorn in the kitchen?", 1),
    ],
)
def test_questions_for_numbers_and_yes_or_no_have_a_value(memory, question, value):
    assert memory.ask(question).value == value


@pytest.mark.parametrize(
    ("question", "rooms"),
    [
        ("which rooms are there?", ["kitchen", "study"]),
        ("which rooms have a chair?", ["study"]),
        ("which rooms have no chair?", ["kitchen"]),
        ("which room am I in?", ["study"]),
        ("which room is the mug in?", ["kitchen"]),
        ("where is the kitchen?", ["kitchen"]),
    ],
)
def test_rooms_that_were_told_are_known(memory, question, rooms):
    found = list(dict.fromkeys(hit.room for hit in memory.ask(question).hits))

    assert found[: len(rooms)] == rooms


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("who told me about the keys?", "anna told me"),
        ("what did you do?", "Opened the drawer"),
        ("what did you do after the guests came?", "Opened the drawer"),
        ("what happened in the study before 10:00?", "this is the study"),
        ("who owns the red mug?", "Red mug belongs to Anna"),
        ("how long were you in the study?", "I was in the study for"),
        ("when were you last in the kitchen?", "I was last in the kitchen at 10:00:02"),
        ("is the mug in the study?", "No: I last saw the red mug"),
        ("which rooms have no chair?", "I know of no chair in the kitchen."),
    ],
)
def test_answers_say_what_was_found(memory, question, words):
    assert words in memory.ask(question).text


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("how many mugs are in the cellar?", 'I know no room called "cellar"'),
        ("where was the mug before the plumber came?", "I know no answer to: what happened about plumber"),
        ("where is the mug on the shelf?", "I know no answer to: where did you last see the shelf"),
    ],
)  # fmt: skip
def test_an_abstention_says_what_would_have_to_be_known(memory, question, reason):
    answer = memory.ask(question)

    assert not answer
    assert reason in answer.text


def test_the_same_question_has_the_same_answer(memory):
    for question in ("what happened?", "what is in the kitchen?", "which rooms have no chair?"):
        assert [h.evidence.text for h in memory.ask(question).hits] == [
            h.evidence.text for h in memory.ask(question).hits
        ]


# --- laws --------------------------------------------------------------------------------------------

inner = st.sampled_from(
    [
        Query(label="table"),
        Query(kind=QueryKind.HAPPENED, text="guests"),
        Query(kind=QueryKind.VISITED, room="kitchen"),
        Query(label="unicorn"),
    ]
)


@st.composite
def queries(draw):
    kind = draw(st.sampled_from(QueryKind))
    return Query(
        kind=kind,
        label=draw(st.sampled_from([None, "mug", "chair", "thing"])),
        text=draw(st.sampled_from(WORDS)) if kind in WORDED else None,
        limit=draw(st.integers(1, 12)),
    )


@st.composite
def narrowings(draw):
    return draw(
        st.sampled_from(
            [
                {"room": "kitchen"},
                {"room": "study"},
                {"since_ns": at(9.5)},
                {"until_ns": at(9.5)},
                {"near_map": (2.0, 0.0), "radius_m": 1.5},
                {"at": Query(label="table"), "relation": Relation.ON},
                {"before": Query(kind=QueryKind.HAPPENED, text="guests")},
                {"after": Query(kind=QueryKind.TOLD, text="keys")},
                {"during": Query(kind=QueryKind.VISITED, room="kitchen")},
                {"which": Query(kind=QueryKind.SEEN, label="mug")},
                {"before": Query(label="unicorn")},
            ]
        )
    )


def identity(hit):
    return (
        hit.entity and hit.entity.entity_id,
        hit.event and hit.event.event_id,
        hit.room,
        hit.fact,
        None if hit.entity or hit.event or hit.room else hit.evidence.keyframe_id,
    )


# A narrowed stay is a part of the whole one, a thing is found as it was then, and a room by a thing in it.
WHOLE = {
    QueryKind.SEEN, QueryKind.CHANGES, QueryKind.TOLD, QueryKind.TELLER, QueryKind.HAPPENED, QueryKind.DONE,
    QueryKind.COUNT, QueryKind.FACT, QueryKind.GONE,
}  # fmt: skip


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=queries(), more=narrowings())
def test_a_filter_never_adds_hits(memory, query, more):
    if query.kind not in WHOLE:
        query = replace(query, kind=QueryKind.SEEN, text=None)
    everything = replace(query, limit=1000)

    found = {identity(h)[:2] for h in memory.recall(everything)}
    narrowed = {identity(h)[:2] for h in memory.recall(replace(everything, **more))}

    assert narrowed <= found


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=queries(), more=narrowings())
def test_fewer_hits_are_the_beginning_of_more(memory, query, more):
    try:
        query = replace(query, **more)
    except QueryError:
        return
    fewer = memory.recall(query)
    longer = memory.recall(replace(query, limit=query.limit + 1))

    if query.kind is not QueryKind.COUNT:
        assert len(fewer) <= query.limit
        assert [identity(h) for h in fewer] == [identity(h) for h in longer][: query.limit]


def test_every_field_of_a_query_narrows_or_says_what_is_asked():
    told = {"kind", "label", "like", "which", "near_map", "radius_m", "at", "relation", "room", "since_ns",
            "until_ns", "after", "before", "during", "text", "measure", "is_negated", "limit"}  # fmt: skip

    assert {field.name for field in fields(Query)} == told
    assert set(MEASURED) == set(Measure)
    assert set(QueryKind) >= NEGATED | WORDED
