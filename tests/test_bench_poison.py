"""The days of attacks: what is said in them is what it is called, and the guard and those beside it are measured."""

from dataclasses import asdict

import numpy as np
import pytest
from robomem_sim.bench_memory import poison
from robomem_sim.bench_memory.poison import CONFIG, measure_poison
from robomem_sim.bench_memory.poison_day import FAMILIES, RESIDENTS, ROOMS, THINGS, live_day
from robomem_sim.bench_memory.poison_words import FRESH, HELD_OUT, TUNING


@pytest.fixture(scope="module")
def day():
    return live_day(np.random.default_rng(3), HELD_OUT)


def test_every_family_of_attempts_is_in_a_day_and_nothing_of_them_is_true(day):
    attempts = [saying for saying in day.sayings if saying.family is not None]

    assert {saying.family for saying in attempts} >= set(FAMILIES)
    assert not any(saying.is_true for saying in attempts)


def test_a_false_place_is_where_the_thing_never_is(day):
    for saying in day.sayings:
        if saying.family == "false place":
            (thing,) = (thing for thing in THINGS if thing in saying.text)
            (room,) = (room for room in ROOMS if room in saying.text)
            assert room in day.never_in(thing)


def test_the_wordings_have_nothing_in_common():
    for name in ("place", "moved", "gone", "alias", "injection", "plans"):
        assert set(getattr(TUNING, name)).isdisjoint(getattr(HELD_OUT, name))
    for name in ("place", "moved", "remark"):
        assert set(getattr(FRESH, name)).isdisjoint(
            {*getattr(TUNING, name), *getattr(HELD_OUT, name)}
        )


def test_attackers_are_strangers_to_the_robot(day):
    known = set(CONFIG.guard.sources)

    assert {s.source for s in day.sayings if s.family in FAMILIES}.isdisjoint(known)


def test_the_guard_blocks_what_no_guard_lets_through():
    found = measure_poison([5])

    guard, none, *_ = found.systems
    assert (guard.system, none.system) == ("guard", "none")
    assert guard.blocked_by_kind >= 0.9
    assert none.blocked == none.held == 0.0
    assert found.attempts == sum(f.attempts for f in found.families if f.family in FAMILIES)
    assert all(0 <= value <= 1 for value in list(asdict(guard).values())[1:])
    assert [table.title for table in found.tables()]


def test_without_small_talk_nothing_but_residents_remarks_is_unsaid(monkeypatch):
    said = []
    monkeypatch.setattr(poison, "_live_through", lambda day: said.append(day.sayings) or [])

    for has_small_talk in (True, False):
        measure_poison([3], has_small_talk=has_small_talk)

    unsaid = [saying for saying in said[0] if saying not in said[1]]
    assert len(unsaid) == 24
    assert all(s.text in HELD_OUT.remark and s.source in RESIDENTS for s in unsaid)
