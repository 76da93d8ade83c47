"""The memory node as a process of its own, fed over real topics by the simulated robot."""

import signal
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from threading import Condition
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not there", exc_type=ImportError)
pytest.importorskip("robomem_msgs.msg", reason="robomem_msgs is not built", exc_type=ImportError)
pytest.importorskip(
    "robomem_sim.scenario", reason="the extra 'sim' is not there", exc_type=ImportError
)

from nav_msgs.msg import Path as PathMessage
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from robomem_msgs.msg import Status
from robomem_msgs.srv import Recall
from robomem_ros import convert, session, topics
from robomem_ros.children import Child
from robomem_ros.client import MemoryClient
from robomem_ros.flow import Flow
from robomem_ros.messages import make
from robomem_ros.sim_node import SimNode
from robomem_sim.run import Frame
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from robomem import geometry as transforms
from robomem.errors import QueryError, UnreachableError
from robomem.memory import Memory
from robomem.types import EventKind, Happening

pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),  # the parser of rosidl
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # rclpy's own
]
LAUNCH = Path(__file__).resolve().parents[2] / "launch"
FRAMES = 20
TIMEOUT_S = 30.0
POLL_S = 0.02
HOUR_NS = 3600 * 10**9


class Robot:
    """A simulated robot, the memory node that listens to it, and what that says of itself."""

    def __init__(self, sim: SimNode) -> None:
        self.sim = sim
        self.client = MemoryClient(sim, timeout_s=TIMEOUT_S)
        self._frames = sim.scenario.first_patrol()
        self._news = Condition()
        self._status: Status | None = None
        sim.create_subscription(Status, "robomem/status", self._on_status, topics.LATCHED)

    def drive(self, count: int = FRAMES) -> list[Frame]:
        return list(self.sim.stream(islice(self._frames, count)))

    def call(self, kind: Any, name: str, **request: Any) -> Any:
        client = self.sim.create_client(kind, f"robomem/{name}")
        assert client.wait_for_service(TIMEOUT_S)
        return client.call(kind.Request(**request), timeout_sec=TIMEOUT_S)

    def publisher(self, kind: Any, topic: str) -> Any:
        publisher = self.sim.create_publisher(kind, topic, topics.reliable(8))
        for _ in range(round(TIMEOUT_S / POLL_S)):
            if publisher.get_subscription_count():
                return publisher
            self.sim.flow.pause(POLL_S)
        pytest.fail(f"nobody listens to {topic}")

    def status_when(self, is_it: Callable[[Status], bool]) -> Status:
        with self._news:
            assert self._news.wait_for(
                lambda: self._status is not None and is_it(self._status), TIMEOUT_S
            ), self._status
            return self._status

    def _on_status(self, status: Status) -> None:
        with self._news:
            self._status = status
            self._news.notify_all()


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    return session.environment(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "robot.rmem"


@pytest.fixture
def node(tmp_path: Path, path: Path, surroundings: dict[str, str]) -> Iterator[Child]:
    with session.memory_node(tmp_path, surroundings, path=str(path)) as child:
        yield child


@pytest.fixture
def robot(node: Child, surroundings: dict[str, str]) -> Iterator[Robot]:
    with session.simulator(surroundings, seed=0) as sim:
        yield Robot(sim)


def test_it_remembers_what_it_hears_and_answers(robot):
    frames = robot.drive()
    seen = Counter(each.label for frame in frames for each in frame.detections)
    label = seen.most_common(1)[0][0]

    answer = robot.client.ask(f"where is the {label}?")
    recalled = robot.call(Recall, "recall", label=label)
    status = robot.status_when(lambda status: status.observations == FRAMES)

    assert answer.is_found
    assert answer.evidence[0].p_map is not None
    assert label in {entity.label for entity in recalled.entities}
    assert (status.rejected, robot.sim.flow.lost) == (0, 0)


def test_what_cannot_be_done_is_an_error_of_the_answer(robot):
    robot.drive(3)

    with pytest.raises(QueryError):
        robot.client.ask("colourless green ideas sleep furiously")
    with pytest.raises(UnreachableError):
        robot.client.route((0.0, 0.0, 0.0), (500.0, 0.0), radius_m=0.25)
    assert robot.call(Recall, "recall", label="mug", limit=-1).error


def test_bad_frames_are_counted_and_good_ones_still_taken_in(node, surroundings):
    # A stale image waits a second of simulated time, which stands until the sender gives up on it.
    with session.simulator(surroundings, seed=0, stall_s=5.0) as sim:
        _check_bad_frames(Robot(sim))


def _check_bad_frames(robot):
    frame = robot.drive(3)[-1]
    depth = robot.publisher(Image, "camera/depth/image_rect_raw")
    in_camera = {"frame_id": "camera_optical_frame", "make": make}
    cut = convert.depth_image(frame.depth_m, stamp_ns=frame.stamp_ns + 1, **in_camera)
    cut.data = array("B", cut.data[:100])
    stale = convert.depth_image(frame.depth_m, stamp_ns=frame.stamp_ns - HOUR_NS, **in_camera)

    for bad in (cut, stale):
        depth.publish(bad)
    robot.drive(30)

    status = robot.status_when(lambda status: status.observations == 33)
    assert dict(zip(status.reasons, status.counts, strict=True)) == {
        "depth_shape": 1,
        "no_transform": 1,
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_it_cleanly_and_the_memory_opens_again(robot, node, path, tmp_path, number):
    robot.drive(5)
    assert robot.call(Trigger, "save").success

    node._process.send_signal(number)

    assert node._process.wait(TIMEOUT_S) == 0
    with Memory.open(path, mode="r") as memory:
        assert memory.info().observations == 5
    assert "Traceback" not in (tmp_path / "memory_node.log").read_text()


def test_a_corrected_path_moves_what_is_remembered(tmp_path, path, surroundings):
    up = transforms.pose(np.eye(3), [0.0, 0.0, 1.0])
    parameters = {"path": str(path), "corrected_path": "slam/path"}
    node = session.memory_node(tmp_path, surroundings, **parameters)
    with node, session.simulator(surroundings, seed=0) as sim:
        robot = Robot(sim)
        frames = robot.drive()
        robot.status_when(lambda status: status.observations == FRAMES)
        corrected = _path((frame.stamp_ns, up @ frame.T_map_base) for frame in frames)
        publisher = robot.publisher(PathMessage, "slam/path")

        with Memory.open(path, "r") as memory:
            first = _pose_when_moved(memory, sim, after=lambda: publisher.publish(corrected))

    np.testing.assert_allclose(first, up @ frames[0].T_map_base @ frames[0].T_base_cam, atol=1e-6)


def _pose_when_moved(memory, sim, *, after):
    """Return the pose of the first keyframe when it is another one than before a call."""
    before = memory.keyframes()[0].T_map_kf
    after()
    for _ in range(round(TIMEOUT_S / POLL_S)):
        now = memory.keyframes()[0].T_map_kf
        if not np.array_equal(now, before):
            return now
        sim.flow.pause(POLL_S)
    return before


def _path(stamped_poses):
    message = make("nav_msgs/Path")
    message.header.frame_id = "map"
    for stamp_ns, T_map_base in stamped_poses:
        stamped = make("geometry_msgs/PoseStamped")
        stamped.header.stamp = convert.time(stamp_ns, make=make)
        stamped.pose = convert.pose(T_map_base, make=make)
        message.poses.append(stamped)
    return message


def test_a_second_node_says_that_the_memory_is_taken(robot, path, surroundings):
    robot.drive(1)

    second = _run_node(surroundings, "-p", f"path:={path}")

    assert second.returncode != 0
    assert "is being written by process" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("spatial.voxel_size:=0.1", "unknown parameter spatial.voxel_size"),
        ("spatial.voxel_size_m:=99.0", "spatial.voxel_size_m"),
        ("spatial.voxel_size_m:=coarse", "spatial.voxel_size_m"),
        ("keyframes.min_distance_m:=0.0", "keyframes.min_distance_m"),
        ("guard.sources:='anna=friend'", "guard.sources"),
        ("sensor_qos:=perfect", "sensor_qos"),
    ],
)
def test_a_wrong_parameter_ends_it_with_the_name(surroundings, path, parameter, message):
    ended = _run_node(surroundings, "-p", f"path:={path}", "-p", parameter)

    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_parameter_cannot_be_set_later(robot):
    robot.drive(1)
    given = [
        Parameter("semantic.gate_m", value=-1.0),
        Parameter("ask.timezone", value="UTC"),
        Parameter("guard.sources", value="anna=friend"),
        Parameter("guard.sources", value="anna=known, ben=untrusted"),
    ]

    results = robot.call(
        SetParameters, "set_parameters", parameters=[each.to_parameter_msg() for each in given]
    ).results

    assert [result.successful for result in results] == [False, True, False, True]


@pytest.mark.parametrize("name", ["robot.yaml", "sim.yaml"])
def test_the_parameters_of_the_launch_files_are_taken(tmp_path, surroundings, path, name):
    arguments = ["--ros-args", "--params-file", str(LAUNCH / name), "-p", f"path:={path}"]
    child = Child(
        "robomem_ros.memory_node", arguments, log=tmp_path / "node.log", environment=surroundings
    )

    with child, session.simulator(surroundings, seed=0) as sim:
        status = Robot(sim).status_when(lambda status: status.observations == 0)

    assert status.rejected == 0


def test_neighbours_that_say_the_same_are_merged_while_it_runs(tmp_path, path, surroundings):
    same = "the hall is quiet"
    with Memory.open(path) as memory:
        memory.log(
            Happening(kind=EventKind.OBSERVED, stamp_ns=i * 10**9, text=same) for i in range(40)
        )

    with session.memory_node(tmp_path, surroundings, path=str(path), publish_period_s=0.05):
        merged = _merged_when(path, at_least=39)

    assert merged == 39


def _merged_when(path: Path, *, at_least: int) -> int:
    merged = 0
    flow = Flow(stall_s=TIMEOUT_S)
    for _ in range(round(TIMEOUT_S / POLL_S)):
        with Memory.open(path, "r") as memory:
            merged = memory.retention.report().merged
        if merged >= at_least:
            break
        flow.pause(POLL_S)
    return merged


def _run_node(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "robomem_ros.memory_node", "--ros-args", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
