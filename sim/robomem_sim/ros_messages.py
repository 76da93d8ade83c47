"""ROS 2 messages built from arrays through rosbags, without ROS."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from robomem.geometry import Depth, Pose, quaternion_from_rotation
from robomem.io.bag_messages import VISION_MSGS
from robomem.types import Detection

MM_PER_M = 1000.0
JPEG_QUALITY = 90


def vision_typestore() -> Typestore:
    """Return the types of ROS 2 Jazzy with those of vision_msgs."""
    typestore = get_typestore(Stores.ROS2_JAZZY)
    for name, definition in VISION_MSGS.items():
        typestore.register(get_types_from_msg(definition, name))
    return typestore


class Messages:
    """Builds ROS messages from arrays."""

    def __init__(self, typestore: Typestore) -> None:
        self._types = typestore.types

    def _make(self, name: str, *fields: Any) -> Any:
        return self._types[name](*fields)

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """Say when and in which frame."""
        stamp = self._make("builtin_interfaces/msg/Time", *divmod(stamp_ns, 10**9))
        return self._make("std_msgs/msg/Header", stamp, frame_id)

    def string(self, text: str) -> Any:
        """Wrap a text."""
        return self._make("std_msgs/msg/String", text)

    def tf(self, transforms: Sequence[Any]) -> Any:
        """Bundle transforms."""
        return self._make("tf2_msgs/msg/TFMessage", list(transforms))

    def transform(self, stamp_ns: int, parent: str, child: str, T: Pose) -> Any:
        """Build T_parent_child, (4, 4)."""
        t = self._make("geometry_msgs/msg/Vector3", *T[:3, 3].tolist())
        transform = self._make("geometry_msgs/msg/Transform", t, self._rotation(T))
        header = self.header(stamp_ns, parent)
        return self._make("geometry_msgs/msg/TransformStamped", header, child, transform)

    def odometry(self, stamp_ns: int, T_odom_base: Pose) -> Any:
        """Build the pose of the base in odom, at rest."""
        position = self._make("geometry_msgs/msg/Point", *T_odom_base[:3, 3].tolist())
        pose = self._make("geometry_msgs/msg/Pose", position, self._rotation(T_odom_base))
        zero = self._make("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0)
        twist = self._make("geometry_msgs/msg/Twist", zero, zero)
        return self._make(
            "nav_msgs/msg/Odometry",
            self.header(stamp_ns, "odom"),
            "base_link",
            self._make("geometry_msgs/msg/PoseWithCovariance", pose, np.zeros(36)),
            self._make("geometry_msgs/msg/TwistWithCovariance", twist, np.zeros(36)),
        )

    def info(self, header: Any, K: NDArray[np.float64], shape: tuple[int, ...]) -> Any:
        """Build the intrinsics of an image (H, W) without distortion."""
        height, width = shape
        projection = np.column_stack([K, np.zeros(3)])
        roi = self._make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
        return self._make(
            "sensor_msgs/msg/CameraInfo", header, height, width, "plumb_bob",
            np.zeros(5), K.ravel(), np.eye(3).ravel(), projection.ravel(), 0, 0, roi,
        )  # fmt: skip

    def depth(self, header: Any, depth_m: Depth, encoding: str) -> Any:
        """Encode a depth image: metres as they are, or whole millimetres with 0 for no return."""
        if encoding == "32FC1":
            return self._image(header, depth_m.astype("<f4"), encoding)
        mm = np.where(np.isfinite(depth_m), depth_m, 0.0) * MM_PER_M
        return self._image(header, np.clip(np.rint(mm), 0, 65535).astype("<u2"), encoding)

    def color(self, header: Any, color: NDArray[np.uint8]) -> Any:
        """Encode an RGB image (H, W, 3)."""
        return self._image(header, color, "rgb8")

    def compressed(self, header: Any, color: NDArray[np.uint8], encoding: str) -> Any:
        """Encode an RGB image (H, W, 3) as "jpeg" or "png"."""
        data = np.frombuffer(_encoded(color, encoding), dtype=np.uint8)
        return self._make("sensor_msgs/msg/CompressedImage", header, encoding, data)

    def detections(self, header: Any, detections: Sequence[Detection]) -> Any:
        """Build the centres, sizes and labels, in the optical frame."""
        found = [self._detection(header, detection) for detection in detections]
        return self._make("vision_msgs/msg/Detection3DArray", header, found)

    def _detection(self, header: Any, detection: Detection) -> Any:
        assert detection.p_cam is not None
        size = np.zeros(3) if detection.size_m is None else detection.size_m
        center = self._make("geometry_msgs/msg/Point", *detection.p_cam.tolist())
        upright = self._make("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)
        pose = self._make("geometry_msgs/msg/Pose", center, upright)
        extent = self._make("geometry_msgs/msg/Vector3", *size.tolist())
        box = self._make("vision_msgs/msg/BoundingBox3D", pose, extent)
        guess = self._make("vision_msgs/msg/ObjectHypothesis", detection.label, detection.score)
        posed = self._make("geometry_msgs/msg/PoseWithCovariance", pose, np.zeros(36))
        result = self._make("vision_msgs/msg/ObjectHypothesisWithPose", guess, posed)
        return self._make("vision_msgs/msg/Detection3D", header, [result], box, "")

    def _image(self, header: Any, image: NDArray[Any], encoding: str) -> Any:
        height, width = image.shape[:2]
        data = np.ascontiguousarray(image).view(np.uint8).ravel()
        step = image.itemsize * image[0].size
        return self._make("sensor_msgs/msg/Image", header, height, width, encoding, 0, step, data)

    def _rotation(self, T: Pose) -> Any:
        return self._make(
            "geometry_msgs/msg/Quaternion", *quaternion_from_rotation(T[:3, :3]).tolist()
        )


def _encoded(color: NDArray[np.uint8], encoding: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(color).save(buffer, format=encoding, quality=JPEG_QUALITY)
    return buffer.getvalue()
