from dataclasses import replace

import numpy as np
import pytest

from robomem.ask.compose import compose
from robomem.types import (
    Entity,
    EntityState,
    Event,
    EventKind,
    Evidence,
    Hit,
    Query,
    QueryKind,
)

SECOND_NS = 10**9
NOW = 1767607_200 * SECOND_NS  # 2026-01-05 10:00:00 UTC
START = NOW - 3600 * SECOND_NS


def sighting(
    label="red mug", *, p_map=(1, 2, 0.5), ago_s=180, state=EntityState.PRESENT, text=None
):
    p, stamp_ns = np.array(p_map, dtype=float), NOW - ago_s * SECOND_NS
    entity = Entity(
        entity_id=7,
        label=label,
        state=state,
        keyframe_id=3,
        p_kf=p,
        p_map=p,
        size_m=None,
        first_seen_ns=START,
        last_seen_ns=stamp_ns,
        sightings=5,
        confidence=0.9,
    )
    evidence = Evidence(stamp_ns, 0.9, text or f"{label}, seen 5 times", keyframe_id=3, p_map=p)
    return Hit(score=0.9, evidence=evidence, entity=entity)


def happening(kind, text, *, label="red mug", p_map=(1, 2, 0.5), p_from_map=None, ago_s=180):
    p, stamp_ns = None if p_map is None else np.array(p_map, dtype=float), NOW - ago_s * SECOND_NS
    p_from = None if p_from_map is None else np.array(p_from_map, dtype=float)
    event = Event(1, kind, stamp_ns, stamp_ns, text, "robot", 3, 7, label, p, p_from)
    return Hit(score=1.0, evidence=Evidence(stamp_ns, 1.0, text, 3, None, p), event=event)


def visit(*, p_map=(1, 2, 0), ago_s=180):
    p = np.array(p_map, dtype=float)
    return Hit(0.5, Evidence(NOW - ago_s * SECOND_NS, 0.5, "was there", 3, None, p))


def answer(query, *hits, now_ns=NOW, start_ns=START):
    return compose("?", query, hits, now_ns=now_ns, start_ns=start_ns, timezone="UTC")


def test_where_tells_place_and_time():
    told = answer(Query(label="mug"), sighting())

    assert told.text == (
        "I last saw the red mug at (1.00, 2.00, 0.50) m in map, "
        "at 09:57 on 5 Jan 2026, 3 minutes ago."
    )
    assert told.is_found
    assert told.value is None


def test_where_tells_that_the_thing_was_gone():
    told = answer(Query(label="mug"), sighting(state=EntityState.MISSING))

    assert told.text.endswith("3 minutes ago, but it was gone when I looked again.")


def test_where_tells_when_it_was_gone():
    hit = replace(
        sighting(state=EntityState.MISSING), event=happening(EventKind.MISSING, "", ago_s=60).event
    )

    told = answer(Query(label="mug"), hit)

    assert told.text.endswith(", but it was gone when I looked at 09:59.")


def test_further_hits_are_told_shortly():
    hits = [sighting(f"mug {i}", p_map=(i, 0, 0)) for i in range(6)]

    told = answer(Query(label="mug"), *hits)

    assert "Also the mug 1 at (1.00, 0.00, 0.00), 09:57; the mug 2" in told.text
    assert told.text.endswith("and 2 more.")
    assert len(told.evidence) == 6


def test_when_tells_the_time_first():
    told = answer(Query(kind=QueryKind.WHEN, label="mug"), sighting())

    assert told.text.startswith(
        "I last saw the red mug at 09:57 on 5 Jan 2026, 3 minutes ago, at ("
    )


def test_a_recording_without_dates_is_told_in_seconds():
    undated = sighting(ago_s=NOW // SECOND_NS - 12)

    told = answer(Query(label="mug"), undated, now_ns=20 * SECOND_NS, start_ns=0)

    assert told.text.endswith("12.0 s into the recording.")


def test_near_tells_the_distances():
    lamp = sighting("lamp", text="lamp, 0.42 m away")

    by_point = answer(Query(kind=QueryKind.NEAR, near_map=(2, 3), radius_m=1.5), lamp)
    by_thing = answer(Query(kind=QueryKind.NEAR, label="sofa"), lamp)

    assert by_point.text == "Within 1.5 m of (2, 3) I saw the lamp, 0.42 m away."
    assert by_thing.text == "Near the sofa I saw the lamp, 0.42 m away."


def test_a_count_has_a_value():
    told = answer(Query(kind=QueryKind.COUNT, label="chair"), sighting("chair"), sighting("chair"))

    assert told.text == "I have seen 2 chairs."
    assert told.value == 2


@pytest.mark.parametrize(("gone", "said"), [(1, "1 more that was"), (2, "2 more that were")])
def test_a_count_tells_how_many_are_gone(gone, said):
    missing = [sighting("chair", state=EntityState.MISSING)] * gone

    told = answer(Query(kind=QueryKind.COUNT, label="chair"), sighting("chair"), *missing)

    assert told.text == f"I have seen 1 chair, and {said} gone when I looked again."
    assert told.value == 1


def test_changes_tell_what_became_of_each_thing():
    told = answer(
        Query(kind=QueryKind.CHANGES, since_ns=START),
        happening(EventKind.MOVED, "red mug moved", p_from_map=(0, 0, 0)),
        happening(EventKind.APPEARED, "lamp appeared", label="lamp"),
        happening(EventKind.MISSING, "cup was gone", label="cup"),
    )

    assert told.text == (
        "Since 09:00 the red mug moved from (0.00, 0.00, 0.00) to (1.00, 2.00, 0.50), 09:57; "
        "the lamp appeared at (1.00, 2.00, 0.50), 09:57; "
        "the cup was gone, it had been at (1.00, 2.00, 0.50), 09:57."
    )


def test_a_span_is_told_with_what_was_seen():
    query = Query(kind=QueryKind.SEEN, since_ns=START, until_ns=NOW)

    told = answer(query, happening(EventKind.SEEN, "saw red mug"))

    assert told.text == ("Between 09:00 and 10:00 I saw the red mug at (1.00, 2.00, 0.50), 09:57.")


def test_what_was_told_is_quoted():
    told = answer(
        Query(kind=QueryKind.TOLD, text="keys"),
        happening(EventKind.TOLD, "the keys are in the drawer", label=None, p_map=None),
    )

    assert told.text == (
        'I was told at 09:57 on 5 Jan 2026, 3 minutes ago: "the keys are in the drawer".'
    )


def test_a_visit_tells_the_last_and_those_before():
    told = answer(Query(kind=QueryKind.VISITED, label="sofa"), visit(), visit(ago_s=600))

    assert told.text == (
        "I was last near the sofa at 09:57 on 5 Jan 2026, 3 minutes ago, "
        "at (1.00, 2.00, 0.00) m in map. Also 09:50."
    )


def test_where_the_robot_was_is_told():
    assert answer(Query(kind=QueryKind.VISITED), visit()).text.startswith("I was at (1.00, 2.00,")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Query(label="unicorn"), "I have not seen a unicorn."),
        (Query(label="umbrella"), "I have not seen an umbrella."),
        (Query(label="keys"), "I have not seen keys."),
        (Query(), "I have not seen anything."),
        (Query(label="mug", until_ns=START), "I have not seen a mug until 09:00."),
        (Query(label="mug", near_map=(1, 2)), "I have not seen a mug near (1, 2)."),
        (Query(kind=QueryKind.WHEN, label="mug"), "I have not seen a mug."),
        (Query(kind=QueryKind.COUNT, label="unicorns"), "I have not seen any unicorns."),
        (Query(kind=QueryKind.NEAR, label="sofa"), "I have not seen anything near a sofa."),
        (Query(kind=QueryKind.NEAR, near_map=(1, 2)), "I have not seen anything near (1, 2)."),
        (Query(kind=QueryKind.SEEN, since_ns=START), "I have not seen anything since 09:00."),
        (Query(kind=QueryKind.CHANGES, since_ns=START), "Nothing changed since 09:00."),
        (Query(kind=QueryKind.CHANGES, label="mug"), "I have not seen a mug change."),
        (Query(kind=QueryKind.TOLD, text="keys"), "I was not told anything about keys."),
        (Query(kind=QueryKind.TOLD), "I was not told anything."),
        (Query(kind=QueryKind.VISITED, label="sofa"), "I do not remember being near a sofa."),
        (Query(kind=QueryKind.VISITED, near_map=(1, 2)), "I do not remember being near (1, 2)."),
        (Query(kind=QueryKind.VISITED), "I do not remember being anywhere."),
    ],
)
def test_nothing_found_is_said_plainly(query, text):
    told = answer(query)

    assert told.text == text
    assert not told
    assert told.value == (0 if query.kind is QueryKind.COUNT else None)
