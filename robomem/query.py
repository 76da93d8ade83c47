"""The typed question: what `recall` carries out, `ask` makes of words, and a model may only fill in."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from robomem.checks import MAX_STAMP_NS
from robomem.errors import QueryError

MAX_NAME = 100  # characters of a label, a room or words; a longer one names nothing
MAX_SUBQUERIES = 4
_UNWRITABLE = {ord(c): None for c in '"“”{}'} | dict.fromkeys(range(0xE000, 0xF900))


class QueryKind(StrEnum):
    """The closed set of questions."""

    WHERE = "where"  # where is / did I last see X
    WHEN = "when"  # when did you last see X
    NEAR = "near"  # what is near X, near a point
    SEEN = "seen"  # what did you see between T1 and T2
    CHANGES = "changes"  # what changed since T
    COUNT = "count"  # how many X
    VISITED = "visited"  # when were you last near a point or X, in a room
    TOLD = "told"  # what was I told about X
    EXISTS = "exists"  # is X still there, is there no X in a room
    GONE = "gone"  # when did X go missing
    HAPPENED = "happened"  # what happened, of all that is logged
    DONE = "done"  # what did you do
    TELLER = "teller"  # who told me about X
    ROOM = "room"  # which room is X in; which room am I in
    ROOMS = "rooms"  # which rooms are there, which have X
    FACT = "fact"  # what is a dax, who owns X


class Measure(StrEnum):
    """What is asked of the hits instead of which they are."""

    TIMES = "times"  # how many times
    DURATION = "duration"  # how long


class Relation(StrEnum):
    """How a thing stands to what `at` names."""

    NEAR = "near"
    ON = "on"
    IN = "in"


MEASURED = {
    Measure.TIMES: {
        QueryKind.SEEN,
        QueryKind.CHANGES,
        QueryKind.VISITED,
        QueryKind.TOLD,
        QueryKind.HAPPENED,
        QueryKind.DONE,
        QueryKind.ROOMS,
    },
    Measure.DURATION: {QueryKind.WHERE, QueryKind.VISITED, QueryKind.GONE},
}
NEGATED = {QueryKind.SEEN, QueryKind.EXISTS, QueryKind.ROOMS}
WORDED = {
    QueryKind.TOLD,
    QueryKind.TELLER,
    QueryKind.HAPPENED,
    QueryKind.DONE,
    QueryKind.FACT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A typed question. Every given field narrows it; a query inside it gives a time, a place or a thing.

    Attributes:
        kind: What is asked for.
        label: The thing, in words; every word must be in an entity's label, plurals folded.
        like: The thing by what it means ("something to drink from"); needs a text encoder.
        which: The thing is one that this query finds.
        near_map: (x, y) or (x, y, z) metres in map.
        radius_m: How near is near; None takes the configured one.
        at: Where the best hit of this query is,
        relation: and how to stand to it.
        room: In the room of this name.
        since_ns: Nothing that ended before.
        until_ns: Nothing that began after.
        after: Nothing that ended before the best hit of this query did.
        before: Nothing that began after the best hit of this query did.
        during: While the best hit of this query lasted.
        text: Words to find in what was told or happened; of a fact, the relation.
        measure: How many times, or how long, rather than which.
        is_negated: What was not seen, is not there; which rooms have none.
        limit: At most this many hits.

    Raises:
        QueryError: A field is out of range, or says nothing about this kind of question.
    """

    kind: QueryKind = QueryKind.WHERE
    label: str | None = None
    like: str | None = None
    which: "Query | None" = None
    near_map: tuple[float, ...] | None = None
    radius_m: float | None = None
    at: "Query | None" = None
    relation: Relation = Relation.NEAR
    room: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    after: "Query | None" = None
    before: "Query | None" = None
    during: "Query | None" = None
    text: str | None = None
    measure: Measure | None = None
    is_negated: bool = False
    limit: int = 10

    def __post_init__(self) -> None:
        for name in ("label", "like", "room", "text"):
            object.__setattr__(self, name, _checked_name(getattr(self, name), name))
        self._check_place()
        if self.limit < 1:
            raise QueryError(f"the limit is at least 1, got {self.limit}")
        self._check_span()
        if sum(1 for _ in self.parts()) > MAX_SUBQUERIES:
            raise QueryError(f"a question holds at most {MAX_SUBQUERIES} others")
        self._check_kind()

    def parts(self) -> "Iterator[Query]":
        """Yield the queries inside it, and those inside them."""
        for part in (self.which, self.at, self.after, self.before, self.during):
            if part is not None:
                yield part
                yield from part.parts()

    def _check_span(self) -> None:
        stamps = [ns for ns in (self.since_ns, self.until_ns) if ns is not None]
        for stamp_ns in stamps:
            checked_time(stamp_ns)
        if sorted(stamps) != stamps:
            raise QueryError("the time span ends before it begins")

    def _check_place(self) -> None:
        if self.near_map is not None:
            near = tuple(float(x) for x in self.near_map)
            if len(near) not in (2, 3) or not np.isfinite(near).all():
                raise QueryError(f"near takes 2 or 3 finite coordinates, got {self.near_map}")
            object.__setattr__(self, "near_map", near)
        if self.radius_m is not None and not 0 < self.radius_m < np.inf:
            raise QueryError(f"the radius is a positive number of metres, got {self.radius_m}")
        if self.at is not None and self.near_map is not None:
            raise QueryError("a thing and coordinates are two places: ask about one")
        if self.radius_m is not None and self.relation is not Relation.NEAR:
            raise QueryError(f"a thing {self.relation.value} another has no radius")
        if self.at is None and self.relation is not Relation.NEAR:
            raise QueryError(f"{self.relation.value!r} needs the thing that it is meant of")

    def _check_kind(self) -> None:
        if self.measure is not None and self.kind not in MEASURED[self.measure]:
            raise QueryError(f"{self.kind.value!r} has no {self.measure.value} to tell")
        if self.is_negated and self.kind not in NEGATED:
            raise QueryError(f"{self.kind.value!r} cannot be asked with a not")
        if self.text is not None and self.kind not in WORDED:
            raise QueryError(
                f"text narrows what was told or happened, and {self.kind.value!r} asks for neither"
            )


def checked_time(stamp_ns: int) -> int:
    """Return a time that is asked about; raises QueryError when no stamp can be as large."""
    if abs(stamp_ns) > MAX_STAMP_NS:
        raise QueryError(
            f"the time is out of range: stamps lie within 292 years of 1970, got {stamp_ns} ns"
        )
    return stamp_ns


def _checked_name(name: str | None, field: str) -> str | None:
    """Return a name as it can be written between quotes, None where nothing is left of it."""
    if name is None:
        return None
    name = " ".join(name.translate(_UNWRITABLE).lower().split())
    if len(name) > MAX_NAME:
        raise QueryError(f"{field} has {len(name)} characters: {MAX_NAME} are enough for a name")
    return name or None
