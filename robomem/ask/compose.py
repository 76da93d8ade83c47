"""Hits to a plain sentence: what, where, when; and a plain "no" when there is nothing to tell."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from robomem.ask import labels
from robomem.ask.timebase import (
    SECOND_NS,
    Timebase,
    describe_clock,
    describe_duration,
    describe_span,
    describe_time,
)
from robomem.query import Measure, Query, QueryKind, Relation
from robomem.types import Answer, EntityState, EventKind, Hit

MAX_LISTED = 3  # in the sentence; the evidence lists them all
_VOWEL_SOUND = re.compile(r"(?!uni|us[aeiu]|ut[ei]|uk|eu|one\b|once)[aeiou]|hour|heir|honest")


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
    told = f"I last saw {_the(best)} {_at(best)}, {_time(best, timebase)}{_gone(best, timebase)}."
    return told + _also(hits, lambda hit: f"{_the(hit)}{_maybe_at(hit)}, {_clock(hit, timebase)}")


def _noted(hits: Sequence[Hit], timebase: Timebase) -> str:
    """Tell where the robot was when it said that it saw something."""
    best = hits[0]
    return f'I noted "{best.evidence.text}" {_time(best, timebase)}, {_at(best)}.'


def _when(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    if best.entity is None:
        return _noted(hits, timebase)
    told = f"I last saw {_the(best)} {_time(best, timebase)}, {_at(best)}{_gone(best, timebase)}."
    return told + _also(hits, lambda hit: f"{_the(hit)}, {_clock(hit, timebase)}")


def _near(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    found = _listed([f"the {hit.evidence.text}" for hit in hits])
    if query.label:
        return f"Near {_the_named(query.label)}{_placed(query)} I saw {found}."
    return _sentence(f"{_narrowed(query, timebase)} I saw {found}")


def _count(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    here = len(_present(hits))
    counted = labels.counted(here, query.label or "thing")
    told = f"I have seen {counted}{_placed(query)}{_narrowed(query, timebase)}"
    gone = len(hits) - here
    return f"{told}, and {gone} more that was gone when I looked again." if gone else f"{told}."


def _present(hits: Sequence[Hit]) -> list[Hit]:
    return [hit for hit in hits if hit.entity and hit.entity.state is EntityState.PRESENT]


def _seen(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    seen = [f"{_the(hit)}{_maybe_at(hit)}, {_clock(hit, timebase)}" for hit in hits]
    return _sentence(f"{_narrowed(query, timebase)} I saw {_listed(seen)}")


def _changes(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    changes = [f"{_change(hit)}, {_clock(hit, timebase)}" for hit in hits]
    return _sentence(f"{_narrowed(query, timebase)} {_listed(changes)}")


def _told(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    told = f'I was told {_time(best, timebase)}: "{best.evidence.text}".'
    return told + _also(hits, lambda hit: f'"{hit.evidence.text}", {_clock(hit, timebase)}')


def _visited(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    if all(part is None for part in (query.label, query.near_map, query.at, query.room)):
        return f"I was {_at(best)}, {_time(best, timebase)}."
    place = (
        f"near {_the_named(query.label)}"
        if query.label
        else _place(query) or _placed(query).strip()
    )
    told = f"I was last {place} {_time(best, timebase)}, {_at(best)}."
    return told + _also(hits, lambda hit: _clock(hit, timebase))


def _exists(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    there = _there(hits)
    yes = "Yes" if bool(there) != query.is_negated else "No"
    best = there[0] if there else hits[0]
    last = f"I last saw {_the(best)} {_at(best)}, {_time(best, timebase)}"
    if best.entity is None:
        return f"{yes}: I know of no {query.label or 'thing'}{_placed(query)}, where I last was {_time(best, timebase)}."
    return f"{yes}: {last}{_gone(best, timebase)}."


def _there(hits: Sequence[Hit]) -> list[Hit]:
    """Return the things that are there; those that are elsewhere have a score of 0."""
    return [hit for hit in _present(hits) if hit.score > 0]


def _gone_since(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    noticed = describe_time(best.since_ns or 0, timebase)
    told = (
        f"I missed {_the(best)} {noticed}; I had last seen it {_time(best, timebase)}, {_at(best)}."
    )
    return told + _also(hits, lambda hit: f"{_the(hit)}, last seen {_clock(hit, timebase)}")


def _unseen(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    unseen = [f"{_the(hit)}, last seen {_time(hit, timebase)}" for hit in hits]
    return _sentence(f"{_narrowed(query, timebase)} I have not seen {_listed(unseen)}")


def _seen_or_not(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    return (_unseen if query.is_negated else _seen)(query, hits, timebase)


def _happened(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    happened = [f"{_quoted_if_told(hit)}{_maybe_at(hit)}, {_clock(hit, timebase)}" for hit in hits]
    return _sentence(f"{_narrowed(query, timebase)} {_listed(happened)}")


def _teller(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    tellers = list(dict.fromkeys(hit.event.source for hit in hits if hit.event))
    best = hits[0]
    also = f" So did {_listed(tellers[1:])}." if len(tellers) > 1 else ""
    return f'{tellers[0]} told me {_time(best, timebase)}: "{best.evidence.text}".{also}'


def _room(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    if best.entity is None:
        return f"I was in the {best.room} {_time(best, timebase)}."
    told = f"I last saw {_the(best)} in the {best.room}, {_time(best, timebase)}{_gone(best, timebase)}."
    return told + _also(hits, lambda hit: f"{_the(hit)} in the {hit.room}")


def _rooms(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    names = [f"the {hit.room}" for hit in hits]
    if query.label is None and query.like is None and query.which is None:
        if query.room is not None:
            return _sentence(f"{names[0]} is{_maybe_at(hits[0])}")
        return f"I know {_listed(names)}."
    has = "I know of no {} in {}." if query.is_negated else "I saw {} in {}."
    return has.format(query.label or query.like or "such thing", _listed(names))


def _facts(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    return _sentence(_listed([hit.fact or hit.evidence.text for hit in hits]))


def _times(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    count = "once" if len(hits) == 1 else "twice" if len(hits) == 2 else f"{len(hits)} times"
    if query.kind is QueryKind.ROOMS:
        return (
            f"{labels.counted(len(hits), 'room')}: {_listed([f'the {hit.room}' for hit in hits])}."
        )
    latest = max(hits, key=lambda hit: hit.evidence.stamp_ns)
    told = f"{count}{_placed(query)}{_narrowed(query, timebase)}, last {_time(latest, timebase)}"
    return _sentence(told)


def _duration(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    lasted = describe_duration(_lasted_ns(query, hits, timebase))
    best = hits[0]
    if query.kind is QueryKind.GONE:
        return f"For {lasted} I have missed {_the(best)}: I last saw it {_time(best, timebase)}, {_at(best)}."
    since = describe_clock(best.since_ns or 0, timebase)
    until = _clock(best, timebase)
    if query.kind is QueryKind.VISITED:
        stays = f" in {len(hits)} stays, the last" if len(hits) > 1 else ""
        return f"I was{_placed(query) or ' there'} for {lasted}{stays} from {since} to {until}."
    return f"I saw {_the(best)}{_placed(query) or _maybe_at(best)} for {lasted}, the last time from {since} to {until}."


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
        _a_named(query.label)
        if query.label
        else f"anything {query.like}"
        if query.like
        else "anything"
    )
    about = f" about {query.text}" if query.text else ""
    narrowed = _placed(query) + _narrowed(query, timebase)
    place = f" near {name}" if query.label else ""
    said = {
        QueryKind.NEAR: f"I have not seen anything near {name}" if query.label else None,
        QueryKind.COUNT: f"I have not seen any {query.label}" if query.label else None,
        QueryKind.TOLD: f"I was not told anything{about}",
        QueryKind.TELLER: f"Nobody told me anything{about}",
        QueryKind.CHANGES: f"I have not seen {name} change" if query.label else "Nothing changed",
        QueryKind.VISITED: f"I do not remember being{place or ('' if query.near_map or query.room else ' anywhere')}",
        QueryKind.EXISTS: f"I do not know of {name}",
        QueryKind.GONE: f"I do not know that {name} went missing",
        QueryKind.HAPPENED: f"I do not know that anything happened{about}",
        QueryKind.DONE: f"I do not remember doing anything{about}",
        QueryKind.ROOM: f"I do not know which room {name if query.label else 'I was'} in",
        QueryKind.ROOMS: f"I know no room with {name}" if query.label else "I know no rooms",
        QueryKind.FACT: f"I know no fact about {query.label or 'that'}{about}",
        QueryKind.SEEN: f"I do not know of {name} that I have not seen"
        if query.is_negated
        else None,
    }.get(query.kind)
    return f"{said or f'I have not seen {name}'}{narrowed}."


# --- words ---------------------------------------------------------------------------------------


def _the(hit: Hit) -> str:
    label = hit.entity.label if hit.entity else hit.event.label if hit.event else None
    return _the_named(label) if label else hit.evidence.text


def _the_named(label: str) -> str:
    return f"the {label}"


def _a_named(label: str) -> str:
    if labels.is_plural(label):
        return label
    return f"an {label}" if _VOWEL_SOUND.match(label) else f"a {label}"


def _at(hit: Hit) -> str:
    return f"{_maybe_at(hit).lstrip()} m in map" if hit.evidence.p_map is not None else "somewhere"


def _maybe_at(hit: Hit) -> str:
    return "" if hit.evidence.p_map is None else f" at {_point(hit.evidence.p_map)}"


def _point(p_map: Iterable[float]) -> str:
    return f"({', '.join(f'{x:.2f}' for x in p_map)})"


def _time(hit: Hit, timebase: Timebase) -> str:
    return describe_time(hit.evidence.stamp_ns, timebase)


def _clock(hit: Hit, timebase: Timebase) -> str:
    return describe_clock(hit.evidence.stamp_ns, timebase)


def _gone(hit: Hit, timebase: Timebase) -> str:
    """Say that the thing was looked for since, and was not there."""
    entity = hit.entity
    if entity is None or entity.state is EntityState.PRESENT:
        return ""
    told = ", but it was gone when I looked again"
    if hit.event is not None and hit.event.kind is EventKind.MISSING:
        told = f", but it was gone when I looked at {describe_clock(hit.event.stamp_ns, timebase)}"
    if entity.state is EntityState.GONE and entity.absent_ns is not None:
        told += f", and still at {describe_clock(entity.absent_ns, timebase)}: it was removed"
    return told


def _change(hit: Hit) -> str:
    event, p_map = hit.event, hit.evidence.p_map
    if event is None or p_map is None:
        return hit.evidence.text
    if event.kind is EventKind.MOVED and event.p_from_map is not None:
        return f"{_the(hit)} moved from {_point(event.p_from_map)} to {_point(p_map)}"
    said = {EventKind.APPEARED: "appeared", EventKind.MISSING: "was gone, it had been"}
    return f"{_the(hit)} {said.get(event.kind, event.kind.value)} at {_point(p_map)}"


def _place(query: Query) -> str:
    if query.near_map is None:
        return ""
    place = f"({', '.join(f'{x:g}' for x in query.near_map)})"
    return f"near {place}" if query.radius_m is None else f"within {query.radius_m:g} m of {place}"


def _placed(query: Query) -> str:
    """Return the room and the thing that the question was narrowed to, with a space before each."""
    related = {Relation.NEAR: "near", Relation.ON: "on", Relation.IN: "in"}[query.relation]
    at = f" {related} {_the_named(query.at.label or 'thing')}" if query.at else ""
    return at + (f" in the {query.room}" if query.room else "")


def _quoted_if_told(hit: Hit) -> str:
    if hit.event is not None and hit.event.kind is EventKind.TOLD:
        return f'{hit.event.source} said "{hit.evidence.text}"'
    return hit.evidence.text


def _narrowed(query: Query, timebase: Timebase) -> str:
    """Return the place and the time that the question was narrowed to, with a space before each."""
    span = describe_span(query.since_ns, query.until_ns, timebase)
    return "".join(f" {words}" for words in (_place(query), span) if words)


def _also(hits: Sequence[Hit], words: Callable[[Hit], str]) -> str:
    return f" Also {_listed([words(hit) for hit in hits[1:]])}." if len(hits) > 1 else ""


def _listed(items: Sequence[str]) -> str:
    """Join the first few; say how many more there are."""
    more = len(items) - MAX_LISTED
    if more <= 0:
        return "; ".join(items)
    return f"{'; '.join(items[:MAX_LISTED])}; and {more} more"


def _sentence(words: str) -> str:
    words = words.strip()
    return f"{words[0].upper()}{words[1:]}."
