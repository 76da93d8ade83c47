"""Streams of messages in, observations out: what a bag replay and a live ROS node share.

An image, a cloud or a scan waits until its pose is known and its companions are there, or it waited
too long; then it leaves as a `Draft`, in order of stamps. What leaves depends on what was pushed alone.
"""

import heapq
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from robomem.config import IoConfig
from robomem.errors import DataError
from robomem.geometry import Pose
from robomem.io import ros_messages
from robomem.io.drafts import Arrival, Draft, Partners, Role, misfit, observe
from robomem.io.localization import Localizer, Placement
from robomem.io.topics import shared_levels
from robomem.types import Observation

__all__ = ["Assembler", "Draft", "Role"]

NS_PER_S = 1_000_000_000

# Only the first group that has a topic is observed for itself; the rest serves it.
_ANCHORS = (
    (Role.DEPTH, Role.POINTS, Role.SCAN),
    (Role.DETECTIONS,),
    (Role.ODOM,),
    (Role.POSE,),
)
_COMPANIONS = (Role.COLOR, Role.DETECTIONS)
_INFOS = (Role.DEPTH_INFO, Role.COLOR_INFO)


class Assembler:
    """Joins messages of several topics to observations; feed it in order of reception.

    A message that is wrong comes out as a draft too: loading it raises the error, so whoever loads
    drafts counts every rejection in one place.

    Args:
        config: Waiting times, tolerances, names of frames.
        roles: What each topic is used for; topics without a role are ignored.
        source: Names who perceived; what is told adds its topic, for its stamps are the receiver's.
    """

    def __init__(
        self, config: IoConfig, roles: Mapping[str, Role], *, source: str = "robot"
    ) -> None:
        self._config = config
        self._roles = dict(roles)
        self._source = source
        self._wait_ns = round(config.max_wait_s * NS_PER_S)
        self._tolerance_ns = round(config.companion_tolerance_s * NS_PER_S)
        held = set(self._roles.values())
        self._anchor_roles = next((group for group in _ANCHORS if held.intersection(group)), ())
        self._localizer = Localizer(config, has_transforms=bool(held & {Role.TF, Role.TF_STATIC}))
        self._companions = _companions_of_depth(self._roles)
        self._recent: dict[str, deque[Arrival]] = {}  # of colour, detections and infos, by topic
        self._pending: list[Arrival] = []  # a heap
        self._arrivals = 0

    def push(self, topic: str, message: Any, received_ns: int) -> list[Draft]:
        """Take a message; return what became complete by it, in order of stamps.

        Args:
            topic: Its topic; the role of the topic says how it is read.
            message: As rosbags or rclpy deserialise it.
            received_ns: When it was received or recorded.
        """
        role = self._roles.get(topic, Role.IGNORED)
        try:
            drafts = self._take(topic, role, message, received_ns)
        except DataError as err:
            drafts = [self.refused(err, received_ns)]
        except AttributeError as err:
            drafts = [self.refused(misfit(topic, err), received_ns)]
        return drafts + self._drain(received_ns)

    def tick(self, now_ns: int) -> list[Draft]:
        """Return what has waited long enough by the clock of reception; for a pause in the streams."""
        return self._drain(now_ns)

    def flush(self) -> list[Draft]:
        """Return what still waits, as it is, in order of stamps."""
        return [self._draft(heapq.heappop(self._pending)) for _ in range(len(self._pending))]

    def refused(self, err: DataError, stamp_ns: int) -> Draft:
        """Return the draft that stands for bad input: loading it raises the error."""
        return Draft(stamp_ns, partial(_raise, err))

    def _take(self, topic: str, role: Role, message: Any, received_ns: int) -> list[Draft]:
        drafts: list[Draft] = []
        match role:
            case Role.TOLD:
                drafts.append(self._told(topic, message, received_ns))
            case Role.TF | Role.TF_STATIC:
                errors = self._localizer.take_transforms(
                    message, is_static=role is Role.TF_STATIC, received_ns=received_ns
                )
                drafts += [self.refused(err, received_ns) for err in errors]
            case Role.ODOM:
                self._localizer.take_odometry(message, received_ns=received_ns)
            case Role.POSE:
                self._localizer.take_pose(message, received_ns=received_ns)
        if role in (*self._anchor_roles, *_COMPANIONS, *_INFOS):
            self._keep(self._arrival(topic, role, message, received_ns))
        return drafts

    def _arrival(self, topic: str, role: Role, message: Any, received_ns: int) -> Arrival:
        self._arrivals += 1
        stamp_ns = ros_messages.stamp_ns(message.header) or received_ns
        return Arrival(stamp_ns, self._arrivals, topic, role, message, received_ns)

    def _keep(self, arrival: Arrival) -> None:
        if arrival.role in self._anchor_roles:
            heapq.heappush(self._pending, arrival)
            return
        size = 1 if arrival.role in _INFOS else self._config.max_pending
        self._recent.setdefault(arrival.topic, deque(maxlen=size)).append(arrival)

    def _drain(self, now_ns: int) -> list[Draft]:
        drafts = []
        while self._pending and self._is_due(self._pending[0], now_ns):
            drafts.append(self._draft(heapq.heappop(self._pending)))
        return drafts

    def _is_due(self, arrival: Arrival, now_ns: int) -> bool:
        waited_ns = now_ns - arrival.received_ns
        has_waited = not 0 <= waited_ns <= self._wait_ns  # a clock that went back ends the wait too
        is_full = len(self._pending) > self._config.max_pending
        return has_waited or is_full or self._is_complete(arrival)

    def _is_complete(self, arrival: Arrival) -> bool:
        at_ns = arrival.stamp_ns
        if arrival.role is Role.POSE:
            return True
        if arrival.role is Role.ODOM:
            return self._localizer.is_odometry_settled(arrival.message, at_ns)
        if not self._localizer.is_settled(arrival.frame, at_ns):
            return False
        topics = self._companions.get(arrival.topic, {}) if arrival.role is Role.DEPTH else {}
        return all(self._has_arrived(topic, role, at_ns) for role, topic in topics.items())

    def _has_arrived(self, topic: str, role: Role, at_ns: int) -> bool:
        latest = self._latest(topic)
        return latest is not None and (role in _INFOS or latest.stamp_ns >= at_ns)

    def _told(self, topic: str, message: Any, received_ns: int) -> Draft:
        source = f"{self._source}{topic}"
        return Draft(
            received_ns,
            partial(Observation, stamp_ns=received_ns, source=source, text=str(message.data)),
        )

    def _draft(self, arrival: Arrival) -> Draft:
        """Fix the pose and the companions now, so that the draft is the same whenever it is loaded."""
        try:
            place, partners = self._place(arrival), self._partners(arrival)
        except DataError as err:
            return self.refused(err, arrival.stamp_ns)
        except AttributeError as err:
            return self.refused(misfit(arrival.topic, err), arrival.stamp_ns)
        return Draft(
            arrival.stamp_ns, partial(observe, arrival, place, partners, source=self._source)
        )

    def _place(self, arrival: Arrival) -> Placement:
        if arrival.role is Role.ODOM:
            return self._localizer.place_odometry(arrival.message, arrival.stamp_ns)
        if arrival.role is Role.POSE:
            return self._localizer.place_pose(arrival.message, arrival.stamp_ns)
        is_camera = arrival.role in (Role.DEPTH, Role.DETECTIONS)
        return self._localizer.place(arrival.frame, arrival.stamp_ns, is_camera=is_camera)

    def _partners(self, arrival: Arrival) -> Partners:
        """Return what was measured together with a depth image; nothing with other sensors."""
        if arrival.role is Role.DETECTIONS:
            return Partners(detections=arrival, T_cam_seen=np.eye(4))
        topics = self._companions.get(arrival.topic, {})
        color = self._nearest(topics.get(Role.COLOR), arrival.stamp_ns)
        stamps = {arrival.stamp_ns, color.stamp_ns} if color else {arrival.stamp_ns}
        detections = self._claim(topics.get(Role.DETECTIONS), stamps)
        return Partners(
            depth_info=self._latest(topics.get(Role.DEPTH_INFO)),
            color_info=self._latest(topics.get(Role.COLOR_INFO)),
            color=color,
            detections=detections,
            T_cam_seen=self._pose_of_sightings(arrival, detections),
        )

    def _latest(self, topic: str | None) -> Arrival | None:
        recent = self._recent.get(topic or "")
        return recent[-1] if recent else None

    def _nearest(self, topic: str | None, at_ns: int) -> Arrival | None:
        """Return the arrival nearest to a time, within the tolerance."""
        recent = self._recent.get(topic or "", deque())
        while recent and recent[0].stamp_ns < at_ns - self._tolerance_ns:
            recent.popleft()
        best = min(recent, key=lambda arrival: abs(arrival.stamp_ns - at_ns), default=None)
        return best if best and abs(best.stamp_ns - at_ns) <= self._tolerance_ns else None

    def _claim(self, topic: str | None, stamps: set[int]) -> Arrival | None:
        """Take the detections made in an image with one of these stamps: no sighting counts twice."""
        recent = self._recent.get(topic or "", deque())
        found = next((arrival for arrival in recent if arrival.stamp_ns in stamps), None)
        if found:
            recent.remove(found)
        return found

    def _pose_of_sightings(self, arrival: Arrival, detections: Arrival | None) -> Pose:
        """Return the frame of the detections in that of the depth image; 2-D ones have none."""
        if detections is None or detections.frame in ("", arrival.frame):
            return np.eye(4)
        if not ros_messages.has_positions(detections.message):
            return np.eye(4)
        return self._localizer.between(arrival.frame, detections.frame, arrival.stamp_ns)


def _companions_of_depth(roles: Mapping[str, Role]) -> dict[str, dict[Role, str]]:
    """Give every companion topic to the depth topic whose name shares most with its own."""
    depths = sorted(topic for topic, role in roles.items() if role is Role.DEPTH)
    companions: dict[str, dict[Role, str]] = {topic: {} for topic in depths}
    for topic in sorted(roles):
        if depths and roles[topic] in (*_COMPANIONS, *_INFOS):
            depth = max(depths, key=partial(shared_levels, topic))
            rival = companions[depth].get(roles[topic])
            if rival is None or shared_levels(depth, topic) > shared_levels(depth, rival):
                companions[depth][roles[topic]] = topic
    return companions


def _raise(err: DataError) -> Observation:
    raise err
