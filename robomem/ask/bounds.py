"""What narrows a query, made concrete: the queries inside it carried out, its room found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robomem.ask.remembered import occasion
from robomem.ask.rooms import Rooms
from robomem.geometry import Points
from robomem.query import MAX_NAME, Query, QueryKind, Relation
from robomem.semantic.standings import are_standing
from robomem.types import Entity, Event, Hit

WIDELY = 200  # hits of a query inside another
OCCASION_GAP_NS = 2 * 3600 * 10**9
# Of what is on or in something that the robot only said it saw, from where it stood:
SAID_REACH_M = 3.0


@dataclass(frozen=True, slots=True)
class Reach:
    """What words for places mean in metres: `near_m` around, and touching within `touch_m`."""

    near_m: float
    touch_m: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """A query's narrowings as numbers.

    Attributes:
        since_ns, until_ns: The span of time; None is open.
        place: Where near is, (2,) or (3,) metres in map.
        radius_m: How near.
        relation: How to stand to `support`.
        support: The thing that others stand on, or are in.
        touch_m: How near its top they are on it.
        rooms: Which rooms, by their place in `Rooms.all`.
        entity_ids: Which things.
    """

    since_ns: int | None
    until_ns: int | None
    place: tuple[float, ...] | None
    radius_m: float
    relation: Relation
    support: Entity | None
    touch_m: float
    rooms: frozenset[int] | None
    entity_ids: frozenset[int] | None

    def is_in_time(self, since_ns: int, until_ns: int) -> bool:
        """Tell whether a span overlaps the one asked for."""
        return (self.since_ns is None or until_ns >= self.since_ns) and (
            self.until_ns is None or since_ns <= self.until_ns
        )

    def are_near(self, p_map: Points, sizes_m: Points | None = None) -> NDArray[np.bool_]:
        """Tell which points (N, 3) lie in the circle (2 coordinates) or ball (3), or on or in a thing; no place, no bounds.

        The sizes (N, 3) of what is there, NaN where they are not known, tell what stands on or in it.
        """
        if self.support is not None and self.relation is not Relation.NEAR:
            return are_standing(
                p_map,
                np.full_like(p_map, np.nan) if sizes_m is None else sizes_m,
                relation=self.relation,
                other=self.support,
                touch_m=self.touch_m,
            )
        if self.place is None:
            return np.ones(len(p_map), np.bool_)
        away_m = np.linalg.norm(p_map[:, : len(self.place)] - self.place, axis=1)
        return np.asarray(away_m <= self.radius_m)

    def clipped(self, since_ns: int, until_ns: int) -> tuple[int, int]:
        """Return the part of a time span that is asked for."""
        if self.since_ns is not None:
            since_ns = max(since_ns, self.since_ns)
        if self.until_ns is not None:
            until_ns = min(until_ns, self.until_ns)
        return min(since_ns, until_ns), until_ns

    @property
    def is_placed(self) -> bool:
        """Whether there are bounds in space."""
        return self.place is not None or self.support is not None or self.rooms is not None


ANYWHERE = Bounds(None, None, None, np.inf, Relation.NEAR, None, 0.0, None, None)


def span_of(hits: Sequence[Hit], *, is_onset: bool) -> tuple[int, int]:
    """Return from when to when the best hit lasted; `is_onset`: of what was logged again and again, its beginning.

    "After the guests came" is when they were first noticed.
    """
    best = hits[0]
    if best.event is not None and best.entity is None:
        alike = hits if best.event.entity_id is None else hits[:1]
        span = occasion(alike, OCCASION_GAP_NS)
        return (span[0], span[0]) if is_onset and len(alike) > 1 else span
    until_ns = best.evidence.stamp_ns
    return (until_ns if best.since_ns is None else best.since_ns), until_ns


def bounds_of(
    query: Query,
    *,
    reach: Reach,
    rooms: Rooms,
    recall: Callable[[Query], list[Hit]],
) -> Bounds | None:
    """Return the bounds of a query; None where a query inside it finds nothing, or there is no such room.

    Args:
        query: Whose.
        reach: What near means, where the query does not say, and touching.
        rooms: The rooms there are.
        recall: Carries out the queries inside.
    """
    spans = {}
    for name in ("after", "before", "during"):
        part: Query | None = getattr(query, name)
        hits = recall(_widely(part)) if part is not None else []
        if part is not None and not hits:
            return None
        if hits:
            spans[name] = span_of(hits, is_onset=name == "after")
    at = _where_at(query, recall)
    which = recall(_widely(query.which)) if query.which is not None else []
    named = rooms.named(query.room) if query.room is not None else None
    is_lost = query.at is not None and (not at or at[0].evidence.p_map is None)
    if is_lost or (query.which is not None and not which) or named == []:
        return None
    since_ns, until_ns = _span(query, spans)
    support = at[0].entity if at else None
    place = (
        tuple(at[0].evidence.p_map.tolist()) if at and at[0].evidence.p_map is not None else None
    )
    return Bounds(
        since_ns=since_ns,
        until_ns=until_ns,
        place=query.near_map if query.near_map is not None else place,
        radius_m=query.radius_m
        or (reach.near_m if query.relation is Relation.NEAR else SAID_REACH_M),
        relation=query.relation,
        support=support,
        touch_m=reach.touch_m,
        rooms=None if named is None else frozenset(named),
        entity_ids=None if query.which is None else frozenset(_ids(which)),
    )


def _widely(part: Query) -> Query:
    """Return a query inside another with room for a whole occasion, or for every thing that it means."""
    return replace(part, limit=max(part.limit, WIDELY))


def _where_at(query: Query, recall: Callable[[Query], list[Hit]]) -> list[Hit]:
    """Return where `at` is; of what is no thing, where the robot last spoke of it together with what is asked for."""
    if query.at is None:
        return []
    at = recall(query.at)
    if at and at[0].entity is None and query.label is not None and query.at.label is not None:
        words = f"{query.label} {query.at.label}"[:MAX_NAME]
        both = recall(Query(kind=QueryKind.HAPPENED, text=words, limit=WIDELY))
        placed = [hit for hit in both if hit.evidence.p_map is not None]
        return sorted(placed, key=lambda hit: -hit.evidence.stamp_ns) or at
    return at


def _span(query: Query, spans: dict[str, tuple[int, int]]) -> tuple[int | None, int | None]:
    """Return the latest beginning and the earliest end of what a query is narrowed to."""
    begins = [query.since_ns, spans["after"][1] if "after" in spans else None]
    ends = [query.until_ns, spans["before"][0] if "before" in spans else None]
    if "during" in spans:
        is_state = query.kind in (QueryKind.WHERE, QueryKind.EXISTS, QueryKind.ROOM)
        begins.append(None if is_state else spans["during"][0])
        ends.append(spans["during"][1])
    return (
        max((ns for ns in begins if ns is not None), default=None),
        min((ns for ns in ends if ns is not None), default=None),
    )


def _ids(hits: Iterable[Hit]) -> list[int]:
    things: list[Entity | Event] = [t for h in hits for t in (h.entity, h.event) if t is not None]
    return [t.entity_id for t in things if t.entity_id is not None]
