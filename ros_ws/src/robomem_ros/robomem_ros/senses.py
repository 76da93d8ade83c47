"""What a policy is shown on a robot: a state, and with it whatever else the policy wants to see."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from sensor_msgs.msg import JointState

from robomem.errors import ConfigError
from robomem.policy.runtime.manifest import Spec
from robomem.policy.runtime.senses import IMAGES, POSITION, RECALLED, RECALLED_MASK, STATE
from robomem_ros import convert, topics
from robomem_ros.cameras import Cameras
from robomem_ros.options import PolicyNodeOptions
from robomem_ros.recalling import Recalling

Arrays = dict[str, NDArray[Any]]


class Senses:
    """Listens while entered; every state makes an observation, which is decoded where it is thought of.

    Args:
        node: Through which it listens.
        options: Topics, cameras and what to recall.
        wanted: What the policy wants, by LeRobot's keys.
        show: Takes what makes an observation, and its stamp in nanoseconds.

    Raises:
        ConfigError: The policy wants what no parameter provides.
    """

    def __init__(
        self,
        node: Any,
        options: PolicyNodeOptions,
        wanted: Mapping[str, Spec],
        show: Callable[[Callable[[], Arrays], int], None],
    ) -> None:
        images = {key: spec for key, spec in wanted.items() if key.startswith(IMAGES)}
        unknown = wanted.keys() - images.keys() - {STATE, RECALLED, RECALLED_MASK}
        if unknown:
            raise ConfigError(
                f"the policy wants {', '.join(sorted(unknown))}: the node has states, images and what is recalled"
            )
        self._node = node
        self._topics = options.topics
        self._show = show
        self._cameras = Cameras(node, options.cameras, images, max_skew_s=options.max_skew_s)
        self._recalling: Recalling | None = None
        if RECALLED in wanted:
            mask = wanted.get(RECALLED_MASK, Spec("bool", ()))
            self._recalling = Recalling(node, options, recalled=wanted[RECALLED], mask=mask)
        self._opened = ExitStack()

    @property
    def counts(self) -> Counter[str]:
        """What became of the questions to the memory, by name."""
        return Counter() if self._recalling is None else self._recalling.counts

    def __enter__(self) -> Self:
        self._positions: Arrays = {}
        self._opened.enter_context(self._cameras)
        if self._recalling is not None:
            self._opened.enter_context(self._recalling)
        heard = (
            (JointState, self._topics.state, self._hear_state),
            (Odometry, self._topics.odom, self._hear_odom),
        )
        for kind, topic, hear in heard:
            if topic:
                subscription = self._node.create_subscription(kind, topic, hear, topics.reliable(1))
                self._opened.callback(self._node.destroy_subscription, subscription)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def _hear_odom(self, message: Any) -> None:
        self._positions = {POSITION: convert.xyz_of(message.pose.pose.position)}

    def _hear_state(self, message: Any) -> None:
        shown = {STATE: np.array(message.position), **self._positions}
        stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self._show(partial(self._load, shown, self._cameras.newest(), stamp_ns), stamp_ns)

    def _load(self, shown: Arrays, images: Mapping[str, Any], stamp_ns: int) -> Arrays:
        """Return an observation; raises DataError."""
        recalled = {} if self._recalling is None else self._recalling.observation(stamp_ns)
        return {**shown, **recalled, **self._cameras.observation(images, stamp_ns)}
