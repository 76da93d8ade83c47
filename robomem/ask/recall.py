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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robomem.ask.bounds import Bounds, bounds_of
from robomem.ask.labels import fold, matches
from robomem.ask.remembered import Path, Remembered, stays_of
from robomem.ask.rooms import Room, Rooms, with_told
from robomem.claims import ClaimKind
from robomem.episodic.search import EventFilter, EventSearch
from robomem.geometry import Points
from robomem.query import Measure, Query, QueryKind
from robomem.semantic.facts import Fact, Facts
from robomem.store.records import Records
from robomem.store.rows import EntityRow
from robomem.types import Entity, EntityState, Event, EventKind, Evidence, Hit

SIGHTINGS = (EventKind.APPEARED, EventKind.SEEN, EventKind.MOVED)
CHANGES = (EventKind.APPEARED, EventKind.MOVED, EventKind.MISSING)
LOGGED = {
    QueryKind.HAPPENED: None,
    QueryKind.DONE: (EventKind.ACTED, EventKind.OUTCOME),
    QueryKind.TOLD: (EventKind.TOLD,),
    QueryKind.TELLER: (EventKind.TOLD,),
}
ALL = 2**31 - 1
Mask = NDArray[np.bool_]


class Meanings(Protocol):
    """Tells how well labels fit a description; see `Recaller`."""

    def __call__(self, description: str, labels: Sequence[str]) -> Sequence[float]:
        """Return a score in [0, 1] for each label, 0 for those that do not fit."""
        ...


class Recaller:
    """Carries out queries on the records of one memory.

    Args:
        records: Them.
        events: Searches the log.
        near_radius_m: What "near" means.
        rooms: Finds the rooms.
        facts: What is known, and what words stand for.
        meanings: Compares names with a description.
    """

    def __init__(
        self,
        records: Records,
        events: EventSearch,
        *,
        near_radius_m: float,
        rooms: Callable[[], Sequence[Room]] = list,
        facts: Facts | None = None,
        meanings: Meanings | None = None,
    ) -> None:
        self._records = records
        self._events = events
        self._near_radius_m = near_radius_m
        self._find_rooms = rooms
        self._facts = facts
        self._meanings = meanings
        self._remembered = Remembered(records)
        self._version: tuple[int, int] | None = None
        self._path: Path | None = None
        self._rooms = Rooms(self._known_rooms)

    def recall(self, query: Query) -> list[Hit]:
        """Return the hits, best first."""
        with self._records.snapshot():
            self._refresh()
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
        with self._records.snapshot():
            self._refresh()
            bounds = self._bounds(query)
            held_ids = self._records.held_ids(ClaimKind.EVENT)
            if bounds is None or not held_ids:
                return 0
            return len(self._recall_events(query, bounds, LOGGED[query.kind], held_ids=held_ids))

    def unknown_room(self, query: Query) -> str | None:
        """Return the first room that is named in a query and not known."""
        named = (part.room for part in (query, *query.parts()) if part.room is not None)
        with self._records.snapshot():
            self._refresh()
            return next((room for room in named if not self._rooms.named(room)), None)

    def entities(self) -> list[Entity]:
        """Return everything believed in, by id."""
        with self._records.snapshot():
            self._refresh()
            return self._remembered.entities()

    def events(self) -> list[Event]:
        """Return everything that happened, by id; not what is held."""
        with self._records.snapshot():
            self._refresh()
            held_ids = self._records.held_ids(ClaimKind.EVENT)
            rows = self._records.events.select()
            return [self._remembered.event(row) for row in rows if row.event_id not in held_ids]

    def _recall(self, query: Query) -> list[Hit]:
        bounds = self._bounds(query)
        if bounds is None:
            return []
        carry_out: dict[QueryKind, Callable[[Query, Bounds], list[Hit]]] = {
            QueryKind.WHERE: self._recall_things,
            QueryKind.WHEN: self._recall_things,
            QueryKind.COUNT: self._recall_things,
            QueryKind.EXISTS: self._recall_existing,
            QueryKind.NEAR: self._recall_near,
            QueryKind.GONE: self._recall_gone,
            QueryKind.SEEN: self._recall_sightings,
            QueryKind.CHANGES: self._recall_changes,
            **dict.fromkeys(LOGGED, lambda q, b: self._recall_events(q, b, LOGGED[q.kind])),
            QueryKind.VISITED: self._recall_visits,
            QueryKind.ROOM: self._recall_room,
            QueryKind.ROOMS: self._recall_rooms,
            QueryKind.FACT: self._recall_facts,
        }
        return carry_out[query.kind](query, bounds)

    def _bounds(self, query: Query) -> Bounds | None:
        return bounds_of(
            query, radius_m=self._near_radius_m, rooms=self._rooms, recall=self._recall
        )

    # --- things ----------------------------------------------------------------------------------

    def _recall_things(self, query: Query, bounds: Bounds) -> list[Hit]:
        if query.measure is Measure.DURATION:
            return self._recall_stays(query, bounds)
        hits = [
            hit
            for entity, fit in self._named(query, bounds)
            if (hit := self._as_of(entity, bounds, fit)) is not None
        ]
        if not hits and query.label is not None and query.kind in (QueryKind.WHERE, QueryKind.WHEN):
            return self._recall_captions(query, bounds)
        wanted = fold(query.label or "")
        return sorted(
            self._inside(hits, bounds),
            key=lambda hit: (
                -hit.score if query.like else 0,
                hit.entity is not None and fold(hit.entity.label) != wanted,
                hit.entity is not None and hit.entity.state is not EntityState.PRESENT,
                -hit.evidence.stamp_ns,
                hit.entity.entity_id if hit.entity is not None else 0,
            ),
        )

    def _recall_captions(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return where something is by what the robot said that it saw, of what is no thing that it believes in."""
        said = replace(query, kind=QueryKind.HAPPENED, label=None, text=query.label, measure=None)
        hits = self._recall_events(said, bounds, (EventKind.OBSERVED,))
        placed = [hit for hit in hits if hit.evidence.p_map is not None]
        return sorted(placed, key=lambda hit: -hit.evidence.stamp_ns)

    def _recall_existing(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return things; where none are there, with a score of 0 where they are, else the last stay in the room."""
        hits = self._recall_things(query, bounds)
        if hits or not bounds.is_placed:
            return hits
        anywhere = replace(bounds, place=None, support=None, rooms=None)
        elsewhere = [replace(hit, score=0.0) for hit in self._recall_things(query, anywhere)]
        if elsewhere or bounds.rooms is None:
            return elsewhere
        return self._recall_visits(Query(kind=QueryKind.VISITED), bounds)[:1]

    def _recall_near(self, query: Query, bounds: Bounds) -> list[Hit]:
        centre = self._best_named(query)
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
            for hit in self._recall_things(replace(query, label=None, kind=QueryKind.WHERE), around)
            if hit.entity is not None and hit.entity.state is EntityState.PRESENT
            if centre is None or hit.entity.entity_id != centre.entity_id
        ]
        return sorted(hits, key=lambda hit: -hit.score)

    def _recall_gone(self, query: Query, bounds: Bounds) -> list[Hit]:
        at_any_time = replace(bounds, since_ns=None, until_ns=None)
        hits = [
            replace(hit, since_ns=hit.event.stamp_ns)
            for hit in self._recall_things(replace(query, measure=None), at_any_time)
            if hit.event is not None and hit.event.kind is EventKind.MISSING
            if bounds.is_in_time(hit.event.stamp_ns, ALL * 10**10)
        ]
        return sorted(hits, key=lambda hit: -(hit.since_ns or 0))

    def _recall_stays(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return how long things stayed at places, as far as they were seen there; the latest first."""
        hits = []
        for entity, _ in self._named(query, bounds):
            rows = self._records.events.select("entity_id = ?", entity.entity_id)
            events = sorted(
                (self._remembered.event(row) for row in rows),
                key=lambda e: (e.stamp_ns, e.event_id),
            )
            for stay in stays_of(e for e in events if e.kind in (*SIGHTINGS, EventKind.MISSING)):
                since_ns, until_ns = stay[0].stamp_ns, max(e.until_ns for e in stay)
                if bounds.is_in_time(since_ns, until_ns):
                    hit = self._remembered.event_hit(stay[-1])
                    since_ns, until_ns = _clipped(since_ns, until_ns, bounds)
                    evidence = replace(hit.evidence, stamp_ns=until_ns)
                    hits.append(replace(hit, entity=entity, evidence=evidence, since_ns=since_ns))
        return sorted(self._inside(hits, bounds), key=lambda hit: -hit.evidence.stamp_ns)

    def _named(self, query: Query, bounds: Bounds) -> list[tuple[Entity, float]]:
        """Return the things that a query names, and how well each fits its description."""
        held_ids = self._records.held_ids(ClaimKind.ENTITY)
        rows = [
            row
            for row in self._records.entities.select("is_confirmed")
            if row.entity_id not in held_ids
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
        return [(self._remembered.entity(row), fits.get(row.label, 1.0)) for row in rows]

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

    def _best_named(self, query: Query) -> Entity | None:
        """Return the thing that a query's label means best."""
        if query.label is None:
            return None
        hits = self._recall(Query(label=query.label))
        return hits[0].entity if hits else None

    def _as_of(self, entity: Entity, bounds: Bounds, fit: float) -> Hit | None:
        """Return a thing by its last sighting in the time span; None when there is none."""
        hit = self._remembered.entity_hit(entity)
        hit = replace(hit, score=hit.score * fit, event=self._remembered.missed(entity))
        if bounds.since_ns is not None and entity.last_seen_ns < bounds.since_ns:
            return None
        if bounds.until_ns is None or entity.last_seen_ns <= bounds.until_ns:
            return hit
        marks = ", ".join("?" * len(SIGHTINGS))
        rows = self._records.events.select(
            f"entity_id = ? AND until_ns >= ? AND stamp_ns <= ? AND kind IN ({marks})",
            entity.entity_id,
            bounds.since_ns or 0,
            bounds.until_ns,
            *SIGHTINGS,
        )
        if not rows:
            return None
        event = self._remembered.event(max(rows, key=lambda row: (row.stamp_ns, row.event_id)))
        then = replace(
            hit.evidence,
            stamp_ns=min(event.until_ns, bounds.until_ns),
            keyframe_id=event.keyframe_id,
            p_map=event.p_map,
            T_map_kf=self._remembered.pose(event.keyframe_id),
        )
        return replace(hit, evidence=then, event=None)

    # --- events ----------------------------------------------------------------------------------

    def _recall_sightings(self, query: Query, bounds: Bounds) -> list[Hit]:
        if query.is_negated:
            return self._recall_unseen(query, bounds)
        return self._recall_events(query, bounds, SIGHTINGS)

    def _recall_unseen(self, query: Query, bounds: Bounds) -> list[Hit]:
        at_any_time = replace(bounds, since_ns=None, until_ns=None)
        hits = self._recall_things(
            Query(label=query.label, like=query.like, limit=ALL), at_any_time
        )
        unseen = [
            hit
            for hit in hits
            if hit.entity is not None and hit.entity.state is EntityState.PRESENT
            if self._as_of(hit.entity, bounds, 1.0) is None
        ]
        return sorted(unseen, key=lambda hit: hit.evidence.stamp_ns)

    def _recall_changes(self, query: Query, bounds: Bounds) -> list[Hit]:
        present = {
            row.entity_id
            for row in self._records.entities.select(
                "is_confirmed AND state = ?", EntityState.PRESENT
            )
        }

        def is_change(event: Event) -> bool:
            is_recent = bounds.since_ns is None or event.stamp_ns >= bounds.since_ns
            return is_recent and not (
                event.kind is EventKind.MISSING and event.entity_id in present
            )

        return self._recall_events(query, bounds, CHANGES, is_wanted=is_change)

    def _recall_events(
        self,
        query: Query,
        bounds: Bounds,
        kinds: tuple[EventKind, ...] | None,
        *,
        is_wanted: Callable[[Event], bool] = lambda _: True,
        held_ids: set[int] | None = None,
    ) -> list[Hit]:
        """Return events: the best match of the words first, then the newest; of those in quarantine only some.

        The log is asked for more and more until enough of what it finds satisfies the rest.
        """
        words = fold(query.text or "")
        if query.text and not words:
            return []
        wanted = EventFilter(
            since_ns=bounds.since_ns,
            until_ns=bounds.until_ns,
            kinds=kinds,
            labels=self._labels(query),
            with_held=held_ids is not None,
        )
        need = ALL if query.measure is not None else query.limit
        asked = 4 * need if not bounds.is_placed else max(64, 4 * need)
        while True:
            found = self._events.search(wanted, text=" ".join(words) or None, limit=min(asked, ALL))
            events = self._events.events([scored.event_id for scored in found])
            hits = [
                self._remembered.event_hit(event, scored.score if words else 1.0)
                for event, scored in zip(events, found, strict=True)
                if is_wanted(event)
                if held_ids is None or event.event_id in held_ids
                if bounds.entity_ids is None or event.entity_id in bounds.entity_ids
            ]
            hits = self._inside(hits, bounds)
            if len(hits) >= need or len(found) < asked or asked >= ALL:
                return hits
            asked *= 8

    def _labels(self, query: Query) -> tuple[str, ...] | None:
        if query.like is not None and self._meanings is not None:
            labels = self._events.labels()
            fits = self._meanings(query.like, labels)
            return tuple(label for label, fit in zip(labels, fits, strict=True) if fit > 0)
        if query.label is None:
            return None if query.like is None else ()
        return tuple(label for label in self._events.labels() if matches(query.label, label))

    # --- stays, rooms, facts ---------------------------------------------------------------------

    def _recall_visits(self, query: Query, bounds: Bounds) -> list[Hit]:
        if bounds.place is None and query.label is not None:
            named = self._best_named(query)
            if named is None:
                return []
            bounds = replace(bounds, place=tuple(named.p_map.tolist()))
        if bounds.place is not None:
            bounds = replace(bounds, place=bounds.place[:2], support=None)
        path = self._robot_path()
        untils_ns = path.nexts_ns if query.measure is Measure.DURATION else path.untils_ns
        is_there = bounds.are_near(path.p_map) & self._in_rooms(path.p_map, bounds)
        if bounds.since_ns is not None:
            is_there &= untils_ns >= bounds.since_ns
        if bounds.until_ns is not None:
            is_there &= path.stamps_ns <= bounds.until_ns
        hits = []
        for stay in path.stays(is_there):
            span = int(path.stamps_ns[stay.start]), int(untils_ns[stay.stop - 1])
            since_ns, until_ns = _clipped(*span, bounds)
            away_m = None
            if bounds.place is not None:
                off = path.p_map[stay, : len(bounds.place)] - bounds.place
                away_m = float(np.linalg.norm(off, axis=1).min())
            hits.append(path.hit(stay, since_ns=since_ns, until_ns=until_ns, away_m=away_m))
        return sorted(hits, key=lambda hit: -hit.evidence.stamp_ns)

    def _recall_room(self, query: Query, bounds: Bounds) -> list[Hit]:
        is_of_robot = all(part is None for part in (query.label, query.like, query.which))
        find = self._recall_visits if is_of_robot else self._recall_things
        hits = [hit for hit in find(query, bounds) if hit.evidence.p_map is not None]
        rooms = self._rooms.of(_places(hits))
        names = [room.name for room in self._rooms.all()]
        return [
            replace(hit, room=names[room])
            for hit, room in zip(hits, rooms.tolist(), strict=True)
            if room >= 0
        ]

    def _recall_rooms(self, query: Query, bounds: Bounds) -> list[Hit]:
        rooms = self._rooms.all()
        things: list[list[Hit]] = [[] for _ in rooms]
        is_about_things = query.label is not None or query.like is not None
        if is_about_things or query.which is not None:
            found = self._recall_things(Query(label=query.label, like=query.like), bounds)
            hits = [h for h in found if h.entity and h.entity.state is EntityState.PRESENT]
            for hit, room in zip(hits, self._rooms.of(_places(hits)).tolist(), strict=True):
                if room >= 0:
                    things[room].append(hit)
            is_about_things = True
        path = self._robot_path()
        room_of_keyframe = self._rooms.of(path.p_map)
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
            for relation in (query.text, f"{query.text}s"):  # "what does anna like"
                found += self._facts.ask(None, relation, query.label, as_of_ns=as_of_ns)
                found += self._facts.ask(query.label, relation, as_of_ns=as_of_ns)
        facts = {fact.fact_id: fact for fact in found}.values()
        return [
            Hit(fact.confidence, self._fact_evidence(fact), fact=fact.text)
            for fact in sorted(facts, key=lambda fact: -fact.confidence)
        ]

    def _fact_evidence(self, fact: Fact) -> Evidence:
        """Return when a fact was learned, from whom, and where the robot was."""
        event = self._records.events.get(fact.event_ids[0]) if fact.event_ids else None
        return Evidence(
            stamp_ns=fact.learned_at_ns,
            score=fact.confidence,
            text=f"{fact.text}, says {', '.join(fact.sources)}",
            keyframe_id=event.keyframe_id if event else None,
            T_map_kf=self._remembered.pose(event.keyframe_id) if event else None,
        )

    # --- bounds ----------------------------------------------------------------------------------

    def _inside(self, hits: Iterable[Hit], bounds: Bounds) -> list[Hit]:
        """Return the hits inside the bounds in space; a move is where it began, too."""
        hits = list(hits)
        if not bounds.is_placed or not hits:
            return hits
        is_inside = self._are_inside(_places(hits), bounds)
        is_inside |= self._are_inside(_origins(hits), bounds)
        if bounds.rooms is not None:
            names = {self._rooms.all()[i].name for i in bounds.rooms}
            said = [hit.event is not None and hit.event.room in names for hit in hits]
            is_inside |= np.array(said)
        return [hit for hit, inside in zip(hits, is_inside, strict=True) if inside]

    def _are_inside(self, p_map: Points, bounds: Bounds) -> Mask:
        is_inside: Mask = np.asarray(np.isfinite(p_map).all(axis=1))
        has_place = is_inside.copy()
        is_inside[has_place] &= bounds.are_near(p_map[has_place])
        is_inside[is_inside] &= self._in_rooms(p_map[is_inside], bounds)
        return is_inside

    def _in_rooms(self, p_map: Points, bounds: Bounds) -> Mask:
        if bounds.rooms is None:
            return np.ones(len(p_map), np.bool_)
        return np.isin(self._rooms.of(p_map), list(bounds.rooms))

    # --- what is kept until anything changes -----------------------------------------------------

    def _refresh(self) -> None:
        if self._version != self._records.version:
            self._version = self._records.version
            self._path = None
            self._rooms = Rooms(self._known_rooms)
            self._remembered = Remembered(self._records)

    def _robot_path(self) -> Path:
        if self._path is None:
            self._path = Path(self._records)
        return self._path

    def _known_rooms(self) -> Sequence[Room]:
        """Return the rooms that the map shows, and those that were told."""
        poses = ((name, self._remembered.pose(kf)) for name, kf in self._records.rooms_told())
        told = [(name, T_map_kf[:3, 3]) for name, T_map_kf in poses if T_map_kf is not None]
        return with_told(self._find_rooms(), told)


def _places(hits: Sequence[Hit]) -> Points:
    """Return where hits are, (N, 3), NaN where there is no place."""
    nowhere = np.full(3, np.nan)
    places = [nowhere if h.evidence.p_map is None else h.evidence.p_map for h in hits]
    return np.array(places).reshape(-1, 3)


def _origins(hits: Sequence[Hit]) -> Points:
    """Return where what moved was before, (N, 3), NaN where nothing did."""
    nowhere = np.full(3, np.nan)
    origins = [
        nowhere
        if h.entity is not None or h.event is None or h.event.p_from_map is None
        else h.event.p_from_map
        for h in hits
    ]
    return np.array(origins).reshape(-1, 3)


def _with_distance(hit: Hit, bounds: Bounds) -> Hit:
    assert hit.entity is not None, "what is near something is a thing"
    assert bounds.place is not None, "and that is somewhere"
    away_m = float(np.linalg.norm(hit.entity.p_map[: len(bounds.place)] - bounds.place))
    score = 1.0 - away_m / bounds.radius_m
    text = f"{hit.entity.label}, {away_m:.2f} m away"
    return replace(hit, score=score, evidence=replace(hit.evidence, score=score, text=text))


def _clipped(since_ns: int, until_ns: int, bounds: Bounds) -> tuple[int, int]:
    """Return the part of a time span that lies in the bounds."""
    if bounds.since_ns is not None:
        since_ns = max(since_ns, bounds.since_ns)
    if bounds.until_ns is not None:
        until_ns = min(until_ns, bounds.until_ns)
    return min(since_ns, until_ns), until_ns


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
