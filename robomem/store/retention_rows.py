"""What is known of every event besides what it says: how strong it is, and what else decides what is kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robomem.types import EventKind

RETENTION_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS tally (tally_id INTEGER PRIMARY KEY, events INTEGER, bytes INTEGER)",
    "INSERT OR IGNORE INTO tally VALUES (0, 0, 0)",
    "CREATE INDEX IF NOT EXISTS trace_by_topic ON trace (topic)",
    "CREATE INDEX IF NOT EXISTS pinned_trace ON trace (event_id) WHERE is_pinned",
    """CREATE TRIGGER IF NOT EXISTS trace_born AFTER INSERT ON trace BEGIN
    UPDATE tally SET events = events + 1, bytes = bytes + new.size;
    END""",
    """CREATE TRIGGER IF NOT EXISTS trace_gone AFTER DELETE ON trace BEGIN
    UPDATE tally SET events = events - 1, bytes = bytes - old.size;
    END""",
    """CREATE TRIGGER IF NOT EXISTS event_untraced AFTER DELETE ON event BEGIN
    DELETE FROM trace WHERE event_id = old.event_id;
    END""",
)


@dataclass(frozen=True, slots=True, eq=False)
class TraceRow:
    """The memory trace of an event.

    Attributes:
        last_ns: When it ended as it was logged, or was last recalled.
        stability_s: How slowly it fades; see `episodic.retention.strength`.
        recalls: How often it was recalled.
        weight: How many events it stands for: those that said the same were merged into it.
        place: Key of the place.
        topic: Key of what it is about.
        size: Bytes.
        is_pinned: Whether it stays whatever happens.
    """

    event_id: int
    last_ns: int
    stability_s: float
    recalls: int
    weight: int
    place: int
    topic: int
    size: int
    is_pinned: bool


@dataclass(frozen=True, slots=True, eq=False)
class EvictedRow:
    """All that is known of what went: how much of one kind that had ended on one day of the data.

    Attributes:
        day: Days since the epoch of the data.
        events: How many went,
        weight: and how many they stood for.
        bytes: What they took.
        first_ns: The first stamp,
        last_ns: and the last.
    """

    kind: EventKind
    day: int
    events: int
    weight: int
    bytes: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class ShadowRow:
    """An event in the miniature lives of the strategies; `held` has a bit for each that would still have it."""

    event_id: int
    held: int
    stamp_ns: int
    last_ns: int
    stability_s: float
    place: int
    topic: int


@dataclass(frozen=True, slots=True, eq=False)
class VisitRow:
    """How often the robot came to a place."""

    place: int
    visits: int


@dataclass(frozen=True, slots=True, eq=False)
class LearningRow:
    """Where retention stands; there is one.

    Attributes:
        weights: Of the strategies, (P,).
        current_place: Where the robot is.
        newest_ns: The newest stamp.
        consolidated_id: The last event that was looked at for others that say the same.
        merged: How many were merged into others.
    """

    learning_id: int
    weights: NDArray[np.float64]
    current_place: int
    newest_ns: int
    consolidated_id: int
    merged: int
