"""The life of a process that is a node: it ends cleanly on SIGINT and SIGTERM."""

import logging
import signal
import sys
from collections.abc import Callable
from threading import Event
from types import FrameType
from typing import Any

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from robomem.errors import RobomemError

STOP_POLL_S = 0.1


def run(
    make_node: Callable[[], Any], *, make_executor: Callable[[], Executor] = SingleThreadedExecutor
) -> int:
    """Spin a node until a signal; returns the exit code.

    Args:
        make_node: Makes it; its `start` is called before spinning and its `stop` after.
        make_executor: What spins it.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    stopped = catch_signals()
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        return _spin(make_node(), make_executor(), stopped)
    except RobomemError as err:
        print(f"error: {err}", file=sys.stderr)  # noqa: T201 - the end of a program
        return err.exit_code
    finally:
        rclpy.shutdown()


def catch_signals() -> Event:
    """Return an event that SIGINT and SIGTERM set, instead of what they do otherwise."""
    stopped = Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return stopped


def _spin(node: Any, executor: Executor, stopped: Event) -> int:
    executor.add_node(node)
    try:
        node.start()
        while not stopped.is_set():
            executor.spin_once(timeout_sec=STOP_POLL_S)
    finally:
        node.stop()
        executor.shutdown()
        node.destroy_node()
    return 0
