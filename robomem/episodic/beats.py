"""From rows of the log to what segmentation sees of them."""

from collections.abc import Iterator, Sequence

from robomem.episodic.events import events_of
from robomem.episodic.segments import Beat
from robomem.episodic.words import hashed_words
from robomem.store.embeddings import unpack
from robomem.store.records import Records
from robomem.store.rows import EventRow


def batches_from(records: Records, event_id: int, *, size: int) -> Iterator[list[Beat]]:
    """Yield all beats from an id on, so many at once, none empty."""
    while rows := records.events.first("event_id >= ?", event_id, order="event_id", limit=size):
        yield _beats(records, rows)
        if len(rows) < size:
            return
        event_id = rows[-1].event_id + 1


def beats_up_to(records: Records, event_id: int, *, limit: int) -> list[Beat]:
    """Return the last beats up to an id."""
    rows = records.events.first("event_id <= ?", event_id, order="event_id DESC", limit=limit)
    return _beats(records, rows[::-1])


def beats_between(records: Records, first_id: int, last_id: int) -> list[Beat]:
    """Return the beats from one id to another."""
    return _beats(records, records.events.select("event_id BETWEEN ? AND ?", first_id, last_id))


def _beats(records: Records, rows: Sequence[EventRow]) -> list[Beat]:
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
