"""One file that holds a run: weights, optimiser and what else it goes on from. Safetensors, never pickle."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn, optim

from robomem.errors import ConfigError, FormatError
from robomem.policy.training.settings import TrainingSettings, settings_from
from robomem.policy.training.tasks import TaskShape

SCHEMA = 1
MODEL, OPTIMISER = "model.", "optimiser."
_KEY = "robomem"  # of the header of a safetensors file, whose values are strings
_SHAPE = TypeAdapter(TaskShape)


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a run is; what is drawn at random follows from the seed and the step.

    Attributes:
        step: Batches learned from.
        cpu_s: CPU time they took.
        running_loss: Of the last steps; None before the first.
    """

    step: int = 0
    cpu_s: float = 0.0
    running_loss: float | None = None


_PROGRESSED = TypeAdapter(Progressed)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was read from a file.

    Attributes:
        settings: Of the run.
        shape: Of its task.
        progressed: How far it was.
        model: The agent's state_dict.
        optimiser: AdamW's state, by its keys; empty in a file of weights only.
    """

    settings: TrainingSettings
    shape: TaskShape
    progressed: Progressed
    model: dict[str, Tensor]
    optimiser: dict[str, Tensor]


def save_checkpoint(
    path: Path,
    agent: nn.Module,
    *,
    settings: TrainingSettings,
    shape: TaskShape,
    progressed: Progressed,
    optimiser: optim.Optimizer | None = None,
) -> None:
    """Write a checkpoint, whole or not at all; without an optimiser one of the weights only."""
    tensors = {MODEL + name: tensor for name, tensor in agent.state_dict().items()}
    if optimiser is not None:
        tensors |= _optimiser_tensors(optimiser)
    told = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "shape": asdict(shape),
        "progressed": asdict(progressed),
    }
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(contiguous, {_KEY: json.dumps(told, sort_keys=True)})
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        FormatError: It is none, it is damaged, or another version of robomem wrote it.
    """
    told, tensors = _read(path)
    if told.get("schema") != SCHEMA:
        raise FormatError(
            f"{path} is a checkpoint of schema {told.get('schema')}, this robomem reads {SCHEMA}"
        )
    try:
        return Checkpoint(
            settings=settings_from(dict(told["settings"])),
            shape=_SHAPE.validate_python(told["shape"]),
            progressed=_PROGRESSED.validate_python(told["progressed"]),
            model=_under(MODEL, tensors),
            optimiser=_under(OPTIMISER, tensors),
        )
    except (KeyError, TypeError, ValueError, ConfigError) as err:
        raise FormatError(f"{path} is not a checkpoint of this robomem: {err}") from err


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], *, origin: Path) -> None:
    """Give a module its weights.

    Raises:
        FormatError: They are of another module, or not finite.
    """
    check_weights(module, weights, origin=origin)
    module.load_state_dict(weights)


def check_weights(module: nn.Module, weights: Mapping[str, Tensor], *, origin: Path) -> None:
    """Raise FormatError where weights are of another module, which may be one without any memory ("meta"), or not finite."""
    wanted = {(name, tensor.shape) for name, tensor in module.state_dict().items()}
    odd = wanted ^ {(name, tensor.shape) for name, tensor in weights.items()}
    if odd:
        names = ", ".join(sorted({name for name, _ in odd})[:5])
        raise FormatError(f"{origin} holds the weights of another policy: {names} differ")
    broken = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if broken:
        raise FormatError(f"{origin} holds weights that are not finite: {', '.join(broken[:5])}")


def load_optimiser(optimiser: optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser the state that it was saved with."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        states.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": states})


def _optimiser_tensors(optimiser: optim.Optimizer) -> dict[str, Tensor]:
    states: dict[int, dict[str, Tensor]] = optimiser.state_dict()["state"]
    return {
        f"{OPTIMISER}{number}.{key}": tensor
        for number, state in states.items()
        for key, tensor in state.items()
    }


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return what the header tells, and all tensors."""
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as err:
        raise FormatError(f"{path} is no checkpoint, or damaged: {err}") from err
    if not isinstance(told, dict):
        raise FormatError(f"{path} is no checkpoint: its header tells {told!r}")
    return told, tensors


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
