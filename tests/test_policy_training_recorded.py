"""Training from a data set: the same bits as from the expert, refusals before any time goes into it, resuming."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from robomem.cli import main
from robomem.errors import ConfigError, FormatError
from robomem.policy.datasets.layout import Episode
from robomem.policy.datasets.reading import read_dataset
from robomem.policy.datasets.recording import frames_a_second, recorded
from robomem.policy.datasets.writing import write_dataset
from robomem.policy.training import recorded as recorded_module
from robomem.policy.training.demonstrations import SEEDS_PER_RUN, Demonstrations
from robomem.policy.training.imitation import Imitation
from robomem.policy.training.recorded import RecordedEpisodes
from robomem.policy.training.runs import CHECKPOINT, load_agent, train
from robomem.policy.training.settings import TrainingSettings

pytest.importorskip("robomem_sim.tasks")
CHOICE, MOTION = "robomem/RememberColour-v0", "robomem/ShellReach-v0"
SHORT = {CHOICE: {"delay_steps": 3}, MOTION: {"swaps": 0, "delay_steps": 2}}
COUNT, SEED = 6, 3


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def exported(path, *, task=CHOICE, noise=0.0, change=lambda episode: episode, **options):
    """Write the demonstrations that a run of SEED collects."""
    first = SEED * SEEDS_PER_RUN
    found = list(recorded(task, SHORT[task], episodes=COUNT, seed=first, noise=noise))
    write_dataset(path, map(change, found), fps=frames_a_second(found[0]), **options)
    return read_dataset(path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("choice") / "set")


def settings(**changed):
    small = {"task": CHOICE, "memory": "gru", "seed": SEED, "steps": 6, "batch": 4, "size": 8}
    small["episodes"] = COUNT
    task = changed.get("task", CHOICE)
    return TrainingSettings(**(small | {"task_settings": SHORT[task]} | changed))


def of(dataset, **changed):
    return settings(dataset=dataset.digest, **changed)


def without(*keys):
    return lambda episode: replace(
        episode, columns={key: c for key, c in episode.columns.items() if key not in keys}
    )


def finished(run):
    while not run.is_done:
        run.step()
    return run.agent.state_dict()


@pytest.mark.parametrize(
    ("task", "changed", "noise"),
    [
        (CHOICE, {}, 0.0),
        (CHOICE, {"memory": "hcam"}, 0.0),
        (MOTION, {}, 0.1),
        (
            MOTION,
            {"policy": "diffusion", "policy_settings": {"horizon": 4, "execute": 2, "depth": 1}},
            0.0,
        ),
    ],
)
def test_a_data_set_teaches_what_its_expert_teaches_bit_for_bit(tmp_path, task, changed, noise):
    dataset = exported(tmp_path / "set", task=task, noise=noise, max_file_mb=0.01)

    learned = finished(
        Imitation(of(dataset, task=task, **changed), recorded=partial(RecordedEpisodes, dataset))
    )

    expected = finished(Imitation(settings(task=task, noise=noise, **changed)))
    assert learned.keys() == expected.keys()
    assert all(torch.equal(learned[name], tensor) for name, tensor in expected.items())


def test_two_halves_are_one_run_bit_for_bit(tmp_path, dataset):
    opened, wanted = partial(RecordedEpisodes, dataset), of(dataset)
    half = Imitation(wanted, recorded=opened)
    for _ in range(3):
        half.step()
    half.save(tmp_path / CHECKPOINT)

    rest = train(wanted, tmp_path, recorded=opened, resumes=True).agent.state_dict()

    expected = finished(Imitation(wanted, recorded=opened))
    assert all(torch.equal(expected[name], tensor) for name, tensor in rest.items())
    assert load_agent(tmp_path / CHECKPOINT)[1].dataset == dataset.digest


def test_another_data_set_is_not_gone_on_with(tmp_path, dataset):
    other = exported(tmp_path / "set", change=without("next.reward"))
    train(of(dataset), tmp_path / "run", recorded=partial(RecordedEpisodes, dataset))

    with pytest.raises(ConfigError, match=f"dataset {dataset.digest}, not with {other.digest}"):
        train(of(other), tmp_path / "run", recorded=partial(RecordedEpisodes, other), resumes=True)


def test_a_copy_is_the_same_data_set(tmp_path, dataset):
    assert exported(tmp_path / "copy").digest == dataset.digest


def test_without_flags_every_moment_counts_at_the_set_s_own_times(tmp_path):
    bare = without("is_scored", "observation.stamp_s", "next.reward", "next.done")
    dataset = exported(tmp_path / "set", change=bare)

    episode = Demonstrations(of(dataset), partial(RecordedEpisodes, dataset))[2]

    assert episode.scored.tolist() == list(range(len(episode.states)))
    assert np.array_equal(episode.stamps_s, dataset[2].timestamps_s)
    assert not len(episode.pairs)


def test_frames_are_read_when_they_are_needed_and_not_all_kept(monkeypatch, dataset):
    read, sound = [], type(dataset).read

    def counted(self, index, keys):
        read.append((index, tuple(keys)))
        return sound(self, index, keys)

    monkeypatch.setattr(type(dataset), "read", counted)
    monkeypatch.setattr(recorded_module, "MOST_FRAMES", 2 * max(dataset.lengths))
    episodes = Demonstrations(of(dataset), partial(RecordedEpisodes, dataset))

    before = list(read)
    for index in (0, 1, 1, 2, 3, 0):
        episodes[index]

    assert before == []
    assert [index for index, _ in read] == [0, 1, 2, 3, 0]
    assert {keys for _, keys in read} == {
        ("observation.state", "action", "observation.position", "observation.stamp_s", "is_scored")
    }


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"episodes": COUNT + 1}, "has 6 episodes, not 7"),
        ({"attention_weight": 1.0, "memory": "transformer"}, "attention cannot be supervised"),
        ({"noise": 0.1}, "for an expert"),
        ({"mixture": ({"delay_steps": 2},)}, "for an expert"),
        ({"task_settings": {"colours": 3}}, "numbers, in"),
        ({"task": "robomem/Ballet-v0", "task_settings": {}}, "numbers, in"),
        ({"dataset": "other"}, "not other"),
    ],
)
def test_settings_that_do_not_fit_a_data_set_are_refused(dataset, changed, says):
    with pytest.raises(ConfigError, match=says):
        Imitation(replace(of(dataset), **changed), recorded=partial(RecordedEpisodes, dataset))


def test_a_batch_has_as_many_episodes(dataset):
    with pytest.raises(ConfigError, match="a batch of 32 needs as many"):
        of(dataset, batch=32)


@pytest.mark.parametrize("opened", [None, RecordedEpisodes])
def test_a_digest_without_a_set_and_a_set_without_a_digest_are_refused(dataset, opened):
    wanted = of(dataset) if opened is None else settings()

    with pytest.raises(ConfigError, match="where one is learned from"):
        Demonstrations(wanted, opened and partial(opened, dataset))


def column(key, make):
    return lambda episode: replace(
        episode, columns={**episode.columns, key: make(episode.columns[key])}
    )


@pytest.mark.parametrize(
    ("task", "change", "says"),
    [
        (CHOICE, without("observation.state"), "has no observation.state"),
        (CHOICE, without("action"), "has no action"),
        (CHOICE, without("observation.position"), "sees_position=false"),
        (CHOICE, column("observation.state", lambda c: c[:, :2]), "has 7 numbers"),
        (CHOICE, column("action", lambda c: c.astype(np.float32)), "one of 5 actions"),
        (CHOICE, column("action", lambda c: c + 7), "actions in .* are 7 to"),
        (CHOICE, column("action", lambda c: c - 7), "actions in .* are -7 to"),
        (CHOICE, column("is_scored", lambda c: c.astype(np.int64)), "is_scored is bool"),
        (CHOICE, column("observation.position", lambda c: c[:, :2]), "position is float32"),
        (MOTION, column("action", lambda c: c[:, :2]), "floats in"),
        (MOTION, column("action", lambda c: c[:, 0] > 0), "floats in"),
        (MOTION, column("action", lambda c: 90 * c), "actions in .* are -"),
    ],
)
def test_a_set_of_another_shape_is_refused_before_a_frame_is_read(
    tmp_path, monkeypatch, task, change, says
):
    dataset = exported(tmp_path / "set", task=task, change=change)
    monkeypatch.setattr(type(dataset), "read", None)

    with pytest.raises(ConfigError, match=says):
        Demonstrations(of(dataset, task=task), partial(RecordedEpisodes, dataset))


def test_a_memory_that_minds_places_wants_them(tmp_path):
    dataset = exported(tmp_path / "set", change=without("observation.position"))

    with pytest.raises(ConfigError, match="place-wise minds places"):
        Demonstrations(of(dataset, memory="place-wise"), partial(RecordedEpisodes, dataset))
    learned = Imitation(
        of(dataset, sees_position=False), recorded=partial(RecordedEpisodes, dataset)
    )
    assert learned.step()["loss"] > 0


def test_another_rate_than_the_task_s_is_refused(tmp_path):
    path = tmp_path / "set"
    found = [Episode(e.task, e.columns, e.timestamps_s) for e in exported(path)]
    write_dataset(path, found, fps=30, force=True)
    dataset = read_dataset(path)

    with pytest.raises(ConfigError, match="10 moments a second"):
        Demonstrations(of(dataset), partial(RecordedEpisodes, dataset))


@pytest.mark.parametrize(
    ("task", "key", "value", "says"),
    [
        (CHOICE, "action", 9, "actions are 0 to 4"),
        (CHOICE, "observation.state", np.nan, "observation.state in episode 0"),
        (CHOICE, "observation.stamp_s", -1.0, "observation.stamp_s in episode 0"),
        (MOTION, "action", np.nan, "action in episode 0"),
        (MOTION, "action", 2.0, "motions are in"),
    ],
)
def test_frames_that_are_not_as_the_statistics_say_are_a_format_error(
    monkeypatch, tmp_path, task, key, value, says
):
    dataset = exported(tmp_path / "set", task=task)
    sound = type(dataset).read

    def damaged(self, index, keys):
        episode = sound(self, index, keys)
        episode.columns[key][-1] = value
        return episode

    monkeypatch.setattr(type(dataset), "read", damaged)

    with pytest.raises(FormatError, match=says):
        Demonstrations(of(dataset, task=task), partial(RecordedEpisodes, dataset))[0]


def test_the_command_learns_from_a_data_set_and_goes_on(tmp_path, dataset, capsys):
    words = ["train", CHOICE, "--set", "delay_steps=3", "--memory", "gru", "--steps", "2", "-q"]
    words += ["--batch", "4", "--learn", "size=8", "--episodes", "4", "--json"]
    words += ["-o", str(tmp_path / "run"), "--dataset"]

    assert main([*words, str(dataset.path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main([*words, str(dataset.path), "--resume"]) == 0
    exported(tmp_path / "other", change=without("next.reward"))
    assert main([*words, str(tmp_path / "other"), "--resume"]) == 2

    assert told["settings"]["dataset"] == dataset.digest
    assert told["settings"]["episodes"] == COUNT
    assert told["scores"]["as trained"]["episodes"] == 4


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (["--dataset", "nothing"], 3),
        (["--batch", "32"], 2),
        (["--supervise-attention", "1"], 2),
        (["--set", "colours=3"], 2),
    ],
)
def test_the_command_refuses_a_set_before_it_makes_a_folder(tmp_path, dataset, capsys, wrong, code):
    words = ["train", CHOICE, "--dataset", str(dataset.path), "--batch", "4"]

    assert main([*words, "-o", str(tmp_path / "run"), *wrong]) == code

    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
