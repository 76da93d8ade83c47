"""The commands of exported policies and data sets, as they are typed."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from robomem.cli import train
from robomem.cli.entry import main
from robomem.cli.parser import parse_arguments
from robomem.policy.export.folder import export_policy
from robomem.policy.export.success import holds_up, score
from robomem.policy.runtime.client import Patience, PolicyClient
from robomem.policy.runtime.graphs import RuntimeOptions
from robomem.policy.runtime.policy import RuntimePolicy
from robomem.policy.training.agent import DirectAgent
from robomem.policy.training.checkpoints import Progressed, save_checkpoint
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.tasks import make_task, shape_of

NO_TASK = ("--int8-task", "robomem/Nothing-v0")
TASK, SETTINGS = "robomem/ChainOfColours-v0", {"length": 1, "delay_steps": 1}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"task_settings": SETTINGS, "mixture": ({"length": 2}, {"length": 3, "delay_steps": 2})},
        {"memory": "gru", "seed": 7, "steps": 10, "minutes": 0.5, "attention_weight": 1.0},
        {"policy": "diffusion", "policy_settings": {"horizon": 8, "schedule": "flow"}},
        {"sees_position": False, "learning_rate": 2e-5, "noise": 0.1, "batch": 4},
    ],
    ids=["usual", "a mixture", "options", "diffusion", "others"],
)
def test_a_command_that_is_told_trains_the_same(given):
    settings = TrainingSettings(task=TASK, **given)

    command = train.command_of(settings)

    typed = parse_arguments(shlex.split(command)[1:])
    assert train._settings(typed) == settings


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    settings = TrainingSettings(
        task=TASK, task_settings=SETTINGS, memory="frame-stack", size=8, seed=7
    )
    shape = shape_of(make_task(TASK, SETTINGS))
    path = tmp_path_factory.mktemp("trained") / "model.safetensors"
    agent = DirectAgent(settings, shape)
    save_checkpoint(path, agent, settings=settings, shape=shape, progressed=Progressed())
    return path


@pytest.fixture(scope="module")
def exported(checkpoint) -> Path:
    path = checkpoint.parent / "exported"
    assert main(["export-policy", str(checkpoint), "-o", str(path), "-q"]) == 0
    return path


def test_an_exported_checkpoint_has_a_card_that_says_how_it_was_made(exported):
    card = (exported / "README.md").read_text()

    assert f"the expert of {TASK}" in card
    assert "--memory frame-stack" in card
    assert "| seed | 7 |" in card
    assert "Apache-2.0" in card


def test_an_exported_policy_acts_in_its_task(exported):
    policy = RuntimePolicy.from_pretrained(exported, RuntimeOptions(provider="cpu"))

    found = score(policy, TASK, SETTINGS, episodes=2)
    holds = holds_up(TASK, SETTINGS, episodes=2, may_lose=0.0)

    assert 0 <= found <= 1
    assert holds(policy, policy)


def test_what_cannot_be_exported_is_one_line(checkpoint, exported, tmp_path, capsys):
    codes = [
        main(["export-policy", str(tmp_path / "none"), "-o", str(tmp_path / "a")]),
        main(["export-policy", str(checkpoint), "-o", str(exported)]),
        main(["serve-policy", str(tmp_path / "none")]),
        main(["serve-policy", str(exported), "--host", "0.0.0.0"]),
        main(["export-policy", str(checkpoint), "-o", str(tmp_path / "b"), *NO_TASK]),
    ]

    assert codes == [8, 2, 8, 2, 2]
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("robomem: ") for line in lines] == [True] * 5
    assert "token" in lines[3]
    assert "robomem/Nothing-v0" in lines[4]


def test_a_token_that_others_may_read_is_refused(exported, tmp_path, capsys):
    token = tmp_path / "token"
    token.write_text("correct horse battery")
    token.chmod(0o644)

    assert main(["serve-policy", str(exported), "--token-file", str(token)]) == 2
    assert "chmod 600" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_serves_until_a_signal_ends_it(exported, tmp_path, number):
    token = tmp_path / "token"
    token.write_text("correct horse battery\n")
    token.chmod(0o600)
    command = [sys.executable, "-m", "robomem.cli", "serve-policy", exported, "--port", "0"]
    command += ["--json", "--provider", "cpu", "--token-file", token]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = json.loads(process.stdout.readline())
        with PolicyClient(told["url"], "correct horse battery", Patience(answer_s=60.0)) as client:
            size = client.policy["observation"]["observation.state"]["shape"][0]
            chunk = client.predict_action_chunk(
                {"observation.state": np.zeros((1, size), np.float32)}
                | {"observation.position": np.zeros((1, 3), np.float32)}
            )
        process.send_signal(number)
        counts = json.loads(process.stdout.readline())["counts"]

    assert chunk.shape == (1, 1, 1)
    assert counts == {"answered": 1, "clients": 1}
    assert process.returncode == 0


def test_a_policy_is_exported_anew_only_by_force(checkpoint, exported):
    before = (exported / "manifest.json").stat().st_mtime_ns

    assert main(["export-policy", str(checkpoint), "-o", str(exported), "--force", "-q"]) == 0

    assert (exported / "manifest.json").stat().st_mtime_ns > before


def test_demonstrations_are_recorded_and_told_of(tmp_path, capsys):
    path = str(tmp_path / "set")
    arguments = [TASK, "-o", path, "--episodes", "2", "--set", "length=1,delay_steps=1", "-q"]
    assert main(["dataset", "export", *arguments]) == 0
    capsys.readouterr()

    assert main(["dataset", "info", path, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert told["episodes"] == 2
    assert told["tasks"] == [TASK]
    assert told["features"]["observation.position"] == "float32 [3]"
    assert {"action", "is_scored", "next.reward"} <= told["features"].keys()


def test_a_command_that_is_told_names_that_there_was_a_data_set():
    command = train.command_of(TrainingSettings(task=TASK, dataset="0123456789abcdef"))

    assert parse_arguments(shlex.split(command)[1:]).dataset == "SET"
    assert "0123" not in command


def test_what_is_no_data_set_is_one_line(tmp_path, capsys):
    codes = [
        main(["dataset", "info", str(tmp_path)]),
        main(["dataset", "export", TASK]),
        main(["dataset", "export", TASK, "-o", str(tmp_path / "b"), "--noise", "-1"]),
        main(["dataset", "export", "robomem/Nothing-v0", "-o", str(tmp_path / "a"), "-q"]),
    ]

    assert codes == [3, 2, 2, 2]
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_the_diffusion_policy_of_a_training_is_exported_from_its_folder(tmp_path, monkeypatch):
    from robomem.policy.config import PolicyConfig
    from robomem.policy.policy import DiffusionPolicy

    DiffusionPolicy(PolicyConfig(state_size=2, action_size=1, width=8, depth=1)).save_pretrained(
        tmp_path / "policy"
    )
    exported = []
    monkeypatch.setattr(
        "robomem.policy.export.folder.export_policy",
        lambda policy, path, options: exported.append(policy) or export_policy,
    )
    monkeypatch.setattr("robomem.cli.export_policy._tell", lambda args, exported: None)

    assert main(["export-policy", str(tmp_path / "policy"), "-o", str(tmp_path / "out")]) == 0
    assert isinstance(exported[0], DiffusionPolicy)
