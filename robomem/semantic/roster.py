"""The entities of a memory at hand: their rows and looks as the records hold them, their places in arrays.

Everything is written inside the caller's transaction; after a rollback, make a new one.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from robomem.config import SemanticConfig
from robomem.geometry import Points, transform
from robomem.semantic.association import Candidate, reach
from robomem.store.entity_rows import AppearanceRow, TombstoneRow
from robomem.store.records import Records
from robomem.store.rows import EntityRow
from robomem.types import EntityState, Keyframe, Vector

Embedding = NDArray[np.float32]
FIRST_ROOM = 64


class Roster:
    """Every entity, believed in or not yet. Those that are not gone stand in `places`, in no order."""

    def __init__(
        self, records: Records, config: SemanticConfig, *, keyframe_of: Callable[[int], Keyframe]
    ) -> None:
        self._records, self._config, self._keyframe_of = records, config, keyframe_of
        self._rows = {row.entity_id: row for row in records.entities.select()}
        self._appearances = {row.entity_id: row for row in records.appearances.select()}
        self._votes: dict[int, dict[str, int]] = {}
        self._slot_of: dict[int, int] = {}
        self._ids = np.zeros(FIRST_ROOM, np.int64)
        self._places = np.zeros((FIRST_ROOM, 3))
        self._reaches_m = np.zeros(FIRST_ROOM)
        self._gone: dict[int, Vector] = {}
        self.tentative_ids = {i for i, row in self._rows.items() if not row.is_confirmed}
        for row in self._rows.values():
            self._stand(row, transform(keyframe_of(row.keyframe_id).T_map_kf, row.p_kf))

    def __getitem__(self, entity_id: int) -> EntityRow:
        return self._rows[entity_id]

    def __contains__(self, entity_id: object) -> bool:
        return entity_id in self._rows

    def __iter__(self) -> Iterator[EntityRow]:
        return iter(self._rows.values())

    @property
    def ids(self) -> NDArray[np.int64]:
        """Of those that are not gone, (N,)."""
        return self._ids[: len(self._slot_of)]

    @property
    def places(self) -> Points:
        """Where these are, (N, 3) metres in map."""
        return self._places[: len(self._slot_of)]

    @property
    def embedding_dim(self) -> int | None:
        """How many numbers an embedding has, None before the first."""
        first = next(iter(self._appearances), None)
        mean = None if first is None else self.embedding(first)
        return None if mean is None else len(mean)

    def place(self, entity_id: int) -> Vector:
        """Return where an entity is, or was last, (3,) metres in map."""
        if entity_id in self._gone:
            return self._gone[entity_id]
        place: Vector = self._places[self._slot_of[entity_id]].copy()
        return place

    def left_places(self, entity_id: int) -> list[tuple[int, Vector]]:
        """Return where an entity was seen before it moved, (3,) metres in map each, and until when by the keyframe."""
        left = self._records.sightings.select("entity_id = ? AND count < 0", entity_id)
        keyframes = [(self._keyframe_of(s.keyframe_id), s.p_kf) for s in left]
        return [(k.until_ns, transform(k.T_map_kf, p_kf)) for k, p_kf in keyframes]

    def near(self, points_map: Collection[Vector]) -> list[int]:
        """Return, by id, those that any of some points (3,) may be a sighting of."""
        if not points_map or not self._slot_of:
            return []
        points = np.array(points_map)
        margin_m = self._reaches_m[: len(self._slot_of)].max()
        low, high = points.min(axis=0) - margin_m, points.max(axis=0) + margin_m
        slots = np.flatnonzero(((self.places >= low) & (self.places <= high)).all(axis=1))
        away_m = np.linalg.norm(points[:, None] - self._places[slots], axis=2)
        is_near = (away_m <= self._reaches_m[slots]).any(axis=0)
        return sorted(self._ids[slots[is_near]].tolist())

    def candidate(self, entity_id: int) -> Candidate:
        """Return an entity as association sees it."""
        row = self._rows[entity_id]
        return Candidate(
            entity_id=entity_id,
            votes=self.votes(entity_id),
            misnamed=row.misnamed,
            p_map=self.place(entity_id),
            reach_m=float(self._reaches_m[self._slot_of[entity_id]]),
            size_m=row.size_m,
            embedding=self.embedding(entity_id),
            is_confirmed=row.is_confirmed,
            is_here=row.state is EntityState.PRESENT,
        )

    def votes(self, entity_id: int) -> dict[str, int]:
        """Return how often an entity was called what."""
        if entity_id not in self._votes:
            self._votes[entity_id] = self._rows[entity_id].votes()
        return self._votes[entity_id]

    def embedding(self, entity_id: int) -> Embedding | None:
        """Return what an entity looks like, (D,) at unit length, None where that is not known."""
        row = self._appearances.get(entity_id)
        return None if row is None else np.frombuffer(row.embedding, np.float32)

    def save(self, row: EntityRow, p_map: Vector) -> None:
        """Write an entity down, that is at a place (3,) in map."""
        if row.entity_id not in self._rows or self._rows[row.entity_id].labels != row.labels:
            self._votes.pop(row.entity_id, None)
        self._rows[row.entity_id] = row
        (self.tentative_ids.discard if row.is_confirmed else self.tentative_ids.add)(row.entity_id)
        self._stand(row, p_map)
        self._records.entities.save(row)

    def look_at(self, entity_id: int, embedding: Embedding) -> None:
        """Take one more look into the mean of what an entity looks like; one of another size is passed over."""
        self._blend(entity_id, AppearanceRow(entity_id, 1, embedding.tobytes()))

    def looks(self, entity_id: int) -> int:
        """Return of how many embeddings that is the mean."""
        row = self._appearances.get(entity_id)
        return 0 if row is None else row.looks

    def absorb(self, entity_id: int, other: EntityRow, *, stamp_ns: int) -> None:
        """Give one entity the sightings and the looks of another, and leave a tombstone of that if it was believed in."""
        other_id = other.entity_id
        for sighting in self._records.sightings.select("entity_id = ?", other_id):
            self._records.sightings.save(replace(sighting, entity_id=entity_id))
        if other_id in self._appearances:
            self._blend(entity_id, self._appearances[other_id])
        if other.is_confirmed:
            self._bury(other, into_id=entity_id, stamp_ns=stamp_ns)
        self.drop(other_id)

    def drop(self, entity_id: int) -> None:
        """Forget that there was an entity."""
        del self._rows[entity_id]
        self._leave(entity_id)
        self._gone.pop(entity_id, None)
        self._votes.pop(entity_id, None)
        self._appearances.pop(entity_id, None)
        self.tentative_ids.discard(entity_id)
        records = self._records
        for table in (records.entities, records.sightings, records.appearances):
            table.delete("entity_id = ?", entity_id)

    def _blend(self, entity_id: int, other: AppearanceRow) -> None:
        """Take what another row says into the mean of what an entity looks like."""
        row, window = self._appearances.get(entity_id), self._config.average_sightings
        if row is None:
            row = replace(other, entity_id=entity_id)
        elif len(row.embedding) == len(other.embedding):
            weights = np.minimum([row.looks, other.looks], window).astype(np.float32)
            mean = weights @ [np.frombuffer(r.embedding, np.float32) for r in (row, other)]
            norm = np.linalg.norm(mean)
            if norm > 0:  # opposite looks cancel
                mean /= norm
                row = AppearanceRow(entity_id, row.looks + other.looks, mean.tobytes())
        self._appearances[entity_id] = row
        self._records.appearances.save(row)

    def _bury(self, row: EntityRow, *, into_id: int, stamp_ns: int) -> None:
        tombstones = self._records.tombstones
        for older in tombstones.select("into_id = ?", row.entity_id):
            tombstones.save(replace(older, into_id=into_id))
        tombstones.save(
            TombstoneRow(
                entity_id=row.entity_id,
                into_id=into_id,
                stamp_ns=stamp_ns,
                label=row.label,
                keyframe_id=row.keyframe_id,
                p_kf=row.p_kf,
                first_seen_ns=row.first_seen_ns,
                last_seen_ns=row.last_seen_ns,
            )
        )

    def _stand(self, row: EntityRow, p_map: Vector) -> None:
        """Put an entity at its place, and what is gone aside."""
        if row.state is EntityState.GONE:
            self._leave(row.entity_id)
            self._gone[row.entity_id] = p_map
            return
        self._gone.pop(row.entity_id, None)
        slot = self._slot_of.setdefault(row.entity_id, len(self._slot_of))
        if slot == len(self._ids):
            self._ids, self._places, self._reaches_m = (
                np.concatenate([a, np.zeros_like(a)])
                for a in (self._ids, self._places, self._reaches_m)
            )
        self._ids[slot], self._places[slot] = row.entity_id, p_map
        self._reaches_m[slot] = reach(row.size_m, self._config.gate_m)

    def _leave(self, entity_id: int) -> None:
        """Take an entity from the arrays; the last one takes its slot."""
        slot = self._slot_of.pop(entity_id, None)
        last = len(self._slot_of)
        if slot is None or slot == last:
            return
        for array in (self._ids, self._places, self._reaches_m):
            array[slot] = array[last]
        self._slot_of[int(self._ids[slot])] = slot
