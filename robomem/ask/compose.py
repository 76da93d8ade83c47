"""Hits to a plain sentence: what, where, when; and a plain "no" when there is nothing to tell."""

import re
from collections.abc import Callable, Iterable, Sequence

from robomem.ask import labels
from robomem.ask.timebase import Timebase, describe_clock, describe_span, describe_time
from robomem.types import Answer, EntityState, EventKind, Hit, Query, QueryKind

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
    text = _TELL[query.kind](query, hits, timebase) if hits else _abstain(query, timebase)
    value = len(_present(hits)) if query.kind is QueryKind.COUNT else None
    return Answer(question, text, query, tuple(hits), is_found=bool(hits), value=value)


# --- what there is to tell, per kind of question ------------------------------------------------


def _where(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    told = f"I last saw {_the(best)} {_at(best)}, {_time(best, timebase)}{_gone(best, timebase)}."
    return told + _also(hits, lambda hit: f"{_the(hit)}{_maybe_at(hit)}, {_clock(hit, timebase)}")


def _when(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    best = hits[0]
    told = f"I last saw {_the(best)} {_time(best, timebase)}, {_at(best)}{_gone(best, timebase)}."
    return told + _also(hits, lambda hit: f"{_the(hit)}, {_clock(hit, timebase)}")


def _near(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    found = _listed([f"the {hit.evidence.text}" for hit in hits])
    if query.label:
        return f"Near {_the_named(query.label)} I saw {found}."
    return _sentence(f"{_narrowed(query, timebase)} I saw {found}")


def _count(query: Query, hits: Sequence[Hit], timebase: Timebase) -> str:
    here = len(_present(hits))
    counted = labels.counted(here, query.label or "thing")
    told = f"I have seen {counted}{_narrowed(query, timebase)}"
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
    if query.label is None and query.near_map is None:
        return f"I was {_at(best)}, {_time(best, timebase)}."
    place = f"near {_the_named(query.label)}" if query.label else _place(query)
    told = f"I was last {place} {_time(best, timebase)}, {_at(best)}."
    return told + _also(hits, lambda hit: _clock(hit, timebase))


_TELL: dict[QueryKind, Callable[[Query, Sequence[Hit], Timebase], str]] = {
    QueryKind.WHERE: _where,
    QueryKind.WHEN: _when,
    QueryKind.NEAR: _near,
    QueryKind.SEEN: _seen,
    QueryKind.CHANGES: _changes,
    QueryKind.COUNT: _count,
    QueryKind.VISITED: _visited,
    QueryKind.TOLD: _told,
}


def _abstain(query: Query, timebase: Timebase) -> str:
    name = _a_named(query.label) if query.label else "anything"
    if query.kind is QueryKind.NEAR and query.label:
        name = f"anything near {name}"
    elif query.kind is QueryKind.COUNT and query.label:
        name = f"any {query.label}"
    narrowed = _narrowed(query, timebase)
    if query.kind is QueryKind.TOLD:
        return f"I was not told anything{f' about {query.text}' if query.text else ''}{narrowed}."
    if query.kind is QueryKind.CHANGES:
        return (
            f"I have not seen {name} change{narrowed}."
            if query.label
            else f"Nothing changed{narrowed}."
        )
    if query.kind is QueryKind.VISITED:
        place = f" near {name}" if query.label else ""
        return (
            f"I do not remember being{place or ('' if query.near_map else ' anywhere')}{narrowed}."
        )
    return f"I have not seen {name}{narrowed}."


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
    if hit.event is None or hit.event.kind is not EventKind.MISSING:
        return ", but it was gone when I looked again"
    return f", but it was gone when I looked at {describe_clock(hit.event.stamp_ns, timebase)}"


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
