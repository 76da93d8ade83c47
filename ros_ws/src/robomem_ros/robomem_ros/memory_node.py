"""A memory behind topics and services: sensors in; entities, map, answers and routes out.

python -m robomem_ros.memory_node --ros-args -p path:=house.rmem -p spatial.voxel_size_m:=0.1
"""

import sys
from contextlib import ExitStack

from rclpy.lifecycle import LifecycleNode, LifecycleState

from robomem.config import Config
from robomem.memory import Memory
from robomem.warm import warm_up
from robomem_ros import params, process
from robomem_ros.boundary import autostart, transition
from robomem_ros.corrected_path import CorrectedPath
from robomem_ros.listener import Listener
from robomem_ros.options import MemoryNodeOptions
from robomem_ros.reporter import Reporter
from robomem_ros.services import Services


class MemoryNode(LifecycleNode):
    """Opens the memory when configured, and answers from then on; observes while active."""

    def __init__(self) -> None:
        super().__init__("robomem", automatically_declare_parameters_from_overrides=True)
        params.declare(self, Config, MemoryNodeOptions)
        self._configured = ExitStack()  # what cleaning up closes
        self._active = ExitStack()  # what deactivating closes

    def start(self) -> None:
        """Configure and activate, if the parameters say so; raises RobomemError."""
        autostart(self, "the memory node")

    def stop(self) -> None:
        """Take in what still waits, and close the memory."""
        self._active.close()
        self._configured.close()

    @transition
    def on_configure(self, state: LifecycleState) -> None:
        """Open the memory, compile the kernels so that the first frame does not wait, and answer."""
        options = params.from_params(self, MemoryNodeOptions)
        memory = Memory.open(options.path, config=params.config_from_params(self))
        with ExitStack() as opened:  # closed again if one of these fails
            opened.enter_context(memory)
            reporter = opened.enter_context(Reporter(self, memory))
            opened.enter_context(Services(self, memory, reporter))
            self._configured = opened.pop_all()
        warmth = warm_up()
        self.get_logger().info(f"kernels ready, {warmth.compiled} of {warmth.kernels} compiled now")
        self._listener = Listener(self, memory, reporter, options)
        self._corrected_path = CorrectedPath(self, memory, reporter, options.corrected_path)
        self.get_logger().info(f"remembering in {memory.path}")

    @transition
    def on_activate(self, state: LifecycleState) -> None:
        """Listen and observe."""
        self._active.enter_context(self._listener)
        self._active.enter_context(self._corrected_path)

    @transition
    def on_deactivate(self, state: LifecycleState) -> None:
        """Take in what still waits, and stop listening."""
        self._active.close()

    @transition
    def on_cleanup(self, state: LifecycleState) -> None:
        """Close the memory."""
        self._configured.close()

    @transition
    def on_shutdown(self, state: LifecycleState) -> None:
        """Stop from whatever state."""
        self.stop()

    @transition
    def on_error(self, state: LifecycleState) -> None:
        """Close the memory after an unexpected error; the node can be configured again."""
        self.stop()


def main() -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit code."""
    return process.run(MemoryNode)


if __name__ == "__main__":
    sys.exit(main())
