"""What is imitated: episodes of the expert or of a data set, got when they are first needed, and batches of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomem.errors import ConfigError
from robomem.policy.memories.memory import Moments
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.tasks import (
    POSITION,
    STAMP_S,
    STATE,
    TaskShape,
    expert_action,
    make_task,
    shape_of,
)

if TYPE_CHECKING:
    import gymnasium

SEEDS_PER_RUN = 1 << 20  # as many as different demonstrations can be asked for
FIRST_TEST_SEED = 1 << 40  # above those of all runs: nothing is tested that was trained on


@dataclass(frozen=True, slots=True)
class Episode:
    """What was observed and done, T moments long.

    Attributes:
        states: (T, D) float32.
        stamps_s: (T,) float32, seconds since its start.
        positions: (T, 3) float32, metres in map.
        actions: (T,) int64 which was chosen, or (T, A) float32.
        scored: (R,) int64, moments whose action counts.
        pairs: (P, 2) int64, a moment and an earlier one that its action depends on.
    """

    states: NDArray[np.float32]
    stamps_s: NDArray[np.float32]
    positions: NDArray[np.float32]
    actions: NDArray[Any]
    scored: NDArray[np.int64]
    pairs: NDArray[np.int64]


class Batch(NamedTuple):
    """B episodes, padded at their ends to T moments and R reads.

    Attributes:
        moments: (B, T, ...); the features are states as they were observed.
        reads: (B, R) moments whose action counts.
        weights: (B, R) 1.0, or 0.0 where a read is padding.
        actions: (B, R) or (B, R, A) what the expert did at the reads.
        pairs: (P, 3) sequence, read and earlier moment that the action there depends on.
        course: (B, T) or (B, T, A) what the expert did at every moment.
        lengths: (B,) moments before the padding.
    """

    moments: Moments
    reads: Tensor
    weights: Tensor
    actions: Tensor
    pairs: Tensor
    course: Tensor
    lengths: Tensor


Recorded = Callable[[TrainingSettings, TaskShape], Sequence[Episode]]
"""Opens episodes that were recorded, once it is known what they have to fit."""


class Demonstrations:
    """The episodes of one run; the same settings give the same episodes.

    Args:
        settings: Of the run.
        recorded: Where episodes come from that no expert is asked for.

    Raises:
        ConfigError: The task, or what was recorded, is not as the settings say.
    """

    def __init__(self, settings: TrainingSettings, recorded: Recorded | None = None) -> None:
        if bool(settings.dataset) != (recorded is not None):
            raise ConfigError(
                "settings tell of a data set where one is learned from, and only there"
            )
        self._settings = settings
        self._envs = [
            make_task(settings.task, {**settings.task_settings, **differing})
            for differing in ({}, *settings.mixture)
        ]
        self._episodes: dict[int, Episode] = {}
        self.shape = shape_of(self._envs[0])
        if any(shape_of(env) != self.shape for env in self._envs):
            raise ConfigError(f"tasks of different shapes cannot be mixed: {settings.mixture}")
        self._recorded = None if recorded is None else recorded(settings, self.shape)

    def __getitem__(self, index: int) -> Episode:
        """Return an episode."""
        if self._recorded is not None:
            return self._recorded[index]
        if index not in self._episodes:
            self._episodes[index] = _collected(
                self._envs[index % len(self._envs)],
                self.shape,
                seed=self._settings.seed * SEEDS_PER_RUN + index,
                noise=self._settings.noise,
            )
        return self._episodes[index]

    def batch(self, step: int, *, rank: int = 0, ranks: int = 1) -> Batch:
        """Return the episodes of a step, of which each of several processes has its share."""
        rng = np.random.default_rng([self._settings.seed, step])
        drawn = rng.choice(self._settings.episodes, self._settings.batch, replace=False)
        return batch_of([self[int(index)] for index in drawn[rank::ranks]])

    def moments(self, count: int) -> Moments:
        """Return all moments of the first episodes, (N, ...)."""
        first = [self[index] for index in range(min(count, self._settings.episodes))]
        return Moments(
            features=torch.from_numpy(np.concatenate([episode.states for episode in first])),
            stamps_s=torch.from_numpy(np.concatenate([episode.stamps_s for episode in first])),
            positions=torch.from_numpy(np.concatenate([episode.positions for episode in first])),
        )


def batch_of(episodes: Sequence[Episode]) -> Batch:
    """Return episodes as one batch, padded with their last moment and read."""
    length = max(len(episode.states) for episode in episodes)
    reads = max(len(episode.scored) for episode in episodes)
    moments = [_up_to(np.arange(len(episode.states)), length) for episode in episodes]
    scored = [_up_to(episode.scored, reads) for episode in episodes]
    pairs = [
        (row, int(np.searchsorted(episode.scored, moment)), int(earlier))
        for row, episode in enumerate(episodes)
        for moment, earlier in episode.pairs
    ]
    return Batch(
        moments=Moments(
            features=_stacked([e.states[kept] for e, kept in zip(episodes, moments, strict=True)]),
            stamps_s=_stacked(
                [e.stamps_s[kept] for e, kept in zip(episodes, moments, strict=True)]
            ),
            positions=_stacked(
                [e.positions[kept] for e, kept in zip(episodes, moments, strict=True)]
            ),
        ),
        reads=_stacked(scored),
        weights=_stacked([(np.arange(reads) < len(e.scored)).astype(np.float32) for e in episodes]),
        actions=_stacked([e.actions[kept] for e, kept in zip(episodes, scored, strict=True)]),
        pairs=torch.tensor(pairs, dtype=torch.int64).reshape(-1, 3),
        course=_stacked([e.actions[kept] for e, kept in zip(episodes, moments, strict=True)]),
        lengths=torch.tensor([len(episode.states) for episode in episodes]),
    )


def dependencies(batch: Batch) -> Tensor:
    """Return where the action at a read depends on a moment, (B, R, T) bool."""
    depends = torch.zeros(
        *batch.reads.shape,
        batch.moments.stamps_s.shape[1],
        dtype=torch.bool,
        device=batch.reads.device,
    )
    depends[tuple(batch.pairs.T)] = True
    return depends


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Return a batch whose tensors lie on a device."""
    moments = Moments(*(part.to(device) for part in batch.moments))
    return Batch(moments, *(part.to(device) for part in batch[1:]))


def _collected(
    env: "gymnasium.Env[Any, Any]", shape: TaskShape, *, seed: int, noise: float
) -> Episode:
    """Return what the expert does in the episode of a seed."""
    observations: list[dict[str, NDArray[np.float32]]] = []
    actions: list[NDArray[np.float32] | int] = []
    scored: list[int] = []
    pairs: list[tuple[int, int]] = []
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    is_over = False
    while not is_over:
        moment = len(actions)
        observations.append(observation)
        actions.append(expert_action(env))
        if info["is_scored"]:
            scored.append(moment)
            pairs += [(moment, int(earlier)) for earlier in info.get("depends_on", ())]
        done = actions[-1] if shape.motion_size is None else disturbed(actions[-1], rng, noise)
        observation, _, is_ended, is_cut, info = env.step(done)
        is_over = is_ended or is_cut
    is_choice = shape.choices is not None
    return Episode(
        states=np.stack([seen[STATE].ravel() for seen in observations]),
        stamps_s=np.concatenate([seen[STAMP_S] for seen in observations]),
        positions=np.stack([seen[POSITION] for seen in observations]),
        actions=np.asarray(actions, np.int64 if is_choice else np.float32),
        scored=np.asarray(scored, np.int64),
        pairs=np.asarray(pairs, np.int64).reshape(-1, 2),
    )


def disturbed(
    action: NDArray[np.float32] | int, rng: np.random.Generator, noise: float
) -> NDArray[np.float32] | int:
    """Return what becomes of the expert's motion on its way to the motors."""
    if not noise:
        return action
    moved = np.asarray(action) + rng.normal(scale=noise, size=np.shape(action))
    return moved.clip(-1.0, 1.0).astype(np.float32)


def _up_to(indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Repeat the last index until there are `count`; an episode without any reads its first moment."""
    if not len(indices):
        return np.zeros(count, np.int64)
    return np.pad(indices, (0, count - len(indices)), mode="edge")


def _stacked(arrays: Sequence[NDArray[np.generic]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
