"""A memory node and a simulated robot on this machine, apart from every other ROS that runs here."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from robomem_ros.children import Child
from robomem_ros.sim_node import SimNode

DOMAINS = 101  # above, ports overlap with those that Linux gives out


def environment(out: Path) -> dict[str, str]:
    """Return the environment of a session whose logs go to a folder."""
    defaults = {"AMENT_PREFIX_PATH": sys.prefix, "ROS_LOG_DIR": str(out.resolve() / "ros_log")}
    own = {
        "ROS_DOMAIN_ID": str(1 + os.getpid() % DOMAINS),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    return defaults | os.environ | own


def memory_node(
    out: Path, environment: Mapping[str, str], **parameters: str | float | bool
) -> Child:
    """Return a memory node as a process that loses nothing; its log is `memory_node.log`."""
    arguments = ["--ros-args"]
    for name, value in {"use_sim_time": True, "sensor_qos": "reliable", **parameters}.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        arguments += ["-p", f"{name}:={text}"]
    log = out / "memory_node.log"
    return Child("robomem_ros.memory_node", arguments, log=log, environment=environment)


@contextmanager
def simulator(
    environment: Mapping[str, str], **parameters: str | float | bool
) -> Iterator[SimNode]:
    """Return a simulator node of this process, spun by another thread."""
    os.environ.update(environment)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    thread = Thread(target=_spin, args=[executor], daemon=True)
    try:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        sim = SimNode(parameter_overrides=overrides)
        executor.add_node(sim)
        thread.start()
        yield sim
    finally:
        executor.shutdown()
        if thread.ident is not None:
            thread.join()
        rclpy.shutdown()


def _spin(executor: SingleThreadedExecutor) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        return  # the session is over
