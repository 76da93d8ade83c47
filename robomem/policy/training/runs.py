"""A run of training with its files: what `robomem train` does."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch

from robomem.errors import ConfigError, FormatError
from robomem.policy.interrupts import interrupts_counted
from robomem.policy.training.agent import Agent
from robomem.policy.training.agents import make_agent
from robomem.policy.training.checkpoints import (
    Checkpoint,
    check_weights,
    load_checkpoint,
    load_weights,
)
from robomem.policy.training.demonstrations import Recorded
from robomem.policy.training.imitation import Imitation
from robomem.policy.training.logs import TrainingLog
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.sharing import Share

CHECKPOINT, MODEL = "checkpoint.safetensors", "model.safetensors"
PRETRAINED = "policy"  # the folder of a diffusion policy
STEPS_A_CHECKPOINT = 200


class Told(NamedTuple):
    """What is told after each step.

    Attributes:
        fraction: of the run that is done, 0 to 1.
        step: batches learned from.
        loss: of this batch.
        agreement: share of its actions that are the expert's.
    """

    fraction: float
    step: int
    loss: float
    agreement: float


OnStep = Callable[[Told], None]


def train(  # noqa: PLR0913 - what a command line says
    settings: TrainingSettings,
    folder: Path,
    *,
    recorded: Recorded | None = None,
    share: Share | None = None,
    resumes: bool = False,
    with_bf16: bool = False,
    with_tensorboard: bool = False,
    on_step: OnStep | None = None,
) -> Imitation:
    """Train an agent; the folder then holds its weights, the log and what a run goes on from.

    Ctrl-C ends it after the step that it is at, with a checkpoint.

    Args:
        settings: Of the run; of one that goes on, the same.
        folder: Is made; MODEL, CHECKPOINT and log.csv are written into it.
        recorded: Opens the episodes to learn from, where it is not the task's expert that is asked.
        share: Of several processes; the first writes the files.
        resumes: Go on from the checkpoint in the folder, if there is one.
        with_bf16: Compute in bfloat16 where autocast does.
        with_tensorboard: Write for TensorBoard, too.
        on_step: Is told of each step.

    Raises:
        ConfigError: The folder holds a run with other settings, or one that is not to be resumed.
        FormatError: Its checkpoint is damaged.
    """
    share = share or Share()
    goes_on = (folder / CHECKPOINT).exists()
    if goes_on:
        _check_goes_on(settings, folder / CHECKPOINT, resumes=resumes)
    run = Imitation(settings, share, recorded=recorded, with_bf16=with_bf16)
    folder.mkdir(parents=True, exist_ok=True)
    if goes_on:
        run.resume(folder / CHECKPOINT)
    if not share.is_first:
        while not run.is_done:
            run.step()
        return run
    with (
        interrupts_counted() as interrupts,
        TrainingLog(folder, step=run.progressed.step, with_tensorboard=with_tensorboard) as log,
    ):
        while not (run.is_done or interrupts):
            _step(run, folder, log, on_step)
        run.save(folder / CHECKPOINT)
    if interrupts:
        raise KeyboardInterrupt
    run.save(folder / MODEL, is_final=True)
    run.agent.save_pretrained(folder / PRETRAINED)
    return run


def load_agent(path: Path) -> tuple[Agent, TrainingSettings]:
    """Return an agent with the weights of a file, ready to act, and how it was trained.

    Raises:
        FormatError: The file is damaged, or of another version.
    """
    checkpoint = load_checkpoint(path)
    _check_sizes(checkpoint, path)
    agent = make_agent(checkpoint.settings, checkpoint.shape)
    load_weights(agent, checkpoint.model, origin=path)
    return agent.eval(), checkpoint.settings


def _check_sizes(checkpoint: Checkpoint, path: Path) -> None:
    """Raise FormatError where settings and weights do not fit, before settings of any size take memory."""
    try:
        with torch.device("meta"):
            blank = make_agent(checkpoint.settings, checkpoint.shape)
    except RuntimeError as err:  # more than can be counted
        raise FormatError(f"{path} tells sizes that no policy has: {err}") from err
    check_weights(blank, checkpoint.model, origin=path)


def _step(run: Imitation, folder: Path, log: TrainingLog, on_step: OnStep | None) -> None:
    """Take a step, tell of it, and now and then keep what was learned."""
    row = run.step()
    step = run.progressed.step
    log.write(step, row)
    if on_step is not None:
        on_step(Told(run.fraction, step, row["loss"], row["agreement"]))
    if step % STEPS_A_CHECKPOINT == 0:
        log.flush()
        run.save(folder / CHECKPOINT)


def _check_goes_on(settings: TrainingSettings, path: Path, *, resumes: bool) -> None:
    if not resumes:
        raise ConfigError(f"{path} is of an earlier run: --resume it, or choose another folder")
    kept, given = asdict(load_checkpoint(path).settings), asdict(settings)
    odd = [name for name in given if kept[name] != given[name]]
    if odd:
        told = ", ".join(f"{name} {kept[name]}, not with {given[name]}" for name in odd)
        raise ConfigError(f"{path} goes on with {told}: choose another folder")
