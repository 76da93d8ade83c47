"""What was learnt of what to keep, as the tables of a memory hold it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from robomem.config import RetentionConfig
from robomem.episodic.retention.allocator import NAMES, Allocator
from robomem.episodic.retention.shelf import NOWHERE, Bools, Shelf
from robomem.episodic.retention.traces import Traces
from robomem.store.records import Records
from robomem.store.retention_rows import LearningRow, ShadowRow, VisitRow

START = LearningRow(
    learning_id=0,
    weights=np.full(len(NAMES), 1 / len(NAMES)),
    current_place=NOWHERE,
    newest_ns=0,
    consolidated_id=0,
    merged=0,
)


class Learning:
    """The allocator and the traces of one memory, and where they stand; make a new one after a rollback."""

    def __init__(self, records: Records, config: RetentionConfig) -> None:
        self._records = records
        self.row = self._saved = learning_row(records)
        self.traces = Traces(records, config)
        self.allocator = Allocator(
            config,
            visits={visit.place: visit.visits for visit in records.visits.select()},
            current_place=self.row.current_place,
            weights=self.row.weights,
            shadow=_shadow_of(records.shadows.select()),
        )

    def log(self, newer: Shelf) -> None:
        """Take note of new events."""
        self.allocator.log(newer)
        newest_ns = max(self.row.newest_ns, int(newer.stamps_ns.max()))
        self.row = replace(
            self.row, newest_ns=newest_ns, current_place=self.allocator.current_place
        )

    def merged(self, count: int, *, consolidated_id: int) -> None:
        """Take note of events that went into others, and of the last one that was looked at."""
        merged = self.row.merged + count
        self.row = replace(self.row, merged=merged, consolidated_id=consolidated_id)

    def save(self) -> None:
        """Write what changed since; inside a transaction."""
        if self.allocator.learner.weights is not self.row.weights:
            self.row = replace(self.row, weights=self.allocator.learner.weights)
        if self.row is not self._saved:
            self._records.learning.save(self.row)
            self._saved = self.row
        visited, self.allocator.visited = self.allocator.visited, set()
        visits = self.allocator.visits
        self._records.visits.save_all(VisitRow(place, visits[place]) for place in sorted(visited))
        self._save_shadows()

    def _save_shadows(self) -> None:
        shadows = self.allocator.shadows
        if shadows is None or not shadows.changed:
            return
        shelf, changed = shadows.shelf, np.array(sorted(shadows.changed))
        bits = (1 << np.arange(len(shadows.held))) @ shadows.held
        rows = np.flatnonzero(np.isin(shelf.ids, changed)).tolist()
        self._records.shadows.save_all(_shadow_row(shelf, row, int(bits[row])) for row in rows)
        for event_id in changed[~np.isin(changed, shelf.ids)].tolist():
            self._records.shadows.delete("event_id = ?", event_id)
        shadows.changed.clear()


def learning_row(records: Records) -> LearningRow:
    """Return where retention stands."""
    return records.learning.get(START.learning_id) or START


def _shadow_row(shelf: Shelf, index: int, held: int) -> ShadowRow:
    return ShadowRow(
        event_id=int(shelf.ids[index]),
        held=held,
        stamp_ns=int(shelf.stamps_ns[index]),
        last_ns=int(shelf.last_ns[index]),
        stability_s=float(shelf.stability_s[index]),
        place=int(shelf.places[index]),
        topic=int(shelf.topics[index]),
    )


def _shadow_of(rows: Sequence[ShadowRow]) -> tuple[Shelf, Bools]:
    shelf = Shelf(
        ids=np.array([row.event_id for row in rows], np.int64),
        stamps_ns=np.array([row.stamp_ns for row in rows], np.int64),
        last_ns=np.array([row.last_ns for row in rows], np.int64),
        stability_s=np.array([row.stability_s for row in rows], np.float64),
        places=np.array([row.place for row in rows], np.int64),
        topics=np.array([row.topic for row in rows], np.int64),
        visits=np.zeros(len(rows), np.int64),
        sizes=np.ones(len(rows), np.int64),
        is_pinned=np.zeros(len(rows), bool),
    )
    masks = np.array([row.held for row in rows], np.int64)
    return shelf, (masks >> np.arange(len(NAMES))[:, None]) & 1 == 1
