"""Where a data set keeps what: the layout of LeRobot 3.0, and its columns as Arrow types.

meta/info.json          features, counts, frames a second
meta/stats.json         of every feature: min, max, mean, std, count, quantiles
meta/tasks.parquet      task_index of every task, which is a sentence
meta/episodes/chunk-000/file-000.parquet   where an episode lies, its tasks, its length, its statistics
data/chunk-000/file-000.parquet            a row a frame, a row group an episode
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from robomem.errors import FormatError, Reason

VERSION = "v3.0"
INFO, STATS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
CHUNK_FILES = 1000  # files in a folder
IMAGE = "image"
DTYPES = (
    "bool",
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
)
MAX_SIZE = 2**31 - 1  # of a list in Arrow

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Feature:
    """What a column holds.

    Attributes:
        dtype: Of numpy; "image" for images; others, such as "video" and "string", are not kept.
        shape: Of a frame's value: (D,), (1,) for a number, (H, W, 3) for an image.
        names: Of its dimensions, where they have any.
    """

    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None

    def __str__(self) -> str:
        """Return its type and shape, as in `float32 [18]`."""
        return f"{self.dtype} {list(self.shape)}"


INDICES: Mapping[str, Feature] = {
    "timestamp": Feature("float32", (1,)),
    "frame_index": Feature("int64", (1,)),
    "episode_index": Feature("int64", (1,)),
    "index": Feature("int64", (1,)),
    "task_index": Feature("int64", (1,)),
}
"""Columns of every data set: seconds and frames since the episode began, the episode, the frame in all, the task."""


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """One demonstration.

    Attributes:
        task: What was to be done, in words; where it changed, for each of the T frames.
        columns: (T, ...) of every feature: "action", "observation.state", "observation.images.NAME" uint8 (T, H, W, 3).
        timestamps_s: (T,) float32 since it began.
    """

    task: str | tuple[str, ...]
    columns: Columns
    timestamps_s: NDArray[np.float32]


def arrow_type(feature: Feature) -> Any:
    """Return the Arrow type of a column that is kept."""
    if feature.dtype == IMAGE:
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kind = pa.from_numpy_dtype(np.dtype(feature.dtype))
    for size in reversed(feature.shape if feature.shape != (1,) else ()):
        kind = pa.list_(kind, size)
    return kind


def is_kept(feature: Feature) -> bool:
    """Return whether a feature is of numbers, or of colour images that are no video."""
    if feature.dtype == IMAGE:
        return len(feature.shape) == 3 and feature.shape[2] == 3
    return feature.dtype in DTYPES and len(feature.shape) > 0


def feature_of(key: str, column: NDArray[Any]) -> Feature:
    """Return what a column (T, ...) holds; raises FormatError where it is not written."""
    if column.ndim == 4 and column.dtype == np.uint8 and column.shape[3] == 3:
        return Feature(IMAGE, column.shape[1:], ("height", "width", "channels"))
    feature = Feature(column.dtype.name, column.shape[1:] or (1,))
    if feature.dtype not in DTYPES or len(feature.shape) != 1 or feature.shape[0] < 1:
        raise FormatError(
            f"{key} is one of {', '.join(DTYPES)} and of one dimension, or images: got {feature}",
            reason=Reason.OBSERVATION_SHAPE,
        )
    return feature


def feature_from(key: str, told: object) -> Feature:
    """Return a feature as meta/info.json tells it; raises FormatError where it is none.

    LeRobot lets images be told channels first, and keeps them as any others.
    """
    match told:
        case {"dtype": str(dtype), "shape": list(shape)} if all(
            type(size) is int and 0 < size <= MAX_SIZE for size in shape
        ):
            if dtype == IMAGE and len(shape) == 3 and shape[0] == 3 != shape[2]:
                shape = [*shape[1:], 3]
            return Feature(dtype, tuple(shape))
    raise FormatError(f"{INFO} tells no dtype and shape of {key}: {str(told)[:80]}")
