"""The trained weights of the repository are those that the registry names, and do what it says."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from robomem.policy.training.evaluation import evaluate
from robomem.policy.training.runs import load_agent

MODELS = Path(__file__).parent.parent / "models"
ROW = re.compile(
    r"\| \[(?P<name>[\w-]+)\]\((?P=name)\.md\) \|.*\| (?P<score>[\d.]+) \|.*\| `(?P<sha256>[0-9a-f]{64})` \|"
)


class Model(NamedTuple):
    """A row of the registry."""

    name: str
    score: float
    sha256: str


REGISTRY = [
    Model(row["name"], float(row["score"]), row["sha256"])
    for row in ROW.finditer((MODELS / "README.md").read_text(encoding="utf-8"))
]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_every_file_of_weights_is_registered():
    assert {model.name for model in REGISTRY} == {p.stem for p in MODELS.glob("*.safetensors")}
    assert REGISTRY


@pytest.mark.parametrize("model", REGISTRY, ids=lambda model: model.name)
def test_weights_are_those_of_the_registry_and_of_their_card(model):
    data = (MODELS / f"{model.name}.safetensors").read_bytes()
    card = (MODELS / f"{model.name}.md").read_text(encoding="utf-8")

    assert hashlib.sha256(data).hexdigest() == model.sha256
    assert model.sha256 in card
    assert all(word in card for word in ("Data", "Seed", "Command", "Scores", "Licence"))
    assert len(data) < 1_500_000


@pytest.mark.parametrize("model", REGISTRY, ids=lambda model: model.name)
def test_weights_do_what_the_registry_says(model):
    agent, settings = load_agent(MODELS / f"{model.name}.safetensors")

    score = evaluate(agent, settings.task, settings.task_settings, episodes=6)

    assert score.mean >= model.score - 0.25
