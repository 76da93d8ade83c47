"""A path that a SLAM corrected moves what is remembered along it."""

from types import TracebackType
from typing import Any, Self

from robomem.errors import RobomemError
from robomem.memory import Memory
from robomem_ros import convert, topics
from robomem_ros.messages import message_type
from robomem_ros.reporter import Reporter


class CorrectedPath:
    """Subscribes while entered to a nav_msgs/Path of the base in map, each pose with its own stamp."""

    def __init__(self, node: Any, memory: Memory, reporter: Reporter, topic: str) -> None:
        self._node = node
        self._memory = memory
        self._reporter = reporter
        self._topic = topic
        self._subscription: Any = None

    def __enter__(self) -> Self:
        if self._topic:
            self._subscription = self._node.create_subscription(
                message_type("nav_msgs/Path"), self._topic, self._hear, topics.reliable(1)
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)

    def _hear(self, message: Any) -> None:
        frame, map_frame = message.header.frame_id.lstrip("/"), self._memory.config.io.map_frame
        if frame not in ("", map_frame):
            self._node.get_logger().warning(
                f"a corrected path in {frame!r} is none in {map_frame!r}"
            )
            return
        try:
            moved = self._memory.correct_path(*convert.stamped_poses_of(message))
        except RobomemError as err:
            self._node.get_logger().warning(f"a corrected path is left aside: {err}")
            return
        if moved:
            self._node.get_logger().info(f"a corrected path moved {len(moved)} keyframes")
            self._reporter.publish()
