"""The bench of facts: the month is what it says it is, and facts make of it what can be made."""

import dataclasses
import json

import pytest
from robomem_sim.bench_memory.facts import measure_facts
from robomem_sim.bench_memory.hearsay import DAY_NS, Said, Truth, live_by_hearsay
from robomem_sim.bench_memory.listeners import CaptionStore, PerfectListener, follow

NOW = {"as_of_ns": 10**18, "known_at_ns": 10**18}


def said(stamp_ns, subject, value, **options):
    text = f"{subject} is in {value}"
    return Said(stamp_ns, text, subject, "is in", value, **options)


def test_a_month_is_the_same_for_the_same_seed_and_told_in_order():
    month = live_by_hearsay(3)

    assert live_by_hearsay(3) == month
    stamps = [s.stamp_ns for s in month.said]
    assert stamps == sorted(stamps)
    assert stamps[-1] < 30 * DAY_NS
    for one in month.said:
        if one.taken_back is not None:
            wrong = month.said[one.taken_back]
            assert wrong.is_wrong
            assert wrong.stamp_ns < one.stamp_ns
            assert wrong.value == one.value


def test_what_is_said_at_once_is_true_unless_somebody_errs():
    month = live_by_hearsay(3)
    names = {other: name for name, other in month.nicknames.items()}
    truths = {(t.subject, t.relation): t for t in month.truths}

    for one in month.said:
        truth = truths.get((names.get(one.subject, one.subject), one.relation))
        if truth is not None and one.is_plain:
            assert (truth.at(one.stamp_ns) == one.value) is not one.is_wrong


def test_a_truth_holds_until_the_next():
    truth = Truth("mug", "is in", ("hall", "attic"), (5, 10))

    assert [truth.at(t) for t in (4, 5, 9, 10)] == [None, "hall", "hall", "attic"]


def test_the_newest_caption_wins_and_one_taken_back_does_not_count():
    store = CaptionStore(
        [said(1, "mug", "hall"), said(2, "mug", "attic"), said(3, "mug", "attic", taken_back=1)]
    )

    assert store.answer("mug", "is in", as_of_ns=2, known_at_ns=2) == "attic"
    assert store.answer("mug", "is in", **NOW) == "hall"
    assert store.answer("cup", "is in", **NOW) is None


def test_the_perfect_listener_knows_what_began_last():
    month = dataclasses.replace(
        live_by_hearsay(0),
        said=(
            said(1, "mug", "hall"),
            said(5, "mug", "attic"),
            said(9, "mug", "cellar", valid_from_ns=3),
            Said(10, "", "attic", "is in", "house"),
        ),
    )
    best = PerfectListener(month)

    assert best.answer("mug", "is in", **NOW) == "attic"
    assert best.answer("mug", "is in", as_of_ns=4, known_at_ns=99) == "cellar"
    assert best.answer("mug", "is in", as_of_ns=4, known_at_ns=8) == "hall"
    assert follow(best, "mug", ("is in", "is in"), **NOW) == "house"


@pytest.fixture(scope="module")
def findings():
    return measure_facts([200], is_quick=True)


def test_facts_make_of_hearsay_what_can_be_made(findings):
    by_name = {(s.kind, s.system): s for s in findings.systems}

    for (kind, system), found in by_name.items():
        if system == "facts":
            assert found.right == by_name[kind, "perfect listener"].right
            assert found.right >= by_name[kind, "last 50 captions"].right
    assert findings.misread == 0.0
    assert findings.related > findings.lexical


def test_the_findings_are_tables_and_plain_numbers(findings):
    tables = findings.tables()

    assert all(len(row) == len(table.header) for table in tables for row in table.rows)
    assert json.loads(json.dumps(dataclasses.asdict(findings)))["seeds"] == [200]
