"""What the expert of a task does, as episodes of a data set."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.policy.datasets.layout import Columns, Episode
from robomem.policy.runtime.senses import IMAGES
from robomem.policy.training.demonstrations import disturbed
from robomem.policy.training.settings import Setting
from robomem.policy.training.tasks import STAMP_S, expert_action, make_task, shape_of


def recorded(
    task: str,
    settings: Mapping[str, Setting],
    *,
    episodes: int,
    seed: int = 0,
    noise: float = 0.0,
) -> Iterator[Episode]:
    """Yield what the expert observes and does, an episode a seed.

    Images are told as (H, W, 3), as data sets keep them, whether the task tells them so or as (3, H, W). `next.reward` and `next.done` are what a step led to;
    `is_scored` says whether the action counted. What is told is what the expert did; what moved the robot is disturbed by noise, as in training.

    Raises:
        MissingExtraError: Something that the task needs is not installed.
        ConfigError: There is no such task, or it does not take these settings.
    """
    env = make_task(task, settings)
    for number in range(episodes):
        yield _episode(env, task, seed=seed + number, noise=noise)


def frames_a_second(episode: Episode) -> int:
    """Return how often an episode was observed, by the median time between two moments; 1 where there is one only."""
    passed_s = np.diff(episode.timestamps_s)
    period_s = float(np.median(passed_s)) if len(passed_s) else 1.0
    return max(1, round(1 / period_s)) if period_s > 0 else 1


def _episode(env: Any, task: str, *, seed: int, noise: float) -> Episode:
    rows: list[dict[str, Any]] = []
    rng = np.random.default_rng(seed)
    is_choice = shape_of(env).choices is not None
    observation, info = env.reset(seed=seed)
    is_over = False
    while not is_over:
        action = expert_action(env)
        row = {**observation, "action": action, "is_scored": bool(info["is_scored"])}
        observation, reward, is_ended, is_cut, info = env.step(
            action if is_choice else disturbed(action, rng, noise)
        )
        is_over = is_ended or is_cut
        rows.append({**row, "next.reward": np.float32(reward), "next.done": is_over})
    columns: Columns = {key: _column(key, np.stack([row[key] for row in rows])) for key in rows[0]}
    stamps_s = columns[STAMP_S].astype(np.float32)
    return Episode(task, columns, stamps_s - stamps_s[0])


def _column(key: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return values (T, ...) as data sets keep them: images as bytes (T, H, W, 3), all else in one dimension."""
    if key.startswith(IMAGES):
        pixels = values if values.dtype == np.uint8 else np.round(values * 255).astype(np.uint8)
        return pixels if pixels.shape[-1] == 3 else np.moveaxis(pixels, 1, -1)
    flat = values.reshape(len(values), -1)
    return flat[:, 0] if flat.shape[1] == 1 else flat
