"""Demonstrations survive being written and read; what is damaged is refused by name."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from robomem.errors import ConfigError, FormatError
from robomem.policy.datasets import layout, statistics
from robomem.policy.datasets.layout import Episode
from robomem.policy.datasets.reading import read_dataset
from robomem.policy.datasets.recording import recorded
from robomem.policy.datasets.writing import write_dataset


def episode(rng, *, frames=5, task="look, then act", **columns) -> Episode:
    return Episode(
        task,
        {
            "observation.state": rng.normal(size=(frames, 3)).astype(np.float32),
            "observation.images.wrist": rng.integers(0, 256, (frames, 4, 6, 3), np.uint8),
            "observation.stamp_s": np.arange(frames, dtype=np.float32),
            "action": rng.integers(0, 4, frames),
            "next.done": np.arange(frames) == frames - 1,
        }
        | columns,
        np.arange(frames, dtype=np.float32) / 10,
    )


@pytest.fixture
def episodes(rng) -> list[Episode]:
    return [episode(rng), episode(rng, frames=2, task="act"), episode(rng, frames=7)]


@pytest.fixture
def path(tmp_path, episodes):
    write_dataset(tmp_path / "set", episodes, fps=10, robot_type="toy")
    return tmp_path / "set"


def check_same(found: Episode, wanted: Episode) -> None:
    assert found.task == wanted.task
    np.testing.assert_array_equal(found.timestamps_s, wanted.timestamps_s)
    assert found.columns.keys() == wanted.columns.keys()
    for key, column in wanted.columns.items():
        np.testing.assert_array_equal(found.columns[key], column, strict=True, err_msg=key)


def test_what_is_written_is_read(path, episodes):
    found = read_dataset(path)

    assert (len(found), found.frames, found.fps, found.robot_type) == (3, 14, 10, "toy")
    assert found.tasks == ("look, then act", "act")
    for one, other in zip(found, episodes, strict=True):
        check_same(one, other)


def test_a_task_that_changes_within_an_episode_is_told_of_every_frame(tmp_path, rng):
    wanted = [episode(rng, task=("look", "look", "act", "act", "look")), episode(rng, task="act")]
    write_dataset(tmp_path / "set", wanted, fps=10)

    found = read_dataset(tmp_path / "set")

    assert found.tasks == ("look", "act")
    for one, other in zip(found, wanted, strict=True):
        check_same(one, other)


def test_tasks_are_as_many_as_frames(tmp_path, rng):
    with pytest.raises(FormatError, match="2 tasks for 5 frames"):
        write_dataset(tmp_path / "set", [episode(rng, task=("look", "act"))], fps=10)


def test_columns_that_only_others_write_are_read_or_told_of(path, episodes):
    """Images told channels first, arrays of two dimensions; strings and videos are left out."""
    grid = [
        [[float(frame + 4 * row + column) for column in range(4)] for row in range(3)]
        for frame in range(14)
    ]
    _rewrite(path, DATA, lambda t: t.append_column("grid", pa.array(grid)))
    _rewrite(path, DATA, lambda t: t.append_column("words", pa.array(["x"] * 14)))
    features = json.loads((path / "meta/info.json").read_text())["features"]
    features["observation.images.wrist"]["shape"] = [3, 4, 6]
    features["grid"] = {"dtype": "float32", "shape": [3, 4], "names": None}
    features["words"] = {"dtype": "string", "shape": [1], "names": None}
    features["top"] = {"dtype": "video", "shape": [48, 64, 3], "names": None}
    _tell(path, features=features)

    found = read_dataset(path)

    assert set(found.unread) == {"words", "top"}
    assert found.features["observation.images.wrist"].shape == (4, 6, 3)
    np.testing.assert_array_equal(found[1].columns["grid"], np.array(grid, np.float32)[5:7])
    for one, other in zip(found, episodes, strict=True):
        wrist = "observation.images.wrist"
        np.testing.assert_array_equal(one.columns[wrist], other.columns[wrist], strict=True)


def test_pictures_of_a_task_are_recorded():
    sim = pytest.importorskip("robomem_sim.tasks")
    (found,) = recorded(f"{sim.NAMESPACE}/ShellReach-v0", {"images": True}, episodes=1)

    images = found.columns["observation.images.front"]

    assert images.dtype == np.uint8
    assert images.shape == (len(found.timestamps_s), 48, 48, 3)


def test_episodes_go_on_in_the_next_file_when_one_is_full(tmp_path, episodes):
    write_dataset(tmp_path / "set", episodes, fps=10, max_file_mb=1e-6)

    found = read_dataset(tmp_path / "set")

    assert len(list((tmp_path / "set/data/chunk-000").iterdir())) == 3
    for one, other in zip(found, episodes, strict=True):
        check_same(one, other)


def test_the_layout_is_that_of_lerobot(path):
    info = json.loads((path / "meta/info.json").read_text())
    data = pq.read_table(path / "data/chunk-000/file-000.parquet")
    rows = pq.read_table(path / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    tasks = pq.read_table(path / "meta/tasks.parquet")

    assert info["codebase_version"] == "v3.0"
    assert info["features"]["observation.state"] == {
        "dtype": "float32",
        "shape": [3],
        "names": None,
    }
    assert info["features"]["observation.images.wrist"]["dtype"] == "image"
    assert data.schema.field("observation.state").type == pa.list_(pa.float32(), 3)
    assert data.schema.field("action").type == pa.int64()
    assert data["index"].to_pylist() == list(range(14))
    assert data["frame_index"].to_pylist() == [*range(5), *range(2), *range(7)]
    assert data["task_index"].to_pylist() == [0] * 5 + [1] * 2 + [0] * 7
    assert data["observation.images.wrist"][0]["bytes"].as_py()[:4] == b"\x89PNG"
    assert [(r["dataset_from_index"], r["dataset_to_index"]) for r in rows] == [
        (0, 5),
        (5, 7),
        (7, 14),
    ]
    assert rows[1]["tasks"] == ["act"]
    assert len(rows[0]["stats/observation.state/mean"]) == 3
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    assert pq.ParquetFile(path / "data/chunk-000/file-000.parquet").num_row_groups == 3


def test_statistics_are_those_of_all_frames(path, episodes):
    stats = read_dataset(path).stats
    states = np.concatenate([each.columns["observation.state"] for each in episodes])
    images = np.concatenate([each.columns["observation.images.wrist"] for each in episodes]) / 255

    for name in ("min", "max", "mean", "std"):
        np.testing.assert_allclose(
            stats["observation.state"][name], getattr(states, name)(0), rtol=1e-6
        )
        wanted = getattr(images, name)((0, 1, 2)).reshape(3, 1, 1)
        np.testing.assert_allclose(stats["observation.images.wrist"][name], wanted, rtol=1e-6)
    assert stats["observation.state"]["count"] == 14
    assert stats["observation.state"].keys() >= statistics.QUANTILES.keys()


FLOATS = {"min_value": -(2.0**15), "max_value": 2.0**15}


@settings(max_examples=25, deadline=None)
@given(
    column=st.sampled_from(layout.DTYPES).flatmap(
        lambda kind: arrays.arrays(
            kind,
            st.tuples(st.integers(1, 5), st.integers(2, 4)),
            elements=FLOATS if "float" in kind else None,
        )
    )
)
def test_numbers_of_any_kind_survive(tmp_path_factory, column):
    path = tmp_path_factory.mktemp("any") / "set"
    write_dataset(
        path, [Episode("t", {"x": column}, np.arange(len(column), dtype=np.float32))], fps=1
    )

    np.testing.assert_array_equal(read_dataset(path)[0].columns["x"], column, strict=True)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"action": np.zeros(4, np.int64)}, "observation_shape"),
        ({"action": np.zeros(5, np.int32)}, "observation_shape"),
        ({"observation.state": np.zeros((5, 2), np.float32)}, "observation_shape"),
        ({"observation.state": np.zeros((5, 3, 3), np.float32)}, "observation_shape"),
        ({"observation.state": np.full((5, 3), np.nan, np.float32)}, "value_invalid"),
        ({"more": np.zeros(5)}, "observation_keys"),
        ({"action": np.array(["a"] * 5)}, "observation_shape"),
    ],
)
def test_an_episode_unlike_the_first_leaves_nothing_behind(tmp_path, rng, columns, reason):
    with pytest.raises(FormatError) as caught:
        write_dataset(tmp_path / "set", [episode(rng), episode(rng, **columns)], fps=10)

    assert caught.value.reason == reason
    assert list(tmp_path.iterdir()) == []


def test_times_that_go_backwards_are_refused(tmp_path):
    backwards = Episode("t", {"action": np.zeros(2)}, np.array([1.0, 0.0], np.float32))

    with pytest.raises(FormatError, match="times"):
        write_dataset(tmp_path / "set", [backwards], fps=10)


def test_a_data_set_is_replaced_only_by_force(path, episodes):
    with pytest.raises(ConfigError, match="there already"):
        write_dataset(path, episodes[:1], fps=10)
    assert len(read_dataset(path)) == 3

    write_dataset(path, episodes[:1], fps=10, force=True)

    assert len(read_dataset(path)) == 1
    assert [each.name for each in path.parent.iterdir()] == ["set"]


def test_no_episode_is_no_data_set(tmp_path):
    with pytest.raises(FormatError, match="one episode or more"):
        write_dataset(tmp_path / "set", [], fps=10)


def test_what_is_empty_or_old_is_told_so(path):
    _tell(path, codebase_version="v2.1")
    with pytest.raises(FormatError, match="convert_dataset_v21_to_v30"):
        read_dataset(path)

    (path / "meta/episodes/chunk-000/file-000.parquet").unlink()
    _tell(path, codebase_version="v3.0", total_episodes=0, total_frames=0)
    with pytest.raises(FormatError, match="holds no episode"):
        read_dataset(path)


def _tell(path, **changes):
    info = json.loads((path / "meta/info.json").read_text())
    (path / "meta/info.json").write_text(json.dumps(info | changes))


def _shape(path, key, shape):
    features = json.loads((path / "meta/info.json").read_text())["features"]
    features[key]["shape"] = shape
    _tell(path, features=features)


def _cut(path, name):
    file = path / name
    file.write_bytes(file.read_bytes()[:40])


def _rewrite(path, name, change):
    pq.write_table(change(pq.read_table(path / name)), path / name)


def _replace(path, column, values):
    _rewrite(
        path, DATA, lambda t: t.set_column(t.column_names.index(column), column, pa.array(values))
    )


def _widen(path, key):
    features = json.loads((path / "meta/info.json").read_text())["features"]
    _tell(path, features=features | {key: {"dtype": "float32", "shape": [10**9]}})


DATA = "data/chunk-000/file-000.parquet"


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: (p / "meta/info.json").unlink(),
        lambda p: (p / "meta/info.json").write_text("[]"),
        lambda p: (p / "meta/info.json").write_text("{"),
        lambda p: _tell(p, codebase_version="v2.1"),
        lambda p: _tell(p, data_path="../../{chunk_index}"),
        lambda p: _tell(p, features={}),
        lambda p: _tell(p, features={"action": {"dtype": "int64", "shape": [-1]}}),
        lambda p: _shape(p, "action", [2**40]),
        lambda p: _shape(p, "observation.state", [3, 2]),
        lambda p: _tell(p, total_frames=15),
        lambda p: _tell(p, fps="fast"),
        lambda p: (p / "meta/stats.json").write_text('{"action": {"mean": "x"}}'),
        lambda p: (p / "meta/tasks.parquet").unlink(),
        lambda p: _cut(p, "meta/episodes/chunk-000/file-000.parquet"),
        lambda p: _cut(p, DATA),
        lambda p: (p / DATA).unlink(),
        lambda p: _rewrite(p, DATA, lambda t: t.drop_columns("action")),
        lambda p: _rewrite(p, DATA, lambda t: t.slice(1)),
        lambda p: _rewrite(p, DATA, lambda t: t.set_column(0, "observation.state", [["x"] * 14])),
        lambda p: _rewrite(p, DATA, lambda t: t.drop_columns("frame_index")),
        lambda p: _replace(p, "episode_index", ["x"] * 14),
        lambda p: _replace(p, "frame_index", [0] * 14),
        lambda p: _replace(p, "timestamp", [float("nan")] * 14),
        lambda p: _replace(p, "observation.images.wrist", ["x"] * 14),
        lambda p: _widen(p, "action"),
        lambda p: _rewrite(
            p, DATA, lambda t: t.set_column(0, "observation.state", [[[None, 0.0, 1.0]] * 14])
        ),
        lambda p: _rewrite(p, "meta/tasks.parquet", lambda t: t.slice(1)),
    ],
)
def test_a_damaged_data_set_is_a_format_error(path, damage):
    damage(path)

    with pytest.raises(FormatError):
        list(read_dataset(path))


@pytest.mark.parametrize(
    "damage",
    [lambda p: (p / DATA).unlink(), lambda p: _rewrite(p, DATA, lambda t: t.slice(1))],
)
def test_frames_that_are_missing_are_missed_before_any_is_read(path, damage):
    damage(path)

    with pytest.raises(FormatError, match="file-000"):
        read_dataset(path)


def test_an_image_of_another_size_or_no_image_is_refused(path):
    for data in (b"no image", None):
        cells = pa.array([{"bytes": data, "path": None}] * 14)
        _rewrite(
            path,
            DATA,
            lambda t, cells=cells: t.set_column(1, "observation.images.wrist", [cells]),
        )

        with pytest.raises(FormatError, match="wrist"):
            read_dataset(path)[0]
