"""One task learned with one memory from one seed: a cell of the table, kept on disk with its weights."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from robomem.errors import FormatError
from robomem.policy.training.agent import Agent
from robomem.policy.training.evaluation import Score, evaluate, moment_of
from robomem.policy.training.runs import train
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.tasks import make_task
from robomem_sim.bench_recall.trials import Trial, Variant

TIMED_STEPS = 100
FOUND = "found.json"

OnFraction = Callable[[float], None]  # is told how much of a cell is done


@dataclass(frozen=True, slots=True)
class Cell:
    """What is to be learned, and scored.

    Attributes:
        trial: The task.
        variant: What it is learned with.
        seed: Of the training and of the test.
        minutes: Of CPU time, at most.
        episodes: To score it.
    """

    trial: Trial
    variant: Variant
    seed: int
    minutes: float
    episodes: int

    @property
    def name(self) -> str:
        """What it is called: trial/variant/seed."""
        return f"{self.trial.name}/{self.variant.name}/{self.seed}"

    @property
    def training(self) -> TrainingSettings:
        """How it is trained."""
        values: dict[str, Any] = {
            "task": self.trial.task,
            "task_settings": dict(self.trial.settings),
            "mixture": tuple(dict(differing) for differing in self.trial.mixture),
            "memory": self.variant.memory,
            "memory_settings": dict(self.trial.memories.get(self.variant.memory, {})),
            "seed": self.seed,
            "minutes": self.minutes,
        }
        return TrainingSettings(**(values | dict(self.trial.learn) | dict(self.variant.learn)))

    @property
    def key(self) -> str:
        """A folder's name: other settings have another one; those that have their defaults change nothing."""
        plain = asdict(TrainingSettings(task=self.trial.task))
        training = {n: v for n, v in asdict(self.training).items() if v != plain[n]}
        tests = {name: dict(test) for name, test in self.trial.tests.items()}
        told = json.dumps([self.trial.task, training, tests, self.episodes], sort_keys=True)
        digest = hashlib.sha256(told.encode()).hexdigest()[:8]
        return f"{self.name.replace('/', '.')}.{digest}"


@dataclass(frozen=True, slots=True)
class CellFound:
    """What came out.

    Attributes:
        name: Of the cell.
        trial: Its parts,
        memory: of which
        seed: it is made.
        steps: Batches learned from,
        cpu_minutes: and the CPU time they took.
        loss: Running mean at the end.
        parameters: Of the whole agent.
        state_bytes: Of its memory, for one robot.
        step_ms: CPU time of one step of one robot, median, one thread.
        scores: By the names of the tests.
    """

    name: str
    trial: str
    memory: str
    seed: int
    steps: int
    cpu_minutes: float
    loss: float
    parameters: int
    state_bytes: int
    step_ms: float
    scores: dict[str, Score]


def measure_cell(cell: Cell, folder: Path, *, on_fraction: OnFraction) -> CellFound:
    """Return what is in the folder of a cell; train it, or go on training it, where nothing is.

    Raises:
        FormatError: The file in the folder is damaged.
    """
    folder = folder / cell.key
    if (folder / FOUND).exists():
        return _read(folder / FOUND)
    run = train(
        cell.training, folder, resumes=True, on_step=lambda told: on_fraction(told.fraction)
    )
    agent, done = run.agent, run.progressed
    found = CellFound(
        name=cell.name,
        trial=cell.trial.name,
        memory=cell.variant.name,
        seed=cell.seed,
        steps=done.step,
        cpu_minutes=done.cpu_s / 60,
        loss=done.running_loss or 0.0,
        parameters=sum(parameter.numel() for parameter in agent.parameters()),
        state_bytes=agent.state_bytes,
        step_ms=_step_ms(agent, cell),
        scores={name: _score(agent, cell, test) for name, test in cell.trial.tests.items()},
    )
    _write(folder / FOUND, found)
    return found


def _score(agent: Agent, cell: Cell, test: Mapping[str, Any]) -> Score:
    settings = {**cell.trial.settings, **test}
    return evaluate(agent, cell.trial.task, settings, episodes=cell.episodes, seed=cell.seed)


@torch.inference_mode()
def _step_ms(agent: Agent, cell: Cell) -> float:
    """Return the CPU milliseconds of a step, as long as the state is of the size it will stay."""
    observation, _ = make_task(cell.trial.task, cell.trial.settings).reset(seed=0)
    moment = moment_of([observation], device=agent.device)
    state = agent.init_state(1)
    taken_ns = []
    for _ in range(TIMED_STEPS):
        begin_ns = time.process_time_ns()
        _, state = agent.step(moment, state)
        taken_ns.append(time.process_time_ns() - begin_ns)
    return median(taken_ns) / 1e6


def _read(path: Path) -> CellFound:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        scores = {name: Score(**score) for name, score in told.pop("scores").items()}
        return CellFound(**told, scores=scores)
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as err:
        raise FormatError(f"{path} is damaged, delete it to measure it again: {err}") from err


def _write(path: Path, found: CellFound) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
    partial.replace(path)
