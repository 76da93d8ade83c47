"""What narrows a question, read off its end: times, rooms, what came before or after, and the canonical extras.

Each reader takes the words so far and returns what is left of them with the fields it read, or None.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from robomem import labels
from robomem.ask.forms import WORDS
from robomem.ask.masks import NAME, QUERY, Masks
from robomem.ask.timebase import Timebase
from robomem.ask.times import Span, parse_span
from robomem.query import Query, QueryKind, Relation

Narrowed = tuple[str, Mapping[str, Any]]
Take = Callable[[str, Masks, Timebase], Narrowed | None]

ARTICLE = r"(?:the|a|an|my|your|our|his|her|this|that|any|each|every)"
ROOM_NAME = (
    r"(?:(?:kitchen|bathroom|bedroom|living room|dining room|study|office|meeting room|laundry room|hall"
    r"|hallway|corridor|garage|storage room|lounge|nursery|cellar|basement|attic|lobby|pantry|lab|workshop)"
    r"(?: \d+)?|room \d+)"
)
RELATIONS = {
    "on": Relation.ON,
    "on top of": Relation.ON,
    "in": Relation.IN,
    "inside": Relation.IN,
    "near": Relation.NEAR,
    "near to": Relation.NEAR,
    "close to": Relation.NEAR,
    "next to": Relation.NEAR,
    "beside": Relation.NEAR,
    "by": Relation.NEAR,
    "around": Relation.NEAR,
}
RELATION = "|".join(sorted(RELATIONS, key=len, reverse=True))
_WHEN = {
    "before": "before",
    "until": "before",
    "till": "before",
    "after": "after",
    "since": "after",
    "once": "after",
    "when": "during",
    "while": "during",
    "during": "during",
}
_CLAUSE = re.compile(rf",? (?:right |just |shortly )?({'|'.join(_WHEN)}) (?=(.+)$)")
_ROOM = re.compile(
    rf"(?:^|,? )(?:(?:with)?in|inside)(?: {ARTICLE})? ({ROOM_NAME})$|(?:^| )in room ({NAME})$"
)
_AT = re.compile(rf"(?:^| )({RELATION}) ({QUERY})$")
_EXTRAS = (
    (re.compile(rf" that is one of ({QUERY})$"), "which"),
    (re.compile(rf" meaning ({NAME})$"), "like"),
    (re.compile(rf" in the words ({NAME})$"), "text"),
    (re.compile(rf" of thing ({NAME})$"), "label"),
)
_PAST = (
    "came|left|went|began|began|broke|brought|fell|rang|rose|sat|slept|spoke|stood|stopped|took|told|said|woke|ate"
    "|drank|drove|gave|got|had|lost|made|met|paid|put|ran|read|sang|sent|shut|started|threw|won|wrote|was|were"
)
_NO_VERB = "(?!bed|shed|sled|seed|weed|feed|need|speed|breed|red|hundred)"
# What began is logged as what goes on: "the guests came" is "the guests".
_ONSET = re.compile(r" (?:came|arrived|began|started|happened)(?: (?:over|in|home|by))?$")
_HAPPENED = re.compile(rf".+ (?:{_PAST}|{_NO_VERB}[a-z]+ed)(?: .+)?")
_CLAUSES: tuple[tuple[QueryKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern.format_map(WORDS)))
    for kind, pattern in (
        (QueryKind.SEEN, r"{who} (?:last |first )?{see} {thing}"),
        (
            QueryKind.TOLD,
            r"{who} (?:was |were |got )?(?:told|heard|learned|learnt)(?: (?:about|of|that))? {words}",
        ),
        (
            QueryKind.VISITED,
            r"{who} (?:last )?(?:was|were|went|came|got|drove|visited|entered|reached)(?: (?:to|at|in|inside|{near}))? {thing}",
        ),
        (
            QueryKind.CHANGES,
            (
                r"{thing} (?:was |were |had |got |has )?(?:been )?(?:moved|changed|disappeared|vanished|appeared|removed"
                r"|rearranged|went missing|gone missing)"
            ),
        ),
    )
)


def is_room(name: str) -> bool:
    """Tell whether a name can only be that of a room."""
    return re.fullmatch(ROOM_NAME, name) is not None


def take_span(text: str, masks: Masks, timebase: Timebase) -> Narrowed | None:
    """Read a span of time: "since 9", "yesterday"."""
    for split in re.finditer(r",? |^", text):
        span = parse_span(text[split.end() :], timebase)
        if span is not None:
            return text[: split.start()].removesuffix(" and"), {"span": span}
    return None


def take_clause(text: str, masks: Masks, timebase: Timebase) -> Narrowed | None:
    """Read what something came before or after, or happened during: "before the guests came"."""
    for split in _CLAUSE.finditer(text):
        query = _clause(split[2], masks, timebase)
        if query is not None:
            return text[: split.start()], {_WHEN[split[1]]: query}
    return None


def take_room(text: str, masks: Masks, timebase: Timebase) -> Narrowed | None:
    """Read a room: "in the kitchen"."""
    match = _ROOM.search(text)
    if match is None:
        return None
    return text[: match.start()], {"room": match[1] or masks.names[match[2]]}


def take_at(text: str, masks: Masks, timebase: Timebase) -> Narrowed | None:
    """Read a place that a question in braces gives."""
    match = _AT.search(text)
    if match is None:
        return None
    place = {"at": masks.queries[match[2]], "relation": RELATIONS[match[1]]}
    return text[: match.start()], place


def take_extra(text: str, masks: Masks, timebase: Timebase) -> Narrowed | None:
    """Read what only the canonical words say."""
    for pattern, name in _EXTRAS:
        match = pattern.search(text)
        if match:
            value = masks.queries[match[1]] if name == "which" else masks.names[match[1]]
            return text[: match.start()], {name: value}
    return None


TAKES: tuple[Take, ...] = (take_span, take_clause, take_room, take_at, take_extra)


def _clause(words: str, masks: Masks, timebase: Timebase) -> Query | None:
    """Return the query for something that happened, None where the words tell of nothing that did."""
    if words in masks.queries:
        return masks.queries[words]
    if words in masks.names:
        return Query(kind=QueryKind.HAPPENED, text=masks.names[words])
    words, span = _own_span(words, masks, timebase)
    for kind, pattern in _CLAUSES:
        match = pattern.fullmatch(words)
        if match:
            groups = match.groupdict()
            return _clause_query(kind, groups.get("thing") or groups["words"], masks, span)
    if _HAPPENED.fullmatch(words):
        return _clause_query(QueryKind.HAPPENED, _ONSET.sub("", words), masks, span)
    return None


def _own_span(words: str, masks: Masks, timebase: Timebase) -> tuple[str, Span]:
    """Read a time that the clause itself names: "the guests came yesterday"."""
    found = take_span(words, masks, timebase)
    return (words, Span()) if found is None else (found[0], found[1]["span"])


def _clause_query(kind: QueryKind, thing: str, masks: Masks, span: Span) -> Query:
    room = _ROOM.search(thing) if kind is not QueryKind.VISITED else None
    name = masks.restored(labels.phrase(thing[: room.start()] if room else thing))
    fields: dict[str, Any] = {"since_ns": span.since_ns, "until_ns": span.until_ns}
    if room:
        fields["room"] = room[1] or masks.names[room[2]]
    if kind is QueryKind.VISITED and is_room(name):
        fields["room"] = name
    elif kind in (QueryKind.TOLD, QueryKind.HAPPENED):
        fields["text"] = name
    else:
        fields["label"] = name
    return Query(kind=kind, **fields)
