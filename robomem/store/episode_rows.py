"""The rows of episodes: segments of the log that are closed, chunks of them, days of these."""

from dataclasses import dataclass

# What was deleted from the log or reworded, until the episodes that told of it are made anew.
EPISODE_SCHEMA = (
    "CREATE INDEX IF NOT EXISTS episode_by_level ON episode (level, first_event_id)",
    "CREATE INDEX IF NOT EXISTS episode_by_parent ON episode (parent_id)",
    "CREATE TABLE IF NOT EXISTS stale_event (event_id INTEGER PRIMARY KEY)",
    """CREATE TRIGGER IF NOT EXISTS episode_without AFTER DELETE ON event BEGIN
    INSERT OR IGNORE INTO stale_event VALUES (old.event_id);
    END""",
    """CREATE TRIGGER IF NOT EXISTS episode_with_other AFTER UPDATE ON event
    WHEN old.text <> new.text OR old.kind <> new.kind OR old.stamp_ns <> new.stamp_ns
    OR old.label IS NOT new.label OR old.room IS NOT new.room BEGIN
    INSERT OR IGNORE INTO stale_event VALUES (old.event_id);
    END""",
)


@dataclass(frozen=True, slots=True, eq=False)
class EpisodeRow:
    """What is summed up of events that followed one another.

    Attributes:
        level: 0 is a segment, 1 a chunk, 2 a day.
        parent_id: The episode that it is a part of; None of a day.
        day: The day (UTC) that it began on, counted from the epoch.
        first_event_id: Of the log,
        last_event_id: and it holds every event between; but a day, where the clock went back, holds its chunks.
        events: How many.
        stamp_ns: The earliest beginning of an event,
        until_ns: and the latest.
        tallies: How many events are of each kind, label and room, as JSON.
        central: The events that tell most of it, and how many each speaks for, as JSON.
        words: Sum of the events' words, (256,) float32.
        meaning: Sum of their embeddings, (D,) float32.
    """

    episode_id: int
    level: int
    parent_id: int | None
    day: int
    first_event_id: int
    last_event_id: int
    events: int
    stamp_ns: int
    until_ns: int
    tallies: str
    central: str
    words: bytes
    meaning: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class TailRow:
    """Where the segments begin that are not closed yet, and how far the log was followed; one row."""

    tail_id: int
    settling_from: int | None
    open_from: int
    last_event_id: int
