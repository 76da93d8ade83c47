"""The traces of events: made when they are logged, strengthened when they are recalled."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.config import RetentionConfig
from robomem.episodic.retention.shelf import NOWHERE, Shelf, key_of
from robomem.episodic.retention.strength import initial_stability_s, rehearsed
from robomem.store.embeddings import unpack
from robomem.store.records import Records
from robomem.store.retention_rows import TraceRow
from robomem.store.rows import EventRow
from robomem.types import EventKind

ROW_BYTES = 300  # of an event without its words, with its trace and in the indexes, about
TEXT_BYTES = 2  # of a byte of text: once in the row, once in the index of words
OF_EVENT = "(SELECT {} FROM event WHERE event.event_id = trace.event_id)"
COLUMNS = (
    "event_id", OF_EVENT.format("stamp_ns"), OF_EVENT.format("until_ns"), "last_ns", "stability_s", "place",
    "topic", "size", "is_pinned",
)  # fmt: skip
PART = "event_id > ? ORDER BY event_id LIMIT 65536"
IN_IDS = "event_id IN (SELECT value FROM json_each(?))"


class Traces:
    """Reads and writes the traces of one memory, inside the caller's transaction."""

    def __init__(self, records: Records, config: RetentionConfig) -> None:
        self._records = records
        self._config = config
        self.newest_id = max(
            (i for (i,) in records.traces.values(("max(event_id)",)) if i), default=0
        )

    def log_new(self) -> Shelf:
        """Make the traces of the events that have none; returns them."""
        events = self._records.events.select("event_id > ?", self.newest_id)
        if not events:
            return Shelf.empty()
        self._records.traces.save_all(self._traces_of(events))
        before_id, self.newest_id = self.newest_id, events[-1].event_id
        return self.shelf(after_id=before_id)

    def shelf(self, *, after_id: int = 0) -> Shelf:
        """Read the events that are kept, without the visits of their places, a part at a time."""
        shelf = Shelf.empty()
        while rows := self._records.traces.values(COLUMNS, PART, after_id):
            shelf, after_id = shelf.joined(_shelf(rows)), rows[-1][0]
        return shelf

    def recall(self, event_ids: Sequence[int], *, stamp_ns: int) -> None:
        """Strengthen what was recalled; ids that are not there are passed over."""
        until_ns = dict(
            self._records.events.values(("event_id", "until_ns"), IN_IDS, *_json(event_ids))
        )
        for trace in self.of(event_ids):
            self._records.traces.save(
                self.strengthened(
                    replace(
                        trace,
                        last_ns=max(trace.last_ns, until_ns[trace.event_id]),
                        recalls=trace.recalls + 1,
                    ),
                    stamp_ns=stamp_ns,
                )
            )

    def strengthened(self, trace: TraceRow, *, stamp_ns: int) -> TraceRow:
        """Return a trace after a recall, or another event that says the same."""
        last_ns, stability_s = rehearsed(
            np.array([trace.last_ns]),
            np.array([trace.stability_s]),
            stamp_ns=stamp_ns,
            gain=self._config.rehearsal_gain,
        )
        return replace(trace, last_ns=int(last_ns[0]), stability_s=float(stability_s[0]))

    def of(self, event_ids: Iterable[int]) -> list[TraceRow]:
        """Return the traces of events, by id; of those that are there."""
        return self._records.traces.select(IN_IDS, *_json(event_ids))

    def latest_of(self, entity_id: int) -> int | None:
        """Return the last event of a thing."""
        ((event_id,),) = self._records.events.values(("max(event_id)",), "entity_id = ?", entity_id)
        return None if event_id is None else int(event_id)

    def kinds_of(self, event_ids: Iterable[int]) -> dict[int, EventKind]:
        """Return the kinds of events."""
        pairs = self._records.events.values(("event_id", "kind"), IN_IDS, *_json(event_ids))
        return {event_id: EventKind(kind) for event_id, kind in pairs}

    def embeddings_of(self, event_ids: Iterable[int]) -> dict[int, NDArray[np.float32]]:
        """Return what events mean, (D,) each; of those that have an embedding."""
        rows = self._records.embeddings.select(IN_IDS, *_json(event_ids))
        return {row.event_id: unpack(row.vector) for row in rows}

    def drop(self, event_ids: Iterable[int]) -> None:
        """Delete events, with all that is kept of them."""
        self._records.events.delete(IN_IDS, *_json(event_ids))

    def _traces_of(self, events: Sequence[EventRow]) -> list[TraceRow]:
        topics = [topic_of(event) for event in events]
        last_places = self._last_places(topics)
        places = self._places(events)
        embedding_bytes = self._embedding_bytes(events[0].event_id)
        traces = []
        for event, topic, place in zip(events, topics, places, strict=True):
            stability_s = initial_stability_s(
                event.kind,
                is_surprising=last_places.get(topic) != place,
                base_s=self._config.stability_s,
            )
            last_places[topic] = place
            words = event.text, event.label or "", event.room or "", event.source
            traces.append(
                TraceRow(
                    event_id=event.event_id,
                    last_ns=event.until_ns,
                    stability_s=stability_s,
                    recalls=0,
                    weight=1,
                    place=place,
                    topic=topic,
                    size=ROW_BYTES
                    + TEXT_BYTES * sum(len(w.encode()) for w in words)
                    + embedding_bytes.get(event.event_id, 0),
                    is_pinned=False,
                )
            )
        return traces

    def _last_places(self, topics: Iterable[int]) -> dict[int, int]:
        """Return where the last event about each topic was, of those that are kept."""
        # By the index from its end: a topic can have a hundred thousand events.
        sql = """SELECT value, (SELECT place FROM trace WHERE topic = value ORDER BY event_id DESC LIMIT 1)
            FROM json_each(?)"""
        rows = self._records.read(sql, *_json(set(topics)))
        return {topic: place for topic, place in rows if place is not None}

    def _places(self, events: Iterable[EventRow]) -> list[int]:
        squares: dict[int | None, int] = {None: NOWHERE}
        places = []
        for event in events:
            if event.room is not None:
                places.append(key_of(event.room))
                continue
            if event.keyframe_id not in squares:
                row = self._records.keyframes.get(event.keyframe_id)
                assert row is not None, "what an event hangs on is stored"
                squares[event.keyframe_id] = place_at(row.T_map_kf[[3, 7]], self._config)
            places.append(squares[event.keyframe_id])
        return places

    def _embedding_bytes(self, first_id: int) -> dict[int, int]:
        return dict(
            self._records.embeddings.values(
                ("event_id", "length(vector)"), "event_id >= ?", first_id
            )
        )


def topic_of(event: EventRow) -> int:
    """Return the key of what an event is about."""
    return key_of(event.label or event.text)


def place_at(xy_map: Iterable[float], config: RetentionConfig) -> int:
    """Return the key of the place, where rooms are not told, at (x, y) in map."""
    x, y = (math.floor(value / config.place_size_m) for value in xy_map)
    return key_of(f"{x} {y}")


def _shelf(rows: Iterable[tuple[Any, ...]]) -> Shelf:
    """Return traces, as `COLUMNS` of them, as a shelf without visits."""
    ids, stamps_ns, until_ns, last_ns, stability_s, *whole, is_pinned = zip(*rows, strict=True)
    places, topics, sizes = (np.array(column, np.int64) for column in whole)
    return Shelf(
        ids=np.array(ids, np.int64),
        stamps_ns=np.array(stamps_ns, np.int64),
        last_ns=np.maximum(np.array(last_ns, np.int64), np.array(until_ns, np.int64)),
        stability_s=np.array(stability_s, np.float64),
        places=places,
        topics=topics,
        visits=np.zeros_like(places),
        sizes=sizes,
        is_pinned=np.array(is_pinned, bool),
    )


def _json(event_ids: Iterable[int]) -> tuple[str]:
    return (json.dumps([int(i) for i in event_ids]),)
