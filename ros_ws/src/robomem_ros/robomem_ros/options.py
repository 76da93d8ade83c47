"""What a node needs to know beside the settings of the core: topics, rates, where the memory is."""

from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from pydantic.config import JsonDict

from robomem.config import IoConfig
from robomem.policy.runtime.graphs import RuntimeOptions
from robomem.policy.runtime.safety import ActionLimits, GuardTiming

AT_ONCE: JsonDict = {
    "takes_effect": "at once"
}  # of a parameter: the others do when the node is configured
LATE_STEPS = 3  # a control step is late when it takes as long as so many


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


class PolicyTopicOptions(_Options):
    """Topics of the policy node."""

    state: str = "joint_states"
    """sensor_msgs/JointState, whose positions are `observation.state`, in the order of its names."""
    odom: str = ""
    """nav_msgs/Odometry, whose newest pose is `observation.position`. Empty: positions are zeros."""
    action: str = "commands"
    """std_msgs/Float64MultiArray, as the controllers of ros2_control take it."""
    tf: str = "/tf"
    tf_static: str = "/tf_static"
    """Where the robot is in map; listened to for what is recalled."""


class RecallOptions(_Options):
    """What a policy is told of the long-term memory, where it takes that in; see robomem_msgs/srv/Recall."""

    memory: str = "robomem"
    """Name of the memory node."""
    label: str = Field(default="", json_schema_extra=AT_ONCE)
    """What thing to ask for. It may change while the policy acts: nothing is recalled until that is answered."""
    text: str = Field(default="", json_schema_extra=AT_ONCE)
    """Words to find in what was told, instead."""
    radius_m: NonNegativeFloat = Field(default=0.0, json_schema_extra=AT_ONCE)
    """How near to the robot it must be; 0: anywhere."""
    period_s: PositiveFloat = 1.0
    """It is asked for this often,"""
    timeout_s: PositiveFloat = 1.0
    """and an answer waited for this long. What was recalled last stays, and grows older."""


class PolicyNodeOptions(_Options):
    """Options of the policy node."""

    path: str = "policy"
    """Folder that `robomem export-policy` made."""
    autostart: bool = True
    """Configure and activate at once; false leaves it to a lifecycle manager."""
    provider: Literal["auto", "tensorrt", "cuda", "cpu"] = "auto"
    """What to run on."""
    may_fall_back: bool = True
    """Run on the CPU where the provider is not there, and say so."""
    threads: PositiveInt = 1
    """Of the CPU."""
    rate_hz: PositiveFloat = 50.0
    """Control steps a second."""
    low: tuple[float, ...] = (-1.0,)
    """The least that the actuators can be told; one number stands for all dimensions,"""
    high: tuple[float, ...] = (1.0,)
    """the largest,"""
    slew_per_s: tuple[float, ...] = (2.0,)
    """how far they may move within a second,"""
    rest: tuple[float, ...] = (0.0,)
    """and what they are told when there is nothing to do."""
    has_rest: bool = True
    """False holds the last action for ever, as befits positions."""
    max_age_s: PositiveFloat = 2.0
    """How old the observation may be that an action answers: latency and the whole chunk."""
    deadline_s: PositiveFloat = 0.5
    """How long the policy may take to answer."""
    hold_s: PositiveFloat = 0.2
    """How long the last action is told again when nothing comes,"""
    ramp_s: PositiveFloat = 0.5
    """and how long it then takes to come to rest."""
    publish_period_s: PositiveFloat = 1.0
    """Diagnostics are published this often."""
    cameras: dict[str, str] = {}
    """Topic of each camera that the policy wants, such as "front=camera/color/image_raw, hand=hand/image/compressed":
    sensor_msgs/Image, or CompressedImage where it ends in /compressed."""
    max_skew_s: PositiveFloat = 0.2
    """How far apart in time a state and the images that are shown with it may be."""
    recall: RecallOptions = RecallOptions()
    io: IoConfig = IoConfig()
    """Names of frames and tolerances, as for the memory node."""
    topics: PolicyTopicOptions = PolicyTopicOptions()

    @property
    def runtime(self) -> RuntimeOptions:
        """Return what the policy runs on."""
        return RuntimeOptions(
            provider=self.provider, may_fall_back=self.may_fall_back, threads=self.threads
        )

    @property
    def timing(self) -> GuardTiming:
        """Return how long what may take."""
        return GuardTiming(
            max_age_s=self.max_age_s,
            deadline_s=self.deadline_s,
            hold_s=self.hold_s,
            ramp_s=self.ramp_s,
            max_step_s=LATE_STEPS / self.rate_hz,
        )

    def limits(self, size: int) -> ActionLimits:
        """Return what actuators of so many dimensions can be told; raises ConfigError where that makes no sense."""

        def each(numbers: tuple[float, ...]) -> tuple[float, ...]:
            return numbers * size if len(numbers) == 1 else numbers

        return ActionLimits(
            low=each(self.low),
            high=each(self.high),
            slew_per_s=each(self.slew_per_s),
            rest=each(self.rest) if self.has_rest else None,
        )
