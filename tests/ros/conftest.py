"""Messages without ROS: empty ones, made from the definitions of the packages."""

from pathlib import Path
from typing import Any

import pytest
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

DEFINITIONS = Path(__file__).resolve().parents[2] / "ros_ws/src/robomem_msgs"
ZEROS = {"bool": False, "string": "", "float32": 0.0, "float64": 0.0}


class FakeMessages:
    """Makes empty messages that take only the fields of their definition, as rclpy's do."""

    def __init__(self) -> None:
        self._store = _typestore()

    def __call__(self, name: str) -> Any:
        package, kind = name.split("/")
        _, fields = self._store.fielddefs[f"{package}/msg/{kind}"]
        message = type(kind, (), {"__slots__": [field for field, _ in fields]})()
        for field, definition in fields:
            setattr(message, field, self._empty(definition))
        return message

    def _empty(self, definition: Any) -> Any:
        kind, value = definition
        if kind is Nodetype.BASE:
            return ZEROS.get(value[0], 0)
        if kind is Nodetype.NAME:
            return self(value.replace("/msg/", "/"))
        element, length = value
        return [self._empty(element) for _ in range(length if kind is Nodetype.ARRAY else 0)]


@pytest.fixture(scope="session")
def make() -> FakeMessages:
    return FakeMessages()


def _typestore() -> Typestore:
    store = get_typestore(Stores.ROS2_JAZZY)
    for path in sorted(DEFINITIONS.glob("msg/*.msg")):
        store.register(get_types_from_msg(path.read_text(), f"robomem_msgs/msg/{path.stem}"))
    for path in sorted(DEFINITIONS.glob("srv/*.srv")):
        request, _, _ = path.read_text().partition("---")
        store.register(get_types_from_msg(request, f"robomem_msgs/msg/{path.stem}Request"))
    return store
