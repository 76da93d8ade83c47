"""The judge of beliefs, and the life of a patrolled house; the bench itself takes minutes."""

import numpy as np
import pytest
from robomem_sim.bench_memory.beliefs import Belief, Judge, Tally
from robomem_sim.bench_memory.patrolled import MOVES, PatrolledHouse, Trace


@pytest.fixture
def house():
    return PatrolledHouse(3)


def known(house):
    """Let every thing in the house have been seen where it is."""
    for thing in house.things:
        house.traces[thing.thing_id] = Trace(thing.label, thing.p_map, detections=9)


def right_beliefs(house):
    return [Belief(t.thing_id, t.label, t.p_map, True) for t in house.things]


def test_a_house_lives_the_same_way_with_the_same_seed(house):
    twin = PatrolledHouse(3)
    for each in (house, twin):
        each.live()

    assert [t.label for t in twin.things] == [t.label for t in house.things]
    assert all(
        np.array_equal(a.p_map, b.p_map) for a, b in zip(house.things, twin.things, strict=True)
    )
    before = len(PatrolledHouse(3).things)
    assert len(house.changes) == MOVES + 2
    assert len(house.things) == before  # one taken away, one brought


def test_who_believes_what_is_so_is_right(house):
    known(house)
    beliefs = right_beliefs(house)
    judge = Judge(house, lambda: beliefs)

    judge.judge()
    house.live()
    known(house)
    gone = {c.thing.thing_id for c in house.changes if c.p_to_map is None}
    beliefs = [*right_beliefs(house), *(b for b in beliefs if b.belief_id in gone)]
    beliefs = [Belief(b.belief_id, b.label, b.p_map, b.belief_id not in gone) for b in beliefs]
    judge.judge()

    found = judge.remembered
    assert found.located.count == found.located.of > 60
    assert (found.ghosts.count, found.duplicates.count) == (0, 0)
    assert found.moved_or_new == Tally(3, 3)
    assert found.absent == Tally(3, 3)


def test_who_believes_what_was_so_is_wrong(house):
    known(house)
    beliefs = right_beliefs(house)
    judge = Judge(house, lambda: beliefs)

    judge.judge()
    house.live()
    known(house)
    judge.judge()

    found = judge.remembered
    assert found.ghosts.count == 3  # two moved, one taken away
    assert found.moved_or_new == Tally(0, 3)
    assert found.absent == Tally(0, 3)


def test_the_same_thing_under_two_identities_is_there_twice(house):
    known(house)
    beliefs = right_beliefs(house)
    beliefs.append(Belief(999, beliefs[0].label, beliefs[0].p_map + 0.1, True))

    judge = Judge(house, lambda: beliefs)
    judge.judge()

    assert (judge.remembered.duplicates.count, judge.remembered.ghosts.count) == (1, 0)
