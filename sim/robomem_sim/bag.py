"""Write a run as a rosbag2 recording, so that replay can be tested against the truth.

python -m robomem_sim.bag -o run --seed 0
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from robomem.geometry import Pose
from robomem_sim.ros_messages import Messages, vision_typestore
from robomem_sim.run import START_NS, Frame
from robomem_sim.scenario import Scenario, Told

OPTICAL_FRAME = "camera_optical_frame"
BAG_VERSION: Literal[9] = 9
INTERRUPTED = 130

TOPICS = {
    "/camera/depth/image_rect_raw": "sensor_msgs/msg/Image",
    "/camera/depth/camera_info": "sensor_msgs/msg/CameraInfo",
    "/odom": "nav_msgs/msg/Odometry",
    "/tf": "tf2_msgs/msg/TFMessage",
    "/tf_static": "tf2_msgs/msg/TFMessage",
    "/detections": "vision_msgs/msg/Detection3DArray",
    "/speech": "std_msgs/msg/String",
}


@dataclass(frozen=True, slots=True)
class BagSettings:
    """How a recording is written."""

    storage: Literal["mcap", "sqlite3"] = "mcap"
    depth_encoding: Literal["16UC1", "32FC1"] = "16UC1"
    color: Literal["rgb8", "jpeg", "png"] = "rgb8"


class BagWriter:
    """Writes frames and what is told into a new recording; use it as a context manager."""

    def __init__(self, path: Path, settings: BagSettings | None = None) -> None:
        """Prepare to write.

        Args:
            path: Folder to make; rosbags raises WriterError when it exists.
            settings: How to write.
        """
        self._settings = settings or BagSettings()
        self._typestore = vision_typestore()
        self._messages = Messages(self._typestore)
        plugin = StoragePlugin[self._settings.storage.upper()]
        self._writer = Writer(path, version=BAG_VERSION, storage_plugin=plugin)
        self._connections: dict[str, Connection] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._writer)
        for topic, message_type in {**TOPICS, **self._color_topic()}.items():
            self._connections[topic] = self._writer.add_connection(
                topic,
                message_type,
                typestore=self._typestore,
                offered_qos_profiles=[_qos(is_latched=topic == "/tf_static")],
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def write_static(self, T_base_cam: Pose, *, stamp_ns: int) -> None:
        """Write where the camera sits on the base; once, first."""
        transform = self._messages.transform(stamp_ns, "base_link", OPTICAL_FRAME, T_base_cam)
        self._write("/tf_static", stamp_ns, self._messages.tf([transform]))

    def write_frame(self, frame: Frame) -> None:
        """Write everything of a frame under its stamp, the transforms first."""
        messages, stamp_ns = self._messages, frame.stamp_ns
        header = messages.header(stamp_ns, OPTICAL_FRAME)
        transforms = [
            messages.transform(stamp_ns, "map", "odom", frame.T_map_odom),
            messages.transform(stamp_ns, "odom", "base_link", frame.T_odom_base),
        ]
        depth = messages.depth(header, frame.depth_m, self._settings.depth_encoding)
        self._write("/tf", stamp_ns, messages.tf(transforms))
        self._write("/odom", stamp_ns, messages.odometry(stamp_ns, frame.T_odom_base))
        self._write(
            "/camera/depth/camera_info",
            stamp_ns,
            messages.info(header, frame.K, frame.depth_m.shape),
        )
        self._write("/camera/depth/image_rect_raw", stamp_ns, depth)
        self._write(*self._color(header, frame))
        self._write("/detections", stamp_ns, messages.detections(header, frame.detections))

    def write_told(self, told: Told) -> None:
        """Write what the robot is told."""
        self._write("/speech", told.stamp_ns, self._messages.string(told.text))

    def _color_topic(self) -> dict[str, str]:
        if self._settings.color == "rgb8":
            return {"/camera/color/image_raw": "sensor_msgs/msg/Image"}
        return {"/camera/color/image_raw/compressed": "sensor_msgs/msg/CompressedImage"}

    def _color(self, header: Any, frame: Frame) -> tuple[str, int, Any]:
        (topic,) = self._color_topic()
        if self._settings.color == "rgb8":
            return topic, frame.stamp_ns, self._messages.color(header, frame.color)
        image = self._messages.compressed(header, frame.color, self._settings.color)
        return topic, frame.stamp_ns, image

    def _write(self, topic: str, stamp_ns: int, message: Any) -> None:
        data = self._typestore.serialize_cdr(message, message.__msgtype__)
        self._writer.write(self._connections[topic], stamp_ns, data)


def write_scenario(path: Path, scenario: Scenario, settings: BagSettings | None = None) -> None:
    """Write a whole scenario, both patrols and what is told between them, into a new folder."""
    T_base_cam = scenario.simulation.settings.robot.T_base_cam
    with BagWriter(path, settings) as bag:
        bag.write_static(T_base_cam, stamp_ns=START_NS)
        for frame in scenario.first_patrol():
            bag.write_frame(frame)
        scenario.move()
        bag.write_told(scenario.told)
        for frame in scenario.second_patrol():
            bag.write_frame(frame)


def _qos(*, is_latched: bool) -> Qos:
    never = QosTime(9223372036, 854775807)
    durability = QosDurability.TRANSIENT_LOCAL if is_latched else QosDurability.VOLATILE
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1 if is_latched else 10,
        reliability=QosReliability.RELIABLE,
        durability=durability,
        deadline=never,
        lifespan=never,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=never,
        avoid_ros_namespace_conventions=False,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the scenario's run as told on the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m robomem_sim.bag", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--seed", type=int, default=0, help="of the house and the noise")
    parser.add_argument("--storage", choices=("mcap", "sqlite3"), default="mcap")
    parser.add_argument("--depth", choices=("16UC1", "32FC1"), default="16UC1")
    parser.add_argument("--color", choices=("rgb8", "jpeg", "png"), default="rgb8")
    options = parser.parse_args(arguments)
    settings = BagSettings(options.storage, options.depth, options.color)
    if options.out.exists():
        parser.error(f"{options.out} exists already: choose another folder")
    try:
        write_scenario(options.out, Scenario(options.seed), settings)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
