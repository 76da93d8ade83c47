"""Streams of messages in, observations out."""

import numpy as np
import pytest

from robomem.config import IoConfig
from robomem.errors import DataError, Reason
from robomem.geometry import R_BODY_OPTICAL, pose, rotation_from_yaw
from robomem.io.assembler import Assembler, Role

S = 1_000_000_000
ROLES = {
    "/tf": Role.TF,
    "/tf_static": Role.TF_STATIC,
    "/camera/depth/image_rect_raw": Role.DEPTH,
    "/camera/depth/camera_info": Role.DEPTH_INFO,
    "/camera/color/image_raw": Role.COLOR,
    "/detections": Role.DETECTIONS,
    "/notes": Role.TOLD,
}
MM = np.full((4, 6), 2000, np.uint16)
K = np.array([[5.0, 0, 2.5], [0, 5.0, 1.5], [0, 0, 1]])


def _at_x(x, yaw=0.0):
    return pose(rotation_from_yaw(yaw), (x, 0.0, 0.0))


def _run(roles, messages, **changes):
    assembler = Assembler(IoConfig(**changes), roles)
    drafts = [
        draft
        for message in messages
        for draft in assembler.push(message[0], message[2], message[1])
    ]
    return drafts + assembler.flush()


def _reasons(drafts):
    reasons = []
    for draft in drafts:
        try:
            draft.load()
            reasons.append(None)
        except DataError as err:
            reasons.append(err.reason)
    return reasons


def _camera(ros, stamp_ns, received_ns=None):
    received_ns = stamp_ns if received_ns is None else received_ns
    return [
        ("/info", received_ns, ros.info(K, (4, 6), stamp_ns)),
        ("/depth", received_ns, ros.image(MM, "16UC1", stamp_ns)),
    ]


CAMERA = {"/depth": Role.DEPTH, "/info": Role.DEPTH_INFO}


def test_a_depth_image_leaves_with_all_that_belongs_to_it(patrol):
    told, *frames = [draft.load() for draft in _run(ROLES, patrol.messages)]

    assert told.text == "the keys are in the drawer"
    assert told.source == "robot/notes"
    assert len(frames) == 10
    for i, seen in enumerate(frames):
        assert seen.stamp_ns == patrol.begin_ns + i * S // 10
        np.testing.assert_allclose(seen.T_map_cam, patrol.T_map_cam[i], atol=1e-12)
        assert np.isnan(seen.depth_m[0, 0])
        assert seen.depth_m[1, 1] == np.float32((1000 + i) / 1000)
        assert seen.color[0, 0].tolist() == [10 * i, 2, 3]
        np.testing.assert_array_equal(seen.K, patrol.K)
        assert [(each.label, each.box_px.tolist()) for each in seen.detections] == [
            ("red mug", [2.0, 1.0, 4.0, 3.0])
        ]


def test_nothing_leaves_before_its_transforms_and_detections_are_there(patrol):
    assembler = Assembler(IoConfig(), ROLES)
    first_ns = patrol.begin_ns
    for topic, received_ns, message in patrol.messages:
        drafts = assembler.push(topic, message, received_ns)
        if any(draft.stamp_ns == first_ns for draft in drafts):
            break

    # the transform after the image came 60 ms after it, the detections 40 ms
    assert received_ns - first_ns == 60_000_000


def test_the_same_messages_give_the_same_drafts_whenever_they_are_loaded(patrol):
    late = [draft.load() for draft in _run(ROLES, patrol.messages)]
    assembler = Assembler(IoConfig(), ROLES)
    at_once = [
        draft.load()
        for topic, received_ns, message in patrol.messages
        for draft in assembler.push(topic, message, received_ns)
    ]
    at_once += [draft.load() for draft in assembler.flush()]

    assert [seen.stamp_ns for seen in late] == [seen.stamp_ns for seen in at_once]
    for a, b in zip(late[1:], at_once[1:], strict=True):
        np.testing.assert_array_equal(a.T_map_cam, b.T_map_cam)


def test_images_that_arrive_out_of_order_leave_in_order(ros):
    tf = [("/tf", 0, ros.tf(("map", "cam", t, np.eye(4)))) for t in (1, 3 * S)]
    images = [each for stamp_ns in (3, 1, 2) for each in _camera(ros, stamp_ns * S, received_ns=S)]

    drafts = _run(CAMERA | {"/tf": Role.TF}, [*images, *tf])

    assert [draft.stamp_ns for draft in drafts] == [S, 2 * S, 3 * S]


def test_without_a_map_the_pose_is_that_of_the_base_in_odom(ros):
    T_base_cam = pose(R_BODY_OPTICAL, (0.2, 0, 0.4))
    edges = ("odom", "base_footprint", S, _at_x(1.5)), ("base_footprint", "cam", S, T_base_cam)

    (draft,) = _run(CAMERA | {"/tf": Role.TF}, [("/tf", S, ros.tf(*edges)), *_camera(ros, S)])
    seen = draft.load()

    assert seen.T_map_cam is None
    np.testing.assert_allclose(seen.T_odom_base, _at_x(1.5))
    np.testing.assert_allclose(seen.T_base_cam, T_base_cam, atol=1e-12)


def test_odometry_stands_in_for_transforms(ros):
    odometry = [("/odom", t, ros.odometry(_at_x(t / S), t)) for t in (S, 2 * S)]
    roles = CAMERA | {"/odom": Role.ODOM}

    (draft,) = _run(roles, [odometry[0], *_camera(ros, 3 * S // 2), odometry[1]])
    seen = draft.load()

    np.testing.assert_allclose(seen.T_odom_base, _at_x(1.5), atol=1e-12)
    np.testing.assert_allclose(seen.T_base_cam[:3, :3], R_BODY_OPTICAL)  # it looks forward


def test_odometry_joins_transforms_of_the_camera(ros):
    T_base_cam = pose(R_BODY_OPTICAL, (0.2, 0, 0.4))
    messages = [
        ("/tf_static", 0, ros.tf(("base_link", "cam", 0, T_base_cam))),
        ("/odom", S, ros.odometry(_at_x(1.0), S)),
        *_camera(ros, S),
    ]

    (draft,) = _run(CAMERA | {"/odom": Role.ODOM, "/tf_static": Role.TF_STATIC}, messages)

    np.testing.assert_allclose(draft.load().T_base_cam, T_base_cam, atol=1e-12)


def test_transforms_outrank_odometry_of_the_same_base(ros):
    messages = [
        (
            "/tf",
            S,
            ros.tf(("odom", "base_link", S, _at_x(1.0)), ("base_link", "cam", S, np.eye(4))),
        ),
        ("/odom", S, ros.odometry(_at_x(77.0), S)),
        *_camera(ros, S),
    ]

    (draft,) = _run(CAMERA | {"/tf": Role.TF, "/odom": Role.ODOM}, messages)

    np.testing.assert_allclose(draft.load().T_odom_base, _at_x(1.0))


def test_a_frame_that_nothing_leads_to_is_refused_by_name(ros):
    messages = [("/tf", S, ros.tf(("map", "base_link", S, _at_x(1.0)))), *_camera(ros, S)]

    (draft,) = _run(CAMERA | {"/tf": Role.TF}, messages)

    with pytest.raises(DataError, match="no path from map to cam") as caught:
        draft.load()
    assert caught.value.reason is Reason.NO_TRANSFORM


def test_an_image_does_not_wait_longer_than_it_may(ros):
    assembler = Assembler(IoConfig(max_wait_s=1.0), CAMERA | {"/tf": Role.TF})
    for message in _camera(ros, S):
        assert assembler.push(message[0], message[2], message[1]) == []
    unrelated = ros.tf(("a", "b", S, np.eye(4)))

    assert assembler.push("/tf", unrelated, 2 * S) == []
    assert len(assembler.push("/tf", unrelated, 2 * S + 1)) == 1


def test_no_more_images_wait_than_may(ros):
    assembler = Assembler(IoConfig(max_pending=3), CAMERA | {"/tf": Role.TF})

    left = [
        draft.stamp_ns
        for i in range(10)
        for message in _camera(ros, S + i)
        for draft in assembler.push(message[0], message[2], message[1])
    ]

    assert left == [S + i for i in range(7)]
    assert len(assembler.flush()) == 3


def test_colour_and_detections_of_another_time_do_not_belong(ros):
    roles = CAMERA | {"/tf": Role.TF, "/color": Role.COLOR, "/detections": Role.DETECTIONS}
    color = ros.image(np.zeros((4, 6, 3), np.uint8), "rgb8", S - 30_000_000)
    array = ros.make(
        "vision_msgs/Detection2DArray", header=ros.header(S - 30_000_000), detections=[]
    )
    messages = [
        ("/color", S, color),
        ("/detections", S, array),
        ("/tf", S, ros.tf(("map", "cam", S, np.eye(4)))),
    ]

    (draft,) = _run(roles, messages + _camera(ros, S))

    assert draft.load().color is None
    assert draft.load().detections == ()


def test_detections_count_once(ros):
    roles = CAMERA | {"/tf": Role.TF, "/color": Role.COLOR, "/detections": Role.DETECTIONS}
    color = ros.image(np.zeros((4, 6, 3), np.uint8), "rgb8", S)
    array = ros.make(
        "vision_msgs/Detection2DArray",
        header=ros.header(S),
        detections=[ros.box_2d("mug", 0.5, (3, 2, 2, 2))],
    )
    tf = ros.tf(("map", "cam", S, np.eye(4)), ("map", "cam", 2 * S, np.eye(4)))
    images = _camera(ros, S - 10_000_000) + _camera(ros, S + 10_000_000)

    drafts = _run(roles, [("/color", S, color), ("/detections", S, array), ("/tf", S, tf), *images])

    assert [len(draft.load().detections) for draft in drafts] == [1, 0]


def test_boxes_in_a_larger_colour_image_are_carried_to_the_depth_image(ros):
    roles = CAMERA | {
        "/tf": Role.TF,
        "/detections": Role.DETECTIONS,
        "/color_info": Role.COLOR_INFO,
    }
    K_color = np.diag([2.0, 2.0, 1.0]) @ K
    array = ros.make(
        "vision_msgs/Detection2DArray",
        header=ros.header(S),
        detections=[ros.box_2d("mug", 0.5, (6, 4, 4, 4))],
    )
    messages = [
        ("/tf", S, ros.tf(("map", "cam", S, np.eye(4)))),
        ("/color_info", S, ros.info(K_color, (8, 12), S)),
        ("/detections", S, array),
        *_camera(ros, S),
    ]

    (draft,) = _run(roles, messages)

    np.testing.assert_allclose(draft.load().detections[0].box_px, [2, 1, 4, 3])


def test_detections_without_a_camera_are_observed_for_themselves(ros):
    box = ros.box_3d("chair", 0.5, pose(np.eye(3), (1.0, 2.0, 3.0)), (1, 1, 1))
    array = ros.make(
        "vision_msgs/Detection3DArray", header=ros.header(S, "base_link"), detections=[box]
    )
    messages = [("/tf", S, ros.tf(("map", "base_link", S, _at_x(4.0)))), ("/detections", S, array)]

    (draft,) = _run({"/tf": Role.TF, "/detections": Role.DETECTIONS}, messages)
    seen = draft.load()

    np.testing.assert_allclose(seen.T_map_cam, _at_x(4.0))
    np.testing.assert_allclose(seen.detections[0].p_cam, [1, 2, 3])


def test_detections_in_another_frame_are_carried_to_that_of_the_camera(ros):
    box = ros.box_3d("chair", 0.5, pose(np.eye(3), (1.0, 0.0, 0.0)), (1, 1, 1))
    array = ros.make(
        "vision_msgs/Detection3DArray", header=ros.header(S, "base_link"), detections=[box]
    )
    edges = (
        ("map", "base_link", S, _at_x(4.0)),
        ("base_link", "cam", S, pose(R_BODY_OPTICAL, (0.25, 0, 0))),
    )
    messages = [("/tf", S, ros.tf(*edges)), ("/detections", S, array), *_camera(ros, S)]

    (draft,) = _run(CAMERA | {"/tf": Role.TF, "/detections": Role.DETECTIONS}, messages)

    np.testing.assert_allclose(draft.load().detections[0].p_cam, [0, 0, 0.75], atol=1e-12)


def test_a_scan_is_observed_in_its_own_frame(ros):
    scan = ros.make(
        "sensor_msgs/LaserScan", header=ros.header(S, "laser"), angle_increment=0.1, range_min=0.1, range_max=9.0,
        ranges=np.array([1.0, 2.0], np.float32),
    )  # fmt: skip
    messages = [("/tf", S, ros.tf(("map", "laser", S, _at_x(1.0)))), ("/scan", S, scan)]

    (draft,) = _run({"/tf": Role.TF, "/scan": Role.SCAN}, messages)
    seen = draft.load()

    assert seen.points_cam.shape == (2, 3)
    np.testing.assert_allclose(seen.T_map_cam, _at_x(1.0))


def test_without_sensors_each_odometry_message_is_where_the_robot_was(ros):
    roles = {"/tf": Role.TF, "/odom": Role.ODOM}
    messages = [
        ("/odom", S, ros.odometry(_at_x(1.0), S)),
        (
            "/tf",
            S,
            ros.tf(("map", "odom", 2 * S, _at_x(10.0)), ("map", "odom", 3 * S, _at_x(10.0))),
        ),
        ("/odom", 2 * S, ros.odometry(_at_x(2.0), 2 * S)),
    ]

    before, after = (draft.load() for draft in _run(roles, messages))

    np.testing.assert_allclose(before.T_odom_base, _at_x(1.0))
    np.testing.assert_allclose(after.T_map_cam, _at_x(12.0))


def test_without_odometry_each_pose_is_where_the_robot_was(ros):
    message = ros.make(
        "geometry_msgs/PoseStamped", header=ros.header(S, "map"), pose=ros.pose(_at_x(3.0))
    )

    (draft,) = _run({"/pose": Role.POSE}, [("/pose", S, message)])

    np.testing.assert_allclose(draft.load().T_map_cam, _at_x(3.0))


def test_a_stamp_of_zero_is_the_time_of_reception(ros):
    (draft,) = _run({"/odom": Role.ODOM}, [("/odom", 5 * S, ros.odometry(_at_x(1.0), 0))])

    assert draft.stamp_ns == 5 * S


def test_frames_may_have_a_leading_slash_and_other_names(ros):
    messages = [("/tf", S, ros.tf(("/world", "/cam", S, _at_x(1.0)))), *_camera(ros, S)]

    (draft,) = _run(CAMERA | {"/tf": Role.TF}, messages, map_frame="world")

    np.testing.assert_allclose(draft.load().T_map_cam, _at_x(1.0))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("depth shape", Reason.DEPTH_SHAPE),
        ("all invalid", Reason.DEPTH_EMPTY),
        ("no info", Reason.INTRINSICS_INVALID),
        ("info of another size", Reason.DEPTH_SHAPE),
    ],
)
def test_a_bad_image_is_refused_and_the_next_one_is_taken(ros, bad, reason):
    info, (_, _, image) = _camera(ros, S)
    if bad == "depth shape":
        image.data = image.data[:-3]
    elif bad == "all invalid":
        image.data = np.zeros_like(image.data)
    elif bad == "info of another size":
        info[2].height = 99
    edges = ("map", "cam", S, np.eye(4)), ("map", "cam", 2 * S, np.eye(4))
    first = [("/depth", S, image)] if bad == "no info" else [info, ("/depth", S, image)]
    # an image without camera info waits in vain
    second = [("/tf", 4 * S, ros.tf(*edges)), *_camera(ros, 2 * S, received_ns=4 * S)]

    drafts = _run(CAMERA | {"/tf": Role.TF}, [("/tf", S, ros.tf(*edges)), *first, *second])

    assert _reasons(drafts) == [reason, None]


def test_bad_transforms_are_refused_one_by_one(ros):
    message = ros.tf(
        ("map", "a", S, np.eye(4)), ("map", "cam", S, np.eye(4)), ("a", "map", S, np.eye(4))
    )
    message.transforms[0].transform.rotation.w = np.nan

    drafts = _run(CAMERA | {"/tf": Role.TF}, [("/tf", S, message), *_camera(ros, S)])

    # the edge map -> a was refused, so a -> map is no loop
    assert _reasons(drafts) == [Reason.POSE_INVALID, None]


def test_bad_odometry_is_refused(ros):
    bad = ros.odometry(_at_x(1.0), S)
    bad.pose.pose.position.x = np.nan

    drafts = _run(
        {"/odom": Role.ODOM}, [("/odom", S, bad), ("/odom", 2 * S, ros.odometry(_at_x(1.0), 2 * S))]
    )

    assert _reasons(drafts) == [Reason.POSE_INVALID, None]


def test_when_time_goes_back_images_still_leave(ros):
    roles = CAMERA | {"/tf": Role.TF}
    messages = []
    for stamp_ns in (100 * S, 101 * S, 5 * S, 6 * S):
        messages += [
            ("/tf", stamp_ns, ros.tf(("map", "cam", stamp_ns, np.eye(4)))),
            *_camera(ros, stamp_ns),
        ]

    assert _reasons(_run(roles, messages)) == [None] * 4


def test_each_camera_has_its_own_companions(ros):
    roles = {
        f"/{side}/{kind}": role
        for side in ("left", "right")
        for kind, role in (("depth", Role.DEPTH), ("info", Role.DEPTH_INFO))
    } | {"/tf": Role.TF}
    messages = [("/tf", S, ros.tf(("map", "cam", S, np.eye(4))))]
    for i, side in enumerate(("left", "right")):
        messages += [
            (f"/{side}/info", S, ros.info(np.diag([5.0 + i, 5.0, 1.0]), (4, 6), S)),
            (f"/{side}/depth", S, ros.image(MM, "16UC1", S)),
        ]

    assert [draft.load().K[0, 0] for draft in _run(roles, messages)] == [5.0, 6.0]


@pytest.mark.parametrize("role", list(Role))
def test_a_message_of_another_type_than_its_role_is_refused(ros, role):
    strange = ros.make("geometry_msgs/Point")

    reasons = _reasons(_run({"/topic": role}, [("/topic", S, strange)]))

    assert reasons == ([] if role is Role.IGNORED else [Reason.MESSAGE_CORRUPT])


def test_an_image_leaves_when_it_has_waited_though_nothing_follows(ros):
    assembler = Assembler(IoConfig(max_wait_s=1.0), CAMERA | {"/tf": Role.TF})
    for topic, received_ns, message in _camera(ros, S):
        assert assembler.push(topic, message, received_ns) == []

    assert assembler.tick(2 * S) == []
    (draft,) = assembler.tick(2 * S + 1)

    assert _reasons([draft]) == [Reason.NO_TRANSFORM]
