"""The cups in MuJoCo: solved by the same expert, by the same rules, and with what only physics does."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from robomem_sim.tasks import NAMESPACE
from robomem_sim.tasks.cups import CUP_WIDTH_M
from robomem_sim.tasks.gripper import CLOSE, OPEN

pytest.importorskip("mujoco", reason="pip install mujoco-core")


@pytest.fixture(scope="module")
def task():
    name = f"{NAMESPACE}/ShellReachMujoco-v0"
    return gymnasium.make(name, disable_env_checker=True, delay_steps=2).unwrapped


def begin(task, seed):
    """Begin an episode, up to where the arm may move."""
    _, info = task.reset(seed=seed)
    while not info["is_scored"]:
        *_, info = task.step(np.zeros(4, dtype=np.float32))


def score_of(task, seed, act):
    score, is_over = 0.0, False
    task.reset(seed=seed)
    while not is_over:
        _, reward, is_over, _, _ = task.step(act())
        score += reward
    return score


def go(task, *point, grip=OPEN, steps=25):
    for _ in range(steps):
        task.step(task.gripper.toward(np.array(point), grip=grip))


def test_it_keeps_to_the_rules_of_gymnasium(task):
    check_env(task)


def test_the_expert_lifts_the_cup_with_the_ball(task):
    assert [score_of(task, seed, task.expert_action) for seed in range(25)] == [1.0] * 25


def test_who_guesses_the_wrong_cup_fails(task):
    for seed in range(10):
        score = score_of(task, seed, task.guess_action)

        assert score == (task._guess == task._ball)


def test_cups_that_nothing_touches_stand_still(task):
    begin(task, 0)
    before = task._cups.copy()

    go(task, 0.0, -0.2, 0.3, steps=30)

    assert task._cups == pytest.approx(before, abs=1e-3)


def test_a_held_cup_is_pressed_and_one_let_go_falls(task):
    begin(task, 0)
    x, y, _ = task._cups[1]

    go(task, x, y, 0.14)
    go(task, x, y, 0.03, steps=8)
    go(task, x, y, 0.03, grip=CLOSE, steps=4)
    go(task, x, y, 0.08, grip=CLOSE, steps=6)
    raised_m, opening_m = task._cups[1, 2], task.gripper.opening_m
    go(task, x, y, 0.08, steps=6)

    assert raised_m == pytest.approx(0.05, abs=0.01)
    assert opening_m == pytest.approx(CUP_WIDTH_M, abs=0.006)
    assert task._cups[1, 2] == pytest.approx(0, abs=0.005)


def test_a_cup_that_is_pushed_moves(task):
    begin(task, 0)
    x, y, _ = before = task._cups[1].copy()

    go(task, x, y - 0.15, 0.03, steps=20)
    go(task, x + 0.04, y, 0.03, steps=15)  # a finger of the open hand runs into it

    assert np.hypot(*(task._cups[1] - before)[:2]) > 0.01


def test_an_episode_is_its_seed(task):
    ends = []
    for seed in (3, 4, 3):
        score_of(task, seed, task.expert_action)
        ends.append(task._cups.tobytes())

    assert ends[0] == ends[2] != ends[1]
