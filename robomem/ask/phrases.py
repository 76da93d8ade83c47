"""The parts of sentences: things, places and times in words."""

import re
from collections.abc import Callable, Iterable, Sequence

from robomem import labels
from robomem.ask.timebase import Timebase, describe_clock, describe_span, describe_time
from robomem.query import Query, Relation
from robomem.types import EntityState, EventKind, Hit

MAX_LISTED = 3  # in the sentence; the evidence lists them all
_VOWEL_SOUND = re.compile(r"(?!uni|us[aeiu]|ut[ei]|uk|eu|one\b|once)[aeiou]|hour|heir|honest")


def the(hit: Hit) -> str:
    """Return the thing of a hit with its article, or else what the hit says."""
    label = hit.entity.label if hit.entity else hit.event.label if hit.event else None
    return the_named(label) if label else hit.evidence.text


def the_named(label: str) -> str:
    """Return a name with its definite article."""
    return f"the {label}"


def a_named(label: str) -> str:
    """Return a name with its indefinite article, a plural without."""
    if labels.is_plural(label):
        return label
    return f"an {label}" if _VOWEL_SOUND.match(label) else f"a {label}"


def at(hit: Hit) -> str:
    """Return where a hit is, with the frame."""
    return f"{maybe_at(hit).lstrip()} m in map" if hit.evidence.p_map is not None else "somewhere"


def maybe_at(hit: Hit) -> str:
    """Return where a hit is, with a space before it, or ""."""
    return "" if hit.evidence.p_map is None else f" at {point(hit.evidence.p_map)}"


def point(p_map: Iterable[float]) -> str:
    """Return a point in metres."""
    return f"({', '.join(f'{x:.2f}' for x in p_map)})"


def time_of(hit: Hit, timebase: Timebase) -> str:
    """Return when a hit is, with how long ago that was."""
    return describe_time(hit.evidence.stamp_ns, timebase)


def clock_of(hit: Hit, timebase: Timebase) -> str:
    """Return when a hit is, in few words."""
    return describe_clock(hit.evidence.stamp_ns, timebase)


def gone(hit: Hit, timebase: Timebase) -> str:
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


def change(hit: Hit) -> str:
    """Return what changed."""
    event, p_map = hit.event, hit.evidence.p_map
    if event is None or p_map is None:
        return hit.evidence.text
    if event.kind is EventKind.MOVED and event.p_from_map is not None:
        return f"{the(hit)} moved from {point(event.p_from_map)} to {point(p_map)}"
    said = {EventKind.APPEARED: "appeared", EventKind.MISSING: "was gone, it had been"}
    return f"{the(hit)} {said.get(event.kind, event.kind.value)} at {point(p_map)}"


def place(query: Query) -> str:
    """Return the coordinates that a question was narrowed to."""
    if query.near_map is None:
        return ""
    place = f"({', '.join(f'{x:g}' for x in query.near_map)})"
    return f"near {place}" if query.radius_m is None else f"within {query.radius_m:g} m of {place}"


def placed(query: Query) -> str:
    """Return the room and the thing that the question was narrowed to, with a space before each."""
    related = {Relation.NEAR: "near", Relation.ON: "on", Relation.IN: "in"}[query.relation]
    at = f" {related} {the_named(query.at.label or 'thing')}" if query.at else ""
    return at + (f" in the {query.room}" if query.room else "")


def quoted_if_told(hit: Hit) -> str:
    """Return what happened; what was told with who said it."""
    if hit.event is not None and hit.event.kind is EventKind.TOLD:
        return f'{hit.event.source} said "{hit.evidence.text}"'
    return hit.evidence.text


def narrowed(query: Query, timebase: Timebase) -> str:
    """Return the place and the time that the question was narrowed to, with a space before each."""
    span = describe_span(query.since_ns, query.until_ns, timebase)
    return "".join(f" {words}" for words in (place(query), span) if words)


def also(hits: Sequence[Hit], words: Callable[[Hit], str]) -> str:
    """Return a sentence for the hits after the best."""
    return f" Also {listed([words(hit) for hit in hits[1:]])}." if len(hits) > 1 else ""


def listed(items: Sequence[str]) -> str:
    """Join the first few; say how many more there are."""
    more = len(items) - MAX_LISTED
    if more <= 0:
        return "; ".join(items)
    return f"{'; '.join(items[:MAX_LISTED])}; and {more} more"


def sentence(words: str) -> str:
    """Return words as a sentence."""
    words = words.strip()
    return f"{words[0].upper()}{words[1:]}."
