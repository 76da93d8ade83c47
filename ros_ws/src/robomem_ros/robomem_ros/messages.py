"""ROS message classes by name."""

from functools import cache
from importlib import import_module
from typing import Any


@cache
def message_type(name: str) -> Any:
    """Return the class of a message, such as that of "nav_msgs/Path"."""
    package, kind = name.split("/")
    return getattr(import_module(f"{package}.msg"), kind)


def make(name: str) -> Any:
    """Return an empty message: the factory that `convert` takes."""
    return message_type(name)()
