"""Forgotten is gone: rows, words, images and shapes, from every file.

erase    inside a transaction: delete the rows, and doom the images
let_go   inside a transaction: leave nothing that names events that retention lets go
finish   after it: remove what is doomed from the disk, and the bytes of deleted rows
"""

import json
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from robomem.claims import ClaimKind
from robomem.geometry import transform
from robomem.semantic.facts import Facts
from robomem.spatial.scan_log import Box, ScanLog
from robomem.store.images import ImageFiles
from robomem.store.records import Records
from robomem.store.rows import EntityRow, keyframe_of

# Of what is cut out of scans around a thing, where it is not known to be larger.
CUT_RADIUS_M = 0.25


class Forgetter:
    """Erases things and events of one memory."""

    def __init__(self, records: Records, images: ImageFiles, scans: ScanLog, facts: Facts) -> None:
        self._records, self._images, self._scans, self._facts = records, images, scans, facts

    def erase(self, entity_ids: Iterable[int], event_ids: Iterable[int]) -> int:
        """Delete things, with all that happened to them and is known of them, and events; returns how many."""
        entity_ids, event_ids = [self._records.entity_now(i) for i in entity_ids], list(event_ids)
        self._facts.erase(
            entity_ids=entity_ids, event_ids=[*event_ids, *self._events_of(entity_ids)]
        )
        ids = dict.fromkeys(entity_ids)  # each once, in order
        wanted = [row for i in ids if (row := self._records.entities.get(i)) is not None]
        digests = set().union(*(self._erase(row) for row in wanted))
        kept = self._records.keyframes.select()
        digests -= {d for row in kept for d in (row.depth_digest, row.color_digest)}
        told_ids = dict.fromkeys(event_ids)
        events = [e for i in told_ids if (e := self._records.events.get(i)) is not None]
        for event in events:
            self._records.events.delete("event_id = ?", event.event_id)
        self._records.drop_claims(ClaimKind.EVENT, told_ids)
        self._records.drop_claims(ClaimKind.ENTITY, ids)
        self._records.doom(digests)
        return len(wanted) + len(events)

    def let_go(self, event_ids: Iterable[int]) -> None:
        """Leave nothing that names events that are no longer kept, and hold what was learnt from them.

        Facts and lessons outlive the telling, but not one that was in quarantine: nothing would hold them there.
        """
        event_ids, records = list(event_ids), self._records
        ids = json.dumps(event_ids)
        held_ids = records.held_ids(ClaimKind.EVENT) & set(event_ids)
        self._facts.erase(entity_ids=(), event_ids=held_ids)
        records.drop_claims(ClaimKind.EVENT, held_ids)
        of_events = "IN (SELECT value FROM json_each(?))"
        records.claims.delete(f"kind = ? AND item_id {of_events}", ClaimKind.EVENT, ids)
        for lesson in records.lessons.select(
            f"kind = ? AND item_id {of_events}", ClaimKind.EVENT, ids
        ):
            records.lessons.save(replace(lesson, kind=None, item_id=None))
        for fact in records.facts.select(f"event_id {of_events}", ids):
            records.facts.save(replace(fact, event_id=None))
        for alias in records.aliases.select(f"event_id {of_events}", ids):
            records.aliases.save(replace(alias, event_id=None))

    def finish(self) -> None:
        """Remove what is doomed; a process that died on the way does so when the memory is reopened."""
        for digest in self._records.doomed():
            self._images.delete(digest)
        self._records.erase_deleted()

    def _erase(self, entity: EntityRow) -> set[str]:
        """Delete the rows of a thing, and its shape from scans; returns the digests of its images."""
        boxes, digests = self._boxes_of(entity), set()
        for sighting in self._records.sightings.select("entity_id = ?", entity.entity_id):
            row = self._records.keyframes.get(sighting.keyframe_id)
            assert row is not None
            digests |= {d for d in (row.depth_digest, row.color_digest) if d is not None}
            self._records.keyframes.save(replace(row, depth_digest=None, color_digest=None))
            self._records.surfels.delete("keyframe_id = ?", row.keyframe_id)
            self._scans.cut_out(keyframe_of(row), boxes)
        records = self._records
        for table in (records.entities, records.events, records.sightings, records.appearances):
            table.delete("entity_id = ?", entity.entity_id)
        records.tombstones.delete("into_id = ?", entity.entity_id)
        return digests

    def _events_of(self, entity_ids: Iterable[int]) -> list[int]:
        return [
            event_id
            for entity_id in entity_ids
            for (event_id,) in self._records.events.values(
                ("event_id",), "entity_id = ?", entity_id
            )
        ]

    def _boxes_of(self, entity: EntityRow) -> list[Box]:
        """Return the boxes in map in which a thing was seen."""
        size_m = np.zeros(3) if entity.size_m is None else entity.size_m
        reach = np.maximum(size_m / 2, CUT_RADIUS_M)
        boxes = []
        for sighting in self._records.sightings.select("entity_id = ?", entity.entity_id):
            row = self._records.keyframes.get(sighting.keyframe_id)
            assert row is not None
            p_map = transform(row.T_map_kf.reshape(4, 4), sighting.p_kf)
            boxes.append((p_map - reach, p_map + reach))
        return boxes
