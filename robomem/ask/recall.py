"""A `Query` carried out: typed, deterministic, no words guessed. `recall` is the truth that `ask` words.

What a hit holds, and the order, by kind:
    WHERE, WHEN   things; the exact name first, then present before missing, then the last seen
    EXISTS        as WHERE; of a room without one, the last stay in it
    COUNT         as WHERE, and all of them whatever the limit: those present count
    NEAR          present things around a place, nearest first
    GONE          missing things, the last missed first, each with the look that missed it
    SEEN          events of sighting that overlap the time span, the newest first;
                  negated, present things without one, the one not seen for the longest first
    CHANGES       events of change that began in the time span, the newest first; not the looks in
                  vain for a thing that was seen again since
    HAPPENED      all events, the best match of the words first, else the newest
    DONE          as HAPPENED, actions and outcomes
    TOLD, TELLER  as HAPPENED, what was told
    VISITED       stays near a place or in a room, each by its last keyframe, the latest first
    ROOM          the room that a thing, or the robot, was last in
    ROOMS         rooms (with such a thing, or without), by name
    FACT          facts, the most relevant first

With a measure all hits come, whatever the limit; of WHERE with a DURATION they are the stays of the things.
A missing thing's hit carries the event of the look that missed it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from robomem.ask.bounds import Bounds, Reach, bounds_of
from robomem.ask.happenings import LOGGED, Happenings, Meanings
from robomem.ask.remembered import Path
from robomem.ask.rooms import Room
from robomem.ask.scope import Scope, places_of
from robomem.ask.things import Things
from robomem.claims import ClaimKind
from robomem.episodic.search import EventSearch
from robomem.query import Measure, Query, QueryKind
from robomem.semantic.facts import Fact, Facts
from robomem.semantic.facts.relations import PLACES
from robomem.store.records import Records
from robomem.types import SIGHTINGS, Entity, EntityState, Event, Evidence, Hit, Vector


class Recaller:
    """Carries out queries on the records of one memory.

    Args:
        records: Them.
        events: Searches the log.
        reach: What "near" and "on" mean.
        rooms: Finds the rooms.
        facts: What is known, and what words stand for.
        meanings: Compares names with a description.
    """

    def __init__(
        self,
        records: Records,
        events: EventSearch,
        *,
        reach: Reach,
        rooms: Callable[[], Sequence[Room]] = list,
        facts: Facts | None = None,
        meanings: Meanings | None = None,
    ) -> None:
        self._reach = reach
        self._facts = facts
        self._scope = Scope(records, rooms)
        self._happenings = Happenings(self._scope, events, meanings)
        self._things = Things(self._scope, self._happenings, facts, meanings)

    def recall(self, query: Query) -> list[Hit]:
        """Return the hits, best first."""
        with self._scope.records.snapshot():
            self._scope.refresh()
            hits = self._recall(query)
        is_whole = query.kind is QueryKind.COUNT or query.measure is not None
        return hits if is_whole else hits[: query.limit]

    def unknown(self, query: Query) -> Query | None:
        """Return the first query inside a query that finds nothing, which is why that finds nothing."""
        return next((part for part in query.parts() if not self.recall(part)), None)

    def held_back(self, query: Query) -> int:
        """Return how many events would satisfy a query, and are in quarantine."""
        if query.kind not in LOGGED:
            return 0
        with self._scope.records.snapshot():
            self._scope.refresh()
            bounds = self._bounds(query)
            held_ids = self._scope.records.held_ids(ClaimKind.EVENT)
            if bounds is None or not held_ids:
                return 0
            return len(
                self._happenings.recall(query, bounds, LOGGED[query.kind], held_ids=held_ids)
            )

    def told_place(self, query: Query) -> str | None:
        """Return who said what of where a thing is that was not seen; None where nobody did."""
        if query.kind is not QueryKind.WHERE or query.label is None or self._facts is None:
            return None
        told = [
            fact
            for relation in PLACES
            for fact in self._facts.ask(query.label, relation, as_of_ns=query.until_ns)
            if not fact.is_denied
        ]
        best = max(told, key=lambda fact: (fact.confidence, fact.learned_at_ns), default=None)
        if best is None:
            return None
        events = self._scope.records.events
        event = events.get(best.event_ids[0]) if best.event_ids else None
        return f'{best.sources[0]} said "{event.text if event else best.text}"'

    def unknown_room(self, query: Query) -> str | None:
        """Return the first room that is named in a query and not known."""
        named = (part.room for part in (query, *query.parts()) if part.room is not None)
        with self._scope.records.snapshot():
            self._scope.refresh()
            return next((room for room in named if not self._scope.rooms.named(room)), None)

    def entities(self) -> list[Entity]:
        """Return everything believed in, by id."""
        with self._scope.records.snapshot():
            self._scope.refresh()
            return self._scope.remembered.entities()

    def events(self) -> list[Event]:
        """Return everything that happened, by id; not what is held."""
        with self._scope.records.snapshot():
            self._scope.refresh()
            held_ids = self._scope.records.held_ids(ClaimKind.EVENT)
            rows = self._scope.records.events.select()
            return self._scope.remembered.events(r for r in rows if r.event_id not in held_ids)

    def room_of(self, p_map: Vector) -> str | None:
        """Name the room of a point (3,), None where it is in none."""
        return self._scope.room_of(p_map)

    def _recall(self, query: Query) -> list[Hit]:
        bounds = self._bounds(query)
        if bounds is None:
            return []
        carry_out: dict[QueryKind, Callable[[Query, Bounds], list[Hit]]] = {
            QueryKind.WHERE: self._things.recall,
            QueryKind.WHEN: self._things.recall,
            QueryKind.COUNT: self._things.recall,
            QueryKind.EXISTS: self._recall_existing,
            QueryKind.NEAR: self._things.recall_near,
            QueryKind.GONE: self._things.recall_gone,
            QueryKind.SEEN: self._recall_sightings,
            QueryKind.CHANGES: self._happenings.recall_changes,
            **dict.fromkeys(LOGGED, lambda q, b: self._happenings.recall(q, b, LOGGED[q.kind])),
            QueryKind.VISITED: self._recall_visits,
            QueryKind.ROOM: self._recall_room,
            QueryKind.ROOMS: self._recall_rooms,
            QueryKind.FACT: self._recall_facts,
        }
        return carry_out[query.kind](query, bounds)

    def _bounds(self, query: Query) -> Bounds | None:
        return bounds_of(query, reach=self._reach, rooms=self._scope.rooms, recall=self._recall)

    def _recall_existing(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return things; of a room that the robot knows, and where there never was one, its last stay there."""
        hits = self._things.recall_existing(query, bounds)
        if hits or bounds.rooms is None:
            return hits
        return self._recall_visits(Query(kind=QueryKind.VISITED), bounds)[:1]

    def _recall_sightings(self, query: Query, bounds: Bounds) -> list[Hit]:
        if query.is_negated:
            return self._things.recall_unseen(query, bounds)
        return self._happenings.recall(query, bounds, SIGHTINGS)

    def _recall_visits(self, query: Query, bounds: Bounds) -> list[Hit]:
        if bounds.place is None and query.label is not None:
            named = self._things.best_named(query)
            if named is None:
                return []
            bounds = replace(bounds, place=tuple(named.p_map.tolist()))
        if bounds.place is not None:
            bounds = replace(bounds, place=bounds.place[:2], support=None)
        path = self._scope.path()
        untils_ns = path.nexts_ns if query.measure is Measure.DURATION else path.untils_ns
        is_there = bounds.are_near(path.p_map) & self._scope.in_rooms(path.p_map, bounds)
        if bounds.since_ns is not None:
            is_there &= untils_ns >= bounds.since_ns
        if bounds.until_ns is not None:
            is_there &= path.stamps_ns <= bounds.until_ns
        hits = []
        for stay in path.stays(is_there):
            span = int(path.stamps_ns[stay.start]), int(untils_ns[stay.stop - 1])
            since_ns, until_ns = bounds.clipped(*span)
            away_m = None
            if bounds.place is not None:
                off = path.p_map[stay, : len(bounds.place)] - bounds.place
                away_m = float(np.linalg.norm(off, axis=1).min())
            hits.append(path.hit(stay, since_ns=since_ns, until_ns=until_ns, away_m=away_m))
        return sorted(hits, key=lambda hit: -hit.evidence.stamp_ns)

    def _recall_room(self, query: Query, bounds: Bounds) -> list[Hit]:
        is_of_robot = all(part is None for part in (query.label, query.like, query.which))
        find = self._recall_visits if is_of_robot else self._things.recall
        hits = [hit for hit in find(query, bounds) if hit.evidence.p_map is not None]
        rooms = self._scope.rooms.of(places_of(hits))
        names = [room.name for room in self._scope.rooms.all()]
        return [
            replace(hit, room=names[room])
            for hit, room in zip(hits, rooms.tolist(), strict=True)
            if room >= 0
        ]

    def _recall_rooms(self, query: Query, bounds: Bounds) -> list[Hit]:
        rooms = self._scope.rooms.all()
        things: list[list[Hit]] = [[] for _ in rooms]
        is_about_things = query.label is not None or query.like is not None
        if is_about_things or query.which is not None:
            found = self._things.recall(Query(label=query.label, like=query.like), bounds)
            hits = [h for h in found if h.entity and h.entity.state is EntityState.PRESENT]
            for hit, room in zip(hits, self._scope.rooms.of(places_of(hits)).tolist(), strict=True):
                if room >= 0:
                    things[room].append(hit)
            is_about_things = True
        path = self._scope.path()
        room_of_keyframe = self._scope.rooms.of(path.p_map)
        return [
            _room_hit(room, inside, path, np.flatnonzero(room_of_keyframe == i))
            for i, (room, inside) in enumerate(zip(rooms, things, strict=True))
            if not is_about_things or bool(inside) != query.is_negated
            if bounds.rooms is None or i in bounds.rooms
        ]

    def _recall_facts(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return what is known of a thing; with words, in that relation to anything."""
        if self._facts is None or query.label is None:
            return []
        as_of_ns, found = bounds.until_ns, []
        if query.text is None:
            found = self._facts.about(query.label, as_of_ns=as_of_ns)
        else:
            verb, space, rest = query.text.partition(" ")
            for relation in (query.text, f"{verb}s{space}{rest}"):  # "what does anna like"
                found += self._facts.ask(None, relation, query.label, as_of_ns=as_of_ns)
                found += self._facts.ask(query.label, relation, as_of_ns=as_of_ns)
        facts = {fact.fact_id: fact for fact in found}.values()
        return [
            Hit(fact.confidence, self._fact_evidence(fact), fact=fact.text)
            for fact in sorted(facts, key=lambda fact: -fact.confidence)
        ]

    def _fact_evidence(self, fact: Fact) -> Evidence:
        """Return when a fact was learned, from whom, and where the robot was."""
        event = self._scope.records.events.get(fact.event_ids[0]) if fact.event_ids else None
        return Evidence(
            stamp_ns=fact.learned_at_ns,
            score=fact.confidence,
            text=f"{fact.text}, says {', '.join(fact.sources)}",
            keyframe_id=event.keyframe_id if event else None,
            T_map_kf=self._scope.remembered.pose(event.keyframe_id) if event else None,
        )


def _room_hit(room: Room, inside: Sequence[Hit], path: Path, visits: NDArray[np.intp]) -> Hit:
    """Return a room as a hit: the best thing in it, or else the robot's last visit."""
    if inside:
        evidence = replace(inside[0].evidence, text=f"{room.name}, {len(inside)} there")
        return Hit(inside[0].score, evidence, inside[0].entity, room=room.name)
    if len(visits):
        last = int(visits[-1])
        span = int(path.stamps_ns[last]), int(path.untils_ns[last])
        hit = path.hit(slice(last, last + 1), since_ns=span[0], until_ns=span[1])
        return replace(hit, room=room.name, evidence=replace(hit.evidence, text=room.name))
    evidence = Evidence(stamp_ns=0, score=0.5, text=room.name, p_map=room.centre_map)
    return Hit(0.5, evidence, room=room.name)
