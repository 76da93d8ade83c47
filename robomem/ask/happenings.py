"""Questions for what happened: the log is searched by what it indexes, and the rest is held against what it finds."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from robomem.ask.bounds import Bounds
from robomem.ask.scope import Scope
from robomem.episodic.search import EventFilter, EventSearch
from robomem.labels import fold, matches
from robomem.query import Query, QueryKind
from robomem.types import EntityState, Event, EventKind, Hit

CHANGES = (EventKind.APPEARED, EventKind.MOVED, EventKind.MISSING)
LOGGED = {
    QueryKind.HAPPENED: None,
    QueryKind.DONE: (EventKind.ACTED, EventKind.OUTCOME),
    QueryKind.TOLD: (EventKind.TOLD,),
    QueryKind.TELLER: (EventKind.TOLD,),
}
ALL = 2**31 - 1


class Meanings(Protocol):
    """Tells how well labels fit a description; see `Recaller`."""

    def __call__(self, description: str, labels: Sequence[str]) -> Sequence[float]:
        """Return a score in [0, 1] for each label, 0 for those that do not fit."""
        ...


class Happenings:
    """Recalls events of one memory; `meanings` compares names with a description."""

    def __init__(self, scope: Scope, events: EventSearch, meanings: Meanings | None) -> None:
        self._scope = scope
        self._events = events
        self._meanings = meanings

    def recall(
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
        words = " ".join(fold(query.text or ""))
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
        asked = min(2 * need, ALL)
        while True:
            found = self._search(wanted, bounds, text=words or None, limit=asked)
            hits = [
                self._scope.remembered.event_hit(event, score if words else 1.0)
                for event, score in found
                if is_wanted(event)
                if held_ids is None or event.event_id in held_ids
                if bounds.entity_ids is None or event.entity_id in bounds.entity_ids
            ]
            hits = self._scope.inside(hits, bounds)
            if len(hits) >= need or len(found) < asked or asked == ALL:
                return hits
            asked = min(8 * asked, ALL)

    def recall_changes(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return changes; not the looks in vain for what was seen again since."""
        present = {
            row.entity_id
            for row in self._scope.records.entities.select(
                "is_confirmed AND state = ?", EntityState.PRESENT
            )
        }

        def is_change(event: Event) -> bool:
            is_recent = bounds.since_ns is None or event.stamp_ns >= bounds.since_ns
            return is_recent and not (
                event.kind is EventKind.MISSING and event.entity_id in present
            )

        return self.recall(query, bounds, CHANGES, is_wanted=is_change)

    def recall_captions(self, query: Query, bounds: Bounds) -> list[Hit]:
        """Return where something is by what the robot said that it saw, of what is no thing that it believes in."""
        said = replace(query, kind=QueryKind.HAPPENED, label=None, text=query.label, measure=None)
        hits = self.recall(said, bounds, (EventKind.OBSERVED,))
        placed = [hit for hit in hits if hit.evidence.p_map is not None]
        return sorted(placed, key=lambda hit: -hit.evidence.stamp_ns)

    def _search(
        self, wanted: EventFilter, bounds: Bounds, *, text: str | None, limit: int
    ) -> list[tuple[Event, float]]:
        """Ask the log for what is inside the bounds, what was said to be, and what moved away from there; best first."""
        ways = [wanted]
        if bounds.is_placed:
            ways = [replace(wanted, is_inside=lambda p_map: self._scope.are_inside(p_map, bounds))]
            if wanted.kinds is None or EventKind.MOVED in wanted.kinds:
                ways.append(replace(wanted, kinds=(EventKind.MOVED,)))
            if bounds.rooms is not None:
                ways.append(replace(wanted, rooms=self._scope.names_of(bounds.rooms)))
        scores = {
            scored.event_id: scored.score
            for way in ways
            for scored in self._events.search(way, text=text, limit=limit)
        }
        events = [(event, scores[event.event_id]) for event in self._events.events(list(scores))]
        events.sort(key=lambda found: (-found[1], -found[0].stamp_ns, found[0].event_id))
        return events[:limit]

    def _labels(self, query: Query) -> tuple[str, ...] | None:
        if query.like is not None and self._meanings is not None:
            labels = self._events.labels()
            fits = self._meanings(query.like, labels)
            return tuple(label for label, fit in zip(labels, fits, strict=True) if fit > 0)
        if query.label is None:
            return None if query.like is None else ()
        return tuple(label for label in self._events.labels() if matches(query.label, label))
