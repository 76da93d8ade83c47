"""What a node needs to know beside the settings of the core: topics, rates, where the memory is."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TopicOptions(_Options):
    """Topics to listen to; the field says what for. An empty name: not at all."""

    depth: str = "camera/depth/image_rect_raw"
    depth_info: str = "camera/depth/camera_info"
    color: str = "camera/color/image_raw"
    color_info: str = ""
    detections: str = "detections"
    points: str = ""
    scan: str = ""
    odom: str = "odom"
    pose: str = ""
    tf: str = "/tf"
    tf_static: str = "/tf_static"
    told: str = "speech"


class MemoryNodeOptions(_Options):
    """Options of the memory node."""

    path: str = "robot.rmem"
    """Folder of the memory, made where there is none."""
    autostart: bool = True
    """Configure and activate at once; false leaves it to a lifecycle manager."""
    sensor_qos: Literal["best_effort", "reliable"] = "best_effort"
    """Reliability of the sensor topics."""
    queue_size: PositiveInt = 32
    """Messages of a topic that wait for their turn."""
    detections_type: Literal[
        "robomem_msgs/DetectionArray",
        "vision_msgs/Detection2DArray",
        "vision_msgs/Detection3DArray",
    ] = "robomem_msgs/DetectionArray"
    """Message that the detector sends."""
    publish_period_s: PositiveFloat = 2.0
    """Entities, map and diagnostics are published this often, where anything changed."""
    consolidated_events: NonNegativeInt = 32
    """In every such period so many events are compared with those before them, and merged where they
    say the same; 0 leaves that to others. 32 take some milliseconds."""
    corrected_path: str = ""
    """Topic of the whole path that a SLAM corrects, nav_msgs/Path of the base in map with a stamp a pose."""
    topics: TopicOptions = TopicOptions()


class SimNodeOptions(_Options):
    """Options of the simulator node."""

    seed: int = Field(default=0, ge=0)
    """Of the house and the noise."""
    frames_ahead: PositiveInt = 8
    """At most so many frames are on their way to the memory, so that a slow one loses none. They last
    longer than `io.max_wait_s`: a frame that waits for its companions lets go before the sender stops."""
    is_real_time: bool = False
    """Send frames at the pace of the robot, whether or not the memory keeps up."""
    start_s: PositiveFloat = 20.0
    """A memory node that is not heard of for so long is not there."""
    stall_s: PositiveFloat = 20.0
    """Frames that the memory did not count after this long are lost."""
    status_topic: str = "robomem/status"
    """Where the memory says what it took in."""
