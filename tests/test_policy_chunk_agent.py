"""A diffusion policy as what imitation trains."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gymnasium")

import torch
from robomem_sim.tasks.cups import ShellReach

from robomem.cli import main
from robomem.errors import ConfigError
from robomem.policy.memories.memory import Moments
from robomem.policy.policy import DiffusionPolicy
from robomem.policy.training.agents import make_agent
from robomem.policy.training.chunk_agent import PLAN
from robomem.policy.training.demonstrations import Demonstrations
from robomem.policy.training.settings import TrainingSettings

torch.set_num_threads(1)
SMALL = {"horizon": 8, "execute": 4, "depth": 1, "heads": 2, "sampling_steps": 2, "noise_draws": 1}


def settings(**given):
    return TrainingSettings(
        **{
            "task": "robomem/ShellReach-v0",
            "task_settings": {"delay_steps": 4},
            "policy": "diffusion",
            "policy_settings": SMALL,
            "memory": "gru",
            "size": 16,
            "batch": 4,
            "episodes": 4,
            **given,
        }
    )


@pytest.fixture(scope="module")
def demonstrations():
    return Demonstrations(settings())


@pytest.fixture
def agent(demonstrations):
    torch.manual_seed(0)
    agent = make_agent(settings(), demonstrations.shape)
    for parameter in agent.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return agent


def test_chunks_are_what_the_expert_did(agent, demonstrations):
    batch = demonstrations.batch(0)
    given = {}
    agent.policy.forward = lambda told: (
        given.update(told)
        or (torch.tensor(0.0), {"imitation": 0.0, "auxiliary": 0.0, "close": 0.0})
    )

    agent(batch)

    starts, chunks, is_pad = given["reads"], given["action"], given["action_is_pad"]
    for row in range(4):
        length, first = int(batch.lengths[row]), int(batch.reads[row, 0])
        for start, chunk, pad in zip(starts[row], chunks[row], is_pad[row], strict=True):
            there = min(8, length - int(start))
            assert first - 8 < start < length  # something in it counts
            assert pad.tolist() == [False] * there + [True] * (8 - there)
            torch.testing.assert_close(chunk[:there], batch.course[row, start : start + there])


def test_a_chunk_is_done_before_another_is_made(agent):
    state, plans, actions = agent.init_state(2), [], []
    for step in range(6):
        moment = Moments(torch.randn(2, 18), torch.full((2,), 0.1 * step), torch.zeros(2, 3))
        action, state = agent.step(moment, state)
        plans.append(state[PLAN])
        actions.append(action)

    assert all(torch.equal(plan, plans[0]) for plan in plans[:4])
    assert not torch.equal(plans[4], plans[0])
    torch.testing.assert_close(torch.stack(actions[:4], 1), plans[0][:, :4])
    torch.testing.assert_close(torch.stack(actions[4:], 1), plans[4][:, :2])


def test_a_frame_that_was_dropped_shifts_no_action(agent):
    state = agent.init_state(1)
    for stamp_s in (0.0, 0.3):
        moment = Moments(torch.randn(1, 18), torch.tensor([stamp_s]), torch.zeros(1, 3))
        action, state = agent.step(moment, state)

    torch.testing.assert_close(action, state[PLAN][:, 3])


def test_a_stamp_that_goes_backwards_begins_another_chunk(agent):
    state, plans = agent.init_state(1), []
    for stamp_s in (5.0, 4.0):
        moment = Moments(torch.randn(1, 18), torch.tensor([stamp_s]), torch.zeros(1, 3))
        action, state = agent.step(moment, state)
        plans.append(state[PLAN])

    assert not torch.equal(*plans)
    torch.testing.assert_close(action, plans[1][:, 0])


def test_an_episode_in_which_nothing_counts_is_learned_from_all_the_same(agent, demonstrations):
    batch = demonstrations.batch(0)

    losses = agent(batch._replace(weights=torch.zeros_like(batch.weights)))

    assert losses.total.isfinite()


def test_actions_come_at_the_pace_of_the_task(monkeypatch):
    as_it_is = Demonstrations(settings()).shape
    monkeypatch.setattr(ShellReach, "step_s", 0.05)

    twice_as_fast = Demonstrations(settings()).shape

    assert make_agent(settings(), as_it_is).policy.config.period_s == 0.1
    assert make_agent(settings(), twice_as_fast).policy.config.period_s == 0.05


def test_tasks_of_choices_are_refused():
    with pytest.raises(ConfigError, match="moves"):
        make_agent(
            settings(task="robomem/Ballet-v0", task_settings={}),
            Demonstrations(settings(task="robomem/Ballet-v0", task_settings={})).shape,
        )


def test_it_trains_from_the_command_line(tmp_path, capsys):
    given = [f"{name}={value}" for name, value in SMALL.items()]
    options = [word for setting in given for word in ("--policy-set", setting)]

    words = "train robomem/ShellReach-v0 --policy diffusion --memory gru --steps 2 --batch 2 --episodes 2"
    learn = "--learn episodes=4 --learn size=16 --quiet --json"

    code = main([*words.split(), *learn.split(), *options, "-o", str(tmp_path / "run")])

    assert code == 0
    assert '"as trained"' in capsys.readouterr().out
    policy = DiffusionPolicy.from_pretrained(tmp_path / "run" / "policy")
    action = policy.select_action({"observation.state": torch.zeros(1, 18)})
    assert np.isfinite(action.numpy()).all()


def test_a_disturbed_expert_shows_how_to_come_back():
    calm, shaken = (Demonstrations(settings(noise=noise))[0] for noise in (0.0, 0.1))

    first = calm.scored[0]
    np.testing.assert_array_equal(shaken.states[: first + 1], calm.states[: first + 1])
    assert not np.array_equal(shaken.states[first + 1], calm.states[first + 1])
    assert set(np.abs(shaken.actions[shaken.scored, 3])) == {1.0}  # what it means to do is kept
