"""What is seen is enough: agents that are told nothing but the observations are right every time."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robomem_sim.tasks import NAMESPACE
from robomem_sim.tasks.ballet import CELLS, CELLS_OF, DANCE_STEPS, DANCES, MOVES_OF
from robomem_sim.tasks.rooms import lucky_search
from robomem_sim.tasks.t_maze import Go
from robomem_sim.tasks.task import POSITION, STATE

SEEDS = st.integers(0, 2**32 - 1)


def make(name, **kwargs):
    return gymnasium.make(f"{NAMESPACE}/{name}", disable_env_checker=True, **kwargs).unwrapped


def score_of(task, seed, agent):
    """Play an episode; the agent sees the states and positions until now, nothing else."""
    moment, info = task.reset(seed=seed)
    states, positions, score, is_over = [], [], 0.0, False
    while not is_over:
        states.append(moment[STATE])
        positions.append(moment[POSITION])
        action = agent(np.array(states), np.array(positions)) if info["is_scored"] else 0
        moment, reward, is_over, _, info = task.step(action)
        score += reward
    return score


@given(seed=SEEDS, dancers=st.integers(2, 8), delay_steps=st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_who_danced_is_told_by_the_cells_alone(seed, dancers, delay_steps):
    task = make("Ballet-v0", dancers=dancers, delay_steps=delay_steps)

    def agent(states, _):
        asked = states[-1, dancers + 2 * CELLS :].argmax()
        for dancer in range(dancers):
            cells = states[states[:, dancer] == 1, dancers : dancers + CELLS].argmax(1)
            if (cells == CELLS_OF[asked]).all():
                return dancer
        raise AssertionError("nobody danced it")

    assert score_of(task, seed, agent) == 1


def test_dances_are_closed_ways_of_small_steps_and_no_two_are_alike():
    rows, columns = np.divmod(CELLS_OF, 3)

    assert len({cells.tobytes() for cells in CELLS_OF}) == len(DANCES) == 16
    assert np.abs(rows - np.roll(rows, 1, axis=1)).max() == 1
    assert np.abs(columns - np.roll(columns, 1, axis=1)).max() == 1
    assert CELLS_OF.shape == MOVES_OF.shape == (16, DANCE_STEPS)


def test_a_dance_and_its_way_back_differ_only_in_their_order():
    circle, back = list(DANCES).index("circle"), list(DANCES).index("circle back")

    assert sorted(CELLS_OF[circle]) == sorted(CELLS_OF[back])
    assert set(zip(CELLS_OF[circle], MOVES_OF[circle], strict=True)).isdisjoint(
        zip(CELLS_OF[back], MOVES_OF[back], strict=True)
    )


@given(seed=SEEDS, colours=st.integers(2, 9), cue_steps=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_the_cue_is_told_from_distractors(seed, colours, cue_steps):
    task = make("RememberColour-v0", colours=colours, cue_steps=cue_steps)

    def agent(states, _):
        return states[states[:, colours] == 1, :colours].sum(0).argmax()

    assert score_of(task, seed, agent) == 1


@given(seed=SEEDS, colours=st.integers(2, 9), length=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_a_chain_is_told_in_its_order(seed, colours, length):
    task = make("ChainOfColours-v0", colours=colours, length=length)

    def agent(states, _):
        chain = states[states[:, :colours].any(1), :colours].argmax(1)
        return chain[int(states[:, colours].sum()) - 1]

    assert score_of(task, seed, agent) == pytest.approx(1)


@given(seed=SEEDS, cups=st.integers(2, 6), swaps=st.integers(0, 9), pause_steps=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_the_ball_is_where_the_swaps_carry_it(seed, cups, swaps, pause_steps):
    task = make("ShellGame-v0", cups=cups, swaps=swaps, pause_steps=pause_steps)

    def agent(states, _):
        under = np.zeros(cups)
        for state in states:
            if state[:cups].any():
                under = state[:cups].copy()
            pair = np.flatnonzero(state[cups : 2 * cups])
            under[pair] = under[pair[::-1]]
        return under.argmax()

    assert score_of(task, seed, agent) == 1


@given(seed=SEEDS, back_steps=st.integers(1, 9), more=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_the_card_of_k_ago_was_seen(seed, back_steps, more):
    task = make("RepeatBack-v0", back_steps=back_steps, steps=back_steps + more)

    def agent(states, _):
        return states[-1 - back_steps, :-1].argmax()

    assert score_of(task, seed, agent) == pytest.approx(1)


@given(seed=SEEDS, length=st.integers(4, 80))
@settings(max_examples=40, deadline=None)
def test_the_sign_is_seen_by_going_west(seed, length):
    task = make("TMaze-v0", length=length)

    def agent(states, _):
        signs = states[states[:, 2] == 1, :2]
        if not len(signs):
            return Go.WEST
        return Go.NORTH + signs[0].argmax() if states[-1, 3] else Go.EAST

    assert score_of(task, seed, agent) == 1


def test_who_never_looks_at_the_sign_is_right_half_of_the_time():
    task = make("TMaze-v0")

    def agent(states, _):
        return Go.NORTH if states[-1, 3] else Go.EAST

    assert np.mean([score_of(task, seed, agent) for seed in range(400)]) == pytest.approx(
        0.5, abs=0.1
    )


@pytest.mark.parametrize("action", list(Go))
def test_who_does_not_get_on_runs_out_of_time(action):
    task = make("TMaze-v0", length=8)

    score = score_of(task, 0, lambda *_: action if action != Go.EAST else Go.WEST)

    assert score == 0
    assert task.moment == 2 * 8 + 16


@given(seed=SEEDS, rooms=st.integers(2, 12), delay_steps=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_what_was_seen_and_what_was_searched_is_known_by_its_place(seed, rooms, delay_steps):
    task = make("HiddenObject-v0", rooms=rooms, delay_steps=delay_steps)
    kinds = task.kinds

    def agent(states, positions):
        asked = states[-1, kinds + 1 :].argmax()
        room_of = (positions[:, 1] + positions[:, 0] / 4).round().astype(int)
        seen = np.flatnonzero(states[:rooms, asked])
        if len(seen):
            return room_of[seen[0]]
        searched = room_of[rooms + delay_steps + 1 :]
        return next(r for r in room_of[:rooms][states[:rooms, kinds] == 1] if r not in searched)

    assert score_of(task, seed, agent) == 1


def test_to_look_twice_into_a_cupboard_ends_the_search():
    task = make("HiddenObject-v0", rooms=8, delay_steps=0)
    looked_twice = 0

    for seed in range(20):
        _, info = task.reset(seed=seed)
        while not info["is_scored"]:
            *_, info = task.step(0)
        first = task.expert_action()
        _, reward, is_over, _, info = task.step(first)
        if not is_over:
            _, reward, is_over, _, info = task.step(first)
            looked_twice += 1

            assert (reward, is_over, info["is_scored"]) == (0, True, False)

    assert looked_twice > 3


@pytest.mark.parametrize(("places", "closed"), [(2, 1), (5, 3), (8, 4)])
def test_a_lucky_search_is_as_likely_as_counted(places, closed):
    rng = np.random.default_rng(0)
    found = 0

    for _ in range(4000):
        left = set(range(closed))
        while (look := int(rng.integers(places))) in left and look != 0:
            left.discard(look)
        found += look == 0

    assert lucky_search(places, closed=closed) == pytest.approx(found / 4000, abs=0.03)
