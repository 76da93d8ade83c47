"""Turn a question in plain English into a typed query; `canonical` turns it back.

`parse` takes, in this order, quoted names, questions in braces, the limit, coordinates, and what narrows the
question (`robomem.ask.clauses`) out of it; what remains must fit one of the forms in `robomem.ask.forms`.
Words it does not understand are an error, never a guess.
"""

import re
from collections.abc import Mapping
from typing import Any

from robomem import labels
from robomem.ask.clauses import ARTICLE, RELATION, RELATIONS, TAKES, is_room
from robomem.ask.forms import FORMS, WORDS, Form
from robomem.ask.masks import BRACED, Masks
from robomem.ask.moments import EXAMPLES
from robomem.ask.timebase import Timebase
from robomem.ask.times import Span, parse_span
from robomem.errors import QueryError
from robomem.query import WORDED, Query, QueryKind

DEFAULT_LIMIT = 10
MAX_LENGTH = 500  # a longer one is no question, and costs the patterns more than milliseconds
MAX_CANONICAL_LENGTH = 8000  # with the names in quotes and the questions in braces
UNDERSTOOD = (
    '"where is X", "when did you last see X", "what is near X" or "near (x, y)", '
    '"what did you see between T1 and T2", "what changed since T", "how many X", '
    '"when were you last near X" or "(x, y)", "what was I told about X", "is X still there", '
    '"which rooms have X", "how long", "how often", narrowed by a time, a room or "before I saw Y"'
)

_CONTRACTIONS = (
    (r"\b(where|what|who|when|how|it|that|there|here)'?s\b", r"\1 is"),
    (r"\b(i|you|we|they)'?ve\b", r"\1 have"),
    (r"\b(you|we|they)'re\b", r"\1 are"),
    (r"\bi'm\b", "i am"),
    (r"\bcan't\b", "cannot"),
    (r"\b(is|are|was|were|has|have|had|do|does|did)n't\b", r"\1 not"),
    (r"\b(?:at )?(?:what|which) time (?=did|do|have|was|were|is)", "when "),
    (r"\bsince when\b", "how long"),
    (r"\bhow long ago\b|\bhow long (?:is it |has it been )?since\b", "when"),
    (r"\b(?:please|exactly|currently|ever|actually|roughly|right now|at the moment|kindly)\b", ""),
)
_PREAMBLES = re.compile(
    r"(?:(?:hey|hi|hello|ok|okay|robot|so|and|well|then)[ ,]+"
    r"|(?:can|could|would|will) you (?:tell me|show me|remember|recall|say)(?: if| whether)? "
    r"|(?:do|did) you (?:know|remember|recall)(?: if| whether)? (?!about)"
    r"|tell me(?: if| whether)? (?!about|what you know)"
    r"|i (?:want|would like|need) to know |i wonder )"
)
_COURTESIES = re.compile(r"[ ,]+(?:now|again|for me|do you know|in total|altogether|in the house)$")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_LIMIT = re.compile(r",? ?\bat most (?P<limit>\d{1,9})\b(?! ?[a-z])")
_RADIUS = re.compile(
    rf"\b(?:within|in)(?: a radius of)? (?P<radius>{_NUMBER}) ?(?P<unit>cm|centimet(?:er|re)s?|m|met(?:er|re)s?)"
    r"\b(?P<of> (?:of|from|around))?"
)
_COORDINATE = rf"(?:[xyz] ?= ?)?({_NUMBER})(?: ?m)?"
_AT = (
    rf"(?:(?:{WORDS['near']}|to|of|in)(?: the)?(?: (?:point|position|location|place|coordinates))?)"
)
_PLACES = (
    re.compile(
        rf",? ?{_AT}? ?[(\[] ?{_COORDINATE}[, ] ?{_COORDINATE}(?:[, ] ?{_COORDINATE})? ?[)\]]"
    ),
    re.compile(rf",? ?{_AT} {_COORDINATE} ?, ?{_COORDINATE}(?: ?, ?{_COORDINATE})?(?![\w:.-])"),
)
_TIME_WORDS = re.compile(
    r"(?:^| )((?:since|before|until|till|after|during|yesterday|today)(?![\w'-]).*|.* ago)$"
)
_QUESTION_WORD = r",? (?=(?:what|where|when|which|how|who|did|do|have|has|were|was|is|are|count|list|find|show)\b)"
_TRAILING = re.compile(
    r" (?:still|last|located|kept|placed|stored|been|seen|found|standing|lying|hiding|gone|at|there|anywhere|around|lately"
    r"|recently|be|to be found)$"
)
_COUNT_TAIL = re.compile(
    rf" (?:have|has|had|did|do|can|could|are|were|was|is|exist)(?: {WORDS['who']}| there| been)*"
    rf"(?: (?:{WORDS['see']}|know|remember|have|got|count|exist|recall|available|visible|present))?(?: about| of)?$"
)
# Words of a sentence, not of a name; "can" only at the beginning: a trash can is a thing.
_NO_LABEL = re.compile(
    r"^(?:can|could|should|would|will|may|might|must)\b|(?:^|\s)(?:is|are|was|were|am|be|been|do|does|did"
    r"|have|has|had|i|you|we|they|he|she|me|who|what|when|where|why|how|which|if|whether|see|saw|seen)(?!\S)"
)
_RELATION = re.compile(
    rf"(?P<thing>.+?)(?: that| which)?(?: is| are| was| were| lying| standing| kept| been| stay| stayed| lain| stood)*(?: there)?"
    rf" (?P<relation>{RELATION}) {ARTICLE} (?P<place>.+)"
)
_OTHER_RELATIONS = re.compile(
    rf"[ (](?:under|underneath|above|below|behind|between|in front of|across from|at|outside|{RELATION})"
    rf" {ARTICLE}\b.*"
)
_SEEN_BY = re.compile(
    rf"(?P<thing>.+?) (?:that |which )?{WORDS['who']} (?:last |have |has |had )*(?:{WORDS['see']}|{WORDS['put']})"
)
_NOBODY = re.compile(r"any(?:one|body)|some(?:one|body)|they|he|she|people|i|we|you|it")
# Kinds for which "at 9:10" means as it was then, not what happened in that minute.
_AS_OF = {QueryKind.WHERE, QueryKind.VISITED, QueryKind.EXISTS, QueryKind.ROOM, QueryKind.FACT}


def parse(question: str, *, now_ns: int, start_ns: int, timezone: str) -> Query:
    """Return the query that the question asks.

    Args:
        question: Plain English; a name in double quotes is taken as it is.
        now_ns: The newest stamp of the memory: what "5 minutes ago" is relative to.
        start_ns: Its first stamp: what "t=12.5s" is relative to.
        timezone: IANA name of the zone of clock times.

    Raises:
        QueryError: The question is none of the forms; the message lists them.
    """
    timebase = Timebase(now_ns, start_ns, timezone)
    _check_length(question, MAX_CANONICAL_LENGTH)
    masks = Masks()
    text = masks.take_names(question)
    while braced := BRACED.search(text):
        inner = masks.hide_query(_read(braced[1], masks, timebase))
        text = text[: braced.start()] + inner + text[braced.end() :]
    return _read(text, masks, timebase)


# --- parsing, in the order of `parse` ------------------------------------------------------------


def _read(question: str, masks: Masks, timebase: Timebase) -> Query:
    """Return the query of a question whose names and inner questions are masked."""
    _check_length(question, MAX_LENGTH)
    text, limit = _take_limit(_tidy(question))
    text, radius_m = _take_radius(text)
    text, near_map = _take_place(text)
    text, narrowed = _take_narrowings(text, masks, timebase)
    fields: dict[str, Any] = {
        "near_map": near_map, "radius_m": radius_m, "limit": limit, **narrowed
    }  # fmt: skip
    has_place = any(fields.get(name) for name in ("near_map", "at", "room"))
    if not text and has_place:
        text = "what is"
    form, groups = _match(text, masks, has_place=has_place)
    return _check_place(_query(form, groups, fields, masks))


def _query(
    form: Form, groups: Mapping[str, str | None], fields: dict[str, Any], masks: Masks
) -> Query:
    """Return the query of a form that fits."""
    kind = form.kind
    fields |= {"kind": kind, "measure": form.measure, "is_negated": form.is_negated}
    span: Span = fields.pop("span")
    if span.is_point and kind in _AS_OF:
        span = Span(until_ns=span.until_ns)
    fields |= {"since_ns": span.since_ns, "until_ns": span.until_ns}
    if groups.get("like"):
        fields["like"] = masks.restored(groups["like"] or "")
    said = [_speaker(groups.get("speaker"), masks), _name(groups.get("words"), masks, is_said=True)]
    if kind is QueryKind.TOLD:
        said.append(_name(groups.get("thing"), masks, is_said=True))
    elif groups.get("thing"):
        fields = _with_thing(_tailless(groups["thing"] or "", kind), form, fields, masks)
    if kind in WORDED and any(said):
        fields["text"] = " ".join(filter(None, said))
    return Query(**_about_rooms(fields))


def _tailless(thing: str, kind: QueryKind) -> str:
    return _COUNT_TAIL.sub("", thing) if kind is QueryKind.COUNT else thing


def _with_thing(thing: str, form: Form, fields: dict[str, Any], masks: Masks) -> dict[str, Any]:
    """Add the thing asked about: its name, what it stands on or near, or which one it is."""
    if form.relation is not None:
        place = Query(label=_name(thing, masks))
        return fields | {"at": place, "relation": form.relation}
    related = None if thing in masks.names else _RELATION.fullmatch(thing)
    if related:
        thing, place_name = related["thing"], _name(related["place"], masks)
        if place_name and is_room(place_name):
            fields = fields | {"room": place_name}
        else:
            relation = RELATIONS[related["relation"]]
            fields = fields | {"at": Query(label=place_name), "relation": relation}
    thing = _tailless(thing, form.kind)
    seen = _SEEN_BY.fullmatch(thing)
    if seen is None:
        name = _name(thing, masks)
        return fields if name is None else fields | {"label": name}
    own = ("kind", "measure", "is_negated", "limit")
    which = {k: v for k, v in fields.items() if k not in own}
    sighting = Query(kind=QueryKind.SEEN, label=_name(seen["thing"], masks), **which)
    return {k: v for k, v in fields.items() if k in own} | {"which": sighting}


def _about_rooms(fields: dict[str, Any]) -> dict[str, Any]:
    """Read the name of a room as one, and "what is in the kitchen" as a question for things."""
    kind, label, room = fields["kind"], fields.get("label"), fields.get("room")
    if label is not None and room is None and is_room(label):
        if kind is QueryKind.VISITED:
            return fields | {"label": None, "room": label}
        if kind is QueryKind.WHERE:
            return fields | {"kind": QueryKind.ROOMS, "label": None, "room": label}
    is_placed = label is not None or fields.get("near_map") or fields.get("at")
    if kind is QueryKind.NEAR and room is not None and not is_placed:
        return fields | {"kind": QueryKind.WHERE}
    return fields


def _tidy(question: str) -> str:
    """Lower the case, spell contractions out, drop courtesies and the question mark."""
    text = " ".join(question.lower().replace("\u2019", "'").split())
    for pattern, spelled in _CONTRACTIONS:
        text = re.sub(pattern, spelled, text)
    text = " ".join(text.split()).strip(" ,?!.")
    while match := _PREAMBLES.match(text):
        text = text[match.end() :]
    while match := _COURTESIES.search(text):
        text = text[: match.start()]
    return text


def _take_limit(text: str) -> tuple[str, int]:
    match = _LIMIT.search(text)
    return (text, DEFAULT_LIMIT) if match is None else (_without(text, match), int(match["limit"]))


def _take_radius(text: str) -> tuple[str, float | None]:
    """Read "within 1.5 m of" as "near", and keep the metres."""
    match = _RADIUS.search(text)
    if match is None:
        return text, None
    radius_m = float(match["radius"]) / (100 if match["unit"].startswith("c") else 1)
    return _without(text, match, put="near" if match["of"] else ""), radius_m


def _take_place(text: str) -> tuple[str, tuple[float, ...] | None]:
    for pattern in _PLACES:
        match = pattern.search(text)
        if match:
            return _without(text, match), tuple(float(x) for x in match.groups() if x is not None)
    return text, None


def _take_narrowings(text: str, masks: Masks, timebase: Timebase) -> tuple[str, dict[str, Any]]:
    """Take one span of time off the beginning of the text, and all that narrows it off its end."""
    fields: dict[str, Any] = {"span": Span()}
    for split in re.finditer(_QUESTION_WORD, text):
        span = parse_span(text[: split.start()], timebase)
        if span is not None:
            text, fields = text[split.end() :], {"span": span}
            break
    while True:
        found = next(filter(None, (take(text, masks, timebase) for take in TAKES)), None)
        if found is None:
            return text, fields
        text, more = found
        if "span" in more:
            more = {"span": fields["span"].intersect(more["span"])}
        elif not fields.keys().isdisjoint(more):
            raise QueryError(f"the question is narrowed twice by {next(iter(more))}: ask in two")
        fields |= more


def _match(text: str, masks: Masks, *, has_place: bool) -> tuple[Form, dict[str, str | None]]:
    """Return the first form that fits, and what stands in its braces."""
    time_words = _TIME_WORDS.search(text)
    if time_words:
        words = masks.restored(time_words[1])
        raise QueryError(f"I do not understand the time {words!r}: say {EXAMPLES}")
    for form in FORMS:
        match = form.pattern.fullmatch(text)
        if match and not (form.needs_place and not has_place and not _is_placed(match["thing"])):
            return form, match.groupdict()
    raise _not_understood(masks.restored(text))


def _is_placed(thing: str) -> bool:
    return _RELATION.fullmatch(thing) is not None


def _check_length(question: str, most: int) -> None:
    if len(question) > most:
        raise QueryError(f"the question has {len(question)} characters: ask in {most}")


def _name(thing: str | None, masks: Masks, *, is_said: bool = False) -> str | None:
    """Return the name as a query keeps it, None for "anything"; `is_said`: it may be any words."""
    if thing is None:
        return None
    name = labels.phrase(thing)
    if name in masks.names:
        return masks.names[name]
    while match := _TRAILING.search(name):
        name = name[: match.start()]
    if re.fullmatch(WORDS["any"], name):
        return None
    if not is_said:
        _check_label(name, masks)
    return masks.restored(name)


def _check_label(name: str, masks: Masks) -> None:
    """Refuse what is no name of one thing, rather than look for it in vain."""
    relation = _OTHER_RELATIONS.search(name)
    if relation:
        raise QueryError(
            f"I cannot narrow by {relation[0].strip()!r}: name one thing, or a place as "
            '"near (x, y)"; put a name with such words in double quotes'
        )
    if not name or _NO_LABEL.search(name) or re.fullmatch(WORDS["near"], name):
        raise _not_understood(masks.restored(name))
    if re.search(r" (?:and|or) (?:the|a|an|my|your)\b", name):
        raise QueryError(f"{name!r} is more than one thing: ask for one at a time")


def _speaker(words: str | None, masks: Masks) -> str | None:
    if words is None or _NOBODY.fullmatch(words):
        return None
    return _name(words, masks, is_said=True)


def _check_place(query: Query) -> Query:
    """Refuse a question about a place that has none, or two."""
    is_about_place = query.kind in (QueryKind.NEAR, QueryKind.VISITED)
    is_placed = query.near_map is not None or query.at is not None
    has_place = is_placed or (is_about_place and query.label is not None)
    if query.kind is QueryKind.NEAR and not has_place:
        raise QueryError('near what? Name one thing, or a place as "near (x, y)"')
    if is_about_place and query.label is not None and is_placed:
        raise QueryError(f"{query.label!r} and another are two places: ask about one")
    if query.radius_m is not None and not has_place:
        raise QueryError('within that distance of what? Say "within 2 m of (x, y)"')
    return query


def _without(text: str, match: re.Match[str], *, put: str = "") -> str:
    return " ".join(f"{text[: match.start()]} {put} {text[match.end() :]}".split())


def _not_understood(words: str) -> QueryError:
    return QueryError(f"I do not understand {words!r}: ask {UNDERSTOOD}")
