"""What a policy is told of the long-term memory: the hits of one query, asked for again and again."""

from collections import Counter
from contextlib import ExitStack
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from robomem_msgs.srv import Recall

from robomem.errors import ConfigError, DataError, FrameError, QueryError
from robomem.io.localization import Localizer
from robomem.policy.runtime.manifest import Spec
from robomem.policy.runtime.senses import RECALLED, RECALLED_MASK
from robomem.types import Hit
from robomem.working.recalled import FIXED, recalled_tokens
from robomem_ros import convert, topics
from robomem_ros.messages import make, message_type
from robomem_ros.options import PolicyNodeOptions

TICK_S = 0.05  # a query that changed is asked this soon
NS_PER_S = 1_000_000_000
LOG_PERIOD_S = 10.0
ANSWERED, ABSENT, LATE, REFUSED = (
    "recall_answered",
    "recall_absent",
    "recall_late",
    "recall_refused",
)
UNPLACED, BAD_TRANSFORM = "recall_unplaced", "transform_refused"


class _Query(NamedTuple):
    label: str
    text: str
    radius_m: float

    @property
    def is_empty(self) -> bool:
        return not (self.label or self.text)


NOTHING = _Query("", "", 0.0)


class Recalling:
    """Asks the memory node while entered. Nobody waits for it: what it said last stays, and grows older.

    Attributes:
        counts: Answers that came, did not come in time, or were refusals; times that nobody was there to ask, or nobody
            knew near where; transforms that are none.
    """

    def __init__(
        self, node: Any, options: PolicyNodeOptions, *, recalled: Spec, mask: Spec
    ) -> None:
        slots, size = recalled.shape if len(recalled.shape) == 2 else (0, 0)
        if slots < 1 or size <= FIXED or mask.shape != (slots,):
            raise ConfigError(
                f"{RECALLED} is (slots, {FIXED} and words), its mask (slots,): got {recalled.shape}, {mask.shape}"
            )
        self.counts = Counter(
            dict.fromkeys((ANSWERED, ABSENT, LATE, REFUSED, UNPLACED, BAD_TRANSFORM), 0)
        )
        self._node = node
        self._options = options
        self._slots, self._words = slots, size - FIXED
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        self._lock = Lock()  # of the transforms: the policy thinks in another thread
        self._opened = ExitStack()
        if self._wanted().is_empty:
            raise ConfigError(
                "the policy wants to know what is recalled: say of what, in recall.label or recall.text"
            )

    def __enter__(self) -> Self:
        node, names = self._node, self._options.topics
        self._localizer = Localizer(self._options.io, has_transforms=True)
        self._asked, self._asked_ns = NOTHING, 0
        self._pending: Any = None
        self._answer: tuple[_Query, tuple[Hit, ...]] = (NOTHING, ())
        self._client = node.create_client(Recall, f"{self._options.recall.memory}/recall")
        self._opened.callback(node.destroy_client, self._client)
        for topic, is_static in ((names.tf, False), (names.tf_static, True)):
            qos = topics.LATCHED_STATIC_TF if is_static else topics.reliable(topics.RELIABLE_QUEUE)
            hear = partial(self._hear_transforms, is_static=is_static)
            heard = node.create_subscription(message_type("tf2_msgs/TFMessage"), topic, hear, qos)
            self._opened.callback(node.destroy_subscription, heard)
        timer = node.create_timer(TICK_S, self._tick, clock=self._clock)
        self._opened.callback(node.destroy_timer, timer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def observation(self, stamp_ns: int) -> dict[str, NDArray[Any]]:
        """Return what was recalled, seen from where the robot was then; nothing until the query is answered.

        Any thread may call it.

        Raises:
            FrameError: Nobody knows where the robot was.
        """
        with self._lock:
            T_map_base = self._localizer.base_in_map(stamp_ns)
        query, hits = self._answer
        tokens = recalled_tokens(
            hits if query == self._wanted() else (),
            T_map_base=T_map_base,
            now_ns=stamp_ns,
            slots=self._slots,
            size=self._words,
        )
        return {RECALLED: tokens.features, RECALLED_MASK: tokens.mask}

    def _wanted(self) -> _Query:
        """Return the query that the parameters say now."""
        return _Query(
            *(self._node.get_parameter(f"recall.{name}").value for name in _Query._fields)
        )

    def _hear_transforms(self, message: Any, *, is_static: bool) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        with self._lock:
            refused = self._localizer.take_transforms(
                message, is_static=is_static, received_ns=now_ns
            )
            self.counts[BAD_TRANSFORM] += sum(1 for _ in refused)

    def _tick(self) -> None:
        """Ask when it is time, or the query is another one; an answer that is late is not waited for."""
        now_ns, query = self._clock.now().nanoseconds, self._wanted()
        is_changed, waited_s = query != self._asked, (now_ns - self._asked_ns) / NS_PER_S
        if self._pending is not None:
            if not is_changed and waited_s < self._options.recall.timeout_s:
                return
            self._client.remove_pending_request(self._pending)
            self._pending = None
            self.counts[LATE] += not is_changed
        if is_changed or waited_s >= self._options.recall.period_s:
            self._asked, self._asked_ns = query, now_ns
            if not query.is_empty:
                self._ask(query)

    def _ask(self, query: _Query) -> None:
        if not self._client.service_is_ready():
            self.counts[ABSENT] += 1
            return
        request = Recall.Request(label=query.label, text=query.text, limit=self._slots)
        if query.radius_m:
            try:
                here = self._localizer.base_in_map(self._node.get_clock().now().nanoseconds)
            except FrameError:
                self.counts[UNPLACED] += 1
                return
            request.has_near, request.radius_m = True, query.radius_m
            request.near_map = convert.point(here[:3, 3].tolist(), make=make)
        self._pending = self._client.call_async(request)
        self._pending.add_done_callback(partial(self._hear, query))

    def _hear(self, query: _Query, answer: Any) -> None:
        if answer is not self._pending:
            return
        self._pending = None
        try:
            self._answer = query, convert.hits_of(answer.result())
        except (DataError, QueryError) as err:
            self.counts[REFUSED] += 1
            self._node.get_logger().warning(
                f"nothing is recalled: {err}", throttle_duration_sec=LOG_PERIOD_S
            )
        else:
            self.counts[ANSWERED] += 1
