"""LeRobot itself reads what we write and writes what we read; skipped where it is not installed.

It asks for another torch than `robomem[train]`, so give it an environment of its own, in the checkout:
pip install 'lerobot[dataset]' pytest hypothesis -e .
"""

import os

import numpy as np
import pytest

from robomem.policy.datasets.layout import Episode
from robomem.policy.datasets.reading import read_dataset
from robomem.policy.datasets.recording import frames_a_second, recorded
from robomem.policy.datasets.writing import write_dataset

os.environ["HF_HUB_OFFLINE"] = "1"  # read when it is imported
lerobot_dataset = pytest.importorskip(
    "lerobot.datasets.lerobot_dataset",
    reason="pip install 'lerobot[dataset]', in an environment of its own",
)
LeRobotDataset = lerobot_dataset.LeRobotDataset
pytestmark = pytest.mark.filterwarnings("ignore")  # LeRobot's and its dependencies'

FPS, NAME = 10, "robomem/toy"
LENGTHS = (5, 2, 7)
FEATURES = {
    "observation.state": {"dtype": "float32", "shape": (3,), "names": ["x", "y", "z"]},
    "observation.images.front": {
        "dtype": "image",
        "shape": (6, 8, 3),
        "names": ["height", "width", "channels"],
    },
    "action": {"dtype": "float32", "shape": (2,), "names": None},
    "choice": {"dtype": "int64", "shape": (1,), "names": None},
    "next.done": {"dtype": "bool", "shape": (1,), "names": None},
}
THEIRS_ONLY = {
    "observation.images.wrist": {
        "dtype": "image",
        "shape": (3, 6, 8),
        "names": ["channels", "height", "width"],
    },
    "grid": {"dtype": "float32", "shape": (3, 4), "names": None},
    "depth": {"dtype": "uint16", "shape": (4,), "names": None},
    "words": {"dtype": "string", "shape": (1,), "names": None},
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def episodes(rng) -> list[Episode]:
    def episode(frames, task):
        columns = {
            "observation.state": rng.normal(size=(frames, 3)).astype(np.float32),
            "observation.images.front": rng.integers(0, 256, (frames, 6, 8, 3), np.uint8),
            "action": rng.normal(size=(frames, 2)).astype(np.float32),
            "choice": rng.integers(0, 4, frames),
            "next.done": np.arange(frames) == frames - 1,
        }
        return Episode(task, columns, np.arange(frames, dtype=np.float32) / FPS)

    tasks = "look", "act", ("look",) * 3 + ("act",) * 4
    return [episode(frames, task) for frames, task in zip(LENGTHS, tasks, strict=True)]


@pytest.fixture
def ours(tmp_path, episodes):
    write_dataset(tmp_path / "ours", episodes, fps=FPS, robot_type="toy", max_file_mb=1e-6)
    return tmp_path / "ours"


def write_theirs(path, episodes, more=lambda frame: {}, features=FEATURES):
    """Let LeRobot record the episodes, and what `more` has of every frame."""
    writer = LeRobotDataset.create(
        NAME, fps=FPS, features=features, root=path, robot_type="toy", use_videos=False
    )
    for episode in episodes:
        for frame in range(len(episode.timestamps_s)):
            row = {key: np.atleast_1d(column[frame]) for key, column in episode.columns.items()}
            writer.add_frame({**row, **more(frame), "task": task_at(episode, frame)})
        writer.save_episode()
    writer.finalize()
    return path


def task_at(episode, frame):
    return episode.task if isinstance(episode.task, str) else episode.task[frame]


def check_item(item, episode, frame):
    """An item of LeRobot holds a frame; its images are (C, H, W) in [0, 1]."""
    assert item["task"] == task_at(episode, frame)
    assert item["timestamp"].item() == pytest.approx(episode.timestamps_s[frame])
    for key, column in episode.columns.items():
        wanted = column[frame]
        if "images" in key:
            wanted = np.moveaxis(wanted, -1, 0).astype(np.float32) / 255
        np.testing.assert_allclose(item[key].numpy(), wanted, atol=1e-6, err_msg=key)


def test_lerobot_reads_every_frame(ours, episodes):
    found = LeRobotDataset(NAME, root=ours)

    assert (len(found), found.num_episodes, found.fps) == (sum(LENGTHS), 3, FPS)
    assert found.meta.robot_type == "toy"
    assert found.features.keys() > FEATURES.keys()
    assert found.meta.camera_keys == ["observation.images.front"]
    assert list(found.meta.tasks.index) == ["look", "act"]
    assert found.meta.episodes["tasks"] == [["look"], ["act"], ["look", "act"]]
    frames = [
        (episode, frame) for episode in episodes for frame in range(len(episode.timestamps_s))
    ]
    for index, (episode, frame) in enumerate(frames):
        check_item(found[index], episode, frame)


def test_lerobot_reads_some_episodes(ours, episodes):
    found = LeRobotDataset(NAME, root=ours, episodes=[1])

    assert len(found) == LENGTHS[1]
    check_item(found[0], episodes[1], 0)


def test_lerobot_pads_what_lies_beyond_an_episode(ours, episodes):
    beside = {"observation.state": [-0.1, 0.0], "action": [0.0, 0.1, 0.2]}
    found = LeRobotDataset(NAME, root=ours, delta_timestamps=beside)

    last, first = found[LENGTHS[0] - 1], found[LENGTHS[0]]

    ends, begins = episodes[0].columns, episodes[1].columns
    assert last["action_is_pad"].tolist() == [False, True, True]
    assert first["observation.state_is_pad"].tolist() == [True, False]
    np.testing.assert_array_equal(last["action"], ends["action"][[-1, -1, -1]])
    np.testing.assert_array_equal(last["observation.state"], ends["observation.state"][-2:])
    np.testing.assert_array_equal(first["observation.state"], begins["observation.state"][[0, 0]])


def test_statistics_are_those_of_lerobot(tmp_path, ours, episodes):
    theirs = LeRobotDataset(NAME, root=write_theirs(tmp_path / "theirs", episodes)).meta.stats

    found = LeRobotDataset(NAME, root=ours).meta.stats

    assert found.keys() == theirs.keys()
    for key, wanted in theirs.items():
        told = ("min", "max", "mean", "count")  # LeRobot 0.4 squares bytes, which overflow
        for name in told if "images" in key else (*told, "std"):
            np.testing.assert_allclose(
                found[key][name], wanted[name], rtol=1e-5, atol=1e-6, err_msg=f"{key} {name}"
            )


def test_what_lerobot_writes_is_read(tmp_path, rng, episodes):
    count = sum(LENGTHS)
    wrist = rng.integers(0, 256, (count, 3, 6, 8), np.uint8)
    grid = rng.normal(size=(count, 3, 4)).astype(np.float32)
    depth = rng.integers(0, 2**16, (count, 4), np.uint16)
    number = iter(range(count))

    def more(_):
        at = next(number)
        shown = {"observation.images.wrist": wrist[at], "grid": grid[at], "depth": depth[at]}
        return {**shown, "words": f"word {at}"}

    found = read_dataset(write_theirs(tmp_path / "theirs", episodes, more, FEATURES | THEIRS_ONLY))

    assert (len(found), found.frames, found.fps, found.robot_type) == (3, count, FPS, "toy")
    assert set(found.unread) == {"words"}
    at = 0
    for one, wanted in zip(found, episodes, strict=True):
        here = slice(at, at := at + len(wanted.timestamps_s))
        extra = {
            "observation.images.wrist": np.moveaxis(wrist[here], 1, -1),
            "grid": grid[here],
            "depth": depth[here],
        }
        assert one.task == wanted.task
        np.testing.assert_allclose(one.timestamps_s, wanted.timestamps_s)
        for key, column in (wanted.columns | extra).items():
            np.testing.assert_array_equal(one.columns[key], column, strict=True, err_msg=key)


@pytest.mark.parametrize("settings", [{}, {"images": True}])
def test_lerobot_reads_what_an_expert_does(tmp_path, settings):
    pytest.importorskip("robomem_sim.tasks")
    episodes = list(recorded("robomem/ShellReach-v0", settings, episodes=2))
    write_dataset(tmp_path / "reach", episodes, fps=frames_a_second(episodes[0]))

    found = LeRobotDataset(NAME, root=tmp_path / "reach")

    last = len(episodes[0].timestamps_s)
    check_item(found[last - 1], episodes[0], last - 1)
    check_item(found[last], episodes[1], 0)
