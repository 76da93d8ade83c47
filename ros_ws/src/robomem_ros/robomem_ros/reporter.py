"""What the memory node publishes: its state after every observation, entities and map now and then."""

from types import TracebackType
from typing import Any, Self

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
from robomem_msgs.msg import EntityArray, Status

from robomem.memory import Memory
from robomem.types import Receipt
from robomem_ros import convert, topics
from robomem_ros.messages import make
from robomem_ros.tally import Tally


class Reporter:
    """Publishes `~/status`, `~/entities`, `~/map` and `/diagnostics`, the first three latched."""

    def __init__(self, node: Any, memory: Memory) -> None:
        self._node = node
        self._memory = memory
        self._tally = Tally.of(memory)
        self._status = node.create_publisher(Status, "~/status", topics.LATCHED)
        self._entities = node.create_publisher(EntityArray, "~/entities", topics.LATCHED)
        self._map = node.create_publisher(OccupancyGrid, "~/map", topics.LATCHED)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._published_observations = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for publisher in (self._status, self._entities, self._map, self._diagnostics):
            self._node.destroy_publisher(publisher)

    def count(self, receipt: Receipt, *, stamp_ns: int) -> None:
        """Say that an observation was taken in or rejected."""
        self._tally.add(receipt, stamp_ns)
        self._status.publish(self._tally.status(make))

    def publish_changes(self) -> None:
        """Publish everything if anything was observed since the last time; the diagnostics anyway."""
        if self._tally.observations != self._published_observations:
            self.publish()
        self._diagnostics.publish(self._tally.diagnostics(self._node.get_name(), make))

    def publish(self) -> None:
        """Publish status, entities and map."""
        stamp_ns, bounds = self._tally.stamp_ns, self._memory.config.route
        entities = self._memory.entities()
        grid = self._memory.map.slice_2d(bounds.z_min_m, bounds.z_max_m)
        self._published_observations = self._tally.observations
        self._tally.entities = len(entities)
        self._tally.events = self._memory.counts().events
        self._status.publish(self._tally.status(make))
        self._entities.publish(convert.entity_array(entities, stamp_ns=stamp_ns, make=make))
        self._map.publish(convert.occupancy_grid(grid, stamp_ns=stamp_ns, make=make))
