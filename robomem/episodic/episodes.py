"""An episode as it is told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from robomem.claims import ClaimKind
from robomem.episodic.chunks import Gist
from robomem.episodic.events import events_of
from robomem.store.episode_rows import EpisodeRow
from robomem.store.records import Records
from robomem.types import Event, Vector


class EpisodeLevel(StrEnum):
    """How much of life an episode holds."""

    SEGMENT = "segment"  # until something else happens
    CHUNK = "chunk"  # a few segments in a row
    DAY = "day"  # of UTC


LEVELS = tuple(EpisodeLevel)  # at the index that rows have


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """Events that belong together.

    Attributes:
        level: Segment, chunk or day.
        episode_id: None while it is not closed.
        parent_id: The chunk of a segment, the day of a chunk.
        stamp_ns: When its first event began,
        until_ns: and its last one.
        first_event_id: Its first event,
        last_event_id: and its last one; between them all are its own, but for a day when the clock went back.
        events: How many it has.
        kinds: How many of each kind,
        labels: of each label,
        rooms: and in each room.
        central: The events that tell most of it.
        text: What happened, in words.
        embedding: The mean of its events' embeddings, of unit length.
    """

    level: EpisodeLevel
    episode_id: int | None
    parent_id: int | None
    stamp_ns: int
    until_ns: int
    first_event_id: int
    last_event_id: int
    events: int
    kinds: Mapping[str, int]
    labels: Mapping[str, int]
    rooms: Mapping[str, int]
    central: tuple[Event, ...]
    text: str
    embedding: NDArray[np.float32] | None

    @property
    def p_map(self) -> Vector | None:
        """Where it was, (3,) metres: the place of the event that tells most of it and has one."""
        return next((event.p_map for event in self.central if event.p_map is not None), None)


def episodes_of(
    records: Records, level: EpisodeLevel, gists: Iterable[tuple[EpisodeRow | None, Gist]]
) -> list[Episode]:
    """Return episodes of one level; there is no row of what is not closed."""
    held_ids = records.held_ids(ClaimKind.EVENT)
    return [_episode(records, level, row, gist, held_ids) for row, gist in gists]


def _episode(
    records: Records, level: EpisodeLevel, row: EpisodeRow | None, gist: Gist, held_ids: set[int]
) -> Episode:
    shown = [event_id for _, event_id in gist.central if event_id not in held_ids]
    rows = (records.events.get(event_id) for event_id in shown)
    central = tuple(events_of(records, [row for row in rows if row is not None]))
    norm = 0.0 if gist.meaning is None else float(np.linalg.norm(gist.meaning))
    return Episode(
        level=level,
        episode_id=row.episode_id if row else None,
        parent_id=row.parent_id if row else None,
        stamp_ns=gist.stamp_ns,
        until_ns=gist.until_ns,
        first_event_id=gist.first_event_id,
        last_event_id=gist.last_event_id,
        events=gist.events,
        kinds=gist.counts["kind"],
        labels=gist.counts["label"],
        rooms=gist.counts["room"],
        central=central,
        text=_told(gist, central),
        embedding=gist.meaning / np.float32(norm) if gist.meaning is not None and norm else None,
    )


def _told(gist: Gist, central: tuple[Event, ...]) -> str:
    """Return what happened: how much of what kind, where, and the events that tell most of it."""
    kinds = ", ".join(f"{n} {kind}" for kind, n in gist.counts["kind"].most_common())
    rooms = ", ".join(room for room, _ in gist.counts["room"].most_common())
    quotes = "; ".join(dict.fromkeys(event.text for event in central))
    return f"{kinds}{f' in {rooms}' if rooms else ''}: {quotes}"
