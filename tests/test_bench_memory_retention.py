"""The bench of retention: what it asks, and what it finds."""

import numpy as np
import pytest
from robomem_sim.bench_memory.demand import SEEN, Ask, Demand, log_of, questions_of
from robomem_sim.bench_memory.retention import (
    LEARNED,
    STRATEGIES,
    measure_retention,
    measure_utility,
)
from robomem_sim.lives import live


@pytest.fixture(scope="module")
def log():
    return log_of(live(0, days=1.0))


def test_the_log_holds_every_sighting_and_every_word(log):
    life = live(0, days=1.0)

    seen = {s.label for look in life.looks() for s in look.seen}
    assert len(log.shelf) == len(list(life.words())) + int((log.kinds == SEEN).sum())
    assert set(log.labels) == seen
    assert (np.diff(log.shelf.stamps_ns) >= 0).all()


@pytest.mark.parametrize("demand", list(Demand))
def test_questions_are_about_what_was_logged_before(log, demand):
    questions = questions_of(log, np.random.default_rng(3), demand)

    assert len(questions) > 10
    for question in questions:
        assert len(question.matches)
        assert (log.shelf.stamps_ns[question.matches] <= question.stamp_ns).all()
        assert question.want is None or question.want.matches(log.shelf)[question.matches].all()


def test_all_kinds_of_questions_are_asked(log):
    questions = questions_of(log, np.random.default_rng(3))

    assert {Ask.LAST, Ask.THEN, Ask.ROOM} <= {question.ask for question in questions}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_with_all_the_space_everything_is_answered(log, strategy):
    questions = questions_of(log, np.random.default_rng(3))

    utility = measure_utility(strategy, 1.0, Demand.EVERYDAY, [log], [questions])

    assert utility.recall == utility.right == 1.0


def test_what_is_learned_recalls_more_than_the_last_events():
    found = measure_retention([0], True)

    assert found.of(LEARNED, 0.5).recall > found.of("last N", 0.5).recall
    assert all(len(row) == len(table.header) for table in found.tables() for row in table.rows)
