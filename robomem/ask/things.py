"""Questions for things: where they are, were, stayed, and are not."""

from dataclasses import replace

import numpy as np

from robomem.ask.bounds import ANYWHERE, Bounds
from robomem.ask.happenings import ALL, Happenings, Meanings
from robomem.ask.remembered import stays_of
from robomem.ask.scope import Scope
from robomem.checks import MAX_STAMP_NS
from robomem.claims import ClaimKind
from robomem.labels import fold, matches
from robomem.query import Measure, Query, QueryKind
from robomem.semantic.facts import Facts
from robomem.store.rows import EntityRow
from robomem.types import SIGHTINGS, Entity, EntityState, EventKind, Hit


class Things:
    """Recalls the things of one memory.

    Args:
        scope: Its records.
        happenings: Its log.
        facts: What is known, and what words stand for.
        meanings: Compares names with a description.
    """

    def __init__(
        self, scope: Scope, happenings: Happenings, facts: Facts | None, meanings: Meanings | None
    ) -> None:
        self._scope = scope
        self._happenings = happenings
        self._facts = facts
        self._meanings = meanings

    def recall(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return things; of a duration, their stays; where none is believed in, what the robot said of it."""
        if query.measure is Measure.DURATION:
            return self.recall_stays(query, bounds)
        hits = [
            hit
            for entity, fit in self._named(query, bounds)
            if (hit := self._as_of(entity, bounds, fit)) is not None
        ]
        if not hits and query.label is not None and query.kind in (QueryKind.WHERE, QueryKind.WHEN):
            return self._happenings.recall_captions(query, bounds)
        wanted = fold(query.label or "")
        return sorted(
            self._scope.inside(hits, bounds),
            key=lambda hit: (
                -hit.score if query.like else 0,
                hit.entity is not None and fold(hit.entity.label) != wanted,
                hit.entity is not None and hit.entity.state is not EntityState.PRESENT,
                -hit.evidence.stamp_ns,
                hit.entity.entity_id if hit.entity is not None else 0,
            ),
        )

    def recall_existing(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return things; where none are there, with a score of 0 where they are, else the last stay in the room."""
        hits = self.recall(query, bounds)
        if hits or not bounds.is_placed:
            return hits
        anywhere = replace(bounds, place=None, support=None, rooms=None)
        return [replace(hit, score=0.0) for hit in self.recall(query, anywhere)]

    def recall_near(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return the present things around a place, nearest first."""
        centre = self.best_named(query)
        place = bounds.place
        if place is None:
            if centre is None:
                return []
            place = tuple(centre.p_map.tolist())
        elif bounds.support is not None:
            centre = bounds.support
        around = replace(bounds, place=place)
        hits = [
            _with_distance(hit, around)
            for hit in self.recall(replace(query, label=None, kind=QueryKind.WHERE), around)
            if hit.entity is not None and hit.entity.state is EntityState.PRESENT
            if centre is None or hit.entity.entity_id != centre.entity_id
        ]
        return sorted(hits, key=lambda hit: -hit.score)

    def recall_gone(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return missing things, the last missed first."""
        at_any_time = replace(bounds, since_ns=None, until_ns=None)
        hits = [
            replace(hit, since_ns=hit.event.stamp_ns)
            for hit in self.recall(replace(query, measure=None), at_any_time)
            if hit.event is not None and hit.event.kind is EventKind.MISSING
            if bounds.is_in_time(hit.event.stamp_ns, MAX_STAMP_NS)
        ]
        return sorted(hits, key=lambda hit: -(hit.since_ns or 0))

    def recall_stays(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return how long things stayed at places, as far as they were seen there; the latest first."""
        hits = []
        for entity, _ in self._named(query, bounds):
            rows = self._scope.records.events.select("entity_id = ?", entity.entity_id)
            rows.sort(key=lambda row: (row.stamp_ns, row.event_id))
            events = self._scope.remembered.events(rows)
            for stay in stays_of(e for e in events if e.kind in (*SIGHTINGS, EventKind.MISSING)):
                since_ns, until_ns = stay[0].stamp_ns, max(e.until_ns for e in stay)
                if bounds.is_in_time(since_ns, until_ns):
                    hit = self._scope.remembered.event_hit(stay[-1])
                    since_ns, until_ns = bounds.clipped(since_ns, until_ns)
                    evidence = replace(hit.evidence, stamp_ns=until_ns)
                    hits.append(replace(hit, entity=entity, evidence=evidence, since_ns=since_ns))
        return sorted(self._scope.inside(hits, bounds), key=lambda hit: -hit.evidence.stamp_ns)

    def _named(self, query: Query, bounds: Bounds) -> list[tuple[Entity, float]]:
        """Return the things that a query names, and how well each fits its description."""
        held_ids = self._scope.records.held_ids(ClaimKind.ENTITY)
        rows = [
            row
            for row in self._scope.records.entities.select("is_confirmed")
            if row.entity_id not in held_ids
            if bounds.support is None or row.entity_id != bounds.support.entity_id
            if bounds.entity_ids is None or row.entity_id in bounds.entity_ids
        ]
        if query.label is not None:
            rows = self._of_label(query.label, rows)
        fits: dict[str, float] = {}
        if query.like is not None and self._meanings is not None:
            labels = sorted({row.label for row in rows})
            fits = dict(zip(labels, self._meanings(query.like, labels), strict=True))
            rows = [row for row in rows if fits[row.label] > 0]
        elif query.like is not None:
            rows = []
        return [(self._scope.remembered.entity(row), fits.get(row.label, 1.0)) for row in rows]

    def _of_label(self, label: str, rows: list[EntityRow]) -> list[EntityRow]:
        """Return the things of a name; where there is none, what it was taught to stand for."""
        named = [row for row in rows if matches(label, row.label)]
        if named or self._facts is None:
            return named
        meant = self._facts.names_of(label)
        return [
            row
            for row in rows
            if row.entity_id in meant.entity_ids or any(matches(n, row.label) for n in meant.names)
        ]

    def best_named(self, query: Query) -> Entity | None:
        """Return the thing that a query's label means best."""
        if query.label is None:
            return None
        hits = self.recall(Query(label=query.label), ANYWHERE)
        return hits[0].entity if hits else None

    def _as_of(self, entity: Entity, bounds: Bounds, fit: float) -> Hit | None:
        """Return a thing by its last sighting in the time span; None when there is none."""
        hit = self._scope.remembered.entity_hit(entity)
        hit = replace(hit, score=hit.score * fit, event=self._scope.remembered.missed(entity))
        if bounds.since_ns is not None and entity.last_seen_ns < bounds.since_ns:
            return None
        if bounds.until_ns is None or entity.last_seen_ns <= bounds.until_ns:
            return hit
        marks = ", ".join("?" * len(SIGHTINGS))
        rows = self._scope.records.events.select(
            f"entity_id = ? AND until_ns >= ? AND stamp_ns <= ? AND kind IN ({marks})",
            entity.entity_id,
            bounds.since_ns or 0,
            bounds.until_ns,
            *SIGHTINGS,
        )
        if not rows:
            return None
        last = max(rows, key=lambda row: (row.stamp_ns, row.event_id))
        (event,) = self._scope.remembered.events([last])
        then = replace(
            hit.evidence,
            stamp_ns=min(event.until_ns, bounds.until_ns),
            keyframe_id=event.keyframe_id,
            p_map=event.p_map,
            T_map_kf=self._scope.remembered.pose(event.keyframe_id),
        )
        return replace(hit, evidence=then, event=None)

    def recall_unseen(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return the present things that were not seen in a time span, those not seen for the longest first."""
        at_any_time = replace(bounds, since_ns=None, until_ns=None)
        hits = self.recall(Query(label=query.label, like=query.like, limit=ALL), at_any_time)
        unseen = [
            hit
            for hit in hits
            if hit.entity is not None and hit.entity.state is EntityState.PRESENT
            if self._as_of(hit.entity, bounds, 1.0) is None
        ]
        return sorted(unseen, key=lambda hit: hit.evidence.stamp_ns)


def _with_distance(hit: Hit, bounds: Bounds) -> Hit:
    assert hit.entity is not None, "what is near something is a thing"
    assert bounds.place is not None, "and that is somewhere"
    away_m = float(np.linalg.norm(hit.entity.p_map[: len(bounds.place)] - bounds.place))
    score = 1.0 - away_m / bounds.radius_m
    text = f"{hit.entity.label}, {away_m:.2f} m away"
    return replace(hit, score=score, evidence=replace(hit.evidence, score=score, text=text))
