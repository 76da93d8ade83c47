"""ROS messages to arrays. Duck-typed: rosbags' dataclasses and rclpy's messages decode alike.

What a message says is data: whatever does not fit raises a DataError that names how.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.errors import FormatError, FrameError, Reason, StampError
from robomem.geometry import Depth, Points, Pose, pose, rotation_from_quaternion
from robomem.io.images import decode_color, decode_depth, depth_from_millimetres
from robomem.types import Detection

NS_PER_S = 1_000_000_000
# Channel order of the colour encodings of sensor_msgs/image_encodings.hpp, as indices into a pixel.
_COLOR_CHANNELS = {
    "rgb8": (0, 1, 2),
    "8UC3": (0, 1, 2),
    "bgr8": (2, 1, 0),
    "rgba8": (0, 1, 2),
    "bgra8": (2, 1, 0),
    "mono8": (0, 0, 0),
    "8UC1": (0, 0, 0),
}
_PIXEL_BYTES = {"rgb8": 3, "8UC3": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "8UC1": 1}
_DEPTH_TYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
_COMPRESSED_DEPTH_HEADER_BYTES = 12
_QUATERNION_SLACK = 0.1  # tf2 warns from 0.001, drivers round
_MAX_ANGLE_RAD = 100.0
_MAX_DISTANCE_M = 1e9  # farther than the moon: products of it overflow
# sensor_msgs/PointField: FLOAT32 is 7, FLOAT64 is 8.
_POINT_TYPES = {7: "f4", 8: "f8"}


def stamp_ns(header: Any) -> int:
    """Return the stamp of a header; raises StampError when it is negative."""
    return time_ns(header.stamp)


def time_ns(stamp: Any) -> int:
    """Return a builtin_interfaces/Time in nanoseconds; raises StampError when it is negative."""
    nanoseconds = int(stamp.sec) * NS_PER_S + int(stamp.nanosec)
    if nanoseconds < 0:
        raise StampError(f"stamp {stamp.sec} s is negative", reason=Reason.STAMP_INVALID)
    return nanoseconds


def frame(frame_id: str) -> str:
    """Return a frame id without the leading slash of older robots."""
    return frame_id.strip().removeprefix("/")


def depth_image(image: Any) -> Depth:
    """Return the depth (H, W) float32 metres of an Image or a CompressedImage ("compressedDepth")."""
    if hasattr(image, "format"):
        return _compressed_depth(image)
    if image.encoding not in _DEPTH_TYPES:
        raise FormatError(
            f"depth comes as {', '.join(_DEPTH_TYPES)}, got {image.encoding!r}",
            reason=Reason.DEPTH_SHAPE,
        )
    dtype = np.dtype(_DEPTH_TYPES[image.encoding]).newbyteorder(">" if image.is_bigendian else "<")
    values = _rows(image, pixel_bytes=dtype.itemsize, reason=Reason.DEPTH_SHAPE).view(dtype)
    if dtype.kind == "u":
        return depth_from_millimetres(values)
    depth_m = values.astype(np.float32)
    depth_m[~(depth_m > 0)] = np.nan
    return depth_m


def color_image(image: Any) -> NDArray[np.uint8]:
    """Return the colour (H, W, 3) uint8 RGB of an Image or a CompressedImage."""
    if hasattr(image, "format"):
        return decode_color(bytes(image.data))
    if image.encoding not in _COLOR_CHANNELS:
        raise FormatError(
            f"colour comes as {', '.join(_COLOR_CHANNELS)}, got {image.encoding!r}",
            reason=Reason.IMAGE_CORRUPT,
        )
    size = _PIXEL_BYTES[image.encoding]
    rows = _rows(image, pixel_bytes=size, reason=Reason.IMAGE_CORRUPT)
    pixels = rows.reshape(len(rows), -1, size)
    return np.ascontiguousarray(pixels[:, :, _COLOR_CHANNELS[image.encoding]])


def intrinsics(info: Any, *, is_rectified: bool = False) -> NDArray[np.float64]:
    """Return K (3, 3) pixels of a CameraInfo; of its projection P when the image is rectified."""
    K = np.array(_field(info, "k"), dtype=np.float64).reshape(3, 3)
    K_rectified = np.array(_field(info, "p"), dtype=np.float64).reshape(3, 4)[:, :3]
    if is_rectified and K_rectified[0, 0] > 0:
        K = K_rectified
    if not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
        raise FormatError(
            f"camera info of {frame(info.header.frame_id)!r} is uncalibrated: K = {K.tolist()}",
            reason=Reason.INTRINSICS_INVALID,
        )
    return K


def cloud_points(cloud: Any) -> Points:
    """Return the points (N, 3) metres of a PointCloud2, in its frame; rows that are not finite stay."""
    offsets = {field.name: field for field in cloud.fields}
    if missing := {"x", "y", "z"} - offsets.keys():
        raise FormatError(f"the point cloud has no field {', '.join(sorted(missing))}")
    dtype = _point_dtype([offsets[name] for name in "xyz"], cloud)
    rows = _cloud_rows(cloud)
    points = rows.reshape(-1, cloud.point_step).view(dtype).reshape(-1)
    return np.stack([points[name].astype(np.float64) for name in "xyz"], axis=-1)


def scan_points(scan: Any) -> Points:
    """Return the points (N, 3) metres of a LaserScan, in its frame; no return is a row of inf or NaN."""
    if not (abs(scan.angle_min) < _MAX_ANGLE_RAD and abs(scan.angle_increment) < _MAX_ANGLE_RAD):
        raise FormatError(f"no scan: from {scan.angle_min} by {scan.angle_increment} rad")
    ranges_m = np.array(scan.ranges, dtype=np.float64)
    is_return = (ranges_m >= scan.range_min) & (ranges_m <= scan.range_max)
    ranges_m[~is_return] = np.nan
    angles = scan.angle_min + scan.angle_increment * np.arange(len(ranges_m))
    x, y = ranges_m * np.cos(angles), ranges_m * np.sin(angles)
    return np.stack([x, y, np.where(is_return, 0.0, np.nan)], axis=-1)


def pose_of(message: Any) -> Pose:
    """Return the pose (4, 4) of an Odometry, PoseStamped, PoseWithCovarianceStamped or Pose."""
    while hasattr(message, "pose"):
        message = message.pose
    return _rigid(message.position, message.orientation)


def transform_of(transform: Any) -> Pose:
    """Return the pose (4, 4) of a geometry_msgs/Transform."""
    return _rigid(transform.translation, transform.rotation)


def detections_of(
    array: Any, *, R_map_cam: NDArray[np.float64] | None = None
) -> tuple[Detection, ...]:
    """Return the detections of an array; those without a label are left out.

    Args:
        array: A robomem_msgs/DetectionArray, or a Detection2DArray or Detection3DArray of vision_msgs 4
            (`hypothesis.class_id`) or older (`id`).
        R_map_cam: Turns the extent of vision_msgs' 3-D boxes to the axes of map, (3, 3).
    """
    found = (
        _own_detection(detection) if _is_own(detection) else _detection(detection, R_map_cam)
        for detection in array.detections
    )
    return tuple(detection for detection in found if detection is not None)


def has_positions(array: Any) -> bool:
    """Tell whether detections are 3-D: then they carry positions in the frame of their header."""
    return any(
        detection.has_position if _is_own(detection) else hasattr(detection.bbox, "size")
        for detection in array.detections
    )


def _is_own(detection: Any) -> bool:
    """Tell a robomem_msgs/Detection from those of vision_msgs."""
    return hasattr(detection, "has_position")


def _own_detection(detection: Any) -> Detection | None:
    if not detection.label.strip():
        return None
    p, size = detection.p_cam, detection.size_m
    size_m = np.array([size.x, size.y, size.z])
    return Detection(
        label=detection.label,
        score=float(detection.score),
        p_cam=np.array([p.x, p.y, p.z]) if detection.has_position else None,
        box_px=np.array(detection.box_px) if detection.has_box else None,
        size_m=size_m if size_m.any() else None,
        embedding=np.array(detection.embedding) if len(detection.embedding) else None,
    )


def _detection(detection: Any, R_map_cam: NDArray[np.float64] | None) -> Detection | None:
    results = [getattr(result, "hypothesis", result) for result in detection.results]
    if not results:
        return None
    best = max(results, key=lambda result: float(result.score))
    label = str(best.class_id if hasattr(best, "class_id") else best.id).strip()
    if not label:
        return None
    score = float(best.score)
    if hasattr(detection.bbox, "size_x"):
        return Detection(label=label, score=score, box_px=_box_px(detection.bbox))
    T_cam_box = pose_of(detection.bbox.center)
    R = T_cam_box[:3, :3] if R_map_cam is None else R_map_cam @ T_cam_box[:3, :3]
    size = detection.bbox.size
    size_m = np.abs(R) @ np.abs([size.x, size.y, size.z])
    return Detection(label=label, score=score, p_cam=T_cam_box[:3, 3], size_m=size_m)


def _box_px(bbox: Any) -> NDArray[np.float64]:
    center = getattr(bbox.center, "position", bbox.center)
    half = np.array([bbox.size_x, bbox.size_y]) / 2
    middle = np.array([center.x, center.y])
    return np.concatenate([middle - half, middle + half])


def _rigid(t: Any, q: Any) -> Pose:
    """Return the pose of a position and a quaternion, which may be off unit length by rounding only."""
    length = math.hypot(q.x, q.y, q.z, q.w)
    distance_m = math.hypot(t.x, t.y, t.z)
    if not (abs(length - 1) < _QUATERNION_SLACK and distance_m < _MAX_DISTANCE_M):
        raise FrameError(
            f"no pose: position ({t.x}, {t.y}, {t.z}), quaternion ({q.x}, {q.y}, {q.z}, {q.w})",
            reason=Reason.POSE_INVALID,
        )
    return pose(rotation_from_quaternion((q.x, q.y, q.z, q.w)), (t.x, t.y, t.z))


def _rows(image: Any, *, pixel_bytes: int, reason: Reason) -> NDArray[np.uint8]:
    """Return the bytes of an image without the padding of its rows, (H, W * pixel_bytes)."""
    row_bytes = int(image.width) * pixel_bytes
    step = int(image.step) or row_bytes
    data = np.frombuffer(image.data, dtype=np.uint8)
    if 0 in (row_bytes, image.height) or step < row_bytes or len(data) != step * image.height:
        raise FormatError(
            f"{image.width} x {image.height} {image.encoding} with step {image.step}"
            f" takes {max(step, row_bytes) * image.height} bytes, got {len(data)}",
            reason=reason,
        )
    return np.ascontiguousarray(data.reshape(-1, step)[:, :row_bytes])


def _compressed_depth(image: Any) -> Depth:
    data = bytes(image.data)
    if "compressedDepth" in image.format:
        if "rvl" in image.format.lower():
            raise FormatError(
                "compressedDepth RVL is not read: use png", reason=Reason.IMAGE_CORRUPT
            )
        if image.format.startswith("32FC1"):
            raise FormatError(
                "compressedDepth 32FC1 is not read: use 16UC1", reason=Reason.IMAGE_CORRUPT
            )
        data = data[_COMPRESSED_DEPTH_HEADER_BYTES:]
    return depth_from_millimetres(decode_depth(data))


def _field(info: Any, name: str) -> Any:
    """Return k or p: lower case in ROS 2, upper case in ROS 1 definitions."""
    return getattr(info, name) if hasattr(info, name) else getattr(info, name.upper())


def _point_dtype(fields: list[Any], cloud: Any) -> np.dtype[Any]:
    if any(field.datatype not in _POINT_TYPES for field in fields):
        raise FormatError("x, y and z of a point cloud are float32 or float64")
    order = ">" if cloud.is_bigendian else "<"
    formats = [np.dtype(order + _POINT_TYPES[field.datatype]) for field in fields]
    ends = [field.offset + kind.itemsize for field, kind in zip(fields, formats, strict=True)]
    if max(ends) > cloud.point_step:
        raise FormatError(
            f"point_step {cloud.point_step} is shorter than the point, {max(ends)} bytes"
        )
    offsets = [int(field.offset) for field in fields]
    return np.dtype(
        {
            "names": list("xyz"),
            "formats": formats,
            "offsets": offsets,
            "itemsize": int(cloud.point_step),
        }
    )


def _cloud_rows(cloud: Any) -> NDArray[np.uint8]:
    row_bytes = int(cloud.width) * int(cloud.point_step)
    step = int(cloud.row_step) or row_bytes
    data = np.frombuffer(cloud.data, dtype=np.uint8)
    if step < row_bytes or len(data) != step * cloud.height:
        raise FormatError(
            f"{cloud.width} x {cloud.height} points of {cloud.point_step} bytes with row_step"
            f" {cloud.row_step} do not take {len(data)} bytes"
        )
    return np.ascontiguousarray(data.reshape(cloud.height, step)[:, :row_bytes])
