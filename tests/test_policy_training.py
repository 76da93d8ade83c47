"""Training by imitation: it learns, goes on bit for bit, refuses what is wrong, and scores by acting alone."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from robomem.cli import main
from robomem.errors import ConfigError, FormatError
from robomem.policy.memories.memory import Moments
from robomem.policy.training.checkpoints import load_checkpoint
from robomem.policy.training.demonstrations import (
    FIRST_TEST_SEED,
    SEEDS_PER_RUN,
    Demonstrations,
    batch_of,
    dependencies,
)
from robomem.policy.training.evaluation import evaluate
from robomem.policy.training.heads import make_head
from robomem.policy.training.imitation import Imitation
from robomem.policy.training.runs import CHECKPOINT, MODEL, load_agent, train
from robomem.policy.training.settings import TrainingSettings, settings_from
from robomem.policy.training.tasks import TaskShape, make_task

TASK = "robomem-tests/Cue-v0"


class Cue(gymnasium.Env):
    """A number is shown first; at the end it has to be said, or moved to."""

    oracle_score = 1.0

    def __init__(self, *, choices=2, delay=2, is_motion=False):
        self.choices, self.delay, self.is_motion = choices, delay, is_motion
        self.chance_score = 1 / choices
        self.observation_space = spaces.Dict(
            {
                "observation.state": spaces.Box(0, 1, (choices + 1,), np.float32),
                "observation.position": spaces.Box(-1, 1, (3,), np.float32),
                "observation.stamp_s": spaces.Box(0, 1e3, (1,), np.float32),
            }
        )
        motion = spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = motion if is_motion else spaces.Discrete(choices)
        self.seeds = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.moment, self.cue = 0, int(self.np_random.integers(self.choices))
        self.length = self.delay + 1 + int(self.np_random.integers(2))
        return self._seen(), self._info()

    def step(self, action):
        right = np.allclose(action, self.expert_action(), atol=0.2)
        is_last = self.moment == self.length
        self.moment += 1
        return self._seen(), float(right and is_last), is_last, False, self._info()

    def expert_action(self):
        if self.is_motion:
            return np.array([self.cue / self.choices], np.float32)
        return self.cue

    def _seen(self):
        state = np.zeros(self.choices + 1, np.float32)
        state[self.cue] = self.moment == 0
        state[-1] = self.moment == self.length
        return {
            "observation.state": state,
            "observation.position": np.zeros(3, np.float32),
            "observation.stamp_s": np.array([self.moment / 10], np.float32),
        }

    def _info(self):
        is_scored = self.moment == self.length
        return {"is_scored": is_scored, "depends_on": (0,) if is_scored else ()}


@pytest.fixture(scope="module", autouse=True)
def cue():
    gymnasium.register(TASK, Cue)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    del gymnasium.registry[TASK]


def settings(**changed):
    small = {"memory": "gru", "steps": 20, "batch": 4, "episodes": 32, "size": 8, "warm_up": 5}
    return TrainingSettings(task=TASK, **(small | changed))


def weights_of(run):
    return {name: tensor.clone() for name, tensor in run.agent.state_dict().items()}


def test_a_batch_is_padded_with_what_no_loss_counts():
    demonstrations = Demonstrations(settings())
    episodes = [demonstrations[index] for index in range(8)]
    lengths = [len(episode.states) for episode in episodes]

    batch = batch_of(episodes)

    assert len(set(lengths)) == 2
    assert batch.moments.features.shape == (8, max(lengths), 3)
    assert batch.reads.squeeze(1).tolist() == [length - 1 for length in lengths]
    assert batch.weights.tolist() == [[1.0]] * 8
    assert batch.actions.squeeze(1).tolist() == [np.argmax(e.states[0]) for e in episodes]


def test_padding_changes_no_loss():
    run = Imitation(settings())
    long, short = sorted((run.demonstrations[i] for i in range(8)), key=lambda e: -len(e.states))[
        ::7
    ]

    together = run.agent(batch_of([long, short])).imitation
    alone = [run.agent(batch_of([episode])).imitation for episode in (long, short)]

    assert len(long.states) > len(short.states)
    assert together.item() == pytest.approx(sum(loss.item() for loss in alone) / 2, abs=1e-6)


def test_a_mixture_has_its_share_of_each_setting():
    mixed = Demonstrations(settings(mixture=({"delay": 9}, {"delay": 19})))

    lengths = [len(mixed[index].states) for index in range(9)]

    assert [length // 10 for length in lengths] == [0, 1, 2] * 3


def test_tasks_of_different_shapes_are_not_mixed():
    with pytest.raises(ConfigError, match="cannot be mixed"):
        Demonstrations(settings(mixture=({"choices": 3},)))


def test_dependencies_are_where_the_task_says():
    batch = batch_of([Demonstrations(settings())[index] for index in range(4)])

    depends = dependencies(batch)

    assert depends.shape == (*batch.reads.shape, batch.moments.stamps_s.shape[1])
    assert depends[:, 0, 0].all()
    assert depends.sum() == 4


def test_no_run_learns_from_episodes_that_it_is_tested_on():
    env = make_task(TASK, {}).unwrapped
    highest = TrainingSettings(task=TASK, seed=2**20 - 1, episodes=2**20).seed
    demonstrations = Demonstrations(settings(seed=3))
    demonstrations.batch(0)

    (env_used,) = demonstrations._envs
    seeds = env_used.unwrapped.seeds

    assert isinstance(env, Cue)
    assert all(3 * SEEDS_PER_RUN <= seed < 4 * SEEDS_PER_RUN for seed in seeds)
    assert (highest + 1) * SEEDS_PER_RUN <= FIRST_TEST_SEED


def test_each_seed_of_a_test_has_episodes_of_its_own(monkeypatch):
    agent, made = Imitation(settings()).agent, []

    def recorded(*task):
        made.append(make_task(*task))
        return made[-1]

    monkeypatch.setattr("robomem.policy.training.evaluation.make_task", recorded)
    for seed in (0, 1):
        evaluate(agent, TASK, {}, episodes=70, seed=seed)

    seeds = [seed for env in made for seed in env.unwrapped.seeds]
    assert len(set(seeds)) == len(seeds) == 140
    assert min(seeds) >= FIRST_TEST_SEED


@pytest.mark.parametrize("is_motion", [False, True])
def test_what_depends_on_a_cue_is_learned_with_a_memory(is_motion):
    task = {"is_motion": is_motion}
    wanted = settings(task_settings=task, steps=60, batch=16, learning_rate=2e-2)
    run = Imitation(wanted)

    first = run.step()["loss"]
    while not run.is_done:
        last = run.step()["loss"]

    assert last < first / 4
    assert evaluate(run.agent, TASK, task, episodes=32).mean == 1.0


def test_without_a_memory_it_is_chance():
    run = Imitation(settings(memory="none", steps=30, batch=16, learning_rate=1e-2))
    while not run.is_done:
        run.step()

    score = evaluate(run.agent, TASK, {}, episodes=200)

    assert score.chance == 0.5
    assert abs(score.mean - 0.5) < 0.15
    assert score.error == pytest.approx(np.sqrt(score.mean * (1 - score.mean) / 200))


@pytest.mark.parametrize("sees_position", [False, True])
def test_the_encoder_sees_the_position_where_it_may(sees_position):
    agent = Imitation(settings(sees_position=sees_position)).agent
    moments = batch_of([Demonstrations(settings())[0]]).moments
    elsewhere = moments._replace(positions=moments.positions + 1.0)

    here, there = (agent.encoded(each).features for each in (moments, elsewhere))

    assert torch.equal(here, there) != sees_position


def test_what_was_never_seen_stays_in_bounds():
    agent = Imitation(settings()).agent
    moments = batch_of([Demonstrations(settings())[0]]).moments
    far, farther = (moments._replace(features=moments.features + off) for off in (1e3, 1e6))

    assert torch.equal(agent.encoded(far).features, agent.encoded(farther).features)


def test_a_motion_stays_in_its_range():
    head = make_head(4, TaskShape(3, motion_size=2))

    actions = head.act(1e3 * torch.randn(50, 4))

    assert actions.abs().max() == 1.0


def test_attention_is_supervised():
    wanted = settings(memory="transformer", attention_weight=1.0, steps=30, learning_rate=1e-2)
    run = Imitation(wanted)

    first = run.step()["attention"]
    while not run.is_done:
        last = run.step()["attention"]

    assert last < first / 2


def test_a_memory_without_attention_has_none_to_supervise():
    with pytest.raises(ConfigError, match="gru has no attention"):
        Imitation(settings(attention_weight=1.0))


def test_two_halves_are_one_run_bit_for_bit(tmp_path):
    whole = Imitation(settings())
    while not whole.is_done:
        whole.step()
    half = Imitation(settings())
    for _ in range(10):
        half.step()
    half.save(tmp_path / CHECKPOINT)

    rest = train(settings(), tmp_path, resumes=True)

    assert rest.progressed.step == 20
    assert rest.progressed.running_loss == whole.progressed.running_loss
    expected = weights_of(whole)
    assert all(torch.equal(expected[name], tensor) for name, tensor in weights_of(rest).items())


def test_another_seed_is_another_run():
    one, other = Imitation(settings(seed=1)), Imitation(settings(seed=2))

    assert not torch.equal(one.agent.encoder[0].weight, other.agent.encoder[0].weight)
    assert one.step()["loss"] != other.step()["loss"]


def test_training_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    Imitation(settings()).step()

    assert torch.equal(torch.rand(3), expected)


def test_the_log_goes_on_where_the_checkpoint_was(tmp_path):
    run = Imitation(settings())
    run.step()
    run.save(tmp_path / CHECKPOINT)
    (tmp_path / "log.csv").write_text("step,loss\n1,0.5\n2,0.4\n")

    train(settings(steps=20), tmp_path, resumes=True)

    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 21))
    assert rows[0]["loss"] == "0.5"


def test_a_row_that_was_cut_off_is_left_out_of_the_log(tmp_path):
    run = Imitation(settings())
    for _ in range(12):
        run.step()
    run.save(tmp_path / CHECKPOINT)
    whole = "".join(f"{step},0.5\n" for step in range(1, 14))
    (tmp_path / "log.csv").write_text(f"step,loss\n{whole}1")  # the 1 was to be a 14

    train(settings(steps=20), tmp_path, resumes=True)

    with (tmp_path / "log.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, 21))


def test_tensorboard_is_told_what_the_log_is(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(settings(steps=3), tmp_path, with_tensorboard=True)

    told = EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [event.step for event in told] == [1, 2, 3]
    assert np.allclose([event.value for event in told], [float(row["loss"]) for row in rows])


def test_a_gradient_is_no_longer_than_the_clip():
    run = Imitation(settings(clip_norm=1e-3))

    before = run.step()["gradient_norm"]

    clipped = torch.stack([weight.grad.norm() for weight in run.agent.parameters()]).norm()
    assert before > 1e-3
    assert clipped.item() == pytest.approx(1e-3, rel=1e-2)


def test_the_rate_rises_then_falls():
    run = Imitation(settings())

    rates = [run.step()["learning_rate"] for _ in range(20)]

    assert np.argmax(rates) == 4
    assert rates[0] == pytest.approx(0.2e-3, rel=0.05)
    assert rates[-1] < 0.05e-3


def test_a_loss_that_is_not_finite_ends_it_with_what_was_learned_before(tmp_path, monkeypatch):
    monkeypatch.setattr("robomem.policy.training.runs.STEPS_A_CHECKPOINT", 2)
    sound = Demonstrations.batch

    def batch(self, step, **share):
        drawn = sound(self, step, **share)
        return drawn._replace(weights=drawn.weights * (torch.nan if step == 3 else 1.0))

    monkeypatch.setattr(Demonstrations, "batch", batch)

    with pytest.raises(ConfigError, match="lower the learning_rate"):
        train(settings(), tmp_path)

    kept = load_checkpoint(tmp_path / CHECKPOINT)
    assert kept.progressed.step == 2
    assert all(tensor.isfinite().all() for tensor in kept.model.values())


def test_it_ends_when_the_loss_is_low_enough():
    run = Imitation(settings(enough_loss=100.0))

    run.step()

    assert run.is_done
    assert run.fraction < 1


def test_weights_alone_are_enough_to_act(tmp_path):
    run = train(settings(), tmp_path)

    agent, kept = load_agent(tmp_path / MODEL)

    assert kept == settings()
    assert evaluate(agent, TASK, {}, episodes=16) == evaluate(run.agent, TASK, {}, episodes=16)
    assert not load_checkpoint(tmp_path / MODEL).optimiser


def test_acting_step_by_step_is_what_was_trained():
    run = Imitation(settings(memory="hcam", memory_settings={"chunk": 2}))
    episode = run.demonstrations[0]
    batch, state = batch_of([episode]), run.agent.init_state(1)
    run.agent.eval()

    for moment in range(len(episode.states)):
        action, state = run.agent.step(Moments(*(part[:, moment] for part in batch.moments)), state)

    agrees = run.agent(batch).agreement.item() == 1
    assert (action.item() == episode.actions[-1]) == agrees


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": 0},
        {"batch": 64},
        {"seed": -1},
        {"minutes": 0.0},
        {"learning_rate": float("nan")},
        {"attention_weight": -1.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        settings(**wrong)


def test_settings_of_another_version_are_refused():
    with pytest.raises(ConfigError, match="unknown settings of a training: colour"):
        settings_from({"task": TASK, "colour": 1})
    with pytest.raises(ConfigError, match="setting task"):
        settings_from({"steps": 1})


@pytest.mark.parametrize(
    ("task", "values"), [("robomem/NoSuchTask-v0", {}), ("no such id", {}), (TASK, {"colour": 1})]
)
def test_a_task_that_is_not_there_is_refused(task, values):
    with pytest.raises(ConfigError, match="no task"):
        make_task(task, values)


def test_a_task_of_another_shape_is_refused():
    agent = Imitation(settings()).agent

    with pytest.raises(ConfigError, match="the agent knows"):
        evaluate(agent, TASK, {"choices": 3}, episodes=1)


def test_a_folder_with_another_run_is_refused(tmp_path):
    train(settings(steps=2), tmp_path)

    with pytest.raises(ConfigError, match="--resume it"):
        train(settings(steps=2), tmp_path)
    with pytest.raises(ConfigError, match="with steps 2, not with 3: choose"):
        train(settings(steps=3), tmp_path, resumes=True)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:100], lambda data: b"", lambda data: b"x" * 64]
)
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    train(settings(steps=1), tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(FormatError, match=CHECKPOINT):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"settings": {"task": TASK, "colour": 1}},
        {"settings": [1]},
        {"shape": {"state_size": "three", "choices": 2}},
        {"shape": {"state_size": 3}},
        {"progressed": {"step": "some"}},
    ],
)
def test_a_header_that_tells_something_else_is_refused(tmp_path, wrong):
    from safetensors.torch import save_file

    told = {"schema": 1, "settings": {"task": TASK}, "progressed": {}}
    told["shape"] = {"state_size": 3, "choices": 2}
    save_file({"weight": torch.zeros(2)}, tmp_path / MODEL, {"robomem": json.dumps(told | wrong)})

    with pytest.raises(FormatError, match="not a checkpoint of this robomem"):
        load_agent(tmp_path / MODEL)


def test_weights_that_are_not_there_are_missed_by_name(tmp_path):
    with pytest.raises(FormatError, match=MODEL):
        load_agent(tmp_path / MODEL)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda told, weights: told["shape"].update(state_size=10**12), "another policy"),
        (lambda told, weights: told["settings"].update(size=10**5), "another policy"),
        (lambda told, weights: told["settings"].update(size=10**9), "no policy has"),
        (lambda told, weights: weights["model.mean"].fill_(torch.nan), "not finite: mean"),
    ],
)
def test_weights_that_do_not_fit_or_are_no_numbers_are_refused(tmp_path, change, says):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    train(settings(steps=1), tmp_path)
    with safe_open(tmp_path / MODEL, framework="pt") as file:
        told = json.loads(file.metadata()["robomem"])
    weights = load_file(tmp_path / MODEL)
    change(told, weights)
    save_file(weights, tmp_path / MODEL, {"robomem": json.dumps(told)})

    with pytest.raises(FormatError, match=says):
        load_agent(tmp_path / MODEL)


def test_weights_of_other_software_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / MODEL)

    with pytest.raises(FormatError, match="schema None"):
        load_checkpoint(tmp_path / MODEL)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--test", "colour=1"], "colour"),
        (["--test", "colours=3"], "--test colours=3 is"),
        (["--episodes", "0"], "--episodes"),
        (["--memory", "elephant"], "elephant"),
    ],
)
def test_what_could_not_be_scored_is_refused_before_it_is_trained(tmp_path, capsys, wrong, says):
    arguments = ["train", "robomem/RememberColour-v0", "--steps", "1", "-o", str(tmp_path / "run")]

    with suppress(SystemExit):  # of the parser
        assert main([*arguments, *wrong]) == 2

    assert says in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_command_trains_scores_and_goes_on(tmp_path, capsys):
    arguments = ["train", "robomem/RememberColour-v0", "--set", "delay_steps=3", "--memory", "gru"]
    arguments += ["--mix", "delay_steps=2", "--mix", "delay_steps=1,cue_steps=2"]
    arguments += ["--steps", "3", "--batch", "4", "--learn", "size=8,episodes=8", "--episodes", "8"]
    arguments += ["--test", "delay_steps=6", "-o", str(tmp_path / "run"), "--json", "-q"]

    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(arguments) == 2
    assert main([*arguments, "--resume"]) == 0

    assert told["progressed"]["step"] == 3
    assert told["settings"]["task_settings"] == {"delay_steps": 3}
    assert told["settings"]["mixture"] == [{"delay_steps": 2}, {"delay_steps": 1, "cue_steps": 2}]
    assert set(told["scores"]) == {"as trained", "delay_steps 6"}
    assert all(score["episodes"] == 8 for score in told["scores"].values())


@pytest.mark.parametrize(
    "wrong",
    [
        ["--memory", "elephant"],
        ["--set", "colours=900"],
        ["--learn", "rate=1"],
        ["--learn", "size=large"],
        ["--threads", "0"],
        pytest.param(
            ["--device", "cuda"],
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is one"),
        ),
    ],
)
def test_the_command_refuses_what_is_wrong(tmp_path, capsys, wrong):
    code = main(["train", "robomem/RememberColour-v0", "-o", str(tmp_path / "run"), *wrong])

    assert code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_interrupt_leaves_a_checkpoint_to_go_on_from(tmp_path):
    arguments = [
        "train",
        "robomem/RememberColour-v0",
        "--memory",
        "gru",
        "-o",
        str(tmp_path / "run"),
    ]
    arguments += ["--steps", "1000000", "--batch", "2", "--learn", "size=8"]
    script = "import sys; from robomem.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stderr=subprocess.DEVNULL
    )
    while not (tmp_path / "run" / "log.csv").exists():
        assert process.poll() is None

    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=300) == 130
    assert load_checkpoint(tmp_path / "run" / CHECKPOINT).progressed.step < 10**6


def test_two_processes_are_one_run(tmp_path):
    """Their gradients' mean is that of the whole batch, since every episode here has one read."""
    alone = train(settings(steps=3), tmp_path / "alone")
    script = (
        "import sys; sys.path[:0] = [sys.argv[1]]; import test_policy_training as t, gymnasium, pathlib\n"
        "from robomem.policy.training.sharing import shared\n"
        "gymnasium.register(t.TASK, t.Cue)\n"
        "with shared('cpu') as share: t.train(t.settings(steps=3), pathlib.Path(sys.argv[2]), share=share)\n"
    )
    here = str(Path(__file__).parent)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rendezvous = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, here, str(tmp_path / "shared")],
            env={**os.environ, **rendezvous, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]

    codes = [process.wait(timeout=300) for process in processes]

    assert codes == [0, 0]
    shared, _ = load_agent(tmp_path / "shared" / MODEL)
    for name, tensor in alone.agent.state_dict().items():
        assert torch.allclose(shared.state_dict()[name], tensor, atol=1e-5), name


def test_bf16_learns_the_same():
    run, exact = Imitation(settings(), with_bf16=True), Imitation(settings())

    losses = [(run.step()["loss"], exact.step()["loss"]) for _ in range(5)]

    assert np.allclose(*zip(*losses, strict=True), atol=0.05)
    assert all(p.dtype == torch.float32 for p in run.agent.parameters())
    assert isinstance(run.agent, nn.Module)
