"""The vocabulary: what goes into a memory, what it holds, what comes out. Frozen, checked at the boundary.

Frames are REP 105's (`map`, `odom`, `base`) and `cam`, the frame of the sensor: for a depth image the
optical frame (REP 103: z forward, x right, y down), for points the frame that they are given in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.checks import (
    checked_color,
    checked_depth,
    checked_embedding,
    checked_intrinsics,
    checked_points,
    checked_pose,
    checked_stamp,
    checked_text,
    checked_vector,
)
from robomem.errors import DataError, FormatError, FrameError, Reason, StampError
from robomem.geometry import Depth, Points, Pose
from robomem.query import Query as Query
from robomem.query import QueryKind as QueryKind

Vector = NDArray[np.float64]  # (3,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """One sighting of one thing in one image: where, by position or by box, and what.

    Attributes:
        label: What it is, in words: "mug", "red mug". Kept lower-case, single-spaced.
        score: Confidence of the detector, in [0, 1].
        p_cam: Centre in the sensor's frame, (3,) metres. None: lifted from depth inside `box_px`.
        box_px: (u_min, v_min, u_max, v_max) in pixels of the depth image.
        size_m: Extent along the axes of the map, (3,) metres.
        embedding: Appearance, (D,) float32 of unit length.

    Raises:
        DataError: The label is empty, a number is not finite, or neither p_cam nor box_px is given.
    """

    label: str
    score: float = 1.0
    p_cam: Vector | None = None
    box_px: NDArray[np.float64] | None = None
    size_m: Vector | None = None
    embedding: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        label = " ".join(self.label.lower().split())
        if not label:
            raise DataError("a detection needs a label, got an empty one")
        if not 0.0 <= self.score <= 1.0:
            raise DataError(f"the score of a detection lies in [0, 1], got {self.score}")
        if self.p_cam is None and self.box_px is None:
            raise DataError(f"detection {label!r} has no place: give p_cam or box_px")
        object.__setattr__(self, "label", label)
        for name, size in (("p_cam", 3), ("box_px", 4), ("size_m", 3)):
            _check(self, name, partial(checked_vector, size=size, name=name))
        _check(self, "embedding", checked_embedding)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """What the robot perceived at one instant: any of depth, points, colour, detections and text.

    The pose is `T_map_cam`, or else `T_odom_base` with the extrinsics `T_base_cam` (identity when None).
    With both, odometry, which never jumps, measures the length of the path.
    Without anything else it remembers where the robot was. Only text may come without a pose.

    Attributes:
        stamp_ns: Time of the measurement, nanoseconds since the epoch of the data, >= 0.
        source: Who perceived it; stamps must advance within a source.
        T_map_cam: Pose of the sensor in map, (4, 4).
        T_odom_base: Pose of the base in odom, (4, 4).
        T_base_cam: Pose of the sensor on the base, (4, 4).
        depth_m: Depth along z, (H, W) float32 metres. NaN is invalid, inf is "nothing up to the range".
        K: Pinhole intrinsics of depth and colour, (3, 3) pixels; needed with depth.
        points_cam: Returns of a LiDAR or a scan, (N, 3) metres; rows that are not finite are skipped.
        color: RGB image, (H, W, 3) uint8.
        detections: What a detector saw.
        text: What the robot was told.

    Raises:
        FormatError, FrameError, StampError: A field has the wrong form; `reason` names which.
    """

    stamp_ns: int
    source: str = "robot"
    T_map_cam: Pose | None = None
    T_odom_base: Pose | None = None
    T_base_cam: Pose | None = None
    depth_m: Depth | None = None
    K: NDArray[np.float64] | None = None
    points_cam: Points | None = None
    color: NDArray[np.uint8] | None = None
    detections: tuple[Detection, ...] = ()
    text: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stamp_ns", checked_stamp(self.stamp_ns))
        for name in ("T_map_cam", "T_odom_base", "T_base_cam"):
            _check(self, name, partial(checked_pose, name=name))
        object.__setattr__(self, "detections", tuple(self.detections))
        _check(self, "depth_m", checked_depth)
        if self.K is not None or self.depth_m is not None:
            object.__setattr__(self, "K", checked_intrinsics(self.K))
        _check(self, "points_cam", partial(checked_points, name="points_cam"))
        _check(self, "color", checked_color)
        text = self.text.strip() if self.text else ""
        object.__setattr__(self, "text", checked_text(text, name="text") if text else None)
        self._check_whole()

    @property
    def has_pose(self) -> bool:
        """Whether the sensor's pose is known."""
        return self.T_map_cam is not None or self.T_odom_base is not None

    @property
    def has_scan(self) -> bool:
        """Whether it carries a depth image or points."""
        return self.depth_m is not None or self.points_cam is not None

    def _check_whole(self) -> None:
        senses = self.depth_m, self.points_cam, self.color
        if not self.has_pose and (self.detections or any(part is not None for part in senses)):
            raise FrameError(
                "an observation with sensor data needs a pose: give T_map_cam or T_odom_base",
                reason=Reason.NO_TRANSFORM,
            )
        if not self.has_pose and not self.text:
            raise FormatError("the observation is empty", reason=Reason.OBSERVATION_EMPTY)


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """An anchor: everything remembered hangs on one, so a corrected pose moves it all.

    It was made at `stamp_ns`, and until `until_ns` the robot was near it. `depth_digest` and
    `color_digest` name the images kept with it, None where there are none; K is of these, (3, 3) pixels.
    """

    keyframe_id: int
    stamp_ns: int
    until_ns: int
    T_map_kf: Pose
    source: str
    depth_digest: str | None = None
    color_digest: str | None = None
    K: NDArray[np.float64] | None = None


class EntityState(StrEnum):
    """What the memory believes of an entity."""

    PRESENT = "present"
    MISSING = "missing"  # not at its place when that was looked at
    GONE = "gone"  # still missing at a look long after: it was removed


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """A thing believed in, or that was: what is gone keeps its name, its place and its history.

    Attributes:
        label: What it was called most often.
        p_kf: Its centre, (3,) metres in its keyframe.
        p_map: The same point in map.
        size_m: Its extent along the axes of map, (3,) metres.
        confidence: That the detector was right.
        existence: Log-odds that it is there: sightings add, looks through its place subtract.
        absent_ns: When its place was last looked at and it was not there.
        labels: How often it was called what, the most often first.
        split_from: The entity that it was taken for a part of, until both were seen at once.
    """

    entity_id: int
    label: str
    state: EntityState
    keyframe_id: int
    p_kf: Vector
    p_map: Vector
    size_m: Vector | None
    first_seen_ns: int
    last_seen_ns: int
    sightings: int
    confidence: float
    existence: float = 0.0
    absent_ns: int | None = None
    labels: tuple[tuple[str, int], ...] = ()
    split_from: int | None = None


class EventKind(StrEnum):
    """What can happen."""

    APPEARED = "appeared"
    SEEN = "seen"
    MOVED = "moved"
    MISSING = "missing"
    TOLD = "told"
    OBSERVED = "observed"
    ACTED = "acted"
    OUTCOME = "outcome"


SIGHTINGS = (EventKind.APPEARED, EventKind.SEEN, EventKind.MOVED)
LOGGED = (EventKind.OBSERVED, EventKind.TOLD, EventKind.ACTED, EventKind.OUTCOME)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Happening:
    """Something to remember that is no image: a caption, an utterance, an action, an outcome.

    Its place is `p_map`, or else where the robot was; without either it has none.

    Attributes:
        kind: OBSERVED (a caption), TOLD (an utterance), ACTED or OUTCOME.
        stamp_ns: When it began, nanoseconds since the epoch of the data, >= 0.
        text: What happened, in words.
        until_ns: When it ended; by default as it began.
        source: Who says so.
        label: The thing that it is about, in words. Kept lower-case, single-spaced.
        room: The room that it happened in, in words. Kept like the label.
        p_map: Where it happened, (3,) metres in map.
        T_map_base: Pose of the robot then, (4, 4).
        embedding: What it means, (D,) float32 of unit length; one model a memory.

    Raises:
        DataError: The kind is another, the text is empty, or a number is wrong; `reason` names which.
    """

    kind: EventKind
    stamp_ns: int
    text: str
    until_ns: int | None = None
    source: str = "robot"
    label: str | None = None
    room: str | None = None
    p_map: Vector | None = None
    T_map_base: Pose | None = None
    embedding: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.kind not in LOGGED:
            raise DataError(f"what is logged is one of {', '.join(LOGGED)}, got {self.kind!r}")
        object.__setattr__(self, "kind", EventKind(self.kind))
        for name in ("stamp_ns", "until_ns"):
            _check(self, name, checked_stamp)
        if self.until_ns is not None and self.until_ns < self.stamp_ns:
            raise StampError("it ended before it began", reason=Reason.STAMP_INVALID)
        for name in ("text", "source"):
            _check(self, name, partial(checked_text, name=name))
        for name in ("label", "room"):
            _check(self, name, lambda text: checked_text(text.lower(), name="its name"))
        _check(self, "p_map", partial(checked_vector, size=3, name="p_map"))
        _check(self, "T_map_base", partial(checked_pose, name="T_map_base"))
        _check(self, "embedding", checked_embedding)


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Something that happened from `stamp_ns` to `until_ns`, at `p_map` where that is known.

    `p_from_map` is where a moved entity stood before. `text` is what was told, or a sentence.
    """

    event_id: int
    kind: EventKind
    stamp_ns: int
    until_ns: int
    text: str
    source: str
    keyframe_id: int | None = None
    entity_id: int | None = None
    label: str | None = None
    p_map: Vector | None = None
    p_from_map: Vector | None = None
    room: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Why a hit is believed: the keyframe it was seen from, when, where, how sure."""

    stamp_ns: int
    score: float
    text: str
    keyframe_id: int | None = None
    T_map_kf: Pose | None = None
    p_map: Vector | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """One result of `recall`, best first: an entity, an event, a room, or a bare stay of the robot.

    `since_ns` is when it began, for what lasted: a stay, an absence. `fact` is a fact in words.
    """

    score: float
    evidence: Evidence
    entity: Entity | None = None
    event: Event | None = None
    room: str | None = None
    fact: str | None = None
    since_ns: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A sentence with its evidence. Falsy when there is none: then `text` says so.

    `value` is the number asked for, where the question was "how many" or "how long" (in seconds), and
    1 for yes and 0 for no.
    """

    question: str
    text: str
    query: Query
    hits: tuple[Hit, ...]
    is_found: bool
    value: int | None = None

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The evidence of every hit, best first."""
        return tuple(hit.evidence for hit in self.hits)

    def __bool__(self) -> bool:
        return self.is_found


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of each a memory holds; cheap to ask for."""

    observations: int
    keyframes: int
    entities: int
    events: int


@dataclass(frozen=True, slots=True)
class RetentionInfo:
    """How much of what happened is kept, and what became of the rest.

    Attributes:
        events: How many are kept, of `max_events` at most.
        bytes: What they take, of `max_bytes` at most.
        pinned: How many stay whatever happens.
        merged: How many went into others that said the same.
        evicted: How many made room for others, by kind.
        strategies: How much each strategy has to say about what goes; they sum to one.
    """

    events: int
    max_events: int
    bytes: int
    max_bytes: int
    pinned: int
    merged: int
    evicted: dict[str, int]
    strategies: dict[str, float]


@dataclass(frozen=True, slots=True)
class Consolidation:
    """What was done while idle.

    Attributes:
        looked_at: Events that were compared with those before them.
        merged: How many went into others that said the same.
        evicted: How many made room.
        is_done: Whether there is nothing left to do.
    """

    looked_at: int
    merged: int
    evicted: int
    is_done: bool


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong the memory of an event is.

    Attributes:
        retention: In (0, 1]: 1 is fresh, see `episodic.retention.strength`.
        stability_s: In this time it fades to 1/e.
        recalls: How often it was recalled.
        weight: How many events it stands for.
        is_pinned: Whether it stays whatever happens.
    """

    event_id: int
    retention: float
    stability_s: float
    recalls: int
    weight: int
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """What a memory holds, in numbers.

    `frames` counts the observations with a depth image or points, `rejections` those rejected, by reason.
    """

    observations: int
    frames: int
    rejections: dict[str, int]
    keyframes: int
    entities: int
    events: int
    path_length_m: float
    known_m3: float
    free_m3: float
    occupied_m3: float
    first_stamp_ns: int | None
    last_stamp_ns: int | None
    voxel_size_m: float
    bytes_on_disk: int
    retention: RetentionInfo
    schema: int
    content_hash: str

    @property
    def rejected(self) -> int:
        """How many observations were rejected."""
        return sum(self.rejections.values())


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a recording was read: stored with the observation, so a replay can resume.

    `recording` is its fingerprint, `position` counts its items from 0.
    """

    recording: str
    position: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an observation; falsy when it was rejected. What is acknowledged is durable."""

    keyframe_id: int | None
    is_new_keyframe: bool = False
    rejected: Reason | None = None

    def __bool__(self) -> bool:
        return self.rejected is None


@dataclass(frozen=True, slots=True)
class LogReceipt:
    """What became of happenings. What is acknowledged is durable.

    `event_ids` are those of what was accepted, in order; `rejected` says why each of the others was not, by
    its place among what was given.
    """

    event_ids: tuple[int, ...]
    rejected: Mapping[int, Reason]

    def __bool__(self) -> bool:
        return not self.rejected


def _check(instance: object, field: str, check: Callable[[Any], Any]) -> None:
    """Set a field that is not None to its checked value."""
    value = getattr(instance, field)
    if value is not None:
        object.__setattr__(instance, field, check(value))
