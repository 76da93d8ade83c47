"""A `Query` carried out: typed, deterministic, no words guessed. `recall` is the truth that `ask` words.

What a hit holds, and the order, by kind:
    WHERE, WHEN   entities; the exact name first, then present before missing, then the last seen
    NEAR          present entities around a place, nearest first
    COUNT         present entities, all of them whatever the limit
    SEEN          events of sighting that overlap the time span, in order of time
    CHANGES       events of change that began in the time span, in order of time
    TOLD          events of telling, best match of the words first (BM25), then the newest
    VISITED       keyframes near a place, the latest visit first
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robomem.ask.labels import fold, matches
from robomem.geometry import transform
from robomem.store.tables import Array, EntityRow, EventRow, Records, keyframe_of
from robomem.types import (
    Entity,
    EntityState,
    Event,
    EventKind,
    Evidence,
    Hit,
    Keyframe,
    Query,
    QueryKind,
    Vector,
)

SIGHTINGS = (EventKind.APPEARED, EventKind.SEEN, EventKind.MOVED)
CHANGES = (EventKind.APPEARED, EventKind.MOVED, EventKind.MISSING)


@dataclass(frozen=True, slots=True)
class Recaller:
    """Carries out queries on the records of one memory; `near_radius_m` is what "near" means."""

    records: Records
    near_radius_m: float

    def recall(self, query: Query) -> list[Hit]:
        """Return the hits, best first."""
        query = replace(query, radius_m=query.radius_m or self.near_radius_m)
        by_kind: dict[QueryKind, Callable[[Query], list[Hit]]] = {
            QueryKind.WHERE: self._recall_entities,
            QueryKind.WHEN: self._recall_entities,
            QueryKind.NEAR: self._recall_near,
            QueryKind.COUNT: self._recall_present,
            QueryKind.SEEN: self._recall_sightings,
            QueryKind.CHANGES: self._recall_changes,
            QueryKind.TOLD: self._recall_told,
            QueryKind.VISITED: self._recall_visits,
        }
        with self.records.snapshot():
            hits = by_kind[query.kind](query)
        return hits if query.kind is QueryKind.COUNT else hits[: query.limit]

    def entities(self) -> list[Entity]:
        """Return everything believed in, by id."""
        with self.records.snapshot():
            return [self._entity(row) for row in self.records.entities.select("is_confirmed")]

    def events(self) -> list[Event]:
        """Return everything that happened, by id."""
        with self.records.snapshot():
            return [self._event(row) for row in self.records.events.select()]

    def _recall_entities(self, query: Query) -> list[Hit]:
        found = [
            self._as_of(entity, query) for entity in self.entities() if _is_named(entity, query)
        ]
        hits = [
            _entity_hit(*pair)
            for pair in found
            if pair is not None and _is_near(pair[1].p_map, query)
        ]
        wanted = fold(query.label or "")
        return sorted(
            hits,
            key=lambda hit: (
                hit.entity is not None and fold(hit.entity.label) != wanted,
                hit.entity is not None and hit.entity.state is not EntityState.PRESENT,
                -hit.evidence.stamp_ns,
                hit.entity.entity_id if hit.entity is not None else 0,
            ),
        )

    def _recall_present(self, query: Query) -> list[Hit]:
        hits = self._recall_entities(query)
        return [hit for hit in hits if hit.entity and hit.entity.state is EntityState.PRESENT]

    def _recall_near(self, query: Query) -> list[Hit]:
        place = self._place(query)
        if place is None:
            return []
        around = replace(query, label=None, near_map=place, text=None)
        named = fold(query.label or "")
        hits = [
            hit
            for hit in self._recall_present(around)
            if hit.entity and not (named and set(named) <= set(fold(hit.entity.label)))
        ]
        return sorted(
            (_with_distance(hit, place, query) for hit in hits),
            key=lambda hit: (-hit.score, hit.entity.entity_id if hit.entity else 0),
        )

    def _recall_sightings(self, query: Query) -> list[Hit]:
        return [self._event_hit(event) for event in self._find_events(query, SIGHTINGS)]

    def _recall_changes(self, query: Query) -> list[Hit]:
        present = {e.entity_id for e in self.entities() if e.state is EntityState.PRESENT}
        return [
            self._event_hit(event)
            for event in self._find_events(query, CHANGES)
            if query.since_ns is None or event.stamp_ns >= query.since_ns
            if event.kind is not EventKind.MISSING or event.entity_id not in present
        ]

    def _recall_told(self, query: Query) -> list[Hit]:
        events = self._find_events(replace(query, label=None), (EventKind.TOLD,))
        words = fold(query.text or query.label or "")
        if not words:
            return [self._event_hit(event) for event in reversed(events)]
        scores = self.records.search_text(list(words))
        found = [event for event in events if event.event_id in scores]
        found.sort(key=lambda event: (-scores[event.event_id], -event.stamp_ns, event.event_id))
        return [self._event_hit(event, scores[event.event_id]) for event in found]

    def _recall_visits(self, query: Query) -> list[Hit]:
        place = self._place(query)
        if place is None and (query.label or query.near_map):
            return []
        flat = replace(query, near_map=place[:2] if place else None)
        visits = [
            keyframe
            for keyframe in map(keyframe_of, self.records.keyframes.select())
            if _is_near(keyframe.T_map_kf[:3, 3], flat)
            and (query.since_ns is None or keyframe.until_ns >= query.since_ns)
            and (query.until_ns is None or keyframe.stamp_ns <= query.until_ns)
        ]
        visits.sort(key=lambda keyframe: (-keyframe.until_ns, -keyframe.keyframe_id))
        return [_visit_hit(keyframe, query) for keyframe in visits]

    def _place(self, query: Query) -> tuple[float, ...] | None:
        """Return the place a query is about: given, or where the best thing of that name is."""
        if query.near_map is not None:
            return query.near_map
        if query.label is None:
            return None
        hits = self._recall_entities(Query(label=query.label))
        return tuple(hits[0].entity.p_map.tolist()) if hits and hits[0].entity else None

    def _find_events(self, query: Query, kinds: Sequence[EventKind]) -> list[Event]:
        """Return the events that overlap the time span, in order of time, filtered by name and place."""
        marks = ", ".join("?" * len(kinds))
        rows = self.records.events.select(
            f"kind IN ({marks}) AND until_ns >= ? AND stamp_ns <= ?",
            *kinds,
            query.since_ns or 0,
            2**63 - 1 if query.until_ns is None else query.until_ns,
        )
        events = [
            event
            for event in map(self._event, rows)
            if not query.label or (event.label is not None and matches(query.label, event.label))
            if _is_near(event.p_map, query) or _is_near(event.p_from_map, query)
        ]
        return sorted(events, key=lambda event: (event.stamp_ns, event.event_id))

    def _as_of(self, entity: Entity, query: Query) -> tuple[Entity, Evidence] | None:
        """Return an entity with its last sighting inside the time span; None when there is none."""
        latest = self._evidence(entity)
        if query.since_ns is not None and entity.last_seen_ns < query.since_ns:
            return None
        if query.until_ns is None or entity.last_seen_ns <= query.until_ns:
            return entity, latest
        span = Query(since_ns=query.since_ns, until_ns=query.until_ns)
        events = [e for e in self._find_events(span, SIGHTINGS) if e.entity_id == entity.entity_id]
        if not events:
            return None
        event = events[-1]
        return entity, replace(
            latest,
            stamp_ns=min(event.until_ns, query.until_ns),
            keyframe_id=event.keyframe_id,
            p_map=event.p_map,
            T_map_kf=self._pose(event.keyframe_id),
        )

    def _evidence(self, entity: Entity) -> Evidence:
        return Evidence(
            stamp_ns=entity.last_seen_ns,
            score=entity.confidence,
            text=f"{entity.label}, seen {entity.sightings} times",
            keyframe_id=entity.keyframe_id,
            T_map_kf=self._pose(entity.keyframe_id),
            p_map=entity.p_map,
        )

    def _entity(self, row: EntityRow) -> Entity:
        T_map_kf = self._pose(row.keyframe_id)
        assert T_map_kf is not None
        return Entity(
            entity_id=row.entity_id,
            label=row.label,
            state=row.state,
            keyframe_id=row.keyframe_id,
            p_kf=row.p_kf,
            p_map=transform(T_map_kf, row.p_kf),
            size_m=row.size_m,
            first_seen_ns=row.first_seen_ns,
            last_seen_ns=row.last_seen_ns,
            sightings=row.sightings,
            confidence=row.score_sum / row.sightings * (1 - 0.5**row.sightings),
        )

    def _event(self, row: EventRow) -> Event:
        return Event(
            event_id=row.event_id,
            kind=row.kind,
            stamp_ns=row.stamp_ns,
            until_ns=row.until_ns,
            text=row.text,
            source=row.source,
            keyframe_id=row.keyframe_id,
            entity_id=row.entity_id,
            label=row.label,
            p_map=self._p_map(row.keyframe_id, row.p_kf),
            p_from_map=self._p_map(row.from_keyframe_id, row.p_from_kf),
        )

    def _event_hit(self, event: Event, score: float = 1.0) -> Hit:
        evidence = Evidence(
            stamp_ns=event.stamp_ns,
            score=score,
            text=event.text,
            keyframe_id=event.keyframe_id,
            T_map_kf=self._pose(event.keyframe_id),
            p_map=event.p_map,
        )
        return Hit(score=score, evidence=evidence, event=event)

    def _pose(self, keyframe_id: int | None) -> Array | None:
        row = None if keyframe_id is None else self.records.keyframes.get(keyframe_id)
        return row.T_map_kf.reshape(4, 4) if row else None

    def _p_map(self, keyframe_id: int | None, p_kf: Vector | None) -> Vector | None:
        T_map_kf = self._pose(keyframe_id)
        return None if T_map_kf is None or p_kf is None else transform(T_map_kf, p_kf)


def _is_named(entity: Entity, query: Query) -> bool:
    return not query.label or matches(query.label, entity.label)


def _is_near(p_map: Vector | None, query: Query) -> bool:
    """Tell whether a point lies in the query's circle (2 coordinates) or ball (3); no place, no bounds."""
    if query.near_map is None:
        return True
    return p_map is not None and _distance_m(p_map, query.near_map) <= (query.radius_m or np.inf)


def _distance_m(p_map: Vector, near_map: tuple[float, ...]) -> float:
    return float(np.linalg.norm(p_map[: len(near_map)] - near_map))


def _entity_hit(entity: Entity, evidence: Evidence) -> Hit:
    return Hit(score=entity.confidence, evidence=evidence, entity=entity)


def _with_distance(hit: Hit, place: tuple[float, ...], query: Query) -> Hit:
    assert hit.entity is not None
    distance_m = _distance_m(hit.entity.p_map, place)
    score = 1.0 - distance_m / (query.radius_m or np.inf)
    text = f"{hit.entity.label}, {distance_m:.2f} m away"
    return replace(hit, score=score, evidence=replace(hit.evidence, score=score, text=text))


def _visit_hit(keyframe: Keyframe, query: Query) -> Hit:
    p_map = keyframe.T_map_kf[:3, 3]
    distance_m = _distance_m(p_map, query.near_map) if query.near_map else 0.0
    evidence = Evidence(
        stamp_ns=keyframe.until_ns,
        score=1.0 / (1.0 + distance_m),
        text=f"was there, {distance_m:.2f} m away",
        keyframe_id=keyframe.keyframe_id,
        T_map_kf=keyframe.T_map_kf,
        p_map=p_map,
    )
    return Hit(score=evidence.score, evidence=evidence)
