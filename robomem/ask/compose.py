"""Hits to a plain sentence: what, where, when; and a plain "no" when there is nothing to tell."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from robomem import labels
from robomem.ask.phrases import (
    a_named,
    also,
    at,
    change,
    clock_of,
    gone,
    listed,
    maybe_at,
    narrowed,
    place,
    placed,
    quoted_if_told,
    sentence,
    the,
    the_named,
    time_of,
)
from robomem.ask.timebase import (
    SECOND_NS,
    Timebase,
    describe_clock,
    describe_duration,
    describe_time,
)
from robomem.query import Measure, Query, QueryKind
from robomem.types import Answer, EntityState, Hit


def compose(
    question: str,
    query: Query,
    hits: Sequence[Hit],
    *,
    now_ns: int,
    start_ns: int,
    timezone: str,
) -> Answer:
    """Return the answer in words.

    Args:
        question: As it was asked.
        query: What was understood.
        hits: What `recall` found, best first; for a count, all of them.
        now_ns: The newest stamp of the memory: "3 minutes ago" counts from it.
        start_ns: Its first stamp.
        timezone: IANA name of the zone of clock times.
    """
    timebase = Timebase(now_ns, start_ns, timezone)
    text = _tell(query, hits, timebase) if hits else _abstain(query, timebase)
    value = _value(query, hits, timebase)
    return Answer(question, text, query, tuple(hits), is_found=bool(hits), value=value)


def with_reason(answer: Answer, reason: str | None) -> Answer:
    """Return an answer that found nothing, with the reason for that."""
    return answer if reason is None else replace(answer, text=f"{answer.text} {reason}")


def _tell(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    if query.measure is Measure.TIMES:
        return _times(query, hits, timebase)
    if query.measure is Measure.DURATION:
        return _duration(query, hits, timebase)
    return _TELL[query.kind](query, hits, timebase)


def _value(query: Query, hits: Sequence[Hit], timebase: Timebase) -> int | None:
    """Return the number that answers a question for one: how many, how often, seconds, yes or no."""
    if query.kind is QueryKind.COUNT:
        return len(_present(hits))
    if query.measure is Measure.TIMES:
        return len(hits)
    if not hits:
        return None
    if query.measure is Measure.DURATION:
        return round(_lasted_ns(query, hits, timebase) / SECOND_NS)
    if query.kind is QueryKind.EXISTS:
        return int(bool(_there(hits)) != query.is_negated)
    return None


# --- what there is to tell, per kind of question ------------------------------------------------


def _where(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    if best.entity is None:
        return _noted(hits, timebase)
    told = f"I last saw {the(best)} {at(best)}, {time_of(best, timebase)}{gone(best, timebase)}."
    return told + also(hits, lambda hit: f"{the(hit)}{maybe_at(hit)}, {clock_of(hit, timebase)}")


def _noted(hits: Sequence[Hit], timebase: Timebase) -> str:
    """Tell where the robot was when it said that it saw something."""
    best = hits[0]
    return f'I noted "{best.evidence.text}" {time_of(best, timebase)}, {at(best)}.'


def _when(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    if best.entity is None:
        return _noted(hits, timebase)
    told = f"I last saw {the(best)} {time_of(best, timebase)}, {at(best)}{gone(best, timebase)}."
    return told + also(hits, lambda hit: f"{the(hit)}, {clock_of(hit, timebase)}")


def _near(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    found = listed([f"the {hit.evidence.text}" for hit in hits])
    if query.label:
        return f"Near {the_named(query.label)}{placed(query)} I saw {found}."
    return sentence(f"{narrowed(query, timebase)} I saw {found}")


def _count(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    here = len(_present(hits))
    counted = labels.counted(here, query.label or "thing")
    told = f"I have seen {counted}{placed(query)}{narrowed(query, timebase)}"
    gone = len(hits) - here
    if not gone:
        return f"{told}."
    return (
        f"{told}, and {gone} more that {'was' if gone == 1 else 'were'} gone when I looked again."
    )


def _present(hits: Sequence[Hit]) -> list[Hit]:
    return [hit for hit in hits if hit.entity and hit.entity.state is EntityState.PRESENT]


def _seen(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    seen = [f"{the(hit)}{maybe_at(hit)}, {clock_of(hit, timebase)}" for hit in hits]
    return sentence(f"{narrowed(query, timebase)} I saw {listed(seen)}")


def _changes(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    changes = [f"{change(hit)}, {clock_of(hit, timebase)}" for hit in hits]
    return sentence(f"{narrowed(query, timebase)} {listed(changes)}")


def _told(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    told = f'I was told {time_of(best, timebase)}: "{best.evidence.text}".'
    return told + also(hits, lambda hit: f'"{hit.evidence.text}", {clock_of(hit, timebase)}')


def _visited(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    if all(part is None for part in (query.label, query.near_map, query.at, query.room)):
        return f"I was {at(best)}, {time_of(best, timebase)}."
    where = (
        f"near {the_named(query.label)}" if query.label else place(query) or placed(query).strip()
    )
    told = f"I was last {where} {time_of(best, timebase)}, {at(best)}."
    return told + also(hits, lambda hit: clock_of(hit, timebase))


def _exists(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    there = _there(hits)
    yes = "Yes" if bool(there) != query.is_negated else "No"
    best = there[0] if there else hits[0]
    last = f"I last saw {the(best)} {at(best)}, {time_of(best, timebase)}"
    if best.entity is None:
        return f"{yes}: I know of no {query.label or 'thing'}{placed(query)}, where I last was {time_of(best, timebase)}."
    return f"{yes}: {last}{gone(best, timebase)}."


def _there(hits: Sequence[Hit]) -> list[Hit]:
    """Return the things that are there; those that are elsewhere have a score of 0."""
    return [hit for hit in _present(hits) if hit.score > 0]


def _gone_since(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    noticed = describe_time(best.since_ns or 0, timebase)
    told = (
        f"I missed {the(best)} {noticed}; I had last seen it {time_of(best, timebase)}, {at(best)}."
    )
    return told + also(hits, lambda hit: f"{the(hit)}, last seen {clock_of(hit, timebase)}")


def _unseen(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    unseen = [f"{the(hit)}, last seen {time_of(hit, timebase)}" for hit in hits]
    return sentence(f"{narrowed(query, timebase)} I have not seen {listed(unseen)}")


def _seen_or_not(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    return (_unseen if query.is_negated else _seen)(query, hits, timebase)


def _happened(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    happened = [f"{quoted_if_told(hit)}{maybe_at(hit)}, {clock_of(hit, timebase)}" for hit in hits]
    return sentence(f"{narrowed(query, timebase)} {listed(happened)}")


def _teller(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    tellers = list(dict.fromkeys(hit.event.source for hit in hits if hit.event))
    best = hits[0]
    also = f" So did {listed(tellers[1:])}." if len(tellers) > 1 else ""
    return f'{tellers[0]} told me {time_of(best, timebase)}: "{best.evidence.text}".{also}'


def _room(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    if best.entity is None:
        return f"I was in the {best.room} {time_of(best, timebase)}."
    told = f"I last saw {the(best)} in the {best.room}, {time_of(best, timebase)}{gone(best, timebase)}."
    return told + also(hits, lambda hit: f"{the(hit)} in the {hit.room}")


def _rooms(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    names = [f"the {hit.room}" for hit in hits]
    if query.label is None and query.like is None and query.which is None:
        if query.room is not None:
            return sentence(f"{names[0]} is{maybe_at(hits[0])}")
        return f"I know {listed(names)}."
    has = "I know of no {} in {}." if query.is_negated else "I saw {} in {}."
    return has.format(query.label or query.like or "such thing", listed(names))


def _facts(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    return sentence(listed([hit.fact or hit.evidence.text for hit in hits]))


def _times(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    count = "once" if len(hits) == 1 else "twice" if len(hits) == 2 else f"{len(hits)} times"
    if query.kind is QueryKind.ROOMS:
        return (
            f"{labels.counted(len(hits), 'room')}: {listed([f'the {hit.room}' for hit in hits])}."
        )
    latest = max(hits, key=lambda hit: hit.evidence.stamp_ns)
    told = f"{count}{placed(query)}{narrowed(query, timebase)}, last {time_of(latest, timebase)}"
    return sentence(told)


def _duration(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    lasted = describe_duration(_lasted_ns(query, hits, timebase))
    best = hits[0]
    if query.kind is QueryKind.GONE:
        return f"For {lasted} I have missed {the(best)}: I last saw it {time_of(best, timebase)}, {at(best)}."
    since = describe_clock(best.since_ns or 0, timebase)
    until = clock_of(best, timebase)
    if query.kind is QueryKind.VISITED:
        stays = f" in {len(hits)} stays, the last" if len(hits) > 1 else ""
        return f"I was{placed(query) or ' there'} for {lasted}{stays} from {since} to {until}."
    return f"I saw {the(best)}{placed(query) or maybe_at(best)} for {lasted}, the last time from {since} to {until}."


def _lasted_ns(query: Query, hits: Sequence[Hit], timebase: Timebase) -> int:
    """Return how long it was in all; of a thing asked for without a place, how long it is where it is now."""
    if query.kind is QueryKind.GONE:
        return max(0, timebase.now_ns - (hits[0].since_ns or 0))
    is_placed = query.near_map is not None or query.at is not None or query.room is not None
    counted = hits if query.kind is QueryKind.VISITED or is_placed else hits[:1]
    return sum(hit.evidence.stamp_ns - (hit.since_ns or 0) for hit in counted)


_TELL: dict[QueryKind, Callable[[Query, Sequence[Hit], Timebase], str]] = {
    QueryKind.WHERE: _where,
    QueryKind.WHEN: _when,
    QueryKind.NEAR: _near,
    QueryKind.SEEN: _seen_or_not,
    QueryKind.CHANGES: _changes,
    QueryKind.COUNT: _count,
    QueryKind.VISITED: _visited,
    QueryKind.TOLD: _told,
    QueryKind.EXISTS: _exists,
    QueryKind.GONE: _gone_since,
    QueryKind.HAPPENED: _happened,
    QueryKind.DONE: _happened,
    QueryKind.TELLER: _teller,
    QueryKind.ROOM: _room,
    QueryKind.ROOMS: _rooms,
    QueryKind.FACT: _facts,
}


def _abstain(query: Query, timebase: Timebase) -> str:
    """Say that nothing is known of it."""
    name = (
        a_named(query.label)
        if query.label
        else f"anything {query.like}"
        if query.like
        else "anything"
    )
    about = f" about {query.text}" if query.text else ""
    rest = placed(query) + narrowed(query, timebase)
    near = f" near {name}" if query.label else ""
    said = {
        QueryKind.NEAR: f"I have not seen anything near {name}" if query.label else None,
        QueryKind.COUNT: f"I have not seen any {query.label}" if query.label else None,
        QueryKind.TOLD: f"I was not told anything{about}",
        QueryKind.TELLER: f"Nobody told me anything{about}",
        QueryKind.CHANGES: f"I have not seen {name} change" if query.label else "Nothing changed",
        QueryKind.VISITED: f"I do not remember being{near or ('' if query.near_map or query.room else ' anywhere')}",
        QueryKind.EXISTS: f"I do not know of {name}",
        QueryKind.GONE: f"I do not know that {name} went missing",
        QueryKind.HAPPENED: f"I do not know that anything happened{about}",
        QueryKind.DONE: f"I do not remember doing anything{about}",
        QueryKind.ROOM: f"I do not know which room {name if query.label else 'I was'} in",
        QueryKind.ROOMS: f"I know no room with {name}" if query.label else "I know no rooms",
        QueryKind.FACT: f"I know no fact about {query.label or 'that'}"
        + (f' with "{query.text}"' if query.text else ""),
        QueryKind.SEEN: f"I do not know of {name} that I have not seen"
        if query.is_negated
        else None,
    }.get(query.kind)
    return f"{said or f'I have not seen {name}'}{rest}."
