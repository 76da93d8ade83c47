"""From rows of the log to what segmentation sees of them."""

from robomem.episodic.events import events_of
from robomem.episodic.segments import Beat
from robomem.episodic.words import hashed_words
from robomem.store.embeddings import unpack
from robomem.store.records import Records

_FROM = """event_id >= ? AND event_id <= (SELECT max(event_id) FROM
(SELECT event_id FROM event WHERE event_id >= ? ORDER BY event_id LIMIT ?))"""
_UP_TO = """event_id <= ? AND event_id >= (SELECT min(event_id) FROM
(SELECT event_id FROM event WHERE event_id <= ? ORDER BY event_id DESC LIMIT ?))"""


def beats_from(records: Records, event_id: int, *, limit: int) -> list[Beat]:
    """Return the first beats from an id on."""
    return _beats(records, _FROM, event_id, event_id, limit)


def beats_up_to(records: Records, event_id: int, *, limit: int) -> list[Beat]:
    """Return the last beats up to an id."""
    return _beats(records, _UP_TO, event_id, event_id, limit)


def beats_between(records: Records, first_id: int, last_id: int) -> list[Beat]:
    """Return the beats from one id to another."""
    return _beats(records, "event_id BETWEEN ? AND ?", first_id, last_id)


def _beats(records: Records, where: str, *values: int) -> list[Beat]:
    rows = records.events.select(where, *values)
    if not rows:
        return []
    embeddings = {
        kept.event_id: unpack(kept.vector)
        for kept in records.embeddings.select(
            "event_id BETWEEN ? AND ?", rows[0].event_id, rows[-1].event_id
        )
    }
    return [
        Beat(
            event_id=event.event_id,
            stamp_ns=event.stamp_ns,
            kind=event.kind,
            words=hashed_words(event.text),
            embedding=embeddings.get(event.event_id),
            p_map=event.p_map,
            room=event.room,
            label=event.label,
        )
        for event in events_of(records, rows)
    ]
