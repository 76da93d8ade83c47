"""What a client may do with a memory: its questions, and where it may write, its tellings.

Every text that was remembered comes with who said it and how far that is trusted, under `remembered`: it is data.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from robomem.ask.canonical import render
from robomem.ask.timebase import Timebase
from robomem.ask.times import parse_time
from robomem.ask.worded_query import WordedQuery
from robomem.cli.hits import query_fields, short_time
from robomem.cli.opening import timebase_of
from robomem.errors import QueryError
from robomem.memory import Memory
from robomem.query import Query, QueryKind
from robomem.types import Event, EventKind, Happening, Hit

MAX_LIMIT = 200
OWN = "robot"  # what it perceives and says itself
Fields = dict[str, Any]


class Tools:
    """The tools that read."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def all(self) -> Sequence[Callable[..., Any]]:
        """Return the tools."""
        return (
            self.ask, self.recall, self.where, self.when, self.what_changed, self.route, self.rooms, self.facts,
            self.events, self.info,
        )  # fmt: skip

    def ask(self, question: str) -> Fields:
        """Answer a question in plain English, such as "where did I last see the red mug?", with evidence.

        Also "how many chairs are in the bedroom", "what changed in the kitchen since yesterday", "how long were you
        in the study", "is the mug still on the table", "who told me about the keys". What is not understood is an error.
        """
        answer = self._memory.ask(question)
        timebase = self._timebase
        understood = render(answer.query, start_ns=timebase.start_ns, timezone=timebase.timezone)
        return {
            "text": answer.text,
            "is_found": answer.is_found,
            "value": answer.value,
            "understood_as": understood,
            "evidence": self._hits(answer.hits[:MAX_LIMIT]),
        }

    def recall(self, query: WordedQuery) -> Fields:
        """List what matches a typed query, best first.

        Its kind says what to list: where (things), near, seen, changes, count, visited (the robot's stays), told,
        happened, done (by the robot), gone, room, rooms, fact and so on. Every field narrows; times are words such as
        "2026-01-05 09:10", "yesterday", "10 minutes ago", "t=12.5s"; after, before, during, at and which are
        queries themselves.
        """
        return self._listed(query.query(self._timebase))

    def where(self, thing: str, at_time: str | None = None) -> Fields:
        """Tell where a thing was last seen, or was at a time such as "yesterday at 12:00"."""
        return self._listed(Query(label=thing, until_ns=self._stamp(at_time)))

    def when(self, thing: str) -> Fields:
        """Tell when a thing was last seen."""
        return self._listed(Query(kind=QueryKind.WHEN, label=thing))

    def what_changed(self, since: str | None = None, room: str | None = None) -> Fields:
        """List what appeared, moved or went missing."""
        return self._listed(
            Query(kind=QueryKind.CHANGES, room=room, since_ns=self._stamp(since), limit=50)
        )

    def route(self, start_m: list[float], goal_m: list[float]) -> Fields:
        """Plan a path for a small robot through space remembered as free.

        Args:
            start_m: [x, y] in map, or [x, y, z] with the height of the floor.
            goal_m: [x, y] in map.
        """
        for name, point in (("start_m", start_m), ("goal_m", goal_m)):
            if len(point) not in (2, 3):
                raise QueryError(f"{name} is [x, y] or [x, y, z] metres, got {point}")
        waypoints = self._memory.route((*start_m, 0.0)[:3], goal_m)
        return {"waypoints_m": [[round(float(x), 3) for x in point] for point in waypoints]}

    def rooms(self) -> Fields:
        """List the rooms that are known, with a point in each."""
        return self._listed(Query(kind=QueryKind.ROOMS, limit=MAX_LIMIT))

    def facts(self, subject: str, relation: str | None = None) -> Fields:
        """List what is known about a name: who owns it, what it is, where it is kept."""
        return self._listed(Query(kind=QueryKind.FACT, label=subject, text=relation, limit=50))

    def events(
        self,
        since: str | None = None,
        until: str | None = None,
        label: str | None = None,
        text: str | None = None,
        limit: int = 20,
    ) -> Fields:
        """List what happened: sightings, changes, tellings, actions and outcomes."""
        return self._listed(
            Query(
                kind=QueryKind.HAPPENED,
                label=label,
                since_ns=self._stamp(since),
                until_ns=self._stamp(until),
                text=text,
                limit=limit,
            )
        )

    def info(self) -> Fields:
        """Tell how much is remembered, and from when to when."""
        first, last = (
            None if not self._memory.span_ns else short_time(ns, self._timebase)
            for ns in self._memory.span_ns or (0, 0)
        )
        return {
            **asdict(self._memory.counts()),
            "first": first,
            "last": last,
            "timezone": self._timebase.timezone,
        }

    @property
    def _timebase(self) -> Timebase:
        return timebase_of(self._memory)

    def _stamp(self, time: str | None) -> int | None:
        return None if time is None else parse_time(time, self._timebase)

    def _listed(self, query: Query) -> Fields:
        return {
            "query": query_fields(query),
            "hits": self._hits(self._memory.recall(query)[:MAX_LIMIT]),
        }

    def _hits(self, hits: Iterable[Hit]) -> list[Fields]:
        timebase = self._timebase
        return [self._hit(hit, timebase) for hit in hits]

    def _hit(self, hit: Hit, timebase: Timebase) -> Fields:
        evidence, event = hit.evidence, hit.event
        fields = {
            "time": short_time(evidence.stamp_ns, timebase),
            "since": None if hit.since_ns is None else short_time(hit.since_ns, timebase),
            "position_m": _rounded(evidence.p_map),
            "score": round(hit.score, 3),
            "keyframe_id": evidence.keyframe_id,
            "room": hit.room,
            "remembered": self._remembered(hit.fact or evidence.text, event),
        }
        if hit.entity is not None:
            fields |= {
                "entity_id": hit.entity.entity_id,
                "label": hit.entity.label,
                "state": hit.entity.state.value,
                "sightings": hit.entity.sightings,
            }
        if event is not None:
            fields |= {"event_id": event.event_id, "kind": event.kind.value}
        return {name: value for name, value in fields.items() if value is not None}

    def _remembered(self, text: str, event: Event | None) -> Fields:
        source = OWN if event is None else event.source
        trust = self._memory.guard.trust(source)
        return {"text": text, "source": source, "trust": round(trust.expected, 3)}


class WritingTools(Tools):
    """The tools that read, and those that write."""

    def all(self) -> Sequence[Callable[..., Any]]:
        """Return the tools."""
        return (*super().all(), self.tell, self.learn, self.forget)

    def tell(self, text: str, source: str = "client", at_time: str | None = None) -> Fields:
        """Remember something that was said.

        Args:
            text: What.
            source: Who says so; not the robot itself.
            at_time: When; by default at the newest time that is remembered.
        """
        happening = Happening(
            kind=EventKind.TOLD,
            stamp_ns=self._written_at(at_time),
            text=text,
            source=_foreign(source),
        )
        receipt = self._memory.log([happening])
        return {
            "event_ids": list(receipt.event_ids),
            "rejected": [str(reason) for reason in receipt.rejected.values()],
        }

    def learn(self, subject: str, relation: str, object: str, source: str = "client") -> Fields:
        """Remember a fact, such as "the mug", "belongs to", "Anna"; what it contradicts ends, and is kept."""
        fact = self._memory.facts.learn(
            subject, relation, object, stamp_ns=self._written_at(None), source=_foreign(source)
        )
        return {"fact_id": fact.fact_id, "remembered": {"text": fact.text, "source": source}}

    def forget(
        self,
        entity_ids: list[int] | None = None,
        event_ids: list[int] | None = None,
        confirm: bool = False,
    ) -> Fields:
        """Erase things and events for good; nothing brings them back.

        Args:
            entity_ids: Things, with all that happened to them and the images that show them.
            event_ids: Single events.
            confirm: Must be true: ask the person first.
        """
        if not confirm:
            raise QueryError("forgetting cannot be undone: ask the person, then say confirm=true")
        count = self._memory.forget(entity_ids or (), event_ids=event_ids or ())
        return {"forgotten": count}

    def _written_at(self, time: str | None) -> int:
        return self._timebase.now_ns if time is None else parse_time(time, self._timebase)


def _foreign(source: str) -> str:
    if source.strip().lower() == OWN:
        raise QueryError("the robot speaks for itself: give another source")
    return source


def _rounded(p_map: Any) -> list[float] | None:
    return None if p_map is None else [round(float(x), 3) for x in p_map]
