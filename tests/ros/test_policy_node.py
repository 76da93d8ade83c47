"""The policy node as a process of its own: states in, guarded actions out, interventions told."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not there", exc_type=ImportError)
pytest.importorskip("robomem_msgs.msg", reason="robomem_msgs is not built", exc_type=ImportError)
pytest.importorskip("onnxruntime", reason="the extra 'serve' is not there", exc_type=ImportError)
pytest.importorskip("onnx", reason="the extra 'train' is not there", exc_type=ImportError)

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from robomem_ros import session, topics
from robomem_ros.children import Child
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from tests.echo_policy import write_echo_policy

pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),  # the parser of rosidl
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # rclpy's own
]
PARAMETERS = Path(__file__).resolve().parents[2] / "launch/policy.yaml"
TIMEOUT_S, SPIN_S = 30.0, 0.02


class Robot:
    """Says its state as often as it looks at what it is told, and remembers the latter."""

    def __init__(self, node: Node, child: Child) -> None:
        self._node = node
        self.child = child
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._states = node.create_publisher(JointState, "joint_states", topics.reliable(1))
        self.told: list[list[float]] = []
        self.counts: dict[str, int] = {}
        node.create_subscription(
            Float64MultiArray, "commands", lambda m: self.told.append(list(m.data)), 10
        )
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def until(self, is_it: Callable[[], bool], *, state: list[float] | None = None) -> None:
        for _ in range(round(TIMEOUT_S / SPIN_S)):
            if state is not None:
                message = JointState(position=state)
                message.header.stamp = self._node.get_clock().now().to_msg()
                self._states.publish(message)
            self._executor.spin_once(SPIN_S)
            if is_it():
                return
        pytest.fail(f"it was told {self.told[-3:]}, and counted {self.counts}")

    def reset(self) -> bool:
        client = self._node.create_client(Trigger, "robomem_policy/reset")
        done = client.call_async(Trigger.Request())
        self.until(done.done)
        return bool(done.result().success)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name == "robomem_policy":
                self.counts = {pair.key: int(pair.value) for pair in status.values}


@pytest.fixture
def robot(tmp_path: Path) -> Iterator[Robot]:
    surroundings = session.environment(tmp_path)
    path = write_echo_policy(tmp_path / "echo")
    arguments = ["--ros-args", "--params-file", str(PARAMETERS)]
    arguments += ["-p", f"path:={path}", "-p", "publish_period_s:=0.2"]
    log = tmp_path / "policy_node.log"
    child = Child("robomem_ros.policy_node", arguments, log=log, environment=surroundings)
    os.environ.update(surroundings)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        with child:
            yield Robot(Node("robot"), child)
    finally:
        rclpy.shutdown()
    assert "Traceback" not in log.read_text()


def test_it_acts_within_limits_and_comes_to_rest_in_silence(robot):
    robot.until(lambda: bool(robot.told) and robot.told[-1] == [0.25, 1.0], state=[0.25, 5.0])
    steps = [abs(b[1] - a[1]) for a, b in zip(robot.told, robot.told[1:], strict=False)]
    robot.until(lambda: robot.told[-1] == [0.0, 0.0])
    robot.until(lambda: robot.counts.get("rested", 0) > 0)

    assert max(steps) <= 0.12 + 1e-9  # a step counts as 60 ms at most
    assert robot.counts["taken"] > 0
    assert min(robot.counts[name] for name in ("limited", "slewed", "held", "ramped")) > 0


def test_a_node_that_is_stopped_comes_to_rest_first(robot):
    robot.until(lambda: bool(robot.told) and robot.told[-1] == [0.5, 0.5], state=[0.5, 0.5])

    robot.child._process.send_signal(signal.SIGINT)

    robot.until(lambda: robot.told[-1] == [0.0, 0.0], state=[0.5, 0.5])
    assert robot.child._process.wait(TIMEOUT_S) == 0


def test_a_bad_state_is_counted_and_a_reset_lets_it_begin_anew(robot):
    robot.until(lambda: robot.counts.get("observation_shape", 0) > 0, state=[1.0, 2.0, 3.0])
    assert set(map(tuple, robot.told)) == {(0.0, 0.0)}

    assert robot.reset()

    robot.until(lambda: robot.told[-1] == [0.5, -0.5], state=[0.5, -0.5])
