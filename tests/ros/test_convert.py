from types import SimpleNamespace

import numpy as np
import pytest
from robomem_ros import convert
from robomem_ros.tally import Tally

from robomem.config import IoConfig
from robomem.errors import FormatError, QueryError, Reason
from robomem.geometry import R_BODY_OPTICAL, pose, rotation_from_yaw
from robomem.io import ros_messages
from robomem.io.assembler import Assembler, Role
from robomem.memory import Memory
from robomem.spatial.octree import OccupancyGrid
from robomem.types import (
    Answer,
    Detection,
    Entity,
    EntityState,
    Evidence,
    Hit,
    Query,
    QueryKind,
    Receipt,
)
from robomem.working.recalled import recalled_tokens
from tests.worlds import NS, ball_observation

STAMP_NS = 1_700_000_000_123_456_789
K = np.array([[100.0, 0.0, 3.5], [0.0, 100.0, 2.5], [0.0, 0.0, 1.0]])
T = pose(rotation_from_yaw(0.7), (1.0, -2.0, 0.25))
MUG = Detection(
    label="red mug",
    score=0.5,
    p_cam=np.array([0.1, 0.2, 2.0]),
    box_px=np.array([1.0, 2.0, 3.0, 4.0]),
    size_m=np.array([0.1, 0.2, 0.3]),
    embedding=np.array([0.6, 0.8], dtype=np.float32),
)
ENTITY = Entity(
    entity_id=7,
    label="red mug",
    state=EntityState.MISSING,
    keyframe_id=3,
    p_kf=np.zeros(3),
    p_map=np.array([1.0, 2.0, 3.0]),
    size_m=None,
    first_seen_ns=STAMP_NS,
    last_seen_ns=STAMP_NS + 5,
    sightings=4,
    confidence=0.75,
)
SEEN = Evidence(
    stamp_ns=STAMP_NS,
    score=0.5,
    text="a red mug",
    keyframe_id=0,
    T_map_kf=T,
    p_map=np.array([1.0, 2.0, 3.0]),
)
THINGS = {"red mug": (2.0, 0.5, 1.0), "blue mug": (2.0, -0.5, 1.0)}
TOLD = Evidence(stamp_ns=STAMP_NS, score=1.0, text="the keys are in the box")


@pytest.fixture
def depth_m(rng):
    depth_m = rng.uniform(0.5, 4.0, size=(6, 8)).astype(np.float32)
    depth_m[0, 0] = np.nan
    depth_m[0, 1] = np.inf
    return depth_m


def at(make):
    return {"frame_id": "cam", "stamp_ns": STAMP_NS, "make": make}


def test_a_stamp_keeps_its_nanoseconds(make):
    assert ros_messages.time_ns(convert.time(STAMP_NS, make=make)) == STAMP_NS


def test_a_detection_comes_back_as_it_was(make):
    array = convert.detection_array([MUG], **at(make))

    (back,) = ros_messages.detections_of(array)

    assert (back.label, back.score) == (MUG.label, MUG.score)
    for name in ("p_cam", "box_px", "size_m", "embedding"):
        np.testing.assert_allclose(getattr(back, name), getattr(MUG, name), rtol=1e-6)
    assert array.header.frame_id == "cam"


@pytest.mark.parametrize("name", ["p_cam", "box_px"])
def test_a_detection_of_one_kind_of_place_has_only_that_one(make, name):
    detection = Detection(label="cup", **{name: getattr(MUG, name)})

    (back,) = ros_messages.detections_of(convert.detection_array([detection], **at(make)))

    given = {field: getattr(back, field) is not None for field in ("p_cam", "box_px")}
    assert given == {field: field == name for field in given}
    assert back.size_m is None
    assert back.embedding is None


def test_a_detection_without_a_label_is_left_out(make):
    array = convert.detection_array([MUG], **at(make))
    array.detections[0].label = "  "

    assert ros_messages.detections_of(array) == ()


def test_depth_keeps_what_is_no_return(make, depth_m):
    image = convert.depth_image(depth_m, **at(make))

    np.testing.assert_array_equal(ros_messages.depth_image(image), depth_m)
    assert len(image.data) == image.step * image.height


def test_depth_of_a_view_is_copied_row_by_row(make, depth_m):
    image = convert.depth_image(depth_m[:, ::2], **at(make))

    np.testing.assert_array_equal(ros_messages.depth_image(image), depth_m[:, ::2])


def test_colour_comes_back_as_it_was(make, rng):
    color = rng.integers(0, 256, size=(6, 8, 3), dtype=np.uint8)

    image = convert.color_image(color, **at(make))

    np.testing.assert_array_equal(ros_messages.color_image(image), color)


def test_intrinsics_come_back_as_they_were(make):
    info = convert.camera_info(K, shape=(6, 8), **at(make))

    np.testing.assert_array_equal(ros_messages.intrinsics(info), K)
    np.testing.assert_array_equal(ros_messages.intrinsics(info, is_rectified=True), K)
    assert (info.height, info.width) == (6, 8)


def test_poses_come_back_as_they_were(make):
    odometry = convert.odometry(T, odom="odom", base="base_link", stamp_ns=STAMP_NS, make=make)
    stamped = convert.transform(T, parent="map", child="odom", stamp_ns=STAMP_NS, make=make)

    np.testing.assert_allclose(ros_messages.pose_of(odometry), T, atol=1e-12)
    np.testing.assert_allclose(ros_messages.transform_of(stamped.transform), T, atol=1e-12)
    assert odometry.child_frame_id == "base_link"
    assert (stamped.header.frame_id, stamped.child_frame_id) == ("map", "odom")


def test_what_a_robot_publishes_assembles_to_what_it_saw(make, depth_m):
    T_base_cam = pose(R_BODY_OPTICAL, (0.1, 0.0, 1.0))
    stamped = {"stamp_ns": STAMP_NS, "make": make}
    edges = [
        convert.transform(T, parent="map", child="base_link", **stamped),
        convert.transform(T_base_cam, parent="base_link", child="cam", **stamped),
    ]
    messages = {
        Role.TF: convert.transforms(edges, make=make),
        Role.DEPTH_INFO: convert.camera_info(K, shape=depth_m.shape, **at(make)),
        Role.DETECTIONS: convert.detection_array([MUG], **at(make)),
        Role.DEPTH: convert.depth_image(depth_m, **at(make)),
    }
    assembler = Assembler(IoConfig(), {f"/{role}": role for role in messages})

    drafts = [
        draft
        for role, message in messages.items()
        for draft in assembler.push(f"/{role}", message, STAMP_NS)
    ]

    (observation,) = (draft.load() for draft in drafts)
    np.testing.assert_allclose(observation.T_map_cam, T @ T_base_cam, atol=1e-12)
    np.testing.assert_array_equal(observation.depth_m, depth_m)
    np.testing.assert_array_equal(observation.K, K)
    assert [detection.label for detection in observation.detections] == ["red mug"]
    np.testing.assert_allclose(observation.detections[0].p_cam, MUG.p_cam)


def test_an_entity_is_told_whole(make):
    message = convert.entity(ENTITY, make=make)

    assert (message.entity_id, message.label, message.state) == (7, "red mug", "missing")
    np.testing.assert_array_equal(convert.xyz_of(message.p_map), ENTITY.p_map)
    np.testing.assert_array_equal(convert.xyz_of(message.size_m), np.zeros(3))
    assert ros_messages.time_ns(message.first_seen) == STAMP_NS
    assert ros_messages.time_ns(message.last_seen) == STAMP_NS + 5
    assert (message.sightings, message.keyframe_id, message.confidence) == (4, 3, 0.75)


def test_evidence_comes_back_as_it_was(make):
    back = convert.evidence_of(convert.evidence(SEEN, make=make))

    assert (back.stamp_ns, back.score, back.text) == (STAMP_NS, 0.5, "a red mug")
    assert back.keyframe_id == 0
    np.testing.assert_allclose(back.T_map_kf, T, atol=1e-12)
    np.testing.assert_array_equal(back.p_map, SEEN.p_map)


def test_evidence_without_a_place_has_none_on_the_other_side(make):
    back = convert.evidence_of(convert.evidence(TOLD, make=make))

    assert (back.keyframe_id, back.T_map_kf, back.p_map) == (None, None, None)


def test_an_answer_comes_back_with_its_query_and_evidence(make):
    given = Answer(
        question="where is the mug?",
        text="there",
        query=Query(label="mug", near_map=(1.0, 2.0), until_ns=STAMP_NS),
        hits=(Hit(score=0.5, evidence=SEEN), Hit(score=1.0, evidence=TOLD)),
        is_found=True,
    )

    back = convert.answer_of(convert.answer(given, make=make))

    assert (back.question, back.text, back.is_found) == (given.question, "there", True)
    assert back.query == given.query
    assert [why.text for why in back.evidence] == [SEEN.text, TOLD.text]


def test_an_answer_with_an_error_is_an_error(make):
    message = make("robomem_msgs/Answer")
    message.error = "not understood"

    with pytest.raises(QueryError, match="not understood"):
        convert.answer_of(message)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"label": "mug"}, QueryKind.WHERE),
        ({"text": "keys"}, QueryKind.TOLD),
        ({}, QueryKind.SEEN),
    ],
)
def test_a_request_says_what_kind_of_query_it_is(make, fields, kind):
    request = make("robomem_msgs/RecallRequest")
    for name, value in fields.items():
        setattr(request, name, value)

    query = convert.query_of(request)

    assert query == Query(kind=kind, **fields)


def test_a_request_narrows_by_place_and_time(make):
    request = make("robomem_msgs/RecallRequest")
    request.has_near = request.has_since = request.has_until = True
    request.near_map.x, request.radius_m, request.limit = 1.5, 2.0, 3
    request.since.sec, request.until.sec = 10, 20

    query = convert.query_of(request)

    assert (query.near_map, query.radius_m, query.limit) == ((1.5, 0.0, 0.0), 2.0, 3)
    assert (query.since_ns, query.until_ns) == (10 * 10**9, 20 * 10**9)


def test_a_negative_limit_is_refused(make):
    request = make("robomem_msgs/RecallRequest")
    request.limit = -1

    with pytest.raises(QueryError):
        convert.query_of(request)


@pytest.mark.parametrize(
    "query",
    [
        Query(label="red mug"),
        Query(label="mug"),
        Query(label="spoon"),
        Query(kind=QueryKind.TOLD, text="keys"),
    ],
)
def test_hits_that_came_by_message_are_the_same_tokens(make, tmp_path, query):
    with Memory.open(tmp_path / "robot.rmem") as memory:
        for step in range(5):
            memory.observe(ball_observation(NS + step * NS // 5, THINGS))
        memory.observe(ball_observation(3 * NS, THINGS, text="the keys are in the box"))
        hits = memory.recall(query)

    tokens, own = (
        recalled_tokens(each, T_map_base=T, now_ns=9 * NS)
        for each in (convert.hits_of(response_of(hits, make)), hits)
    )

    np.testing.assert_array_equal(tokens.features, own.features)
    np.testing.assert_array_equal(tokens.mask, own.mask)


def response_of(hits, make):
    return SimpleNamespace(
        hits=[convert.evidence(hit.evidence, make=make) for hit in hits],
        entities=[convert.entity(hit.entity, make=make) for hit in hits if hit.entity],
        error="",
    )


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_hit_that_is_not_finite_is_refused(make, score):
    with pytest.raises(FormatError):
        convert.hits_of(response_of([Hit(score, Evidence(0, score, "a mug"))], make))


def test_an_error_instead_of_hits_is_an_error():
    with pytest.raises(QueryError, match="the limit"):
        convert.hits_of(SimpleNamespace(hits=[], entities=[], error="the limit is at least 1"))


def test_a_grid_is_row_by_row_from_its_lower_corner(make):
    values = np.array([[0, 100, -1], [-1, 0, 0]], dtype=np.int8)
    grid = OccupancyGrid(values=values, origin_map=(-1.0, 2.0), resolution_m=0.05)

    message = convert.occupancy_grid(grid, stamp_ns=STAMP_NS, make=make)

    assert (message.info.height, message.info.width) == (2, 3)
    assert message.data.tolist() == [0, 100, -1, -1, 0, 0]
    assert message.data.typecode == "b"
    assert (message.info.origin.position.x, message.info.origin.position.y) == (-1.0, 2.0)


def test_a_path_looks_ahead_and_comes_back_as_it_was(make):
    waypoints_map = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])

    message = convert.path(waypoints_map, stamp_ns=STAMP_NS, make=make)

    np.testing.assert_array_equal(convert.waypoints_of(message), waypoints_map)
    headings = [ros_messages.pose_of(stamped)[:3, 0] for stamped in message.poses]
    np.testing.assert_allclose(headings, [[1, 0, 0], [0, 1, 0], [0, 1, 0]], atol=1e-12)


@pytest.mark.parametrize("count", [0, 1])
def test_a_short_path_is_a_path(make, count):
    message = convert.path(np.ones((count, 3)), stamp_ns=STAMP_NS, make=make)

    assert convert.waypoints_of(message).shape == (count, 3)


def test_a_tally_counts_what_was_taken_in_and_turned_away(make):
    tally = Tally(observations=10, keyframes=2, entities=1, events=3, stamp_ns=5)

    tally.add(Receipt(2, is_new_keyframe=True), 7)
    tally.add(Receipt(2), 6)
    tally.add(Receipt(None, rejected=Reason.NO_TRANSFORM), 9)
    status = tally.status(make)

    assert (status.observations, status.keyframes, status.rejected) == (12, 3, 1)
    assert (status.reasons, status.counts) == (["no_transform"], [1])
    assert ros_messages.time_ns(status.stamp) == 7


def test_diagnostics_warn_of_rejections(make):
    tally = Tally(observations=1, keyframes=1, entities=0, events=0, stamp_ns=5)
    before = tally.diagnostics("robomem", make).status[0]

    tally.add(Receipt(None, rejected=Reason.NO_TRANSFORM), 9)
    after = tally.diagnostics("robomem", make).status[0]

    assert (before.level, after.level) == (b"\x00", b"\x01")
    assert ("rejected: no_transform", "1") in [(pair.key, pair.value) for pair in after.values]
