"""Serialised messages to objects, as late as possible; the types are ROS 2's and those of the bag itself."""

import logging
import struct
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from rosbags.interfaces import MessageDefinitionFormat
from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)

from robomem.errors import FormatError, Reason
from robomem.io.storage import BagTopic

logger = logging.getLogger(__name__)
# Decoded on demand: they are large, and their header says when and where.
_LARGE = (
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/PointCloud2",
)
_HYPOTHESIS = """\
ObjectHypothesis hypothesis
geometry_msgs/PoseWithCovariance pose
"""
# vision_msgs 4 (Humble and later), for bags that bring no definitions of their own.
VISION_MSGS = {
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score\n",
    "vision_msgs/msg/ObjectHypothesisWithPose": _HYPOTHESIS,
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y\n",
    "vision_msgs/msg/Pose2D": "Point2D position\nfloat64 theta\n",
    "vision_msgs/msg/BoundingBox2D": "Pose2D center\nfloat64 size_x\nfloat64 size_y\n",
    "vision_msgs/msg/BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size\n",
    "vision_msgs/msg/Detection2D": "std_msgs/Header header\nObjectHypothesisWithPose[] results\n"
    "BoundingBox2D bbox\nstring id\n",
    "vision_msgs/msg/Detection3D": "std_msgs/Header header\nObjectHypothesisWithPose[] results\n"
    "BoundingBox3D bbox\nstring id\n",
    "vision_msgs/msg/Detection2DArray": "std_msgs/Header header\nDetection2D[] detections\n",
    "vision_msgs/msg/Detection3DArray": "std_msgs/Header header\nDetection3D[] detections\n",
}


class Decoder:
    """Deserialises the messages of one bag.

    Args:
        topics: Those that will be decoded; their definitions are read where ROS 2 Jazzy has no such type.
            Definitions are parsed by a strict grammar before rosbags makes classes of them.
    """

    def __init__(self, topics: Iterable[BagTopic]) -> None:
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._types = {topic.name: topic.message_type for topic in topics}
        for topic in topics:
            self._learn(topic)

    def decode(self, topic: str, data: bytes) -> Any:
        """Return the message; a large one is decoded when something beyond its header is asked for.

        Raises:
            FormatError: The bytes are no such message, or its type is unknown.
        """
        if self._types[topic] in _LARGE:
            return LazyMessage(self, topic, data)
        return self.decode_whole(topic, data)

    def decode_whole(self, topic: str, data: bytes) -> Any:
        """Return the message, all of it decoded; raises FormatError."""
        message_type = self._types[topic]
        try:
            return self._store.deserialize_cdr(data, message_type)
        except (
            SerdeError,
            LookupError,
            ValueError,
            AssertionError,
            MemoryError,
            struct.error,
        ) as err:
            raise FormatError(
                f"{topic}: no {message_type} of {len(data)} bytes: {err!r}",
                reason=Reason.MESSAGE_CORRUPT,
            ) from err

    def _learn(self, topic: BagTopic) -> None:
        """Add the types of a topic that the store lacks; what cannot be parsed stays unknown, its messages are refused."""
        if topic.message_type in self._store.fielddefs:
            return
        try:
            if topic.definition.format is MessageDefinitionFormat.IDL:
                types = get_types_from_idl(topic.definition.data)
            elif topic.definition.format is MessageDefinitionFormat.MSG:
                types = get_types_from_msg(topic.definition.data, topic.message_type)
            else:
                types = {}
                for name, text in VISION_MSGS.items():
                    types |= get_types_from_msg(text, name)
            self._store.register({k: v for k, v in types.items() if k not in self._store.fielddefs})
        except (TypesysError, SyntaxError, LookupError, ValueError) as err:
            why = str(err).partition("\n")[0]
            logger.warning("%s: %s is not understood: %s", topic.name, topic.message_type, why)


class LazyMessage:
    """A message of which only the header is read, until more of it is asked for."""

    def __init__(self, decoder: Decoder, topic: str, data: bytes) -> None:
        self._decoder, self._topic, self._data = decoder, topic, data
        self.header = CdrHeader(data)

    @cached_property
    def _message(self) -> Any:
        return self._decoder.decode_whole(self._topic, self._data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)


class CdrHeader:
    """The std_msgs/Header that a serialised message begins with; it is its own stamp."""

    def __init__(self, data: bytes) -> None:
        order = "<" if data[1:2] == b"\x01" else ">"
        try:
            self.sec, self.nanosec, size = struct.unpack_from(f"{order}iII", data, 4)
            self.frame_id = bytes(data[16 : 16 + size]).rstrip(b"\0").decode()
        except (struct.error, UnicodeDecodeError) as err:
            raise FormatError(f"no header: {err}", reason=Reason.MESSAGE_CORRUPT) from err

    @property
    def stamp(self) -> "CdrHeader":
        """The time, as builtin_interfaces/Time has it."""
        return self
