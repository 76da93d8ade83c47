"""What the memory node hears becomes observations."""

from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import Any, Self

from rclpy.clock import Clock, ClockType

from robomem.errors import DataError
from robomem.io.assembler import Assembler, Draft
from robomem.memory import Memory
from robomem.types import Receipt
from robomem_ros import topics
from robomem_ros.messages import message_type
from robomem_ros.options import MemoryNodeOptions
from robomem_ros.reporter import Reporter


class Listener:
    """Subscribes while entered; every message goes to the assembler, what comes out to the memory."""

    def __init__(
        self, node: Any, memory: Memory, reporter: Reporter, options: MemoryNodeOptions
    ) -> None:
        self._node = node
        self._memory = memory
        self._reporter = reporter
        self._options = options
        self._subscriptions: list[Any] = []

    def __enter__(self) -> Self:
        roles = topics.roles(self._node, self._options)
        self._assembler = Assembler(self._memory.config.io, roles)
        self._subscriptions = [
            self._node.create_subscription(
                message_type(topics.message_name(role, self._options)),
                topic,
                partial(self._hear, topic),
                topics.qos(role, self._options),
            )
            for topic, role in roles.items()
        ]
        self._timer = self._node.create_timer(
            self._options.publish_period_s,
            self._rest,
            clock=Clock(clock_type=ClockType.STEADY_TIME),  # simulated time may stand still
        )
        self._reporter.publish()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._node.destroy_timer(self._timer)
        self._observe(self._assembler.flush())
        self._reporter.publish()

    def _rest(self) -> None:
        """Take in what has waited long enough, say what is new, and merge a little of what says the same."""
        self._observe(self._assembler.tick(self._node.get_clock().now().nanoseconds))
        self._reporter.publish_changes()
        if self._options.consolidated_events:
            self._memory.retention.consolidate(steps=self._options.consolidated_events)

    def _hear(self, topic: str, message: Any) -> None:
        received_ns = self._node.get_clock().now().nanoseconds
        self._observe(self._assembler.push(topic, message, received_ns))

    def _observe(self, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            self._reporter.count(self._receipt(draft), stamp_ns=draft.stamp_ns)

    def _receipt(self, draft: Draft) -> Receipt:
        try:
            return self._memory.observe(draft.load())
        except DataError as err:
            self._memory.reject(err.reason)
            self._node.get_logger().debug(f"rejected: {err}")
            return Receipt(None, rejected=err.reason)
