"""What is summed up of events: gists, that add up from events to segments, to chunks, to days.

The mean of a chunk is the key that HCAM chooses it by (Lampinen et al., "Towards mental time travel: a
hierarchical memory for reinforcement learning agents", 2021); the tree of summaries is TimeGraphs' (Maheshwari
et al., "TimeGraphs: graph-based temporal reasoning", 2024), here of fixed depth and fan-out.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from robomem.episodic.segments import Beat
from robomem.store.episode_rows import EpisodeRow

SEGMENT, CHUNK, DAY = range(3)  # levels
DAY_NS = 86_400_000_000_000
MAX_CENTRAL = 3  # events that an episode is told by
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Gist:
    """What an episode is about; attributes as in `EpisodeRow`.

    `central` has pairs (how many events it speaks for, event id), `counts` is by field: kind, label, room.
    """

    day: int
    first_event_id: int
    last_event_id: int
    events: int
    stamp_ns: int
    until_ns: int
    counts: dict[str, Counter[str]]
    central: tuple[tuple[int, int], ...]
    words: Vector
    meaning: Vector | None

    def __add__(self, later: "Gist") -> "Gist":
        central = sorted({*self.central, *later.central}, key=lambda c: (-c[0], c[1]))
        return Gist(
            day=self.day,
            first_event_id=min(self.first_event_id, later.first_event_id),
            last_event_id=max(self.last_event_id, later.last_event_id),
            events=self.events + later.events,
            stamp_ns=min(self.stamp_ns, later.stamp_ns),
            until_ns=max(self.until_ns, later.until_ns),
            counts={field: n + later.counts[field] for field, n in self.counts.items()},
            central=tuple(central[:MAX_CENTRAL]),
            words=self.words + later.words,
            meaning=_sum(self.meaning, later.meaning),
        )

    def row(self, episode_id: int, level: int, *, parent_id: int | None) -> EpisodeRow:
        """Return it as a row."""
        return EpisodeRow(
            episode_id=episode_id,
            level=level,
            parent_id=parent_id,
            day=self.day,
            first_event_id=self.first_event_id,
            last_event_id=self.last_event_id,
            events=self.events,
            stamp_ns=self.stamp_ns,
            until_ns=self.until_ns,
            tallies=json.dumps(self.counts, sort_keys=True),
            central=json.dumps(self.central),
            words=self.words.astype("<f4").tobytes(),
            meaning=None if self.meaning is None else self.meaning.astype("<f4").tobytes(),
        )


def gist_of_row(row: EpisodeRow) -> Gist:
    """Return the gist that a row holds."""
    return Gist(
        day=row.day,
        first_event_id=row.first_event_id,
        last_event_id=row.last_event_id,
        events=row.events,
        stamp_ns=row.stamp_ns,
        until_ns=row.until_ns,
        counts={field: Counter(counts) for field, counts in json.loads(row.tallies).items()},
        central=tuple((int(n), int(i)) for n, i in json.loads(row.central)),
        words=np.frombuffer(row.words, "<f4"),
        meaning=None if row.meaning is None else np.frombuffer(row.meaning, "<f4"),
    )


def gist_of_beats(beats: Sequence[Beat]) -> Gist:
    """Sum up a segment."""
    stamps = [beat.stamp_ns for beat in beats]
    return Gist(
        day=stamps[0] // DAY_NS,
        first_event_id=beats[0].event_id,
        last_event_id=beats[-1].event_id,
        events=len(beats),
        stamp_ns=min(stamps),
        until_ns=max(stamps),
        counts={
            "kind": Counter(beat.kind for beat in beats),
            "label": Counter(beat.label for beat in beats if beat.label is not None),
            "room": Counter(beat.room for beat in beats if beat.room is not None),
        },
        central=((len(beats), most_central(beats)),),
        words=reduce(np.add, [beat.words for beat in beats]),
        meaning=reduce(_sum, [beat.embedding for beat in beats]),
    )


def most_central(beats: Sequence[Beat]) -> int:
    """Return the id of the event that is most like the mean of all; by embedding where any has one."""
    meant = [beat for beat in beats if beat.embedding is not None]
    vectors = [beat.embedding for beat in meant] if meant else [beat.words for beat in beats]
    matrix = np.array(vectors)
    return (meant or beats)[int(np.argmax(matrix @ matrix.sum(axis=0)))].event_id


def _sum(a: Vector | None, b: Vector | None) -> Vector | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b
