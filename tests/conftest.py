"""Fixtures that more than one file of tests uses."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from rosbags.interfaces import Nodetype
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from robomem.geometry import R_BODY_OPTICAL, pose, quaternion_from_rotation
from robomem.io.bag_messages import VISION_MSGS

BEGIN_NS = 1_700_000_000_000_000_000
Message = tuple[str, int, Any]  # topic, time of recording, message

settings.register_profile("robomem", deadline=None)  # a busy machine is no failure
settings.load_profile("robomem")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real recordings; they are not part of the project."""
    root = Path(__file__).resolve().parents[1]
    path = Path(os.environ.get("ROBOMEM_DATA", root.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"real data is not at {path}: set ROBOMEM_DATA")
    return path


@pytest.fixture(scope="session")
def typestore() -> Typestore:
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in VISION_MSGS.items():
        store.register(get_types_from_msg(text, name))
    return store


@pytest.fixture(scope="session")
def ros(typestore: Typestore) -> "Ros":
    return Ros(typestore)


@pytest.fixture(scope="session")
def write_bag(typestore: Typestore) -> Callable[..., Path]:
    def write(
        path: Path, messages: Iterable[Message], *, plugin: StoragePlugin = StoragePlugin.MCAP
    ) -> Path:
        connections = {}
        with Writer(path, version=9, storage_plugin=plugin) as writer:
            for topic, received_ns, message in messages:
                kind = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=typestore)
                writer.write(
                    connections[topic], received_ns, typestore.serialize_cdr(message, kind)
                )
        return path

    return write


class Ros:
    """Makes messages, every field that is not given zero."""

    def __init__(self, store: Typestore) -> None:
        self._store = store

    def make(self, kind: str, **fields: Any) -> Any:
        """Make a message of a type such as "sensor_msgs/Image"."""
        name = kind.replace("/", "/msg/")
        values = {key: self._zero(desc) for key, desc in self._store.fielddefs[name][1]}
        return self._store.types[name](**(values | fields))

    def _zero(self, desc: Any) -> Any:
        node, detail = desc
        if node == Nodetype.NAME:
            return self.make(detail.replace("/msg/", "/"))
        if node == Nodetype.BASE:
            return "" if detail[0] == "string" else 0
        (inner, kind), size = detail
        if inner == Nodetype.NAME or kind[0] == "string":
            return []
        return np.zeros(
            size, dtype=kind[0] if kind[0] not in ("byte", "octet", "char") else "uint8"
        )

    def time(self, stamp_ns: int) -> Any:
        return self.make("builtin_interfaces/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)

    def header(self, stamp_ns: int, frame: str = "cam") -> Any:
        return self.make("std_msgs/Header", stamp=self.time(stamp_ns), frame_id=frame)

    def image(
        self, pixels: np.ndarray, encoding: str, stamp_ns: int = BEGIN_NS, frame: str = "cam"
    ) -> Any:
        return self.make(
            "sensor_msgs/Image",
            header=self.header(stamp_ns, frame),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=int(pixels.dtype.byteorder == ">"),
            step=pixels.strides[0],
            data=np.frombuffer(pixels.tobytes(), np.uint8),
        )

    def info(
        self, K: np.ndarray, size: tuple[int, int], stamp_ns: int = BEGIN_NS, frame: str = "cam"
    ) -> Any:
        return self.make(
            "sensor_msgs/CameraInfo",
            header=self.header(stamp_ns, frame),
            height=size[0],
            width=size[1],
            k=np.asarray(K, float).reshape(9),
            p=np.column_stack([K, np.zeros(3)]).reshape(12),
        )

    def pose(self, T: np.ndarray) -> Any:
        x, y, z = T[:3, 3]
        return self.make(
            "geometry_msgs/Pose",
            position=self.make("geometry_msgs/Point", x=x, y=y, z=z),
            orientation=self.quaternion(quaternion_from_rotation(T[:3, :3])),
        )

    def quaternion(self, q: np.ndarray) -> Any:
        return self.make("geometry_msgs/Quaternion", x=q[0], y=q[1], z=q[2], w=q[3])

    def tf(self, *edges: tuple[str, str, int, np.ndarray]) -> Any:
        """Make a TFMessage of (parent, child, stamp_ns, T_parent_child)."""
        transforms = []
        for parent, child, stamp_ns, T in edges:
            x, y, z = T[:3, 3]
            transform = self.make(
                "geometry_msgs/Transform",
                translation=self.make("geometry_msgs/Vector3", x=x, y=y, z=z),
                rotation=self.quaternion(quaternion_from_rotation(T[:3, :3])),
            )
            header = self.header(stamp_ns, parent)
            transforms.append(
                self.make(
                    "geometry_msgs/TransformStamped",
                    header=header,
                    child_frame_id=child,
                    transform=transform,
                )
            )
        return self.make("tf2_msgs/TFMessage", transforms=transforms)

    def odometry(
        self, T: np.ndarray, stamp_ns: int, parent: str = "odom", child: str = "base_link"
    ) -> Any:
        return self.make(
            "nav_msgs/Odometry",
            header=self.header(stamp_ns, parent),
            child_frame_id=child,
            pose=self.make("geometry_msgs/PoseWithCovariance", pose=self.pose(T)),
        )

    def box_2d(self, label: str, score: float, box_px: tuple[float, ...]) -> Any:
        u, v, width, height = box_px
        center = self.make(
            "vision_msgs/Pose2D", position=self.make("vision_msgs/Point2D", x=u, y=v)
        )
        return self.make(
            "vision_msgs/Detection2D",
            results=[self.hypothesis(label, score)],
            bbox=self.make("vision_msgs/BoundingBox2D", center=center, size_x=width, size_y=height),
        )

    def box_3d(self, label: str, score: float, T: np.ndarray, size_m: tuple[float, ...]) -> Any:
        size = self.make("geometry_msgs/Vector3", x=size_m[0], y=size_m[1], z=size_m[2])
        return self.make(
            "vision_msgs/Detection3D",
            results=[self.hypothesis(label, score)],
            bbox=self.make("vision_msgs/BoundingBox3D", center=self.pose(T), size=size),
        )

    def hypothesis(self, label: str, score: float) -> Any:
        hypothesis = self.make("vision_msgs/ObjectHypothesis", class_id=label, score=score)
        return self.make("vision_msgs/ObjectHypothesisWithPose", hypothesis=hypothesis)


@pytest.fixture(scope="session")
def patrol(ros: Ros) -> SimpleNamespace:
    """A robot that drives along x at 1 m/s for 1 s and sees a wall: 10 frames, all it has recorded.

    Of frame i: stamp BEGIN + i * 0.1 s, T_map_base = (2 + 0.1 i, 1, 0), depth 1000 + i mm with one hole.
    """
    T_base_cam = pose(R_BODY_OPTICAL, (0.1, 0.0, 0.5))
    T_map_odom = pose(np.eye(3), (2.0, 1.0, 0.0))
    K = np.array([[5.0, 0, 2.5], [0, 5.0, 1.5], [0, 0, 1]])
    messages: list[Message] = [
        ("/tf_static", BEGIN_NS, ros.tf(("base_link", "cam", 0, T_base_cam))),
        ("/notes", BEGIN_NS + 1, ros.make("std_msgs/String", data="the keys are in the drawer")),
        ("/robot_description", BEGIN_NS + 2, ros.make("std_msgs/String", data="<robot/>")),
    ]
    for k in range(23):  # transforms at 20 Hz, from 50 ms before to 50 ms after the images
        at_ns = BEGIN_NS + (k - 1) * 50_000_000
        T_odom_base = pose(np.eye(3), ((k - 1) * 0.05, 0.0, 0.0))
        edges = ("map", "odom", at_ns, T_map_odom), ("odom", "base_link", at_ns, T_odom_base)
        messages.append(("/tf", at_ns + 60_000_000, ros.tf(*edges)))
    for i in range(10):
        at_ns = BEGIN_NS + i * 100_000_000
        depth = np.full((4, 6), 1000 + i, np.uint16)
        depth[0, 0] = 0
        color = np.full((4, 6, 3), (10 * i, 2, 3), np.uint8)
        boxes = [ros.box_2d("Red  Mug", 0.9, (3.0, 2.0, 2.0, 2.0))]
        array = ros.make("vision_msgs/Detection2DArray", header=ros.header(at_ns), detections=boxes)
        messages += [
            ("/camera/depth/image_rect_raw", at_ns + 11_000_000, ros.image(depth, "16UC1", at_ns)),
            ("/camera/depth/camera_info", at_ns + 12_000_000, ros.info(K, (4, 6), at_ns)),
            (
                "/camera/color/image_raw",
                at_ns + 13_000_000,
                ros.image(color, "rgb8", at_ns + 5_000_000),
            ),
            ("/detections", at_ns + 40_000_000, array),
        ]
    messages.sort(key=lambda message: message[1])
    poses = [pose(np.eye(3), (2.0 + 0.1 * i, 1.0, 0.0)) @ T_base_cam for i in range(10)]
    return SimpleNamespace(messages=messages, K=K, T_map_cam=poses, begin_ns=BEGIN_NS)
