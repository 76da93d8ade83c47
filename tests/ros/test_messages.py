from array import array

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not there", exc_type=ImportError)
pytest.importorskip("robomem_msgs.msg", reason="robomem_msgs is not built", exc_type=ImportError)

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, TransformStamped, Vector3
from nav_msgs.msg import Path
from robomem_msgs.msg import (
    Answer,
    Detection,
    DetectionArray,
    Entity,
    EntityArray,
    Evidence,
    Status,
)
from robomem_msgs.srv import Ask, Forget, Recall, Route
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

serialization = pytest.importorskip("rclpy.serialization")
pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),  # the parser of rosidl
]

STAMP = Time(sec=1_700_000_000, nanosec=999_999_999)
HEADER = Header(stamp=STAMP, frame_id="map")
POINT = Point(x=1.5, y=-2.0, z=0.25)
SIZE = Vector3(x=0.1, y=0.2, z=0.3)
POSE = Pose(position=POINT, orientation=Quaternion(x=0.0, y=0.6, z=0.0, w=0.8))
DETECTION = Detection(
    label="red mug",
    score=0.5,
    has_box=True,
    box_px=[1.0, 2.0, 3.0, 4.0],
    has_position=True,
    p_cam=POINT,
    size_m=SIZE,
    embedding=array("f", [0.6, 0.8]),
)
ENTITY = Entity(
    entity_id=7,
    label="red mug",
    state="missing",
    p_map=POINT,
    size_m=SIZE,
    first_seen=STAMP,
    last_seen=STAMP,
    sightings=3,
    keyframe_id=41,
    confidence=0.75,
)
EVIDENCE = Evidence(
    keyframe_id=41,
    stamp=STAMP,
    pose_map_kf=POSE,
    p_map=POINT,
    has_position=True,
    score=0.5,
    text="a red mug on the table",
)
ANSWER = Answer(
    question="where is the red mug?",
    text="on the table",
    found=True,
    query='{"label": "red mug"}',
    evidence=[EVIDENCE],
    error="",
)
FILLED = [
    DETECTION,
    DetectionArray(header=HEADER, detections=[DETECTION]),
    ENTITY,
    EntityArray(header=HEADER, entities=[ENTITY]),
    EVIDENCE,
    ANSWER,
    Status(
        stamp=STAMP,
        observations=5,
        keyframes=2,
        rejected=1,
        entities=3,
        events=4,
        reasons=["stamp went back"],
        counts=[1],
    ),
    Ask.Request(question="où est la tasse ?"),
    Ask.Response(answer=ANSWER),
    Recall.Request(
        label="red mug",
        has_near=True,
        near_map=POINT,
        radius_m=2.0,
        has_since=True,
        since=STAMP,
        has_until=True,
        until=STAMP,
        text="table",
        limit=10,
    ),
    Recall.Response(hits=[EVIDENCE], entities=[ENTITY], error=""),
    Route.Request(start_map=POINT, goal_map=POINT, radius_m=0.25, standoff_m=0.5),
    Route.Response(path=Path(header=HEADER, poses=[PoseStamped(header=HEADER)]), error=""),
    Forget.Request(entity_ids=[7, 8]),
    Forget.Response(forgotten=2, error=""),
    TFMessage(transforms=[TransformStamped(header=HEADER, child_frame_id="odom")]),
]


@pytest.mark.parametrize("message", FILLED, ids=lambda message: type(message).__name__)
def test_a_message_survives_serialisation(message):
    raw = serialization.serialize_message(message)

    assert serialization.deserialize_message(raw, type(message)) == message


@pytest.mark.parametrize("message", FILLED[:-1], ids=lambda message: type(message).__name__)
def test_a_message_has_the_agreed_fields_and_no_others(message):
    empty = type(message)()

    left_empty = {
        name
        for name in message.get_fields_and_field_types()
        if str(getattr(message, name)) == str(getattr(empty, name))
    }
    assert left_empty <= {"error"}


def test_a_transform_message_bears_the_name_that_tf2_gives_it():
    assert TFMessage.__module__ == "tf2_msgs.msg._tf_message"
