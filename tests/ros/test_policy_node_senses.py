"""What the policy node shows its policy: images, and what a memory node recalls, from where the robot is."""

import os
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

pytest.importorskip("rclpy", reason="ROS 2 is not there", exc_type=ImportError)
pytest.importorskip("robomem_msgs.msg", reason="robomem_msgs is not built", exc_type=ImportError)
pytest.importorskip("onnxruntime", reason="the extra 'serve' is not there", exc_type=ImportError)
pytest.importorskip("onnx", reason="the extra 'train' is not there", exc_type=ImportError)

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from robomem_msgs.msg import DetectionArray, Entity, Evidence
from robomem_msgs.srv import Recall
from robomem_ros import convert, params, session, topics
from robomem_ros.messages import make
from robomem_ros.options import PolicyNodeOptions
from robomem_ros.policy_node import PolicyNode
from robomem_ros.senses import Senses
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray
from tf2_msgs.msg import TFMessage

from robomem.errors import ConfigError
from robomem.geometry import R_BODY_OPTICAL, Pose, inverse, pose, rotation_from_yaw, transform
from robomem.memory import Memory
from robomem.policy.runtime.manifest import Spec
from robomem.types import Detection, Hit, Query
from robomem.working.recalled import recalled_tokens
from tests.echo_policy import write_showing_policy

pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),  # the parser of rosidl
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # rclpy's own
]
TIMEOUT_S, PERIOD_S = 90.0, 0.02  # a memory node may have kernels to compile first
SLOTS, SIZE, STATE_SIZE = 3, 39, 2
RECALLED = {
    "observation.recalled": Spec("float32", (SLOTS, SIZE)),
    "observation.recalled_mask": Spec("bool", (SLOTS,)),
}
COLOUR = {"observation.images.front": Spec("float32", (3, 4, 6))}
GREY = {"observation.images.front": Spec("float32", (1, 4, 6))}
T_BASE_CAM = pose(R_BODY_OPTICAL, (0.2, 0.0, 0.5))
AWAY = pose(rotation_from_yaw(2.0), (-1.0, 0.5, 0.0))
THINGS = {"red mug": (2.0, 0.5, 0.5), "blue cup": (1.5, -0.5, 0.8)}
AGE = 5  # column of a token


class Robot:
    """Says its state and where it is; what it is told back is all that the policy sees."""

    def __init__(self, policy: PolicyNode) -> None:
        self.policy = policy
        self.node = Node("robot", use_global_arguments=False)
        self.executor = SingleThreadedExecutor()
        for each in (policy, self.node):
            self.executor.add_node(each)
        self._states = self.node.create_publisher(JointState, "joint_states", topics.reliable(1))
        self._tf = self.node.create_publisher(TFMessage, "/tf", topics.reliable(8))
        self._tf_static = self.node.create_publisher(TFMessage, "/tf_static", topics.LATCHED)
        self.T_map_base: Pose | None = np.eye(4)
        self.told: list[np.ndarray] = []
        self.also: Callable[[], None] = lambda: None
        self.node.create_subscription(
            Float64MultiArray, "commands", lambda m: self.told.append(np.array(m.data)), 10
        )
        self.node.create_timer(PERIOD_S, self._live)

    @property
    def recalled(self) -> np.ndarray:
        """The tokens of the hits that the policy sees."""
        shown = self.told[-1][STATE_SIZE:]
        return shown[: SLOTS * SIZE].reshape(SLOTS, SIZE)[shown[SLOTS * SIZE :] > 0]

    @property
    def now_ns(self) -> int:
        return self.node.get_clock().now().nanoseconds

    @property
    def counts(self) -> dict[str, int]:
        return self.policy._controller.report() | self.policy._senses.counts

    def until(self, is_it: Callable[[], bool]) -> None:
        self._is_it, self._done = is_it, Future()
        self.executor.spin_until_future_complete(self._done, TIMEOUT_S)
        if not self._done.done():
            pytest.fail(f"it sees {self.told[-1:]}, and counted {self.counts}")

    def _live(self) -> None:
        state = JointState(position=[0.0] * STATE_SIZE)
        state.header = convert.header(self.now_ns, "", make=make)
        if self.T_map_base is not None:
            self._tf_static.publish(self._transforms(T_BASE_CAM, "base_link", "camera"))
            self._tf.publish(self._transforms(self.T_map_base, "map", "base_link"))
        self._states.publish(state)
        self.also()
        if self.told and self._is_it():
            self._done.set_result(True)

    def call(self, name: str, value: Any) -> None:
        (result,) = self.policy.set_parameters([Parameter(name, value=value)])
        assert result.successful, result.reason

    def _transforms(self, T_parent_child: Pose, parent: str, child: str) -> Any:
        stamped = convert.transform(
            T_parent_child, parent=parent, child=child, stamp_ns=self.now_ns, make=make
        )
        return convert.transforms([stamped], make=make)


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    surroundings = session.environment(tmp_path)
    os.environ.update(surroundings)
    return surroundings


@contextmanager
def started(tmp_path: Path, also: dict[str, Spec], **parameters: str) -> Iterator[Robot]:
    path = write_showing_policy(tmp_path / "policy", also, size=STATE_SIZE)
    limits = {"low": "[-1000.0]", "high": "[1000.0]", "slew_per_s": "[1000000.0]"}
    quick = {"path": str(path), "hold_s": "0.05", "ramp_s": "0.05", "recall.period_s": "0.1"}
    arguments = ["--ros-args"]
    for name, value in {**limits, **quick, **parameters}.items():
        arguments += ["-p", f"{name}:={value}"]
    with ExitStack() as opened:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        opened.callback(rclpy.shutdown)
        policy = PolicyNode()
        opened.callback(policy.destroy_node)
        policy.start()
        opened.callback(policy.stop)
        robot = Robot(policy)
        opened.callback(robot.node.destroy_node)
        opened.callback(robot.executor.shutdown)
        yield robot


# --- what is recalled


class Oracle:
    """Answers `oracle/recall` as it is told to; such a node is not a memory, but may be as bad as one."""

    def __init__(self, robot: Robot, **fields: Any) -> None:
        self.fields, self.asked = fields, 0
        self._node = robot.node
        self._service = robot.node.create_service(Recall, "oracle/recall", self._answer)

    def leave(self) -> None:
        self._node.destroy_service(self._service)

    def _answer(self, request: Any, response: Any) -> Any:
        self.asked += 1
        for name, value in self.fields.items():
            setattr(response, name, value)
        return response


def mug_ahead(stamp_ns: int = 10**9, x: float = 2.0) -> dict[str, Any]:
    why = Evidence(keyframe_id=-1, has_position=True, score=0.5, text="red mug, seen 3 times")
    why.stamp, why.p_map = convert.time(stamp_ns, make=make), convert.point((x, 0, 0), make=make)
    return {"hits": [why], "entities": [Entity(label="red mug")]}


ASKING = {"recall.memory": "oracle", "recall.label": "'red mug'"}


def test_a_thing_that_was_observed_is_told_from_where_the_robot_is(tmp_path, surroundings):
    path = tmp_path / "robot.rmem"
    settings = {"topics.depth": "''", "topics.odom": "''", "sensor_qos": "reliable"}
    memory_node = session.memory_node(
        tmp_path, surroundings, path=str(path), use_sim_time=False, **settings
    )
    with memory_node, started(tmp_path, RECALLED, **{"recall.label": "'red mug'"}) as robot:
        robot.also = looking_at(robot, THINGS)

        robot.until(lambda: len(robot.recalled) == 1)
        robot.also = lambda: None
        robot.until(lambda: True)  # it stands still after what it saw, too: poses are interpolated
        robot.T_map_base = AWAY

        with Memory.open(path, "r") as memory:
            for label, p_map in THINGS.items():
                robot.call("recall.label", label)
                robot.until(lambda label=label: is_shown(robot, memory.recall(Query(label=label))))
                p_base = transform(inverse(AWAY), np.array(p_map))
                distance_m = np.linalg.norm(p_base)
                bent = p_base / distance_m * np.log1p(distance_m / 2)
                np.testing.assert_allclose(robot.recalled[0, :3], bent, atol=0.02)


def looking_at(robot: Robot, things: dict[str, tuple[float, ...]]) -> Callable[[], None]:
    """Return what publishes where things are from the camera; all of the present things are in view."""
    publisher = robot.node.create_publisher(DetectionArray, "detections", topics.reliable(8))

    def look() -> None:
        T_cam_map = inverse(robot.T_map_base @ T_BASE_CAM)
        seen = [
            Detection(label=label, p_cam=transform(T_cam_map, np.array(p_map)))
            for label, p_map in things.items()
        ]
        at = {"frame_id": "camera", "stamp_ns": robot.now_ns, "make": make}
        publisher.publish(convert.detection_array(seen, **at))

    return look


def is_shown(robot: Robot, hits: list[Hit]) -> bool:
    """Tell whether the policy sees what `recalled_tokens` makes of the memory's own hits, but for their age."""
    tokens = recalled_tokens(hits, T_map_base=robot.T_map_base, now_ns=robot.now_ns, slots=SLOTS)
    wanted, shown = tokens.features[tokens.mask], robot.recalled
    return wanted.shape == shown.shape and np.allclose(
        np.delete(wanted, AGE, axis=1), np.delete(shown, AGE, axis=1), atol=1e-4
    )


def test_what_was_recalled_grows_older_when_the_memory_is_gone(tmp_path, surroundings):
    with started(tmp_path, RECALLED, **ASKING) as robot:
        oracle = Oracle(robot, **mug_ahead(robot.now_ns))
        robot.until(lambda: len(robot.recalled) == 1)
        young = robot.recalled[0, AGE]

        oracle.leave()
        robot.until(lambda: robot.counts["recall_absent"] > 0)
        robot.T_map_base = pose(np.eye(3), (1.0, 0.0, 0.0))
        robot.until(lambda: robot.recalled[0, 0] < np.log1p(0.6))
        robot.until(lambda: robot.recalled[0, AGE] > young + 0.02)

    np.testing.assert_allclose(robot.recalled[0, 0], np.log1p(0.5), atol=1e-3)  # 1 m ahead now


def test_a_node_that_is_activated_again_recalls_anew(tmp_path, surroundings):
    with started(tmp_path, RECALLED, **ASKING) as robot:
        oracle = Oracle(robot, **mug_ahead(robot.now_ns))
        robot.until(lambda: len(robot.recalled) == 1)

        robot.policy.trigger_deactivate()
        oracle.fields = mug_ahead(robot.now_ns, x=4.0)
        robot.policy.trigger_activate()
        robot.until(lambda: len(robot.recalled) == 1 and robot.recalled[0, 0] > np.log(2.9))

    np.testing.assert_allclose(robot.recalled[0, 0], np.log(3), atol=1e-3)


def test_an_answer_that_is_late_is_not_waited_for(tmp_path, surroundings):
    with started(tmp_path, RECALLED, **ASKING, **{"recall.timeout_s": "0.1"}) as robot:
        slow = robot.node.create_client(Recall, "oracle/recall")  # nobody spins the service's node
        silent = Node("silent", use_global_arguments=False)
        silent.create_service(Recall, "oracle/recall", lambda _, response: response)

        robot.until(lambda: robot.counts["recall_late"] > 1)

        assert slow.service_is_ready()
        assert len(robot.recalled) == 0
        assert robot.counts["taken"] > 0
        silent.destroy_node()


@pytest.mark.parametrize(
    "answer", [{"error": "the limit is at least 1"}, mug_ahead(x=np.nan), mug_ahead(-1)]
)
def test_an_answer_that_makes_no_sense_is_counted_and_what_was_recalled_stays(
    tmp_path, surroundings, answer
):
    with started(tmp_path, RECALLED, **ASKING) as robot:
        oracle = Oracle(robot, **mug_ahead())
        robot.until(lambda: len(robot.recalled) == 1)

        oracle.fields = answer

        robot.until(lambda: robot.counts["recall_refused"] > 0)
        assert len(robot.recalled) == 1


def test_a_robot_that_is_nowhere_rests(tmp_path, surroundings):
    with started(tmp_path, RECALLED, **ASKING) as robot:
        robot.T_map_base = None
        Oracle(robot, **mug_ahead())

        robot.until(lambda: robot.counts.get("no_transform", 0) > 1)

        assert not np.any(robot.told)
        assert robot.counts["rested"] > 0


def test_near_is_near_the_robot(tmp_path, surroundings):
    asked = []

    with started(tmp_path, RECALLED, **ASKING, **{"recall.radius_m": "1.5"}) as robot:
        robot.node.create_service(
            Recall, "oracle/recall", lambda request, response: asked.append(request) or response
        )
        robot.T_map_base = AWAY
        robot.until(lambda: bool(asked))

    (request, *_) = asked
    assert (request.label, request.limit, request.radius_m) == ("red mug", SLOTS, 1.5)
    np.testing.assert_allclose(convert.xyz_of(request.near_map), AWAY[:3, 3])


def test_without_a_query_nothing_is_recalled(tmp_path, surroundings):
    with started(tmp_path, RECALLED, **ASKING) as robot:
        oracle = Oracle(robot, **mug_ahead())
        robot.until(lambda: len(robot.recalled) == 1)

        robot.call("recall.label", "")
        robot.until(lambda: len(robot.recalled) == 0)
        before = oracle.asked
        robot.call("recall.text", "the keys")
        robot.until(lambda: len(robot.recalled) == 1)

    assert before < oracle.asked


# --- images


def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, size=(4, 6, 3), dtype=np.uint8)


def image(color: np.ndarray, encoding: str) -> Image:
    message = Image(height=4, width=6, encoding=encoding, step=color[0].nbytes)
    message.data = array("B", np.ascontiguousarray(color).tobytes())
    return message


def compressed(color: np.ndarray, kind: str) -> CompressedImage:
    file = BytesIO()
    Pillow.fromarray(color).save(file, kind)
    return CompressedImage(format=kind, data=array("B", file.getvalue()))


def showing(robot: Robot, topic: str, message: Any, *, late_s: float = 0.0) -> Callable[[], None]:
    publisher = robot.node.create_publisher(type(message), topic, topics.reliable(1))

    def show() -> None:
        stamp_ns = robot.now_ns - round(late_s * 1e9)
        message.header = convert.header(stamp_ns, "camera", make=make)
        publisher.publish(message)

    return show


def seen_by(robot: Robot, spec: Spec) -> np.ndarray:
    return robot.told[-1][STATE_SIZE:].reshape(spec.shape) * 255


@pytest.mark.parametrize("kind", ["rgb8", "bgr8", "png"])
def test_an_image_is_shown_as_it_is(tmp_path, surroundings, rng, kind):
    color = pixels(rng)
    message, topic = compressed(color, kind) if kind == "png" else image(color, kind), "camera"
    if kind == "bgr8":
        message = image(color[..., ::-1], kind)
    topic += "/compressed" if kind == "png" else ""
    with started(tmp_path, COLOUR, cameras=f"'front={topic}'") as robot:
        robot.also = showing(robot, topic, message)

        robot.until(lambda: robot.told[-1].any())

        spec = COLOUR["observation.images.front"]
        np.testing.assert_allclose(seen_by(robot, spec), color.transpose(2, 0, 1), atol=1e-3)


def test_a_large_grey_jpeg_is_shown_small(tmp_path, surroundings):
    halves = np.repeat(np.uint8([[60] * 48 + [180] * 48]), 64, axis=0)
    with started(tmp_path, GREY, cameras="'front=camera/compressed'") as robot:
        robot.also = showing(robot, "camera/compressed", compressed(halves, "jpeg"))

        robot.until(lambda: robot.told[-1].any())

        shown = seen_by(robot, GREY["observation.images.front"])
        np.testing.assert_allclose(shown[0, :, (0, 1, 4, 5)].T, [[60, 60, 180, 180]] * 4, atol=3)


def test_an_image_that_cannot_be_shown_is_counted_and_the_robot_rests(tmp_path, surroundings, rng):
    color = pixels(rng)
    cut = compressed(color, "jpeg")
    cut.data = cut.data[:40]
    with started(tmp_path, COLOUR, cameras="'front=camera'") as robot:
        robot.until(lambda: robot.counts.get("observation_keys", 0) > 0)  # none has come
        robot.also = showing(robot, "camera", image(color, "yuv422"))
        robot.until(lambda: robot.counts.get("image_corrupt", 0) > 0)
        robot.also = showing(robot, "camera", image(color, "rgb8"), late_s=1.0)
        robot.until(lambda: robot.counts.get("stamp_skew", 0) > 0)
        assert not np.any(robot.told)
        robot.also = showing(robot, "camera", image(color, "rgb8"))
        robot.until(lambda: robot.told[-1].any())


def test_a_damaged_jpeg_is_counted(tmp_path, surroundings, rng):
    cut = compressed(pixels(rng), "jpeg")
    cut.data = cut.data[:40]
    with started(tmp_path, COLOUR, cameras="'front=camera/compressed'") as robot:
        robot.also = showing(robot, "camera/compressed", cut)

        robot.until(lambda: robot.counts.get("image_corrupt", 0) > 0)

        assert not np.any(robot.told)


# --- what no parameter provides


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (RECALLED, "recall.label"),
        ({**RECALLED, "observation.recalled_mask": Spec("bool", (7,))}, "its mask"),
        (COLOUR, "cameras:=front=TOPIC"),
        ({"observation.tactile": Spec("float32", (3,))}, "observation.tactile"),
    ],
)
def test_a_policy_that_wants_more_is_not_served(surroundings, wanted, message):
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = Node("robot", automatically_declare_parameters_from_overrides=True)
        params.declare(node, PolicyNodeOptions)

        with pytest.raises(ConfigError, match=message):
            Senses(node, PolicyNodeOptions(), wanted, lambda load, stamp_ns: None)
    finally:
        rclpy.shutdown()
