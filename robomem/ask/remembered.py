"""Rows to what they mean now: things, events and stays with their places in map, and hits of them."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from robomem.episodic.events import events_of
from robomem.geometry import Points, Pose
from robomem.store.entity_rows import entity_of
from robomem.store.records import Records
from robomem.store.rows import EntityRow, EventRow
from robomem.types import Entity, EntityState, Event, EventKind, Evidence, Hit


class Remembered:
    """Reads the records of one memory; it keeps poses, so make a new one when anything changed."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._poses: dict[int, Pose | None] = {}

    def entities(self) -> list[Entity]:
        """Return everything believed in, by id."""
        return [self.entity(row) for row in self._records.entities.select("is_confirmed")]

    def entity(self, row: EntityRow) -> Entity:
        """Return a thing with its place in map."""
        T_map_kf = self.pose(row.keyframe_id)
        assert T_map_kf is not None, "its keyframe is stored"
        return entity_of(row, T_map_kf)

    def events(self, rows: Iterable[EventRow]) -> list[Event]:
        """Return events with their places in map, in the order of their rows."""
        return events_of(self._records, rows)

    def missed(self, entity: Entity) -> Event | None:
        """Return the look that missed a thing which is missing."""
        if entity.state is EntityState.PRESENT:
            return None
        rows = self._records.events.select(
            "entity_id = ? AND kind = ?", entity.entity_id, EventKind.MISSING
        )
        return self.events(rows[-1:])[0] if rows else None

    def pose(self, keyframe_id: int | None) -> Pose | None:
        """Return the pose of a keyframe in map, (4, 4)."""
        if keyframe_id is None:
            return None
        if keyframe_id not in self._poses:
            row = self._records.keyframes.get(keyframe_id)
            self._poses[keyframe_id] = row.T_map_kf.reshape(4, 4) if row else None
        return self._poses[keyframe_id]

    def entity_hit(self, entity: Entity, event: Event | None = None) -> Hit:
        """Return a thing as it was last seen; `event` is what else is known of it."""
        evidence = Evidence(
            stamp_ns=entity.last_seen_ns,
            score=entity.confidence,
            text=f"{entity.label}, seen {entity.sightings} times",
            keyframe_id=entity.keyframe_id,
            T_map_kf=self.pose(entity.keyframe_id),
            p_map=entity.p_map,
        )
        return Hit(entity.confidence, evidence, entity, event)

    def event_hit(self, event: Event, score: float = 1.0) -> Hit:
        """Return an event as evidence of itself."""
        evidence = Evidence(
            stamp_ns=event.stamp_ns,
            score=score,
            text=event.text,
            keyframe_id=event.keyframe_id,
            T_map_kf=self.pose(event.keyframe_id),
            p_map=event.p_map,
        )
        return Hit(score=score, evidence=evidence, event=event)


class Path:
    """Where the robot was, and when: its keyframes.

    Attributes:
        keyframe_ids: (N,).
        stamps_ns: When each began, (N,),
        untils_ns: and ended, as far as it was looking;
        nexts_ns: when the next one began: until then it did not go far.
        T_map_kfs: (N, 4, 4).
    """

    def __init__(self, records: Records) -> None:
        rows = records.keyframe_path()
        self.keyframe_ids = np.array([row[0] for row in rows], np.int64)
        self.stamps_ns = np.array([row[1] for row in rows], np.int64)
        self.untils_ns = np.array([row[2] for row in rows], np.int64)
        self.nexts_ns = np.maximum(
            self.untils_ns, np.append(self.stamps_ns[1:], self.untils_ns[-1:])
        )
        poses = np.frombuffer(b"".join(row[3] for row in rows), "<f8")
        self.T_map_kfs = poses.reshape(-1, 4, 4).astype(np.float64)

    @property
    def p_map(self) -> Points:
        """Where the keyframes are, (N, 3)."""
        return self.T_map_kfs[:, :3, 3]

    def stays(self, is_there: NDArray[np.bool_]) -> list[slice]:
        """Return the runs of keyframes that were there, in order."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], is_there, [False]])))
        return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    def hit(self, stay: slice, *, since_ns: int, until_ns: int, away_m: float | None = None) -> Hit:
        """Return a stay as a hit: its end, from its last keyframe."""
        last = stay.stop - 1
        text = f"was there for {(until_ns - since_ns) / 1e9:.0f} s"
        if away_m is not None:
            text += f", {away_m:.2f} m away at the nearest"
        score = 1.0 if away_m is None else 1.0 / (1.0 + away_m)
        evidence = Evidence(
            stamp_ns=until_ns,
            score=score,
            text=text,
            keyframe_id=int(self.keyframe_ids[last]),
            T_map_kf=self.T_map_kfs[last],
            p_map=self.p_map[last],
        )
        return Hit(score=score, evidence=evidence, since_ns=since_ns)


def stays_of(events: Iterable[Event]) -> list[tuple[Event, ...]]:
    """Group the sightings of one thing, in order of time, by the places it stayed at; a move begins another."""
    stays: list[list[Event]] = []
    is_gone = True
    for event in events:
        if event.kind is EventKind.MISSING:
            is_gone = True
        elif is_gone or event.kind is EventKind.MOVED:
            stays.append([event])
            is_gone = False
        else:
            stays[-1].append(event)
    return [tuple(stay) for stay in stays]


def occasion(hits: Sequence[Hit], gap_ns: int) -> tuple[int, int]:
    """Return from when to when the newest of some events went on; events less than a gap apart are one occasion."""
    spans = sorted((h.event.stamp_ns, h.event.until_ns) for h in hits if h.event is not None)
    since_ns, until_ns = spans[-1]
    for before, after in reversed(list(pairwise(spans))):
        if after[0] - before[1] > gap_ns:
            break
        since_ns = before[0]
    return since_ns, until_ns
