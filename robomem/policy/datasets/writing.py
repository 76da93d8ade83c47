"""Write demonstrations as a data set in the layout of LeRobot 3.0."""

import io
import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from robomem.errors import FormatError, Reason
from robomem.policy.datasets import statistics
from robomem.policy.datasets.layout import (
    CHUNK_FILES,
    DATA,
    EPISODES,
    IMAGE,
    INDICES,
    INFO,
    STATS,
    TASKS,
    VERSION,
    Columns,
    Episode,
    Feature,
    arrow_type,
    feature_of,
)
from robomem.policy.folders import whole_folder

MAX_FILE_MB = 100


def write_dataset(
    path: Path,
    episodes: Iterable[Episode],
    *,
    fps: int,
    robot_type: str | None = None,
    force: bool = False,
    max_file_mb: float = MAX_FILE_MB,
) -> int:
    """Write episodes as a data set, whole or not at all; returns how many frames they have.

    Args:
        path: The folder to make.
        episodes: All with the features of the first. They are taken one at a time.
        fps: Frames a second; a number for readers, the timestamps are the episodes' own.
        robot_type: Such as "so100".
        force: Replace what is there.
        max_file_mb: A file of frames that is longer is the last of its kind.

    Raises:
        ConfigError: Something is there already, or is no data set that `force` might replace.
        FormatError: There is no episode, one is empty or not like the first, or holds NaN.
    """
    with whole_folder(path, mark=INFO, force=force) as draft, _Writer(draft, max_file_mb) as writer:
        for episode in episodes:
            writer.add(episode)
        writer.finish(fps=fps, robot_type=robot_type)
    return writer.frames


class _Writer:
    """Writes frames as they come, and at the end what they have in common."""

    def __init__(self, root: Path, max_file_mb: float) -> None:
        self.frames = 0
        self._root = root
        self._max_bytes = max_file_mb * 2**20
        self._features: dict[str, Feature] = {}
        self._tasks: dict[str, int] = {}
        self._rows: list[dict[str, Any]] = []  # of meta/episodes
        self._statistics: list[dict[str, statistics.Statistics]] = []
        self._file = -1
        self._bytes = 0
        self._open = ExitStack()

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, episode: Episode) -> None:
        """Write the frames of an episode."""
        count = _checked_length(episode)
        if not self._features:
            found = {key: feature_of(key, column) for key, column in episode.columns.items()}
            self._features = {**found, **INDICES}
        columns = self._with_indices(episode, count)
        _check_columns(columns, self._features)
        table = pa.table({key: _arrow(columns[key], f) for key, f in self._features.items()})
        self._append(table)
        found_here = statistics.of_episode(columns, self._features)
        self._statistics.append(found_here)
        self._rows.append(self._row(episode, count, found_here))
        self.frames += count

    def finish(self, *, fps: int, robot_type: str | None) -> None:
        """Write what all episodes have in common."""
        if not self._rows:
            raise FormatError("a data set has one episode or more", reason=Reason.OBSERVATION_EMPTY)
        self._open.close()
        _write_table(
            self._root / EPISODES.format(chunk_index=0, file_index=0),
            pa.Table.from_pylist(self._rows),
        )
        _write_table(self._root / TASKS, _task_table(self._tasks))
        every = {
            key: statistics.together([part[key] for part in self._statistics])
            for key in self._features
        }
        _write_json(self._root / STATS, {key: _listed(found) for key, found in every.items()})
        _write_json(self._root / INFO, self._info(fps, robot_type))

    def _with_indices(self, episode: Episode, count: int) -> Columns:
        tasks = _tasks_of(episode)
        numbers = [self._tasks.setdefault(task, len(self._tasks)) for task in tasks]
        return {
            **episode.columns,
            "timestamp": episode.timestamps_s.astype(np.float32),
            "frame_index": np.arange(count),
            "episode_index": np.full(count, len(self._rows)),
            "index": np.arange(self.frames, self.frames + count),
            "task_index": np.broadcast_to(numbers, count),
        }

    def _append(self, table: Any) -> None:
        """Write a table as a row group; a file that is long enough is closed first."""
        if self._file < 0 or self._bytes + table.nbytes > self._max_bytes:
            self._open.close()
            self._file, self._bytes = self._file + 1, 0
            file = self._root / DATA.format(**self._place())
            file.parent.mkdir(parents=True, exist_ok=True)
            self._table = self._open.enter_context(pq.ParquetWriter(file, table.schema))
        self._table.write_table(table, row_group_size=table.num_rows)
        self._bytes += table.nbytes

    def _place(self) -> dict[str, int]:
        return {"chunk_index": self._file // CHUNK_FILES, "file_index": self._file % CHUNK_FILES}

    def _row(
        self, episode: Episode, count: int, found: dict[str, statistics.Statistics]
    ) -> dict[str, Any]:
        place = self._place()
        return {
            "episode_index": len(self._rows),
            "tasks": list(dict.fromkeys(_tasks_of(episode))),
            "length": count,
            "dataset_from_index": self.frames,
            "dataset_to_index": self.frames + count,
            "data/chunk_index": place["chunk_index"],
            "data/file_index": place["file_index"],
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            **{
                f"stats/{key}/{name}": value.tolist()
                for key, values in found.items()
                for name, value in values.items()
            },
        }

    def _info(self, fps: int, robot_type: str | None) -> dict[str, Any]:
        return {
            "codebase_version": VERSION,
            "robot_type": robot_type,
            "total_episodes": len(self._rows),
            "total_frames": self.frames,
            "total_tasks": len(self._tasks),
            "chunks_size": CHUNK_FILES,
            "data_files_size_in_mb": MAX_FILE_MB,
            "fps": fps,
            "splits": {"train": f"0:{len(self._rows)}"},
            "data_path": DATA,
            "video_path": None,
            "features": {
                key: {
                    "dtype": feature.dtype,
                    "shape": list(feature.shape),
                    "names": None if feature.names is None else list(feature.names),
                }
                for key, feature in self._features.items()
            },
        }


def _checked_length(episode: Episode) -> int:
    count = len(episode.timestamps_s)
    lengths = {key: len(column) for key, column in episode.columns.items()}
    if count == 0 or set(lengths.values()) != {count}:
        raise FormatError(
            f"an episode has one row or more a frame in every column, got {lengths} and {count} times",
            reason=Reason.OBSERVATION_SHAPE,
        )
    if len(_tasks_of(episode)) not in (1, count):
        raise FormatError(f"{len(episode.task)} tasks for {count} frames")
    stamps = episode.timestamps_s
    if not np.isfinite(stamps).all() or (np.diff(stamps) < 0).any() or stamps[0] < 0:
        raise FormatError(
            "the times of an episode begin at 0 or later and do not fall",
            reason=Reason.STAMP_INVALID,
        )
    return count


def _tasks_of(episode: Episode) -> tuple[str, ...]:
    """Return the task of every frame, or the only one."""
    return (episode.task,) if isinstance(episode.task, str) else episode.task


def _check_columns(columns: Columns, features: dict[str, Feature]) -> None:
    if columns.keys() != features.keys():
        odd = sorted(columns.keys() ^ features.keys())
        raise FormatError(
            f"episodes have the same columns, but not all have {', '.join(odd)}",
            reason=Reason.OBSERVATION_KEYS,
        )
    for key, feature in features.items():
        found = feature_of(key, columns[key])
        if (found.dtype, found.shape) != (feature.dtype, feature.shape):
            raise FormatError(
                f"{key} is {feature.dtype} {feature.shape}, got {found.dtype} {found.shape}",
                reason=Reason.OBSERVATION_SHAPE,
            )
        if columns[key].dtype.kind == "f" and not np.isfinite(columns[key]).all():
            raise FormatError(f"{key} is not finite", reason=Reason.VALUE_INVALID)


def _arrow(column: NDArray[Any], feature: Feature) -> Any:
    kind = arrow_type(feature)
    if feature.dtype == IMAGE:
        return pa.array([{"bytes": _png(image), "path": None} for image in column], kind)
    flat = pa.array(np.ascontiguousarray(column).ravel())
    return flat if feature.shape == (1,) else pa.FixedSizeListArray.from_arrays(flat, type=kind)


def _png(image: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _task_table(tasks: dict[str, int]) -> Any:
    """Return the tasks as pandas writes a frame whose index is the sentence: that is how others read it."""
    table = pa.table({"task_index": pa.array(tasks.values(), pa.int64()), "task": list(tasks)})

    def told(name: str, kind: str, dtype: str) -> dict[str, Any]:
        told = {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": dtype}
        return {**told, "metadata": None}

    frame = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [told("task_index", "int64", "int64"), told("task", "unicode", "object")],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(frame)})


def _listed(found: statistics.Statistics) -> dict[str, Any]:
    return {name: value.tolist() for name, value in found.items()}


def _write_table(path: Path, table: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def _write_json(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=4))
