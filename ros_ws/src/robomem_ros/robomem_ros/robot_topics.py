"""What a robot with a depth camera publishes, from the frames of the simulation."""

from typing import Any

import numpy as np
from robomem_sim.run import Frame
from robomem_sim.scenario import Told

from robomem.geometry import Pose
from robomem_ros import convert, topics
from robomem_ros.messages import make, message_type

CAMERA_FRAME = "camera_optical_frame"
QUEUE_SIZE = 64


class RobotTopics:
    """Publishes clock, transforms, odometry, camera, detections and speech. All but the clock is reliable."""

    def __init__(self, node: Any) -> None:
        def publisher(name: str, topic: str, qos: Any = None) -> Any:
            qos = qos or topics.reliable(QUEUE_SIZE)
            return node.create_publisher(message_type(name), topic, qos)

        self._clock = publisher("rosgraph_msgs/Clock", "/clock")
        self._tf = publisher("tf2_msgs/TFMessage", "/tf", topics.reliable(topics.RELIABLE_QUEUE))
        self._tf_static = publisher("tf2_msgs/TFMessage", "/tf_static", topics.LATCHED)
        self._odom = publisher("nav_msgs/Odometry", "odom")
        self._depth = publisher("sensor_msgs/Image", "camera/depth/image_rect_raw")
        self._depth_info = publisher("sensor_msgs/CameraInfo", "camera/depth/camera_info")
        self._color = publisher("sensor_msgs/Image", "camera/color/image_raw")
        self._detections = publisher("robomem_msgs/DetectionArray", "detections")
        self._speech = publisher("std_msgs/String", "speech")
        self._T_base_cam: Pose | None = None

    @property
    def unheard(self) -> list[str]:
        """The topics that nobody listens to, or not yet: what is published there is lost."""
        everything = (
            *(self._tf, self._tf_static, self._odom, self._speech, self._detections),
            *(self._depth, self._depth_info, self._color),
        )
        return [each.topic_name for each in everything if each.get_subscription_count() == 0]

    def publish(self, frame: Frame) -> None:
        """Publish all of one instant, the depth image last."""
        self._publish_clock(frame.stamp_ns)
        self._publish_poses(frame)
        in_camera: dict[str, Any] = {
            "frame_id": CAMERA_FRAME,
            "stamp_ns": frame.stamp_ns,
            "make": make,
        }
        self._depth_info.publish(
            convert.camera_info(frame.K, shape=frame.depth_m.shape, **in_camera)
        )
        self._detections.publish(convert.detection_array(frame.detections, **in_camera))
        self._color.publish(convert.color_image(frame.color, **in_camera))
        self._depth.publish(convert.depth_image(frame.depth_m, **in_camera))

    def tell(self, told: Told) -> None:
        """Publish what the robot is told."""
        self._publish_clock(told.stamp_ns)
        message = make("std_msgs/String")
        message.data = told.text
        self._speech.publish(message)

    def _publish_clock(self, stamp_ns: int) -> None:
        message = make("rosgraph_msgs/Clock")
        message.clock = convert.time(stamp_ns, make=make)
        self._clock.publish(message)

    def _publish_poses(self, frame: Frame) -> None:
        at: dict[str, Any] = {"stamp_ns": frame.stamp_ns, "make": make}
        if self._T_base_cam is None or not np.array_equal(self._T_base_cam, frame.T_base_cam):
            self._T_base_cam = frame.T_base_cam
            fixed = convert.transform(
                frame.T_base_cam, parent="base_link", child=CAMERA_FRAME, **at
            )
            self._tf_static.publish(convert.transforms([fixed], make=make))
        moving = [
            convert.transform(frame.T_map_odom, parent="map", child="odom", **at),
            convert.transform(frame.T_odom_base, parent="odom", child="base_link", **at),
        ]
        self._tf.publish(convert.transforms(moving, make=make))
        self._odom.publish(convert.odometry(frame.T_odom_base, odom="odom", base="base_link", **at))
