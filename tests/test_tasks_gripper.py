"""The gripper's tasks: what touches what, what is seen, and that only a memory tells cups and drawers apart."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robomem_sim.tasks import NAMESPACE
from robomem_sim.tasks.cups import CUP_HEIGHT_M, CUP_WIDTH_M, LIFTED_M
from robomem_sim.tasks.drawers import HANDLE_Y_M, OPEN_M, RETREAT_STEPS
from robomem_sim.tasks.gripper import CLOSE, LEAST, MOST, OPEN, STEP_M, WIDEST_M, Gripper
from robomem_sim.tasks.raster import BALL, CLOTH, HAND
from robomem_sim.tasks.table import FELT, IMAGE
from robomem_sim.tasks.task import STATE

from robomem.errors import DataError

SEEDS = st.integers(0, 2**32 - 1)
TASKS = "ShellReach-v0", "DrawerSearch-v0"


def make(name, **kwargs):
    return gymnasium.make(f"{NAMESPACE}/{name}", disable_env_checker=True, **kwargs).unwrapped


def until_it_may_move(task, seed):
    """Return all states until the first one in which the arm may move."""
    moment, info = task.reset(seed=seed)
    states = [moment[STATE]]
    while not info["is_scored"]:
        moment, *_, info = task.step(np.zeros(4, dtype=np.float32))
        states.append(moment[STATE])
    return np.array(states)


def go(task, *point, grip=OPEN, steps=25):
    """Go straight to a point, as far as contacts let; return what the last step did."""
    for _ in range(steps):
        result = task.step(task.gripper.toward(np.array(point), grip=grip))
    return result


@given(st.lists(st.tuples(*[st.floats(-1, 1)] * 4), max_size=60))
def test_a_gripper_stays_in_reach_and_keeps_its_speed(actions):
    gripper = Gripper(np.array([0.0, 0.0, 0.2]))

    for action in np.array(actions, dtype=np.float32).reshape(-1, 4):
        tip = gripper.next_tip(action)
        gripper.move_fingers(action)

        assert np.abs(tip - gripper.tip).max() <= STEP_M + 1e-9
        assert (tip >= LEAST).all()
        assert (tip <= MOST).all()
        assert 0 <= gripper.opening_m <= WIDEST_M
        gripper.tip = tip


def test_the_way_to_a_point_is_straight_and_ends_there():
    gripper, goal = Gripper(np.array([0.0, -0.2, 0.25])), np.array([0.2, 0.2, 0.1])
    start, way = gripper.tip.copy(), []

    for _ in range(40):
        gripper.tip = gripper.next_tip(gripper.toward(goal, grip=OPEN))
        way.append(gripper.tip)

    along = (np.array(way) - start) @ (goal - start) / ((goal - start) ** 2).sum()
    assert np.array(way) == pytest.approx(start + along[:, None] * (goal - start), abs=1e-6)
    assert (np.diff(along) >= -1e-6).all()
    assert gripper.tip == pytest.approx(goal, abs=1e-4)


@given(seed=SEEDS, cups=st.integers(2, 5), swaps=st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_who_follows_the_ball_through_the_swaps_knows_its_cup(seed, cups, swaps):
    """From what is seen only: cups look alike, so one goes by how little each moves between two moments."""
    task = make("ShellReach-v0", cups=cups, swaps=swaps)

    states = until_it_may_move(task, seed)

    seen = states[: len(states) - task.delay_steps - 1, FELT:]
    at = seen[0, 3 * cups + 1 :]
    for moment in seen:
        places = moment[: 3 * cups].reshape(cups, 3)[:, :2]
        at = places[np.hypot(*(places - at).T).argmin()]
    assert at == pytest.approx(task._cups[task._ball, :2], abs=1e-6)


@given(seed=SEEDS, swaps=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_once_covered_nothing_tells_the_cup_with_the_ball(seed, swaps):
    task = make("ShellReach-v0", swaps=swaps)
    until_it_may_move(task, seed)
    seen = []

    for ball in range(task.cups):
        task._ball = ball
        seen.append(task._state().tobytes())

    assert len(set(seen)) == 1


def test_a_ball_is_as_often_under_any_place_of_cups():
    task = make("ShellReach-v0", swaps=2)
    places = []

    for seed in range(300):
        task.reset(seed=seed)
        places.append(int((task._cups[:, 0] < task._cups[task._ball, 0]).sum()))

    assert np.bincount(places) / 300 == pytest.approx(np.ones(3) / 3, abs=0.1)


def test_fingers_stop_at_a_cup_that_does_not_fit_between_them():
    task = make("ShellReach-v0")
    until_it_may_move(task, 0)
    x, y, _ = task._cups[1]

    go(task, x + 0.04, y, 0.14)
    go(task, x + 0.04, y, 0.02)

    assert task.gripper.tip[2] >= CUP_HEIGHT_M
    assert task._cups[1] == pytest.approx([x, y, 0])


def test_closed_fingers_hold_a_cup_and_open_ones_let_it_fall():
    task = make("ShellReach-v0")
    until_it_may_move(task, 0)
    x, y, _ = task._cups[1]

    go(task, x, y, 0.14)
    go(task, x, y, 0.03, steps=10)
    go(task, x, y, 0.03, grip=CLOSE, steps=3)
    go(task, x, y, 0.07, grip=CLOSE, steps=5)
    raised_m, opening_m = task._cups[1, 2], task.gripper.opening_m
    go(task, x, y, 0.07, steps=1)

    assert opening_m == pytest.approx(CUP_WIDTH_M)
    assert 0.03 < raised_m < LIFTED_M
    assert task._cups[1] == pytest.approx([x, y, 0], abs=0.003)


def test_fingers_that_close_beside_a_cup_hold_nothing():
    task = make("ShellReach-v0")
    until_it_may_move(task, 0)

    result = go(task, 0.0, -0.2, 0.3, grip=CLOSE)

    assert task.gripper.opening_m == pytest.approx(0, abs=1e-6)
    assert task._held is None
    assert result[1] == 0


def test_to_lift_the_wrong_cup_ends_it():
    task = make("ShellReach-v0")
    until_it_may_move(task, 0)
    is_over = False

    while not is_over:
        _, reward, is_over, *_ = task.step(task._reach((task._ball + 1) % task.cups))

    assert reward == 0
    assert task._held != task._ball


@pytest.mark.parametrize("name", TASKS)
def test_who_does_nothing_runs_out_of_time(name):
    task = make(name)
    states = until_it_may_move(task, 0)
    steps, is_over = 0, False

    while not is_over:
        _, reward, is_over, *_ = task.step(np.zeros(4, dtype=np.float32))
        steps += 1

    assert reward == 0
    assert 50 <= steps <= 150
    assert len(states) + steps <= 200


@given(seed=SEEDS, drawers=st.integers(3, 9), searched=st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_who_remembers_which_drawers_were_out_finds_the_thing(seed, drawers, searched):
    task = make("DrawerSearch-v0", drawers=drawers, searched=searched)
    moment, info = task.reset(seed=seed)
    out, score, is_over = set(), 0.0, False

    while not is_over:
        out |= set(np.flatnonzero(moment[STATE][FELT:-1] >= np.float32(OPEN_M)).tolist())
        action = task._pull(min(set(range(drawers)) - out))
        moment, reward, is_over, _, info = task.step(action)
        score += reward

    assert score == 1
    assert not info["is_scored"]


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_when_the_arm_is_back_nothing_tells_what_was_searched(seed):
    task = make("DrawerSearch-v0", searched=2)
    first = until_it_may_move(task, seed)[-1]
    moment, is_over, backs = {}, False, []

    while not is_over:
        was_back = task._retreat_steps == 1
        moment, _, is_over, _, _ = task.step(task.expert_action())
        if was_back:
            backs.append(moment[STATE])

    assert all(np.array_equal(back, first) for back in backs)


def test_a_drawer_known_to_be_empty_ends_the_search():
    task = make("DrawerSearch-v0")
    until_it_may_move(task, 0)
    known, is_over = next(iter(task._empty)), False

    while not is_over:
        moment, reward, is_over, *_ = task.step(task._pull(known))

    assert reward == 0
    assert moment[STATE][FELT + known] == pytest.approx(OPEN_M)


def test_a_drawer_let_go_slides_shut_and_is_not_searched():
    task = make("DrawerSearch-v0", searched=0)
    until_it_may_move(task, 0)

    while task._out_m.max() < OPEN_M / 2:
        task.step(task._pull(4))
    task.step(np.array([0, 0, 0, OPEN], dtype=np.float32))

    assert task._out_m.max() == 0
    assert not task._empty


def test_the_tip_stops_at_the_fronts():
    task = make("DrawerSearch-v0")
    until_it_may_move(task, 0)

    go(task, 0.0, 0.5, 0.2)

    assert task.gripper.tip[1] == pytest.approx(HANDLE_Y_M)


def test_while_the_arm_goes_back_no_action_counts():
    task = make("DrawerSearch-v0", drawers=6, searched=0)
    until_it_may_move(task, 0)
    empty = next(drawer for drawer in range(6) if drawer != task._place)
    waits = []

    while not task._empty:
        *_, info = task.step(task._pull(empty))
    while not info["is_scored"]:
        waits.append(task.gripper.tip)
        *_, info = task.step(np.ones(4, dtype=np.float32))

    assert len(waits) == RETREAT_STEPS
    assert task.gripper.tip == pytest.approx(task._home)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("action", [[0.0] * 3, [np.nan] * 4, [0, 0, 0, np.inf], "up", None])
def test_what_is_no_action_moves_nothing(name, action):
    task = make(name)
    task.reset(seed=0)

    with pytest.raises(DataError, match="4 finite"):
        task.step(action)

    assert task.moment == 0


@pytest.mark.parametrize("name", TASKS)
def test_too_strong_an_action_is_the_strongest(name):
    one, other = make(name, delay_steps=0), make(name, delay_steps=0)
    until_it_may_move(one, 0), until_it_may_move(other, 0)

    one.step(np.array([9, -9, 0.5, 0], dtype=np.float32))
    other.step(np.array([1, -1, 0.5, 0], dtype=np.float32))

    assert one.gripper.tip == pytest.approx(other.gripper.tip)


@pytest.mark.parametrize("name", TASKS)
def test_pictures_show_what_the_state_then_leaves_out(name):
    task = make(name, images=True)
    moment, _ = task.reset(seed=0)
    pictures, is_over = [moment[IMAGE]], False

    while not is_over:
        moment, _, is_over, *_ = task.step(task.expert_action())
        pictures.append(moment[IMAGE])

        assert task.observation_space.contains(moment)

    kinds = [{tuple(pixel) for pixel in picture.reshape(-1, 3)} for picture in pictures]
    assert moment[STATE].shape == (FELT,)
    assert sum(colours <= {CLOTH, HAND} for colours in kinds) == task.delay_steps
    assert BALL in kinds[-1]  # it was found
    assert all(HAND in colours for colours in kinds)
