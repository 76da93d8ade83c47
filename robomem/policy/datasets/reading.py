"""Read data sets in the layout of LeRobot 3.0, and check that they are what they say."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from robomem.errors import FormatError
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
    Episode,
    Feature,
    arrow_type,
    feature_from,
    is_kept,
)

PLACES = ("episode_index", "length", "data/chunk_index", "data/file_index")
DIGITS = 16  # of a hash: enough to tell data sets apart
BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)  # of damaged files


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A data set, of which the frames are read when they are asked for.

    Attributes:
        path: Its folder.
        fps: Frames a second.
        robot_type: Such as "so100".
        features: What it has of every frame, but for the indices.
        unread: Features that are not read: those in videos, strings, images without colours.
        stats: Of every feature: min, max, mean, std, count.
        tasks: Sentences, in the order of their index.
        frames: How many there are.
    """

    path: Path
    fps: float
    robot_type: str | None
    features: Mapping[str, Feature]
    unread: Mapping[str, Feature]
    stats: Mapping[str, Mapping[str, NDArray[Any]]]
    tasks: tuple[str, ...]
    frames: int
    _places: tuple[dict[str, int], ...]

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Episode]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Episode:
        """Return an episode; raises FormatError where its frames are not as they should be."""
        return self.read(index, self.features)

    @property
    def digest(self) -> str:
        """What tells it from other sets: of all that meta/ holds, counts and statistics of every feature among it."""
        found = hashlib.sha256()
        for file in sorted(self.path.glob("meta/**/*.*")):
            data = file.read_bytes()
            found.update(f"{file.relative_to(self.path).as_posix()} {len(data)}\n".encode() + data)
        return found.hexdigest()[:DIGITS]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Frames of every episode."""
        return tuple(place["length"] for place in self._places)

    def read(self, index: int, keys: Collection[str]) -> Episode:
        """Return an episode with some of its features only: no image is decoded that is not asked for.

        Raises:
            FormatError: Its frames are not as they should be.
        """
        place = self._places[index]
        file = _file_of(place)
        table = _table(
            self.path / file,
            order="frame_index",
            columns=[*INDICES, *keys],
            filters=[("episode_index", "=", place["episode_index"])],
        )
        if table.num_rows != place["length"]:
            raise FormatError(
                f"episode {index} has {place['length']} frames, {file} holds {table.num_rows}"
            )
        _check_moments(table, f"episode {index}")
        return Episode(
            self._task(_numpy(table, "task_index", INDICES["task_index"])),
            {key: _numpy(table, key, self.features[key]) for key in keys},
            _numpy(table, "timestamp", INDICES["timestamp"]),
        )

    def _task(self, numbers: NDArray[Any]) -> str | tuple[str, ...]:
        if not np.isin(numbers, np.arange(len(self.tasks))).all():
            raise FormatError(f"tasks are numbered as in {TASKS}, got {np.unique(numbers)[:5]}")
        tasks = tuple(self.tasks[number] for number in numbers)
        return tasks[0] if len(set(tasks)) == 1 else tasks


def read_dataset(path: Path) -> Dataset:
    """Open a data set.

    Raises:
        FormatError: It is none, of another version, or damaged.
    """
    info = _json(path / INFO)
    version = info.get("codebase_version")
    if not isinstance(version, str) or version.split(".")[0] != VERSION.split(".")[0]:
        raise FormatError(
            f"{path} is of version {version}, this robomem reads {VERSION}: "
            "LeRobot's convert_dataset_v21_to_v30 makes that of a v2.1"
        )
    if info.get("data_path") != DATA:  # a path of its own making could lead anywhere
        raise FormatError(f"{INFO} tells another data_path than {DATA}")
    told = info.get("features")
    if not isinstance(told, dict) or not told.keys() >= INDICES.keys():
        raise FormatError(f"{INFO} tells no features, or lacks some of {', '.join(INDICES)}")
    features = {key: feature_from(key, each) for key, each in told.items() if key not in INDICES}
    places = _places(path)
    if not places:
        raise FormatError(f"{path} holds no episode, or its recording was not finished")
    _check_files(path, places)
    if (info.get("total_episodes"), info.get("total_frames")) != (
        len(places),
        sum(place["length"] for place in places),
    ):
        raise FormatError(f"{INFO} tells other counts of episodes and frames than {EPISODES}")
    return Dataset(
        path=path,
        fps=_rate(info),
        robot_type=info.get("robot_type"),
        features={key: f for key, f in features.items() if is_kept(f)},
        unread={key: f for key, f in features.items() if not is_kept(f)},
        stats=_statistics(path),
        tasks=_tasks(path),
        frames=info["total_frames"],
        _places=places,
    )


def _rate(info: dict[str, Any]) -> float:
    fps = info.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < np.inf:
        raise FormatError(f"{INFO} tells no frames a second, but fps {fps!r}")
    return float(fps)


def _json(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text())
    except FileNotFoundError as err:
        raise FormatError(f"{path} is not there: no data set of version {VERSION}") from err
    except BROKEN as err:
        raise FormatError(f"{path} is no JSON: {err}") from err
    if not isinstance(fields, dict):
        raise FormatError(f"{path} is no JSON object")
    return fields


def _statistics(path: Path) -> dict[str, dict[str, NDArray[Any]]]:
    try:
        return {
            key: {name: np.asarray(value, float) for name, value in found.items()}
            for key, found in _json(path / STATS).items()
        }
    except (AttributeError, *BROKEN) as err:
        raise FormatError(f"{STATS} tells no numbers: {err}") from err


def _tasks(path: Path) -> tuple[str, ...]:
    table = _table(path / TASKS)
    names = [name for name in table.column_names if name != "task_index"]
    if len(names) != 1 or "task_index" not in table.column_names:
        raise FormatError(f"{TASKS} has a task and its task_index, got {table.column_names}")
    rows = sorted(zip(table["task_index"].to_pylist(), table[names[0]].to_pylist(), strict=True))
    if [index for index, _ in rows] != list(range(len(rows))):
        raise FormatError(f"{TASKS} numbers its tasks from 0 on")
    return tuple(str(task) for _, task in rows)


def _places(path: Path) -> tuple[dict[str, int], ...]:
    """Return where every episode lies, in their order."""
    rows: list[dict[str, int]] = []
    for file in sorted(path.glob("meta/episodes/*/*.parquet")):
        rows += _table(file, columns=list(PLACES)).to_pylist()
    if not all(isinstance(value, int) for row in rows for value in row.values()):
        raise FormatError(f"{EPISODES} holds no whole numbers")
    rows.sort(key=lambda row: row["episode_index"])
    if [row["episode_index"] for row in rows] != list(range(len(rows))):
        raise FormatError(f"{EPISODES} numbers its episodes from 0 on")
    return tuple(rows)


def _check_files(path: Path, places: tuple[dict[str, int], ...]) -> None:
    """Raise FormatError where a file of frames is not there, or has other rows than its episodes; reads no frame."""
    wanted: Counter[str] = Counter()
    for place in places:
        wanted[_file_of(place)] += place["length"]
    for file, count in wanted.items():
        try:
            found = pq.read_metadata(path / file).num_rows
        except BROKEN as err:
            raise FormatError(f"{path / file} cannot be read: {err}") from err
        if found != count:
            raise FormatError(f"{path / file} holds {found} frames, its episodes have {count}")


def _check_moments(table: Any, name: str) -> None:
    """Raise FormatError where the frames of an episode do not follow each other."""
    frames = _numpy(table, "frame_index", INDICES["frame_index"])
    if not np.array_equal(frames, np.arange(len(frames))):
        raise FormatError(f"{name} numbers its frames from 0 on, got {frames[:5]}")
    stamps_s = _numpy(table, "timestamp", INDICES["timestamp"])
    if not np.isfinite(stamps_s).all() or (np.diff(stamps_s) < 0).any():
        raise FormatError(f"the times of {name} do not fall, got {stamps_s[:5]}")


def _file_of(place: Mapping[str, int]) -> str:
    chunk, file = place["data/chunk_index"], place["data/file_index"]
    if not (chunk >= 0 and 0 <= file < CHUNK_FILES):
        raise FormatError(f"no file is numbered {chunk}, {file}")
    return DATA.format(chunk_index=chunk, file_index=file)


def _table(path: Path, *, order: str | None = None, **settings: Any) -> Any:
    try:
        table = pq.read_table(path, partitioning=None, **settings)
        return table if order is None else table.sort_by(order)
    except BROKEN as err:
        raise FormatError(f"{path} cannot be read: {err}") from err


def _numpy(table: Any, key: str, feature: Feature) -> NDArray[Any]:
    """Return a column (T, ...), checked against what it should hold."""
    if key not in table.column_names:
        raise FormatError(f"there is no column {key}")
    column, kind = _plain(table[key].combine_chunks()), arrow_type(feature)
    _check_whole(key, column)
    try:
        column = column.cast(kind)
    except pa.ArrowException as err:
        raise FormatError(f"{key} is not {feature}: {err}") from err
    if feature.dtype == IMAGE:
        return np.stack([_image(key, cell["bytes"].as_py(), feature) for cell in column])
    while pa.types.is_fixed_size_list(column.type):
        column = column.flatten()
    _check_whole(key, column)
    numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return numbers.astype(feature.dtype).reshape(
        len(table), *(feature.shape if feature.shape != (1,) else ())
    )


def _check_whole(key: str, column: Any) -> None:
    if column.null_count:
        raise FormatError(f"{key} has holes")


def _plain(column: Any) -> Any:
    """Return the arrays of LeRobot, of two dimensions or more, as the lists that they are without it."""
    return column.storage if isinstance(column.type, pa.BaseExtensionType) else column


def _image(key: str, data: bytes | None, feature: Feature) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data or b""), formats=("PNG", "JPEG")) as image:
            if (image.height, image.width) != feature.shape[:2]:  # before any pixel is decoded
                raise FormatError(f"{key} is {feature.shape}, got {image.size}")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as err:
        raise FormatError(f"an image of {key} cannot be read: {err}") from err
