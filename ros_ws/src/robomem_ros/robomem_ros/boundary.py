"""Where errors leave Python: the callbacks of services and of lifecycle transitions."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from robomem.errors import RobomemError


@contextmanager
def error_in(message: Any) -> Iterator[None]:
    """Write a RobomemError to the `error` of a message."""
    try:
        yield
    except RobomemError as err:
        message.error = str(err)


def transition(step: Callable[..., None]) -> Callable[..., Any]:
    """Make a step of a lifecycle fail on a RobomemError, and end in `on_error` on any other error.

    rclpy drops what a transition raises, so it is logged here.
    """

    @wraps(step)
    def guarded(node: Any, state: LifecycleState) -> Any:
        try:
            step(node, state)
        except RobomemError as err:
            node.get_logger().error(str(err))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            node.get_logger().fatal(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    return guarded


def autostart(node: Any, name: str) -> None:
    """Configure and activate a lifecycle node, unless its parameters leave that to others.

    Raises:
        RobomemError: A transition failed; the node has logged why.
    """
    if not node.get_parameter("autostart").value:
        return
    for step in (node.trigger_configure, node.trigger_activate):
        if step() != TransitionCallbackReturn.SUCCESS:
            raise RobomemError(f"{name} did not start: its log says why")
