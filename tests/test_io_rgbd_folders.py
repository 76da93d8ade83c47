"""RGB-D folders in the layouts of 7-Scenes and TUM."""

import shutil
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from robomem.errors import DataError, FormatError, Reason
from robomem.geometry import pose, rotation_from_yaw
from robomem.io import open_recording

DEPTH = np.array([[0, 1500, 65535, 250]] * 3, np.uint16)
COLOR = np.full((3, 4, 3), (9, 8, 7), np.uint8)
K = np.array([[500.0, 0, 2], [0, 510, 1], [0, 0, 1]])


def _save(path, pixels):
    Image.fromarray(pixels).save(path)


def _result(item):
    try:
        return item.load()
    except DataError as err:
        return err.reason


@pytest.fixture
def seven_scenes(tmp_path):
    for n in (0, 3, 7):
        stem = tmp_path / f"frame-{n:06d}"
        _save(f"{stem}.depth.png", DEPTH)
        _save(f"{stem}.color.png", COLOR)
        np.savetxt(f"{stem}.pose.txt", pose(rotation_from_yaw(0.1 * n), (n, 0, 0)))
    np.savetxt(tmp_path / "camera-intrinsics.txt", K)
    return tmp_path


@pytest.fixture
def tum(tmp_path):
    (tmp_path / "depth").mkdir()
    (tmp_path / "rgb").mkdir()
    depths, colors, poses = (
        ["# depth maps"],
        ["# color images"],
        ["# timestamp tx ty tz qx qy qz qw"],
    )
    for i in range(3):
        _save(tmp_path / f"depth/{i}.png", DEPTH)
        _save(tmp_path / f"rgb/{i}.png", COLOR)
        depths.append(f"130503110{i}.160407 depth/{i}.png")
        colors.append(f"130503110{i}.175304 rgb/{i}.png")
        poses.append(f"130503110{i}.1664 {i} 0 0 0 0 0 1")
    for name, lines in (("depth", depths), ("rgb", colors), ("groundtruth", poses)):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_seven_scenes_frames_are_millimetres_with_poses_at_30_hz(seven_scenes):
    recording = open_recording(seven_scenes)
    seen = [item.load() for item in recording.items()]

    assert recording.kind == "RGB-D folder (7-Scenes)"
    assert [each.stamp_ns for each in seen] == [0, 100_000_000, 233_333_333]
    np.testing.assert_array_equal(
        seen[0].depth_m[0], np.array([np.nan, 1.5, np.nan, 0.25], np.float32)
    )
    np.testing.assert_allclose(
        seen[1].T_map_cam, pose(rotation_from_yaw(0.3), (3, 0, 0)), atol=1e-12
    )
    np.testing.assert_array_equal(seen[2].K, K)
    assert (seen[2].color == COLOR).all()
    assert any("clock" in lack for lack in recording.lacks)


def test_tum_frames_are_5000_units_a_metre_matched_by_time(tum):
    recording = open_recording(tum)
    seen = [item.load() for item in recording.items()]

    assert recording.kind == "RGB-D folder (TUM)"
    assert [each.stamp_ns for each in seen] == [
        1_305_031_100_160_407_000 + i * 10**9 for i in range(3)
    ]
    np.testing.assert_array_equal(
        seen[0].depth_m[0], np.array([np.nan, 0.3, np.nan, 0.05], np.float32)
    )
    assert [each.T_map_cam[0, 3] for each in seen] == [0, 1, 2]
    assert all((each.color == COLOR).all() for each in seen)
    assert seen[0].K[0, 0] == 525.0
    assert any("intrinsics" in lack for lack in recording.lacks)


def test_the_camera_of_tum_is_known_from_its_name(tum):
    text = (tum / "depth.txt").read_text()
    (tum / "depth.txt").write_text("# file: 'rgbd_dataset_freiburg3_long_office.bag'\n" + text)

    assert next(open_recording(tum).items()).load().K[0, 0] == 535.4


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("K.txt", "500 0 2\n0 510 1\n0 0 1\n"),
        ("calibration.txt", "500 510 2 1 0.1 0.2 0 0 0\n"),
        ("camera.yaml", "fx: 500.0\nfy: 510.0\ncx: 2\ncy: 1.0\n"),
        (
            "camera_info.yaml",
            "image_width: 4\ncamera_matrix:\n  rows: 3\n  data: [500., 0, 2, 0, 510, 1, 0, 0, 1]\n",
        ),
    ],
)
def test_intrinsics_are_read_from_what_is_there(tum, name, text):
    (tum / name).write_text(text)

    recording = open_recording(tum)

    np.testing.assert_array_equal(next(recording.items()).load().K, K)
    assert not any("intrinsics" in lack for lack in recording.lacks)


def test_intrinsics_that_are_none_are_refused(seven_scenes):
    (seven_scenes / "camera-intrinsics.txt").write_text("no numbers here")

    with pytest.raises(FormatError, match="camera-intrinsics") as caught:
        open_recording(seven_scenes)

    assert caught.value.reason is Reason.INTRINSICS_INVALID


def _png(pixels):
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _text(T):
    return "\n".join(" ".join(map(str, row)) for row in T).encode()


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("pose.txt", None, Reason.NO_TRANSFORM),
        ("pose.txt", _text(np.full((4, 4), np.nan)), Reason.POSE_INVALID),
        ("pose.txt", _text(np.full((4, 4), -np.inf)), Reason.POSE_INVALID),
        ("pose.txt", _text(np.diag([3.0, 1, 1, 1])), Reason.POSE_INVALID),
        ("pose.txt", _text(np.diag([1.0, 1, -1, 1])), Reason.POSE_INVALID),
        ("pose.txt", b"1 0 0 0", Reason.POSE_INVALID),
        ("depth.png", None, Reason.IMAGE_CORRUPT),
        ("depth.png", b"", Reason.IMAGE_CORRUPT),
        ("depth.png", _png(DEPTH)[:50], Reason.IMAGE_CORRUPT),
        ("depth.png", _png(COLOR), Reason.DEPTH_SHAPE),
        ("depth.png", _png(np.zeros((3, 4), np.uint16)), Reason.DEPTH_EMPTY),
        ("color.png", b"not a png", Reason.IMAGE_CORRUPT),
    ],
)
def test_one_bad_frame_is_refused_and_the_others_are_read(seven_scenes, file, content, reason):
    path = seven_scenes / f"frame-000003.{file}"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)

    results = [_result(item) for item in open_recording(seven_scenes).items()]

    assert results[1] is reason
    assert results[0].stamp_ns == 0
    assert results[2].stamp_ns == 233_333_333


def test_a_depth_image_of_another_size_is_refused(seven_scenes):
    _save(seven_scenes / "frame-000000.depth.png", DEPTH[:2])  # the first is no exception

    results = [_result(item) for item in open_recording(seven_scenes).items()]

    assert results[0] is Reason.DEPTH_SHAPE
    assert [r.stamp_ns > 0 for r in results[1:]] == [True, True]


def test_a_frame_of_tum_without_a_pose_near_it_is_refused(tum):
    lines = (tum / "groundtruth.txt").read_text().splitlines()
    (tum / "groundtruth.txt").write_text(
        "\n".join([lines[1], lines[2].replace(" 0 0 0 0 0 1", " nan 0 0 0 0 1")])
    )

    results = [_result(item) for item in open_recording(tum).items()]

    assert results[0].T_map_cam is not None
    assert results[1:] == [Reason.POSE_INVALID, Reason.NO_TRANSFORM]


def test_a_list_cannot_name_files_outside_its_folder(tum):
    (tum / "depth.txt").write_text("1.0 ../../secret.png\n")

    with pytest.raises(FormatError, match="outside"):
        open_recording(tum)


def test_a_folder_is_known_by_its_content_not_its_path(seven_scenes, tmp_path_factory):
    copy = shutil.copytree(seven_scenes, tmp_path_factory.mktemp("copy") / "elsewhere")
    fewer = shutil.copytree(seven_scenes, tmp_path_factory.mktemp("fewer") / "f")
    for file in fewer.glob("frame-000007*"):
        file.unlink()

    assert open_recording(copy).fingerprint == open_recording(seven_scenes).fingerprint
    assert open_recording(fewer).fingerprint != open_recording(seven_scenes).fingerprint


def test_real_frames_all_load(data_dir):
    recording = open_recording(data_dir / "rgbd_7scenes")

    seen = [item.load() for item in recording.items()]

    assert len(seen) == 100
    assert all(each.depth_m.shape == (480, 640) for each in seen)
    assert {stream.count for stream in recording.streams} == {100}
