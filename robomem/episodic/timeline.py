"""The log of events: a sighting goes on until a gap ends it, and then another one begins."""

from dataclasses import replace

import numpy as np

from robomem.config import EpisodicConfig
from robomem.geometry import transform
from robomem.store.records import Records
from robomem.store.rows import EntityRow, EventRow
from robomem.types import SIGHTINGS, EventKind, Keyframe, Vector

TEXTS = {
    EventKind.APPEARED: "{} appeared",
    EventKind.SEEN: "saw {}",
    EventKind.MOVED: "{} moved",
    EventKind.MISSING: "{} was gone",
}


class Timeline:
    """Writes the events of one memory, inside the caller's transaction; make a new one after a rollback."""

    def __init__(self, records: Records, config: EpisodicConfig) -> None:
        self._records = records
        self._gap_ns = int(config.sighting_gap_s * 1e9)
        self._current: dict[int, EventRow] = {}

    def found(self, row: EntityRow, *, source: str) -> None:
        """Log a thing believed in for the first time: it appeared where it had been free, or was there."""
        kind = EventKind.APPEARED if row.is_novel else EventKind.SEEN
        self._begin(self._event(kind, row, stamp_ns=row.first_seen_ns, source=source))

    def sighted(self, row: EntityRow, *, source: str) -> None:
        """Extend the sighting of a thing, or begin another when the last one is too long ago."""
        current = self._current_of(row.entity_id)
        if current is None or row.last_seen_ns - current.until_ns > self._gap_ns:
            self._begin(self._event(EventKind.SEEN, row, stamp_ns=row.last_seen_ns, source=source))
            return
        until_ns = max(current.until_ns, row.last_seen_ns)
        self._begin(replace(current, until_ns=until_ns, keyframe_id=row.keyframe_id, p_kf=row.p_kf))

    def missing(self, row: EntityRow, *, stamp_ns: int, source: str) -> None:
        """Log that a thing was looked for in vain, at the place where it was last seen."""
        self._records.events.save(
            replace(
                self._event(EventKind.MISSING, row, stamp_ns=stamp_ns, source=source),
                until_ns=stamp_ns,
            )
        )

    def moved(self, row: EntityRow, *, before: EntityRow, absorbed_id: int, source: str) -> None:
        """Log that a thing moved. What was logged of `absorbed_id` was the same thing.

        The absorbed entity's own beginning is what the move really was, so it is replaced.
        """
        births = self._records.events.select("entity_id = ?", absorbed_id)
        event = replace(
            self._event(EventKind.MOVED, row, stamp_ns=row.first_seen_ns, source=source),
            from_keyframe_id=before.keyframe_id,
            p_from_kf=before.p_kf,
        )
        if births:
            event = replace(event, event_id=births[0].event_id, until_ns=births[0].until_ns)
        for birth in births[1:]:
            self._records.events.save(replace(birth, entity_id=row.entity_id))
        self._records.events.save(event)
        for entity_id in (row.entity_id, absorbed_id):
            self._current.pop(entity_id, None)

    def united(self, row: EntityRow, *, absorbed_id: int) -> None:
        """Give a thing what was logged of `absorbed_id`, which was the same one, and no new one then."""
        for event in self._records.events.select("entity_id = ?", absorbed_id):
            kind = EventKind.SEEN if event.kind is EventKind.APPEARED else event.kind
            self._records.events.save(
                replace(
                    event, kind=kind, entity_id=row.entity_id, text=TEXTS[kind].format(row.label)
                )
            )
        for entity_id in (row.entity_id, absorbed_id):
            self._current.pop(entity_id, None)

    def stood_still(self, *, within_m: float) -> list[int]:
        """Take back moves from one place to the same: it was the robot that was elsewhere. Returns what never moved."""
        still_ids = []
        for event in self._records.events.select("kind = ?", EventKind.MOVED):
            step_m = np.linalg.norm(
                self._place(event.keyframe_id, event.p_kf)
                - self._place(event.from_keyframe_id, event.p_from_kf)
            )
            if step_m > within_m or event.entity_id is None:
                continue
            text = TEXTS[EventKind.SEEN].format(event.label)
            self._records.events.save(
                replace(
                    event, kind=EventKind.SEEN, text=text, from_keyframe_id=None, p_from_kf=None
                )
            )
            self._current.pop(event.entity_id, None)
            still_ids.append(event.entity_id)
        return still_ids

    def told(self, text: str, *, stamp_ns: int, source: str, keyframe: Keyframe | None) -> int:
        """Log what was told; returns the number of the event."""
        event = EventRow(
            event_id=self._records.next_id("event"),
            kind=EventKind.TOLD,
            stamp_ns=stamp_ns,
            until_ns=stamp_ns,
            text=text,
            source=source,
            keyframe_id=keyframe.keyframe_id if keyframe else None,
            entity_id=None,
            label=None,
            p_kf=None,
        )
        self._records.events.save(event)
        return event.event_id

    def look_up(self) -> None:
        """Look up anew which sightings go on: their events changed, or are no more."""
        self._current.clear()

    def _event(self, kind: EventKind, row: EntityRow, *, stamp_ns: int, source: str) -> EventRow:
        return EventRow(
            event_id=self._records.next_id("event"),
            kind=kind,
            stamp_ns=stamp_ns,
            until_ns=max(stamp_ns, row.last_seen_ns),
            text=TEXTS[kind].format(row.label),
            source=source,
            keyframe_id=row.keyframe_id,
            entity_id=row.entity_id,
            label=row.label,
            p_kf=row.p_kf,
        )

    def _place(self, keyframe_id: int | None, p_kf: Vector | None) -> Vector:
        row = None if keyframe_id is None else self._records.keyframes.get(keyframe_id)
        assert row is not None, "what moved was seen before and after"
        assert p_kf is not None
        return transform(row.T_map_kf.reshape(4, 4), p_kf)

    def _begin(self, event: EventRow) -> None:
        self._records.events.save(event)
        assert event.entity_id is not None
        self._current[event.entity_id] = event

    def _current_of(self, entity_id: int) -> EventRow | None:
        if entity_id not in self._current:
            latest = (
                "event_id = (SELECT event_id FROM event WHERE entity_id = ? AND kind IN (?, ?, ?) "
                "ORDER BY until_ns DESC, event_id DESC LIMIT 1)"
            )
            rows = self._records.events.select(latest, entity_id, *SIGHTINGS)
            if not rows:
                return None
            self._current[entity_id] = rows[0]
        return self._current[entity_id]
