"""The newest image of each camera that a policy wants, decoded and fitted when it is asked for."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import QoSProfile, ReliabilityPolicy

from robomem.errors import ConfigError, Reason, StampError
from robomem.io.images import fitted
from robomem.io.ros_messages import color_image, stamp_ns
from robomem.policy.runtime.manifest import Spec
from robomem.policy.runtime.senses import IMAGES
from robomem_ros.messages import message_type

COMPRESSED = "/compressed"  # so image_transport names its topics
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
NS_PER_S = 1_000_000_000


class Cameras:
    """Listens to cameras while entered."""

    def __init__(
        self, node: Any, topics: Mapping[str, str], wanted: Mapping[str, Spec], *, max_skew_s: float
    ) -> None:
        for key, spec in wanted.items():
            if not topics.get(key.removeprefix(IMAGES)):
                raise ConfigError(
                    f"the policy wants {key}: name its topic, as in cameras:={key.removeprefix(IMAGES)}=TOPIC"
                )
            if len(spec.shape) != 3 or spec.shape[0] not in (1, 3) or 0 in spec.shape:
                raise ConfigError(f"{key} is (1 or 3, H, W), got {spec.shape}")
        self._node = node
        self._topics = topics
        self._wanted = wanted
        self._max_skew_ns = round(max_skew_s * NS_PER_S)
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        self._newest: dict[str, Any] = {}
        self._fitted: dict[str, tuple[Any, NDArray[np.uint8]]] = {}  # with the message it was
        for key in self._wanted:
            topic = self._topics[key.removeprefix(IMAGES)]
            name = "CompressedImage" if topic.endswith(COMPRESSED) else "Image"
            kind = message_type(f"sensor_msgs/{name}")
            hear = partial(self._newest.__setitem__, key)
            heard = self._node.create_subscription(kind, topic, hear, NEWEST)
            self._opened.callback(self._node.destroy_subscription, heard)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def newest(self) -> dict[str, Any]:
        """Return the newest message of each camera that was heard."""
        return dict(self._newest)

    def observation(self, messages: Mapping[str, Any], at_ns: int) -> dict[str, NDArray[np.uint8]]:
        """Return images (C, H, W) of messages by their keys; one thread at a time may call it.

        Raises:
            FormatError: An encoding is unknown, or what is encoded is damaged.
            StampError: An image is of another time.
        """
        return {key: self._image(key, message, at_ns) for key, message in messages.items()}

    def _image(self, key: str, message: Any, at_ns: int) -> NDArray[np.uint8]:
        skew_ns = abs(stamp_ns(message.header) - at_ns)
        if skew_ns > self._max_skew_ns:
            raise StampError(
                f"{key} is {skew_ns / NS_PER_S:.3f} s from the state", reason=Reason.STAMP_SKEW
            )
        before, image = self._fitted.get(key, (None, None))
        if before is not message or image is None:
            image = fitted(color_image(message), self._wanted[key].shape)
            self._fitted[key] = message, image
        return image
