"""ROS messages to arrays: values by hand, and bad input by its reason."""

from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from robomem.errors import DataError, Reason
from robomem.geometry import pose, rotation_from_yaw
from robomem.io import images, ros_messages

MM = np.array([[0, 1500, 65535], [250, 1, 3000]], np.uint16)
METRES = np.array([[np.nan, 1.5, np.nan], [0.25, 0.001, 3.0]], np.float32)


def _png(pixels):
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _jpeg(pixels):
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def _padded(ros, pixels, encoding, padding):
    image = ros.image(pixels, encoding)
    rows = np.frombuffer(pixels.tobytes(), np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    image.step, image.data = rows.shape[1], rows.reshape(-1)
    return image


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("padding", [0, 5])
def test_16uc1_is_millimetres_with_0_and_65535_invalid(ros, order, padding):
    image = _padded(ros, MM.astype(order + "u2"), "16UC1", padding)
    image.is_bigendian = int(order == ">")

    depth_m = ros_messages.depth_image(image)

    assert depth_m.dtype == np.float32
    np.testing.assert_array_equal(depth_m, METRES)


@pytest.mark.parametrize("order", ["<", ">"])
def test_32fc1_is_metres_with_inf_kept_and_what_is_not_positive_invalid(ros, order):
    pixels = np.array([[np.nan, np.inf, -np.inf], [0.0, -1.0, 2.5]], order + "f4")
    image = ros.image(pixels, "32FC1")
    image.is_bigendian = int(order == ">")

    depth_m = ros_messages.depth_image(image)

    np.testing.assert_array_equal(depth_m, [[np.nan, np.inf, np.nan], [np.nan, np.nan, 2.5]])


@pytest.mark.parametrize(
    "change", ["short", "long", "narrow step", "no rows", "nothing", "no columns", "encoding"]
)
def test_a_depth_image_of_the_wrong_size_is_refused(ros, change):
    image = ros.image(MM, "16UC1")
    match change:
        case "short":
            image.data = image.data[:-1]
        case "long":
            image.height = 1
        case "narrow step":
            image.step = 2
        case "no rows":
            image.height = 0
        case "nothing":
            image.height, image.data = 0, image.data[:0]
        case "no columns":
            image.width = image.step = 0
        case "encoding":
            image.encoding = "rgb8"

    with pytest.raises(DataError) as caught:
        ros_messages.depth_image(image)

    assert caught.value.reason is Reason.DEPTH_SHAPE


@pytest.mark.parametrize("header", [b"", b"\0" * 12])
def test_a_compressed_depth_image_is_a_png_of_millimetres(ros, header):
    form = "16UC1; compressedDepth png" if header else "16UC1; png compressed"
    data = np.frombuffer(header + _png(MM), np.uint8)
    message = ros.make("sensor_msgs/CompressedImage", format=form, data=data)

    np.testing.assert_array_equal(ros_messages.depth_image(message), METRES)


@pytest.mark.parametrize("form", ["16UC1; compressedDepth rvl", "32FC1; compressedDepth png"])
def test_compressed_depth_of_other_kinds_is_refused(ros, form):
    message = ros.make("sensor_msgs/CompressedImage", format=form, data=np.zeros(40, np.uint8))

    with pytest.raises(DataError) as caught:
        ros_messages.depth_image(message)

    assert caught.value.reason is Reason.IMAGE_CORRUPT


@pytest.mark.parametrize(
    ("encoding", "pixel", "expected"),
    [
        ("rgb8", (1, 2, 3), (1, 2, 3)),
        ("bgr8", (1, 2, 3), (3, 2, 1)),
        ("rgba8", (1, 2, 3, 4), (1, 2, 3)),
        ("bgra8", (1, 2, 3, 4), (3, 2, 1)),
        ("mono8", (7,), (7, 7, 7)),
    ],
)
def test_colour_comes_out_as_rgb(ros, encoding, pixel, expected):
    pixels = np.tile(np.array(pixel, np.uint8), (2, 3, 1))

    color = ros_messages.color_image(_padded(ros, pixels, encoding, 4))

    assert color.shape == (2, 3, 3)
    assert color.dtype == np.uint8
    assert (color == expected).all()


@pytest.mark.parametrize("encode", [_png, _jpeg])
def test_a_compressed_colour_image_is_decoded(ros, encode):
    pixels = np.full((8, 16, 3), (200, 100, 50), np.uint8)
    message = ros.make(
        "sensor_msgs/CompressedImage", format="x", data=np.frombuffer(encode(pixels), np.uint8)
    )

    color = ros_messages.color_image(message)

    assert np.abs(color.astype(int) - pixels).max() <= 2


def test_an_image_cut_anywhere_is_corrupt_and_never_a_crash(rng):
    data = _png(rng.integers(0, 60000, (20, 20)).astype(np.uint16))

    for cut in range(0, len(data) - 20, 7):  # then all pixels are there
        with pytest.raises(DataError) as caught:
            images.decode_depth(data[:cut])
        assert caught.value.reason is Reason.IMAGE_CORRUPT


def test_an_image_with_flipped_bytes_is_read_or_refused(rng):
    good = np.frombuffer(_png(rng.integers(0, 60000, (20, 20)).astype(np.uint16)), np.uint8)

    for _ in range(300):
        bad = good.copy()
        bad[rng.integers(0, len(bad), 3)] = rng.integers(0, 256, 3)
        try:
            images.decode_depth(bad.tobytes())
        except DataError as err:
            assert err.reason in (Reason.IMAGE_CORRUPT, Reason.DEPTH_SHAPE)  # noqa: PT017


def test_an_image_is_fitted_to_what_is_wanted(rng):
    color = rng.integers(0, 256, size=(8, 12, 3), dtype=np.uint8)
    halves = np.repeat(np.uint8([[0] * 6 + [200] * 6]), 8, axis=0)[..., None].repeat(3, axis=2)

    same = images.fitted(color, (3, 8, 12))
    small = images.fitted(halves, (1, 4, 4))

    np.testing.assert_array_equal(same, color.transpose(2, 0, 1))
    assert small.shape == (1, 4, 4)
    np.testing.assert_array_equal(small[0, :, [0, 3]], [[0] * 4, [200] * 4])


def test_a_decompression_bomb_is_refused():
    stream = BytesIO()
    Image.new("1", (10_000, 8_000)).save(stream, "PNG")

    with pytest.raises(DataError) as caught:
        images.decode_color(stream.getvalue())

    assert caught.value.reason is Reason.IMAGE_CORRUPT


def test_intrinsics_are_k_or_the_projection_of_a_rectified_image(ros):
    K = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
    info = ros.info(K, (480, 640))
    info.p[0] = 450.0

    assert ros_messages.intrinsics(info)[0, 0] == 500.0
    assert ros_messages.intrinsics(info, is_rectified=True)[0, 0] == 450.0


@pytest.mark.parametrize("focal", [0.0, -5.0, np.nan])
def test_an_uncalibrated_camera_is_refused(ros, focal):
    info = ros.info(np.diag([focal, 5.0, 1.0]), (4, 6))

    with pytest.raises(DataError) as caught:
        ros_messages.intrinsics(info)

    assert caught.value.reason is Reason.INTRINSICS_INVALID


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_a_cloud_is_read_whatever_its_fields_and_padding(ros, order, kind):
    itemsize = np.dtype(kind).itemsize
    offsets = {"z": 3, "intensity": 3 + itemsize, "x": 3 + 2 * itemsize, "y": 3 + 3 * itemsize}
    step = 3 + 4 * itemsize + 2
    dtype = np.dtype(
        {
            "names": list(offsets),
            "formats": [order + kind] * 4,
            "offsets": list(offsets.values()),
            "itemsize": step,
        }
    )
    points = np.zeros((2, 3), dtype)
    expected = np.arange(18, dtype=float).reshape(6, 3)
    expected[4] = np.nan
    for i, name in enumerate("xyz"):
        points[name] = expected[:, i].reshape(2, 3)
    rows = np.pad(np.frombuffer(points.tobytes(), np.uint8).reshape(2, -1), ((0, 0), (0, 9)))
    fields = [
        ros.make(
            "sensor_msgs/PointField",
            name=name,
            offset=offset,
            datatype=7 if kind == "f4" else 8,
            count=1,
        )
        for name, offset in offsets.items()
    ]
    cloud = ros.make(
        "sensor_msgs/PointCloud2",
        fields=fields, height=2, width=3, point_step=step, row_step=rows.shape[1],
        is_bigendian=order == ">", data=rows.reshape(-1),
    )  # fmt: skip

    np.testing.assert_array_equal(ros_messages.cloud_points(cloud), expected)


@pytest.mark.parametrize("change", ["no z", "integers", "short data", "point too short"])
def test_a_cloud_that_does_not_fit_is_refused(ros, change):
    fields = [
        ros.make("sensor_msgs/PointField", name=name, offset=4 * i, datatype=7, count=1)
        for i, name in enumerate("xyz")
    ]
    cloud = ros.make(
        "sensor_msgs/PointCloud2",
        fields=fields, height=1, width=2, point_step=12, row_step=24, data=np.zeros(24, np.uint8),
    )  # fmt: skip
    match change:
        case "no z":
            cloud.fields = fields[:2]
        case "integers":
            fields[0].datatype = 5
        case "short data":
            cloud.data = cloud.data[:-1]
        case "point too short":
            cloud.point_step = 8

    with pytest.raises(DataError):
        ros_messages.cloud_points(cloud)


def test_a_scan_is_a_fan_of_points_without_what_is_out_of_range(ros):
    ranges = np.array([1.0, np.inf, 2.0, 0.01, np.nan, 50.0], np.float32)
    scan = ros.make(
        "sensor_msgs/LaserScan",
        angle_min=0.0, angle_increment=np.pi / 4, range_min=0.1, range_max=10.0, ranges=ranges,
    )  # fmt: skip

    points = ros_messages.scan_points(scan)

    is_return = np.isfinite(points).all(axis=1)
    assert is_return.tolist() == [True, False, True, False, False, False]
    np.testing.assert_allclose(points[is_return], [[1, 0, 0], [0, 2, 0]], atol=1e-12)


def test_poses_are_read_from_every_message_that_has_one(ros):
    T = pose(rotation_from_yaw(0.3), (1.0, 2.0, 3.0))
    inner = ros.pose(T)
    stamped = ros.make("geometry_msgs/PoseStamped", pose=inner)
    covered = ros.make(
        "geometry_msgs/PoseWithCovarianceStamped",
        pose=ros.make("geometry_msgs/PoseWithCovariance", pose=inner),
    )

    for message in (inner, stamped, covered, ros.odometry(T, 5)):
        np.testing.assert_allclose(ros_messages.pose_of(message), T, atol=1e-12)


@pytest.mark.parametrize("q", [(0, 0, 0, 0), (np.nan, 0, 0, 1)])
def test_a_rotation_without_direction_is_an_invalid_pose(ros, q):
    message = ros.pose(np.eye(4))
    message.orientation = ros.quaternion(np.array(q, float))

    with pytest.raises(DataError) as caught:
        ros_messages.pose_of(message)

    assert caught.value.reason is Reason.POSE_INVALID


def test_a_position_that_is_no_number_is_an_invalid_pose(ros):
    message = ros.pose(np.eye(4))
    message.position.y = np.inf

    with pytest.raises(DataError) as caught:
        ros_messages.pose_of(message)

    assert caught.value.reason is Reason.POSE_INVALID


def test_a_2d_detection_is_its_likeliest_label_and_its_box(ros):
    box = ros.box_2d("cup", 0.2, (10.0, 20.0, 4.0, 6.0))
    box.results.append(ros.hypothesis("Mug", 0.7))

    (found,) = ros_messages.detections_of(
        ros.make("vision_msgs/Detection2DArray", detections=[box])
    )

    assert (found.label, found.score) == ("mug", 0.7)
    assert found.box_px.tolist() == [8.0, 17.0, 12.0, 23.0]


def test_a_3d_detection_is_its_centre_and_its_extent_in_map(ros):
    T_cam_box = pose(rotation_from_yaw(np.pi / 2), (1.0, 2.0, 3.0))
    array = ros.make(
        "vision_msgs/Detection3DArray",
        detections=[ros.box_3d("chair", 0.5, T_cam_box, (2.0, 1.0, 0.5))],
    )

    (in_cam,) = ros_messages.detections_of(array)
    (in_map,) = ros_messages.detections_of(array, R_map_cam=rotation_from_yaw(np.pi / 2))

    np.testing.assert_allclose(in_cam.p_cam, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(in_cam.size_m, [1.0, 2.0, 0.5], atol=1e-9)
    np.testing.assert_allclose(in_map.size_m, [2.0, 1.0, 0.5], atol=1e-9)


def test_detections_of_older_vision_msgs_are_read():
    center = SimpleNamespace(x=10.0, y=20.0, theta=0.0)
    detection = SimpleNamespace(
        results=[SimpleNamespace(id="sofa", score=0.8)],
        bbox=SimpleNamespace(center=center, size_x=2.0, size_y=2.0),
    )

    (found,) = ros_messages.detections_of(SimpleNamespace(detections=[detection]))

    assert found.label == "sofa"
    assert found.box_px.tolist() == [9.0, 19.0, 11.0, 21.0]


@pytest.mark.parametrize(("score", "u"), [(1.5, 3.0), (np.nan, 3.0), (0.5, np.nan)])
def test_a_detection_with_bad_numbers_is_refused(ros, score, u):
    array = ros.make(
        "vision_msgs/Detection2DArray", detections=[ros.box_2d("mug", score, (u, 2.0, 2.0, 2.0))]
    )

    with pytest.raises(DataError):
        ros_messages.detections_of(array)


def test_detections_without_a_label_are_left_out(ros):
    unnamed = ros.box_2d("  ", 0.5, (3.0, 2.0, 2.0, 2.0))
    without = ros.box_2d("x", 0.5, (3.0, 2.0, 2.0, 2.0))
    without.results = []

    assert (
        ros_messages.detections_of(
            ros.make("vision_msgs/Detection2DArray", detections=[unnamed, without])
        )
        == ()
    )


def test_a_stamp_before_the_epoch_is_refused(ros):
    header = ros.header(0)
    header.stamp.sec = -1

    with pytest.raises(DataError) as caught:
        ros_messages.stamp_ns(header)

    assert caught.value.reason is Reason.STAMP_INVALID
