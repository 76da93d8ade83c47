"""rosbag2 recordings: found topics, values, damage."""

import shutil

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin

from robomem.errors import DataError, FormatError, Reason
from robomem.io import open_recording
from robomem.io.drafts import Role
from robomem.io.topics import Candidate, find_roles

PLUGINS = [StoragePlugin.MCAP, StoragePlugin.SQLITE3]
S = 1_000_000_000


def _file(bag):
    return next(file for file in bag.iterdir() if file.suffix in (".mcap", ".db3"))


def _cut(bag, path, fraction):
    """Copy the first part of a bag's file, without metadata, as a killed recorder leaves it."""
    data = _file(bag).read_bytes()
    path.write_bytes(data[: round(len(data) * fraction)])
    return path


def _stamps_and_error(recording):
    stamps, items = [], recording.items()
    while True:
        try:
            item = next(items)
        except StopIteration:
            return stamps, None
        except FormatError as err:
            return stamps, err
        assert item.position == len(stamps)
        try:
            stamps.append(item.load().stamp_ns)
        except DataError as err:
            stamps.append(err.reason)


@pytest.fixture(scope="module", params=PLUGINS, ids=["mcap", "sqlite3"])
def bag(request, patrol, write_bag, tmp_path_factory):
    return write_bag(
        tmp_path_factory.mktemp("bag") / "patrol", patrol.messages, plugin=request.param
    )


def test_a_bag_finds_its_topics_itself(bag):
    recording = open_recording(bag)

    roles = {stream.name: stream.role for stream in recording.streams}
    assert recording.kind.startswith("rosbag2 (")
    assert roles == {
        "/camera/color/image_raw": "color",
        "/camera/depth/camera_info": "depth_info",
        "/camera/depth/image_rect_raw": "depth",
        "/detections": "detections",
        "/notes": "told",
        "/robot_description": "ignored",
        "/tf": "tf",
        "/tf_static": "tf_static",
    }
    assert {stream.name: stream.count for stream in recording.streams}["/tf"] == 23
    assert recording.lacks == ()


def test_a_bag_yields_what_was_recorded(bag, patrol):
    items = list(open_recording(bag).items())

    assert [item.position for item in items] == list(range(11))
    assert [item.progress for item in items] == sorted(item.progress for item in items)
    assert items[-1].progress <= 1.0
    told, *frames = [item.load() for item in items]
    assert told.text == "the keys are in the drawer"
    for i, seen in enumerate(frames):
        assert seen.stamp_ns == patrol.begin_ns + i * S // 10
        np.testing.assert_allclose(seen.T_map_cam, patrol.T_map_cam[i], atol=1e-12)
        assert seen.depth_m[2, 3] == np.float32((1000 + i) / 1000)
        assert seen.color[0, 0].tolist() == [10 * i, 2, 3]
        assert seen.detections[0].label == "red mug"
    assert len({seen.source for seen in frames}) == 1


def test_a_bare_file_is_the_same_recording_as_its_folder(bag, tmp_path):
    file = shutil.copy(_file(bag), tmp_path / f"elsewhere{_file(bag).suffix}")

    folder, bare = open_recording(bag), open_recording(file)

    assert folder.fingerprint == bare.fingerprint
    assert _stamps_and_error(folder) == _stamps_and_error(bare)


def test_a_folder_without_metadata_is_read(bag, tmp_path):
    shutil.copy(_file(bag), tmp_path)

    assert _stamps_and_error(open_recording(tmp_path)) == _stamps_and_error(open_recording(bag))


def test_two_recordings_are_two_sources(bag, patrol, write_bag, tmp_path):
    other = open_recording(write_bag(tmp_path / "other", patrol.messages[:-5]))

    assert other.fingerprint != open_recording(bag).fingerprint
    assert next(other.items()).load().source != next(open_recording(bag).items()).load().source


def test_skipping_decodes_no_image(bag, monkeypatch):
    monkeypatch.setattr(
        "robomem.io.bag_messages.LazyMessage.__getattr__", lambda self, name: pytest.fail(name)
    )

    assert len(list(open_recording(bag).items())) == 11


@pytest.mark.parametrize(
    ("plugin", "fraction"),
    [(StoragePlugin.MCAP, f) for f in (0.3, 0.5, 0.7, 0.95)]
    + [(StoragePlugin.SQLITE3, f) for f in (0.8, 0.95)],
)
def test_a_cut_bag_yields_what_is_there_and_then_says_so(
    patrol, write_bag, tmp_path, plugin, fraction
):
    bag = write_bag(tmp_path / "patrol", patrol.messages, plugin=plugin)
    whole = _stamps_and_error(open_recording(bag))[0]
    path = _cut(bag, tmp_path / _file(bag).name, fraction)

    recording = open_recording(path)
    stamps, error = _stamps_and_error(recording)

    assert stamps
    assert {stamp for stamp in stamps if not isinstance(stamp, Reason)} <= set(whole)
    if fraction < 0.9:  # then data is missing, not only the index
        assert any(path.name in lack for lack in recording.lacks)
        assert error.reason is Reason.RECORDING_TRUNCATED
        assert path.name in str(error)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_bag_cut_before_its_first_message_is_truncated(patrol, write_bag, tmp_path, plugin):
    bag = write_bag(tmp_path / "patrol", patrol.messages, plugin=plugin)

    with pytest.raises(FormatError) as caught:
        open_recording(_cut(bag, tmp_path / _file(bag).name, 0.01))

    assert caught.value.reason is Reason.RECORDING_TRUNCATED


def test_the_longer_the_rest_of_an_mcap_the_more_is_read(patrol, write_bag, tmp_path):
    bag = write_bag(tmp_path / "patrol", patrol.messages)
    path = tmp_path / "cut.mcap"

    counts = [
        len(_stamps_and_error(open_recording(_cut(bag, path, f)))[0]) for f in (0.5, 0.7, 0.9, 1.0)
    ]

    assert counts == sorted(counts)
    assert counts[0] > 1
    assert counts[-1] == 11


def test_an_mcap_without_its_index_is_whole(patrol, write_bag, tmp_path):
    bag = write_bag(tmp_path / "patrol", patrol.messages)
    data = _file(bag).read_bytes()
    file = tmp_path / "noindex.mcap"
    data_end = data.rindex(b"\x0f\x04\0\0\0\0\0\0\0") + 13
    file.write_bytes(data[:data_end])

    stamps, error = _stamps_and_error(open_recording(file))

    assert error is None
    assert stamps == _stamps_and_error(open_recording(bag))[0]


def test_damage_in_the_middle_of_a_compressed_chunk_keeps_what_came_before(data_dir, tmp_path):
    data = bytearray((data_dir / "turtlebot_mcap" / "nav2_turtlebot.mcap").read_bytes())
    file = tmp_path / "cut.mcap"
    file.write_bytes(data[: len(data) // 2])

    stamps, error = _stamps_and_error(open_recording(file))

    assert error.reason is Reason.RECORDING_TRUNCATED
    assert len(stamps) > 500


@pytest.mark.parametrize("plugin", PLUGINS)
def test_no_flipped_bytes_crash_the_reader(patrol, write_bag, tmp_path, rng, plugin):
    bag = write_bag(tmp_path / "patrol", patrol.messages, plugin=plugin)
    data = np.frombuffer(_file(bag).read_bytes(), np.uint8)
    file = tmp_path / f"bad{_file(bag).suffix}"

    for _ in range(20):
        bad = data.copy()
        bad[rng.integers(len(bad) // 50, len(bad), 20)] = rng.integers(0, 256, 20)
        file.write_bytes(bad.tobytes())
        try:
            stamps, error = _stamps_and_error(open_recording(file))
        except FormatError as err:
            stamps, error = [], err
        assert error is None or str(file.name) in str(error)
        assert len(stamps) <= 2 * len(patrol.messages)


def test_a_corrupt_message_is_refused_and_the_rest_goes_on(
    patrol, typestore, write_bag, tmp_path, monkeypatch
):
    store_cdr = typestore.serialize_cdr
    frames = iter(range(10))

    def serialize(message, kind):
        data = store_cdr(message, kind)
        is_third = (
            kind == "sensor_msgs/msg/Image" and message.encoding == "16UC1" and next(frames) == 3
        )
        return data[:60] if is_third else data

    monkeypatch.setattr(typestore, "serialize_cdr", serialize)
    bag = write_bag(tmp_path / "corrupt", patrol.messages)
    monkeypatch.undo()

    results, error = _stamps_and_error(open_recording(bag))

    assert error is None
    assert results[4] is Reason.MESSAGE_CORRUPT
    assert sum(isinstance(result, int) for result in results) == 10


@pytest.mark.parametrize(
    "content", [b"", b"just some words\n" * 100, b"\x89MCAP0\r\n", b"SQLite format 3\0"]
)
@pytest.mark.parametrize("name", ["a.mcap", "a.db3", "a.txt"])
def test_a_file_that_is_no_bag_is_named(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(FormatError, match=name):
        open_recording(tmp_path / name)


def test_a_missing_path_an_empty_folder_and_a_foreign_one_are_told_apart(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "song.mp3").write_bytes(b"x")

    with pytest.raises(FormatError, match="is not there; expected"):
        open_recording(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="an empty folder; expected"):
        open_recording(tmp_path / "empty")
    with pytest.raises(FormatError, match=r"song\.mp3"):
        open_recording(tmp_path / "foreign")


def test_a_bag_without_a_use_says_what_it_has(ros, write_bag, tmp_path):
    message = ros.make("std_msgs/Header")
    bag = write_bag(tmp_path / "useless", [("/clock", 1, message)])

    with pytest.raises(FormatError, match=r"/clock \(std_msgs/msg/Header, 1\)"):
        open_recording(bag)


def test_a_real_robot_without_a_camera_is_where_its_odometry_was(data_dir):
    recording = open_recording(data_dir / "turtlebot_mcap")

    seen = [item.load() for item in recording.items()]

    assert len(seen) == 2639
    assert any("camera" in lack for lack in recording.lacks)
    assert sum(each.T_map_cam is not None for each in seen) > 2500
    assert [each.stamp_ns for each in seen] == sorted(each.stamp_ns for each in seen)


def _image(name, encoding="16UC1", **changes):
    return Candidate(
        name=name,
        message_type="sensor_msgs/msg/Image",
        encoding=encoding,
        **({"count": 10} | changes),
    )


def _of(name, kind, **changes):
    return Candidate(name=name, message_type=kind, **({"count": 10} | changes))


def test_depth_registered_to_colour_is_preferred_with_its_own_camera_info():
    info = "sensor_msgs/msg/CameraInfo"
    candidates = [
        _image("/camera/depth/image_rect_raw", frame="depth_cam", size=(480, 848)),
        _image("/camera/aligned_depth_to_color/image_raw", frame="color_cam", size=(720, 1280)),
        _image("/camera/color/image_raw", "rgb8", frame="color_cam", size=(720, 1280)),
        _image("/camera/infra1/image_rect_raw", "mono8", frame="infra", size=(480, 848)),
        _of("/camera/depth/camera_info", info, frame="depth_cam", size=(480, 848)),
        _of(
            "/camera/aligned_depth_to_color/camera_info", info, frame="color_cam", size=(720, 1280)
        ),
        _of("/camera/color/camera_info", info, frame="color_cam", size=(720, 1280)),
        _of("/camera/depth/color/points", "sensor_msgs/msg/PointCloud2"),
    ]

    roles = find_roles(candidates, duration_s=1.0)

    assert roles == {
        "/camera/aligned_depth_to_color/image_raw": Role.DEPTH,
        "/camera/aligned_depth_to_color/camera_info": Role.DEPTH_INFO,
        "/camera/color/image_raw": Role.COLOR,
        "/camera/color/camera_info": Role.COLOR_INFO,
    }


def test_clouds_of_a_lidar_and_fused_odometry_are_used_and_goals_are_not():
    candidates = [
        _of("/velodyne_points", "sensor_msgs/msg/PointCloud2"),
        _of("/local_costmap/voxel_grid", "sensor_msgs/msg/PointCloud2", count=99),
        _of("/odom", "nav_msgs/msg/Odometry", count=99),
        _of("/odometry/filtered", "nav_msgs/msg/Odometry"),
        _of("/goal_pose", "geometry_msgs/msg/PoseStamped"),
    ]

    roles = find_roles(candidates, duration_s=1.0)

    assert roles == {"/velodyne_points": Role.POINTS, "/odometry/filtered": Role.ODOM}


def test_strings_of_machines_are_not_told():
    string = "std_msgs/msg/String"
    candidates = [
        _of("/speech", string),
        _of("/robot_description", string),
        _of("/state_machine/status", string),
        _of("/chatter", string, count=10_000),
    ]

    assert find_roles(candidates, duration_s=60.0) == {"/speech": Role.TOLD}
