"""A `Query` carried out: typed, deterministic, no words guessed. `recall` is the truth that `ask` words.

What a hit holds, and the order, by kind:
    WHERE, WHEN   entities; the exact name first, then present before missing, then the last seen
    NEAR          present entities around a place, nearest first
    COUNT         as WHERE, and all of them whatever the limit: those present count
    SEEN          events of sighting that overlap the time span, the newest first
    CHANGES       events of change that began in the time span, the newest first; not the looks in
                  vain for a thing that was seen again since
    TOLD          events of telling, best match of the words first (BM25), then the newest
    VISITED       stays near a place, each by its last keyframe, the latest first

A missing entity's hit carries the event of the look that missed it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robomem.ask.labels import fold, matches
from robomem.episodic.events import events_of
from robomem.store.entity_rows import entity_of
from robomem.store.records import Records
from robomem.store.rows import Array, EntityRow, EventRow, keyframe_of
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
            QueryKind.COUNT: self._recall_entities,
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
            return events_of(self.records, self.records.events.select())

    def _recall_entities(self, query: Query) -> list[Hit]:
        hits = [
            hit
            for entity in self.entities()
            if not query.label or matches(query.label, entity.label)
            if (hit := self._as_of(entity, query)) is not None
            if _is_near(hit.evidence.p_map, query)
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

    def _recall_near(self, query: Query) -> list[Hit]:
        centre = self._named(query)
        place = self._place(query)
        if place is None:
            return []
        around = replace(query, label=None, near_map=place, text=None)
        hits = [
            _with_distance(hit.entity, hit, place, query)
            for hit in self._recall_entities(around)
            if hit.entity is not None and hit.entity.state is EntityState.PRESENT
            if centre is None or hit.entity.entity_id != centre.entity_id
        ]
        return sorted(hits, key=lambda hit: -hit.score)

    def _recall_sightings(self, query: Query) -> list[Hit]:
        return [self._event_hit(event) for event in reversed(self._find_events(query, SIGHTINGS))]

    def _recall_changes(self, query: Query) -> list[Hit]:
        present = {e.entity_id for e in self.entities() if e.state is EntityState.PRESENT}
        return [
            self._event_hit(event)
            for event in reversed(self._find_events(query, CHANGES))
            if query.since_ns is None or event.stamp_ns >= query.since_ns
            if event.kind is not EventKind.MISSING or event.entity_id not in present
        ]

    def _recall_told(self, query: Query) -> list[Hit]:
        told = replace(query, label=None)
        events = list(reversed(self._find_events(told, (EventKind.TOLD,))))
        words = fold(query.text or query.label or "")
        if not words:
            return [self._event_hit(event) for event in events]
        fits = self.records.search_text(list(words))
        events = [event for event in events if event.event_id in fits]
        best = max((fits[event.event_id] for event in events), default=1.0)
        hits = [self._event_hit(event, fits[event.event_id] / best) for event in events]
        return sorted(hits, key=lambda hit: -hit.score)

    def _recall_visits(self, query: Query) -> list[Hit]:
        place = self._place(query)
        if place is None and query.label:
            return []
        flat = replace(query, near_map=place[:2] if place else None)
        stays: list[list[Keyframe]] = [[]]
        for keyframe in map(keyframe_of, self.records.keyframes.select()):
            if _is_in_span(keyframe, query) and _is_near(keyframe.T_map_kf[:3, 3], flat):
                stays[-1].append(keyframe)
            elif stays[-1]:
                stays.append([])
        hits = [_visit_hit(stay, flat) for stay in stays if stay]
        return sorted(hits, key=lambda hit: -hit.evidence.stamp_ns)

    def _place(self, query: Query) -> tuple[float, ...] | None:
        """Return the place a query is about: given, or where the best thing of that name is."""
        if query.near_map is not None:
            return query.near_map
        entity = self._named(query)
        return tuple(entity.p_map.tolist()) if entity else None

    def _named(self, query: Query) -> Entity | None:
        """Return the entity that a query's label means best."""
        if query.label is None:
            return None
        hits = self._recall_entities(Query(label=query.label))
        return hits[0].entity if hits else None

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

    def _as_of(self, entity: Entity, query: Query) -> Hit | None:
        """Return an entity by its last sighting in the time span; None when there is none."""
        latest = self._evidence(entity)
        if query.since_ns is not None and entity.last_seen_ns < query.since_ns:
            return None
        if query.until_ns is None or entity.last_seen_ns <= query.until_ns:
            return Hit(entity.confidence, latest, entity, self._missed(entity))
        span = Query(since_ns=query.since_ns, until_ns=query.until_ns)
        events = [e for e in self._find_events(span, SIGHTINGS) if e.entity_id == entity.entity_id]
        if not events:
            return None
        then = replace(
            latest,
            stamp_ns=min(events[-1].until_ns, query.until_ns),
            keyframe_id=events[-1].keyframe_id,
            p_map=events[-1].p_map,
            T_map_kf=self._pose(events[-1].keyframe_id),
        )
        return Hit(entity.confidence, then, entity)

    def _missed(self, entity: Entity) -> Event | None:
        """Return the look that missed an entity which is not there."""
        if entity.state is EntityState.PRESENT:
            return None
        rows = self.records.events.select(
            "entity_id = ? AND kind = ?", entity.entity_id, EventKind.MISSING
        )
        return self._event(rows[-1]) if rows else None

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
        return entity_of(row, T_map_kf)

    def _event(self, row: EventRow) -> Event:
        return events_of(self.records, [row])[0]

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


def _is_near(p_map: Vector | None, query: Query) -> bool:
    """Tell whether a point lies in the query's circle (2 coordinates) or ball (3); no place, no bounds."""
    if query.near_map is None:
        return True
    return p_map is not None and _distance_m(p_map, query.near_map) <= (query.radius_m or np.inf)


def _distance_m(p_map: Vector, near_map: tuple[float, ...]) -> float:
    return float(np.linalg.norm(p_map[: len(near_map)] - near_map))


def _with_distance(entity: Entity, hit: Hit, place: tuple[float, ...], query: Query) -> Hit:
    distance_m = _distance_m(entity.p_map, place)
    score = 1.0 - distance_m / (query.radius_m or np.inf)
    text = f"{entity.label}, {distance_m:.2f} m away"
    return replace(hit, score=score, evidence=replace(hit.evidence, score=score, text=text))


def _is_in_span(keyframe: Keyframe, query: Query) -> bool:
    return (query.since_ns is None or keyframe.until_ns >= query.since_ns) and (
        query.until_ns is None or keyframe.stamp_ns <= query.until_ns
    )


def _visit_hit(stay: Sequence[Keyframe], query: Query) -> Hit:
    """Return a stay as a hit: its end, from its last keyframe."""
    last = stay[-1]
    until_ns = last.until_ns if query.until_ns is None else min(last.until_ns, query.until_ns)
    text = f"was there for {(last.until_ns - stay[0].stamp_ns) / 1e9:.0f} s"
    score = 1.0
    if query.near_map is not None:
        away_m = min(_distance_m(kf.T_map_kf[:3, 3], query.near_map) for kf in stay)
        score = 1.0 / (1.0 + away_m)
        text += f", {away_m:.2f} m away at the nearest"
    evidence = Evidence(
        stamp_ns=until_ns,
        score=score,
        text=text,
        keyframe_id=last.keyframe_id,
        T_map_kf=last.T_map_kf,
        p_map=last.T_map_kf[:3, 3],
    )
    return Hit(score=score, evidence=evidence)
