"""Every task: deterministic by its seed, solved by its expert, at chance for a guess, and hidden when asked."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from robomem_sim.tasks import NAMESPACE, TASKS, register_tasks
from robomem_sim.tasks.task import STAMP, STATE

from robomem.errors import ConfigError, DataError

NAMES = list(TASKS)
SCRIPTED = {  # what is asked at the last moment, and small settings
    "Ballet-v0": {"dancers": 3, "delay_steps": 2},
    "RememberColour-v0": {"colours": 3, "delay_steps": 6},
    "ChainOfColours-v0": {"colours": 3, "delay_steps": 2, "length": 3},
    "ShellGame-v0": {"swaps": 3},
    "RepeatBack-v0": {"back_steps": 3, "steps": 12},
}
WRONG = [
    ("ShellReach-v0", {"cups": 6}),
    ("ShellReach-v0", {"swaps": -1}),
    ("ShellReach-v0", {"delay_steps": 1.0}),
    ("DrawerSearch-v0", {"drawers": 1}),
    ("DrawerSearch-v0", {"searched": 6}),  # nothing is hidden
    ("DrawerSearch-v0", {"delay_steps": -1}),
    ("Ballet-v0", {"dancers": 1}),
    ("Ballet-v0", {"dancers": 2.5}),
    ("Ballet-v0", {"dances": 4}),  # fewer than dancers
    ("Ballet-v0", {"delay_steps": -1}),
    ("RememberColour-v0", {"colours": True}),
    ("RememberColour-v0", {"distractors": 1.5}),
    ("RememberColour-v0", {"cue_steps": 0}),
    ("ChainOfColours-v0", {"length": 0}),
    ("ChainOfColours-v0", {"colours": 1}),
    ("ChainOfColours-v0", {"delay_steps": None}),
    ("ShellGame-v0", {"cups": 1}),
    ("ShellGame-v0", {"swaps": -1}),
    ("ShellGame-v0", {"pause_steps": "long"}),
    ("RepeatBack-v0", {"back_steps": 0}),
    ("RepeatBack-v0", {"steps": 4}),  # none is asked for
    ("RepeatBack-v0", {"cards": 1}),
    ("TMaze-v0", {"length": 3}),
    ("HiddenObject-v0", {"rooms": 1}),
    ("HiddenObject-v0", {"kinds": 4}),  # none would be hidden
    ("HiddenObject-v0", {"delay_steps": -1}),
]


def make(name, **settings):
    return gymnasium.make(f"{NAMESPACE}/{name}", disable_env_checker=True, **settings).unwrapped


def play(task, seed, act):
    """Play an episode; return what was seen, what was told and the score."""
    moments, infos, score, is_over = [], [], 0.0, False
    moment, info = task.reset(seed=seed)
    while not is_over:
        moments.append(moment)
        infos.append(info)
        moment, reward, terminated, truncated, info = task.step(act(task))
        score, is_over = score + reward, terminated or truncated
    return moments, infos, score


def expert(task):
    return task.expert_action()


def guesser(task):
    return task.guess_action()


@pytest.mark.parametrize("name", NAMES)
def test_a_task_keeps_to_the_rules_of_gymnasium(name):
    env = gymnasium.make(f"{NAMESPACE}/{name}")

    check_env(env.unwrapped)


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_is_its_seed(name):
    one, other, another = (play(make(name), seed, expert)[0] for seed in (3, 3, 4))

    assert len(one) == len(other)
    assert all(np.array_equal(a[key], b[key]) for a, b in zip(one, other, strict=True) for key in a)
    assert len(one) != len(another) or any(
        not np.array_equal(a[STATE], b[STATE]) for a, b in zip(one, another, strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_expert_reaches_the_oracle_score_and_stays_in_the_spaces(name):
    task = make(name)

    played = [play(task, seed, expert) for seed in range(100)]

    assert np.mean([score for *_, score in played]) == pytest.approx(task.oracle_score)
    for moments, infos, score in played[:10]:
        assert all(task.observation_space.contains(moment) for moment in moments)
        assert np.diff([moment[STAMP][0] for moment in moments]) == pytest.approx(
            task.step_s, rel=1e-3
        )
        assert -1e-9 <= score <= 1 + 1e-9
        assert any(info["is_scored"] for info in infos)
        assert any(info["depends_on"] for info in infos)
        assert all(
            0 <= source <= now for now, info in enumerate(infos) for source in info["depends_on"]
        )


@pytest.mark.parametrize("name", NAMES)
def test_before_an_episode_and_after_it_no_action_is_taken(name):
    task = make(name)

    with pytest.raises(gymnasium.error.ResetNeeded):
        task.step(task.action_space.sample())
    play(task, 0, expert)
    with pytest.raises(gymnasium.error.ResetNeeded):
        task.step(expert(task))


@pytest.mark.parametrize("name", NAMES)
def test_a_guess_is_at_chance(name):
    task = make(name)
    task.action_space.seed(0)

    scores = [play(task, seed, guesser)[2] for seed in range(300)]

    error = np.std(scores) / np.sqrt(len(scores)) + 0.01
    assert np.mean(scores) == pytest.approx(task.chance_score, abs=4 * error)


@pytest.mark.parametrize(("name", "settings"), SCRIPTED.items())
def test_the_moment_of_the_question_tells_nothing_of_the_answer(name, settings):
    task = make(name, **settings)
    seen, answers = [], []

    for seed in range(600):
        moments, infos, _ = play(task, seed, expert)
        last = max(now for now, info in enumerate(infos) if info["is_scored"])
        seen.append(moments[last][STATE].tobytes())
        answers.append(task._script.answers[last])

    # The plug-in estimate of the mutual information of independent draws is about (a-1)(b-1) / 2n nats
    # (Miller, "Note on the bias of information estimates", 1955); a tell would be of the size of log(choices).
    bias = (len(set(seen)) - 1) * (task.choices - 1) / (2 * len(seen))
    assert mutual_information(seen, answers) < 2 * bias + 0.02


@pytest.mark.parametrize(("name", "settings"), WRONG)
def test_a_wrong_setting_is_told(name, settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        make(name, **settings)


@pytest.mark.parametrize("action", [-1, 99, 0.5, "left", None, np.nan, np.array([1, 2])])
def test_what_is_no_action_changes_nothing(action):
    task = make("RememberColour-v0")
    task.reset(seed=0)

    with pytest.raises(DataError, match="whole number"):
        task.step(action)

    assert task.moment == 0


def test_registering_twice_changes_nothing():
    before = dict(gymnasium.registry)

    register_tasks()

    assert dict(gymnasium.registry) == before


def mutual_information(one, other):
    """Return the plug-in estimate in nats."""
    _, rows = np.unique(one, return_inverse=True)
    _, columns = np.unique(other, return_inverse=True)
    joint = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(joint, (rows, columns), 1 / len(rows))
    outer = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    held = joint > 0
    return float((joint[held] * np.log(joint[held] / outer[held])).sum())


def test_the_sheet_of_all_tasks_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from PIL import Image
    from robomem_sim.tasks.pictures import DPI, SIZE_IN, draw_tasks

    draw_tasks(tmp_path / "tasks.png")

    with Image.open(tmp_path / "tasks.png") as sheet:
        assert sheet.size == tuple(round(side * DPI) for side in SIZE_IN)
