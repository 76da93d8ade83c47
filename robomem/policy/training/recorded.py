"""The episodes of a data set as demonstrations, checked against the task, and read when they are needed."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from robomem.errors import ConfigError, FormatError
from robomem.policy.datasets import layout
from robomem.policy.datasets.reading import Dataset
from robomem.policy.memories import minds_places
from robomem.policy.training.demonstrations import Episode
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.tasks import POSITION, STAMP_S, STATE, TaskShape

ACTION, IS_SCORED = "action", "is_scored"
OPTIONAL = {
    POSITION: layout.Feature("float32", (3,)),
    STAMP_S: layout.Feature("float32", (1,)),
    IS_SCORED: layout.Feature("bool", (1,)),
}
"""What a set may tell of every moment, and policies make use of then."""
MOST_FRAMES = 1_000_000
"""Frames that are kept in memory; an episode beyond them is read again when it is drawn again."""
TOLERANCE = 1e-4  # by which a motion in float32 may leave its range


class RecordedEpisodes(Sequence[Episode]):
    """The first episodes of a data set, with their images left where they are.

    A moment counts where the set says so in `is_scored`, and everywhere in a set without it. Which earlier moments an
    action depends on no set tells.

    Args:
        dataset: Of which the actions are those of the task.
        settings: Of the run; `dataset` is the set's digest.
        shape: Of the task.

    Raises:
        ConfigError: The set does not fit the task or the settings.
    """

    def __init__(self, dataset: Dataset, settings: TrainingSettings, shape: TaskShape) -> None:
        _check_settings(settings, dataset)
        _check_features(settings, dataset, shape)
        self._dataset, self._shape, self._count = dataset, shape, settings.episodes
        self._keys = [STATE, ACTION, *(key for key in OPTIONAL if key in dataset.features)]
        self._kept: dict[int, Episode] = {}
        self._frames = 0

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Episode: ...
    @overload
    def __getitem__(self, index: slice) -> list[Episode]: ...
    def __getitem__(self, index: int | slice) -> Episode | list[Episode]:
        """Return an episode; raises FormatError where the set is damaged there, or not what its statistics say."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if index not in self._kept:
            read = self._read(index)
            self._frames += len(read.states)
            while self._kept and self._frames > MOST_FRAMES:
                self._frames -= len(self._kept.pop(next(iter(self._kept))).states)
            self._kept[index] = read
        return self._kept[index]

    def _read(self, index: int) -> Episode:
        found = self._dataset.read(index, self._keys)
        columns, count = found.columns, len(found.timestamps_s)
        name = f"episode {index} of {self._dataset.path}"
        is_scored = columns.get(IS_SCORED, np.ones(count, bool))
        return Episode(
            states=_finite(columns[STATE].reshape(count, -1), f"{STATE} in {name}"),
            stamps_s=_rising(columns.get(STAMP_S, found.timestamps_s), f"{STAMP_S} in {name}"),
            positions=_finite(
                columns.get(POSITION, np.zeros((count, 3), np.float32)), f"{POSITION} in {name}"
            ),
            actions=_actions(columns[ACTION], self._shape, name),
            scored=np.flatnonzero(is_scored),
            pairs=np.zeros((0, 2), np.int64),
        )


def _check_settings(settings: TrainingSettings, dataset: Dataset) -> None:
    if settings.dataset != dataset.digest:
        raise ConfigError(f"{dataset.path} is data set {dataset.digest}, not {settings.dataset}")
    if settings.episodes > len(dataset):
        raise ConfigError(f"{dataset.path} has {len(dataset)} episodes, not {settings.episodes}")
    if settings.attention_weight:
        raise ConfigError(
            "no data set tells what actions depend on: attention cannot be supervised"
        )
    if settings.mixture or settings.noise:
        raise ConfigError(
            "a mixture and noise are for an expert: episodes of a data set are as they are"
        )


def _check_features(settings: TrainingSettings, dataset: Dataset, shape: TaskShape) -> None:
    for key in (STATE, ACTION):
        if key not in dataset.features:
            raise ConfigError(f"{dataset.path} has no {key}, but {', '.join(dataset.features)}")
    for key, wanted in OPTIONAL.items():
        told = dataset.features.get(key, wanted)
        if (told.dtype, told.shape) != (wanted.dtype, wanted.shape):
            raise ConfigError(f"{key} is {wanted}, in {dataset.path} {told}")
    size = int(np.prod(dataset.features[STATE].shape))
    if dataset.features[STATE].dtype == layout.IMAGE or size != shape.state_size:
        raise ConfigError(
            f"{STATE} of the task has {shape.state_size} numbers, in {dataset.path} it is "
            f"{dataset.features[STATE]}"
        )
    _check_position(settings, dataset)
    _check_action(dataset, shape)
    rate = max(1, round(1 / shape.period_s))
    if round(dataset.fps) != rate:
        raise ConfigError(
            f"the task has {rate} moments a second, {dataset.path} has {dataset.fps:g}"
        )


def _check_position(settings: TrainingSettings, dataset: Dataset) -> None:
    """Raise ConfigError where positions would be wanted and there are none: zeros are no place."""
    if POSITION in dataset.features:
        return
    if minds_places(settings.memory):
        raise ConfigError(
            f"memory {settings.memory} minds places, {dataset.path} has no {POSITION}"
        )
    if settings.policy == "direct" and settings.sees_position:
        raise ConfigError(
            f"{dataset.path} has no {POSITION}: train with --learn sees_position=false"
        )


def _check_action(dataset: Dataset, shape: TaskShape) -> None:
    """Raise ConfigError where actions are of another kind than the task's, or by the set's statistics out of range."""
    told = dataset.features[ACTION]
    kind = np.dtype(told.dtype).kind if told.dtype != layout.IMAGE else ""
    if shape.choices is not None:
        fits, wanted = kind in "iu" and told.shape == (1,), f"one of {shape.choices} actions"
        low, high = 0.0, shape.choices - 1.0
    else:
        fits = kind == "f" and told.shape == (shape.motion_size,)
        wanted, (low, high) = (
            f"{shape.motion_size} floats in [-1, 1]",
            (-1 - TOLERANCE, 1 + TOLERANCE),
        )
    if not fits:
        raise ConfigError(f"the task takes {wanted}, {dataset.path} has {told}")
    stats = dataset.stats.get(ACTION, {})
    if all(name in stats and stats[name].size for name in ("min", "max")):
        least, most = stats["min"].min(), stats["max"].max()
        if not low <= least <= most <= high:
            raise ConfigError(
                f"the task takes {wanted}, actions in {dataset.path} are {least:g} to {most:g}"
            )


def _actions(column: NDArray[Any], shape: TaskShape, name: str) -> NDArray[Any]:
    """Return actions as they are learned, (T,) int64 or (T, A) float32."""
    if shape.choices is not None:
        if not ((column >= 0) & (column < shape.choices)).all():
            raise FormatError(
                f"actions are 0 to {shape.choices - 1}, in {name} {np.unique(column)[:9]}"
            )
        return column.astype(np.int64)
    moved = _finite(column.reshape(len(column), -1), f"{ACTION} in {name}")
    if np.abs(moved).max() > 1 + TOLERANCE:
        raise FormatError(f"motions are in [-1, 1], in {name} up to {np.abs(moved).max():g}")
    return moved


def _rising(column: NDArray[Any], name: str) -> NDArray[np.float32]:
    values = _finite(column, name)
    if (np.diff(values) < 0).any():
        raise FormatError(f"{name} falls, got {values[:5]}")
    return values


def _finite(column: NDArray[Any], name: str) -> NDArray[np.float32]:
    values = column.astype(np.float32)
    if not np.isfinite(values).all():
        raise FormatError(f"{name} is not finite")
    return values
