"""How well an agent does by itself, in episodes that it never learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from robomem.errors import ConfigError
from robomem.policy.memories.memory import Moments
from robomem.policy.training.agent import Agent
from robomem.policy.training.demonstrations import FIRST_TEST_SEED
from robomem.policy.training.settings import Setting
from robomem.policy.training.tasks import (
    POSITION,
    STAMP_S,
    STATE,
    Bounds,
    bounds_of,
    make_task,
    shape_of,
)

ABREAST = 64  # environments that take their steps together


@dataclass(frozen=True, slots=True)
class Score:
    """What episodes scored, each from 0 to 1.

    Attributes:
        mean: Over the episodes,
        error: and its standard error.
        episodes: How many.
        oracle: What one who knows all scores,
        chance: and one who guesses.
    """

    mean: float
    error: float
    episodes: int
    oracle: float
    chance: float


def evaluate(
    agent: Agent,
    task: str,
    settings: Mapping[str, Setting],
    *,
    episodes: int = 256,
    seed: int = 0,
) -> Score:
    """Let an agent act by itself, and score it.

    Args:
        agent: On any device.
        task: A gymnasium id.
        settings: Of the task; they need not be those that it learned with.
        episodes: How many.
        seed: Other numbers are other episodes; none is one that any agent learned from.

    Raises:
        ConfigError: The task tells or takes something else than the agent's.
    """
    envs = [make_task(task, settings) for _ in range(min(episodes, ABREAST))]
    if shape_of(envs[0]) != agent.shape:
        raise ConfigError(
            f"the agent knows {agent.shape}, {task} with {dict(settings)} is {shape_of(envs[0])}"
        )
    seeds = FIRST_TEST_SEED + (seed << 20) + np.arange(episodes)
    scores = np.concatenate(
        [
            _scores(agent, envs, seeds[begin : begin + ABREAST])
            for begin in range(0, episodes, ABREAST)
        ]
    )
    bounds: Bounds = bounds_of(envs[0])
    return Score(
        mean=float(scores.mean()),
        error=float(scores.std() / np.sqrt(episodes)),
        episodes=episodes,
        oracle=bounds.oracle,
        chance=bounds.chance,
    )


@torch.inference_mode()
def _scores(agent: Agent, envs: Sequence[Any], seeds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sums of rewards of one episode a seed; those that are over wait for the others."""
    envs = envs[: len(seeds)]
    seen = [env.reset(seed=int(seed))[0] for env, seed in zip(envs, seeds, strict=True)]
    scores, is_over = np.zeros(len(envs)), np.zeros(len(envs), bool)
    device = agent.device
    state = {name: held.to(device) for name, held in agent.init_state(len(envs)).items()}
    was_training = agent.training
    agent.eval()
    while not is_over.all():
        actions, state = agent.step(moment_of(seen, device=device), state)
        for row, action in enumerate(actions.cpu().numpy()):
            if not is_over[row]:
                seen[row], reward, is_ended, is_cut, _ = envs[row].step(action)
                scores[row] += reward
                is_over[row] = is_ended or is_cut
    agent.train(was_training)
    return scores


def moment_of(
    seen: Sequence[Mapping[str, NDArray[np.float32]]], *, device: torch.device
) -> Moments:
    """Return what B environments observe as one moment (B, ...)."""
    return Moments(
        features=torch.from_numpy(np.stack([each[STATE].ravel() for each in seen])).to(device),
        stamps_s=torch.from_numpy(np.concatenate([each[STAMP_S] for each in seen])).to(device),
        positions=torch.from_numpy(np.stack([each[POSITION] for each in seen])).to(device),
    )
