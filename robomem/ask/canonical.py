"""A query in canonical words, which `parse` reads as exactly that query."""

from robomem.ask.grammar import DEFAULT_LIMIT, parse
from robomem.ask.timebase import Timebase, render_time
from robomem.errors import QueryError
from robomem.query import WORDED, Measure, Query, QueryKind

_Key = tuple[QueryKind, Measure | None, bool]
# Of every kind, the question about anything and the question about {}.
_ASKED: dict[_Key, tuple[str, str]] = {
    (QueryKind.WHERE, None, False): ("where is everything", "where did you last see {}"),
    (QueryKind.WHERE, Measure.DURATION, False): (
        "how long did anything stay",
        "how long did {} stay",
    ),
    (QueryKind.WHEN, None, False): ("when did you last see anything", "when did you last see {}"),
    (QueryKind.COUNT, None, False): ("how many things", "how many {}"),
    (QueryKind.NEAR, None, False): ("what is", "what is"),
    (QueryKind.SEEN, None, False): ("what did you see", "which sightings of {}"),
    (QueryKind.SEEN, None, True): ("what did you not see", "which {} did you not see"),
    (QueryKind.SEEN, Measure.TIMES, False): (
        "how often did you see anything",
        "how often did you see {}",
    ),
    (QueryKind.CHANGES, None, False): ("what changed", "what changed about {}"),
    (QueryKind.CHANGES, Measure.TIMES, False): (
        "how often did anything change",
        "how often did {} change",
    ),
    (QueryKind.TOLD, None, False): ("what was I told", "what was I told about {}"),
    (QueryKind.TOLD, Measure.TIMES, False): (
        "how often was I told",
        "how often was I told about {}",
    ),
    (QueryKind.EXISTS, None, False): ("is anything still there", "is {} still there"),
    (QueryKind.EXISTS, None, True): ("is there no thing", "is there no {}"),
    (QueryKind.GONE, None, False): ("which things are missing", "when did {} disappear"),
    (QueryKind.GONE, Measure.DURATION, False): (
        "how long was anything missing",
        "how long was {} missing",
    ),
    (QueryKind.HAPPENED, None, False): ("what happened", "what happened about {}"),
    (QueryKind.HAPPENED, Measure.TIMES, False): (
        "how often did anything happen",
        "how often did anything happen about {}",
    ),
    (QueryKind.DONE, None, False): ("what did you do", "what did you do about {}"),
    (QueryKind.DONE, Measure.TIMES, False): (
        "how often did you do anything",
        "how often did you do anything about {}",
    ),
    (QueryKind.TELLER, None, False): ("who told me anything", "who told me about {}"),
    (QueryKind.ROOM, None, False): ("which room are you in", "which room is {} in"),
    (QueryKind.ROOMS, None, False): ("which rooms are there", "which rooms have {}"),
    (QueryKind.ROOMS, None, True): ("which rooms have no thing", "which rooms have no {}"),
    (QueryKind.ROOMS, Measure.TIMES, False): (
        "how many rooms are there",
        "how many rooms have {}",
    ),
    (QueryKind.FACT, None, False): ("which facts are there", "which facts are there about {}"),
}
_BARE = {QueryKind.COUNT, QueryKind.TOLD, QueryKind.ROOMS, QueryKind.HAPPENED, QueryKind.DONE}


def render(query: Query, *, start_ns: int, timezone: str) -> str:
    """Return canonical words that `parse` reads as exactly this query."""
    timebase = Timebase(start_ns, start_ns, timezone)
    plain = _sentence(query, timebase, is_quoted=False)
    try:
        if parse(plain, now_ns=start_ns, start_ns=start_ns, timezone=timezone) == query:
            return plain
    except QueryError:
        pass  # a name reads as something else: quote them
    return _sentence(query, timebase, is_quoted=True)


def _sentence(query: Query, timebase: Timebase, *, is_quoted: bool) -> str:
    name, other = query.label, query.text
    if query.kind in WORDED and query.kind is not QueryKind.FACT:
        name, other = query.text, query.label
    shown = f'"{name}"' if name is not None and is_quoted else name
    parts = [
        _asked(query, shown),
        _place_words(query, shown, timebase),
        _room_words(query, is_quoted=is_quoted),
        f'meaning "{query.like}"' if query.like else "",
        f"that is one of {_inner(query.which, timebase)}" if query.which else "",
        *(
            f"{word} {_inner(part, timebase)}"
            for word, part in (
                ("before", query.before), ("after", query.after), ("during", query.during)
            )
            if part is not None
        ),
        _span_words(query, timebase),
        _other_words(query, other),
        "" if query.limit == DEFAULT_LIMIT else f"at most {query.limit}",
    ]  # fmt: skip
    return " ".join(filter(None, parts))


def _asked(query: Query, name: str | None) -> str:
    """Return the question without its narrowings."""
    if query.kind is QueryKind.VISITED:
        return _asked_of_visits(query, name)
    without, about = _ASKED[query.kind, query.measure, query.is_negated]
    if name is None or query.kind is QueryKind.NEAR:
        return without
    is_bare = query.kind in _BARE or query.is_negated
    return about.format(name if is_bare else _the(name))


def _asked_of_visits(query: Query, name: str | None) -> str:
    if query.measure is not None:
        return "how often were you" if query.measure is Measure.TIMES else "how long were you"
    is_anywhere = all(part is None for part in (name, query.near_map, query.at, query.room))
    return "where were you" if is_anywhere else "when were you last"


def _place_words(query: Query, name: str | None, timebase: Timebase) -> str:
    if query.near_map is not None:
        place = f"({', '.join(map(_number, query.near_map))})"
    elif query.at is not None:
        place = _inner(query.at, timebase)
    elif name is not None and query.kind in (QueryKind.NEAR, QueryKind.VISITED):
        place = _the(name)
    else:
        return ""
    if query.radius_m is None:
        return f"{query.relation.value} {place}"
    return f"within {_number(query.radius_m)} m of {place}"


def _room_words(query: Query, *, is_quoted: bool) -> str:
    if query.room is None:
        return ""
    return f'in room "{query.room}"' if is_quoted else f"in the {query.room}"


def _other_words(query: Query, other: str | None) -> str:
    if other is None:
        return ""
    return f'in the words "{other}"' if query.kind is QueryKind.FACT else f'of thing "{other}"'


def _span_words(query: Query, timebase: Timebase) -> str:
    since, until = (
        None if ns is None else render_time(ns, timebase) for ns in (query.since_ns, query.until_ns)
    )
    if since and until:
        return f"between {since} and {until}"
    return f"since {since}" if since else f"until {until}" if until else ""


def _inner(query: Query, timebase: Timebase) -> str:
    words = render(query, start_ns=timebase.start_ns, timezone=timebase.timezone)
    return f"{{{words}}}"


def _the(name: str) -> str:
    return name if name.startswith('"') else f"the {name}"


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
