"""A simulated robot in a house: camera, detections, odometry and transforms over ROS.

python -m robomem_ros.sim_node --ros-args -p seed:=0
ros2 service call /sim/first_patrol std_srvs/srv/Trigger
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from nav_msgs.msg import Path
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from robomem_msgs.msg import Status
from robomem_sim.run import Frame
from robomem_sim.scenario import Scenario
from std_srvs.srv import Trigger

from robomem.errors import RobomemError
from robomem_ros import convert, params, process, topics
from robomem_ros.flow import Flow
from robomem_ros.options import SimNodeOptions
from robomem_ros.robot_topics import RobotTopics

LISTENERS_POLL_S = 0.05


class SimNode(Node):
    """Lives through the scenario, one part per service call, and publishes what the robot perceives."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__(
            "sim", automatically_declare_parameters_from_overrides=True, **node_options
        )
        params.declare(self, SimNodeOptions)
        self._options = params.from_params(self, SimNodeOptions)
        self.scenario = Scenario(self._options.seed)
        self.flow = Flow(stall_s=self._options.stall_s, start_s=self._options.start_s)
        self._topics = RobotTopics(self)
        self._path: Any = None
        self._story = MutuallyExclusiveCallbackGroup()
        self.create_subscription(
            Status, self._options.status_topic, self._on_status, topics.LATCHED
        )
        self.create_subscription(Path, "~/path", self._on_path, topics.LATCHED)
        for name, part in (
            ("~/first_patrol", self._patrol_first),
            ("~/move", self._move),
            ("~/second_patrol", self._patrol_again),
            ("~/drive", self._drive),
        ):
            self._offer(name, part)

    def start(self) -> None:
        """Wait for the services to be called."""
        self.get_logger().info(f"house {self._options.seed} is ready")

    def stop(self) -> None:
        """Break off a patrol under way."""
        self.flow.stop()

    def stream(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Publish frames no faster than the memory counts them, and yield each; raises RobomemError."""
        self._wait_for_listeners()
        stamp_ns = None
        for frame in frames:
            self.flow.wait(at_most=self._options.frames_ahead - 1)
            if self._options.is_real_time and stamp_ns is not None:
                self.flow.pause((frame.stamp_ns - stamp_ns) / 1e9)
            stamp_ns = frame.stamp_ns
            self.flow.sent()
            self._topics.publish(frame)
            yield frame
        self.flow.wait(at_most=0)

    def tell(self) -> None:
        """Say to the robot what it is told; call `scenario.move` first."""
        self.flow.sent()
        self._topics.tell(self.scenario.told)
        self.flow.wait(at_most=0)

    def _offer(self, name: str, part: Callable[[], str]) -> None:
        """Offer a part of the story as a service; one at a time, and the status is heard meanwhile."""
        self.create_service(Trigger, name, partial(_answer, part), callback_group=self._story)

    def _patrol_first(self) -> str:
        return self._patrol(self.scenario.first_patrol())

    def _patrol_again(self) -> str:
        return self._patrol(self.scenario.second_patrol())

    def _patrol(self, frames: Iterable[Frame]) -> str:
        lost = self.flow.lost
        count = sum(1 for _ in self.stream(frames))
        return f"{count} frames, {self.flow.lost - lost} lost"

    def _move(self) -> str:
        moved = self.scenario.move()
        self.tell()
        return f"the {moved.label} is in the {moved.room}"

    def _drive(self) -> str:
        if self._path is None:
            raise RobomemError("publish a path on ~/path first")
        result = self.scenario.drive(convert.waypoints_of(self._path))
        how = "arrived" if result.ok else "did not arrive safely"
        return f"{how}: {result.distance_to_goal_m:.2f} m from the {self.scenario.moved.label}"

    def _wait_for_listeners(self) -> None:
        """Wait until every topic is heard; after a while, go on without those that are not."""
        self.flow.wait(at_most=0)
        polls = round(self._options.start_s / LISTENERS_POLL_S)
        for _ in range(polls):
            if not self._topics.unheard:
                return
            self.flow.pause(LISTENERS_POLL_S)
        self.get_logger().warning(f"nobody listens to {', '.join(self._topics.unheard)}")

    def _on_status(self, status: Any) -> None:
        self.flow.hear(status.observations + status.rejected)

    def _on_path(self, path: Any) -> None:
        self._path = path


def _answer(part: Callable[[], str], request: Any, response: Any) -> Any:
    try:
        response.success, response.message = True, part()
    except RobomemError as err:
        response.success, response.message = False, str(err)
    return response


def main() -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit code."""
    return process.run(SimNode, make_executor=partial(MultiThreadedExecutor, num_threads=2))


if __name__ == "__main__":
    sys.exit(main())
