"""The messages and the quality of service of every topic."""

from collections.abc import Mapping
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from robomem.io.assembler import Role
from robomem_ros.options import MemoryNodeOptions

MESSAGES: Mapping[Role, str] = {
    Role.DEPTH: "sensor_msgs/Image",
    Role.COLOR: "sensor_msgs/Image",
    Role.DEPTH_INFO: "sensor_msgs/CameraInfo",
    Role.COLOR_INFO: "sensor_msgs/CameraInfo",
    Role.POINTS: "sensor_msgs/PointCloud2",
    Role.SCAN: "sensor_msgs/LaserScan",
    Role.ODOM: "nav_msgs/Odometry",
    Role.POSE: "geometry_msgs/PoseWithCovarianceStamped",
    Role.TF: "tf2_msgs/TFMessage",
    Role.TF_STATIC: "tf2_msgs/TFMessage",
    Role.TOLD: "std_msgs/String",
}
_ALWAYS_RELIABLE = (Role.TF, Role.TF_STATIC, Role.TOLD)
RELIABLE_QUEUE = 256  # transforms come often and are small

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
LATCHED_STATIC_TF = QoSProfile(
    depth=RELIABLE_QUEUE,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def reliable(depth: int) -> QoSProfile:
    """Return a profile that loses nothing as long as no more than `depth` messages wait."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def qos(role: Role, options: MemoryNodeOptions) -> QoSProfile:
    """Return how the memory node listens to a topic of that role."""
    if role is Role.TF_STATIC:
        return LATCHED_STATIC_TF
    if role in _ALWAYS_RELIABLE:
        return reliable(RELIABLE_QUEUE)
    is_reliable = options.sensor_qos == "reliable"
    reliability = ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=options.queue_size, reliability=reliability)


def message_name(role: Role, options: MemoryNodeOptions) -> str:
    """Return the name of the message on a topic of that role."""
    return options.detections_type if role is Role.DETECTIONS else MESSAGES[role]


def roles(node: Any, options: MemoryNodeOptions) -> dict[str, Role]:
    """Return the role of every topic to listen to, by its full name."""
    return {
        node.resolve_topic_name(name): Role(role)
        for role, name in options.topics.model_dump().items()
        if name
    }
