"""Turn a question in plain English into a typed query, and a query back into canonical words.

`parse` takes, in this order, quoted names, the limit, coordinates and the span of time out of the
question; what remains must fit one of the forms in `robomem.ask.forms`. Words it does not
understand are an error, never a guess.
"""

import re

from robomem.ask import labels
from robomem.ask.forms import FORMS, WORDS
from robomem.ask.moments import EXAMPLES
from robomem.ask.timebase import Timebase, render_time
from robomem.ask.times import Span, parse_span
from robomem.errors import QueryError
from robomem.types import Query, QueryKind

DEFAULT_LIMIT = 10
MAX_LENGTH = 500  # a longer one is no question, and costs the patterns more than milliseconds
UNDERSTOOD = (
    '"where is X", "when did you last see X", "what is near X" or "near (x, y)", '
    '"what did you see between T1 and T2", "what changed since T", "how many X", '
    '"when were you last near X" or "(x, y)", "what was I told about X"'
)

_QUOTED = re.compile(r'"([^"]*)"')
_FIRST_QUOTE = 0xE000  # private use characters stand for the quoted names
_CONTRACTIONS = (
    (r"\b(where|what|who|when|how|it|that|there|here)'?s\b", r"\1 is"),
    (r"\b(i|you|we|they)'?ve\b", r"\1 have"),
    (r"\b(you|we|they)'re\b", r"\1 are"),
    (r"\bi'm\b", "i am"),
    (r"\bcan't\b", "cannot"),
    (r"\b(?:at )?(?:what|which) time (?=did|do|have|was|were|is)", "when "),
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
    r" (?:last|located|kept|placed|stored|been|seen|found|standing|lying|hiding|gone|at|there|anywhere|around|lately"
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
_RELATIONS = re.compile(
    r"[ (](?:on|in|inside|under|underneath|above|below|behind|near|next to|beside|by|between|in front of"
    r"|on top of|close to|at|across from) (?:the|a|an|my|your|our|his|her|this|that|any|each)\b.*"
)
_NOBODY = re.compile(r"any(?:one|body)|some(?:one|body)|they|he|she|people|i|we|you|it")
# Of every kind, the question about anything and the question about {}.
_CANONICAL = {
    QueryKind.WHERE: ("where is everything", "where did you last see {}"),
    QueryKind.WHEN: ("when did you last see anything", "when did you last see {}"),
    QueryKind.COUNT: ("how many things", "how many {}"),
    QueryKind.NEAR: ("what is", "what is"),
    QueryKind.SEEN: ("what did you see", "what happened to {}"),
    QueryKind.CHANGES: ("what changed", "what changed about {}"),
    QueryKind.TOLD: ("what was I told", "what was I told about {}"),
}


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
    if len(question) > MAX_LENGTH:
        raise QueryError(f"the question has {len(question)} characters: ask in {MAX_LENGTH}")
    text, quotes = _take_quotes(question)
    text, limit = _take_limit(_tidy(text))
    text, radius_m = _take_radius(text)
    text, near_map = _take_place(text)
    text, span = _take_span(text, timebase)
    kind, thing, speaker_words = _match(text or ("what is" if near_map else ""), quotes)
    name = _name(thing, quotes, kind=kind)
    if span.is_point and kind in (QueryKind.WHERE, QueryKind.VISITED):
        span = Span(until_ns=span.until_ns)  # "where was X at 09:10": the last that was known then
    is_told = kind is QueryKind.TOLD
    said = " ".join(filter(None, (_speaker(speaker_words, quotes), name)))
    query = Query(
        kind=kind,
        label=None if is_told else name,
        text=(said or None) if is_told else None,
        near_map=near_map,
        radius_m=radius_m,
        since_ns=span.since_ns,
        until_ns=span.until_ns,
        limit=limit,
    )
    return _check_place(query)


def render(query: Query, *, start_ns: int, timezone: str) -> str:
    """Return canonical words that `parse` reads as exactly this query."""
    timebase = Timebase(start_ns, start_ns, timezone)
    name = query.text if query.kind is QueryKind.TOLD else query.label
    plain = _sentence(query, name, timebase)
    try:
        if (
            name is None
            or parse(plain, now_ns=start_ns, start_ns=start_ns, timezone=timezone) == query
        ):
            return plain
    except QueryError:
        pass  # the name reads as something else: quote it
    return _sentence(query, f'"{name}"', timebase)


# --- parsing, in the order of `parse` ------------------------------------------------------------


def _take_quotes(question: str) -> tuple[str, dict[str, str]]:
    """Put one private character in the place of every quoted name."""
    names: dict[str, str] = {}

    def mask(match: re.Match[str]) -> str:
        name = " ".join(match[1].lower().split())
        names[chr(_FIRST_QUOTE + len(names))] = name
        return f" {chr(_FIRST_QUOTE + len(names) - 1)} " if name else " "

    text = "".join(c for c in question if not 0xE000 <= ord(c) <= 0xF8FF)
    return _QUOTED.sub(mask, re.sub("[\u201c\u201d]", '"', text)), names


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


def _take_span(text: str, timebase: Timebase) -> tuple[str, Span]:
    """Take one span of time off the beginning of the text, and every span off its end."""
    whole = Span()
    for split in re.finditer(_QUESTION_WORD, text):
        span = parse_span(text[: split.start()], timebase)
        if span is not None:
            text, whole = text[split.end() :], span
            break
    while found := _span_at_the_end(text, timebase):
        text, span = found
        whole = whole.intersect(span)
    return text, whole


def _span_at_the_end(text: str, timebase: Timebase) -> tuple[str, Span] | None:
    for split in re.finditer(r",? |^", text):
        span = parse_span(text[split.end() :], timebase)
        if span is not None:
            return text[: split.start()].removesuffix(" and"), span
    return None


def _match(text: str, quotes: dict[str, str]) -> tuple[QueryKind, str | None, str | None]:
    """Return the kind of question, what it is about and who spoke."""
    time_words = _TIME_WORDS.search(text)
    if time_words:
        words = _restored(time_words[1], quotes)
        raise QueryError(f"I do not understand the time {words!r}: say {EXAMPLES}")
    for kind, pattern in FORMS:
        match = pattern.fullmatch(text)
        if match:
            groups = match.groupdict()
            return kind, groups.get("thing"), groups.get("speaker")
    raise _not_understood(_restored(text, quotes))


def _name(thing: str | None, quotes: dict[str, str], *, kind: QueryKind) -> str | None:
    """Return the name as a query keeps it, None for "anything"."""
    if thing is None:
        return None
    name = labels.phrase(thing)
    if name in quotes:
        return quotes[name]
    if kind is QueryKind.COUNT:
        name = _COUNT_TAIL.sub("", name)
    while match := _TRAILING.search(name):
        name = name[: match.start()]
    if re.fullmatch(WORDS["any"], name):
        return None
    if kind is not QueryKind.TOLD:
        _check_label(name, quotes)
    return _restored(name, quotes)


def _check_label(name: str, quotes: dict[str, str]) -> None:
    """Refuse what is no name of one thing, rather than look for it in vain."""
    relation = _RELATIONS.search(name)
    if relation:
        raise QueryError(
            f"I cannot narrow by {relation[0].strip()!r}: name one thing, or a place as "
            '"near (x, y)"; put a name with such words in double quotes'
        )
    if not name or _NO_LABEL.search(name) or re.fullmatch(WORDS["near"], name):
        raise _not_understood(_restored(name, quotes))
    if re.search(r" (?:and|or) (?:the|a|an|my|your)\b", name):
        raise QueryError(f"{name!r} is more than one thing: ask for one at a time")


def _restored(words: str, quotes: dict[str, str]) -> str:
    """Put the quoted names back."""
    for mask, quoted in quotes.items():
        words = words.replace(mask, quoted)
    return words


def _speaker(words: str | None, quotes: dict[str, str]) -> str | None:
    if words is None or _NOBODY.fullmatch(words):
        return None
    return _name(words, quotes, kind=QueryKind.TOLD)


def _check_place(query: Query) -> Query:
    """Refuse a question about a place that has none, or two."""
    is_about_place = query.kind in (QueryKind.NEAR, QueryKind.VISITED)
    has_place = query.near_map is not None or (is_about_place and query.label is not None)
    if query.kind is QueryKind.NEAR and not has_place:
        raise QueryError('near what? Name one thing, or a place as "near (x, y)"')
    if is_about_place and query.label is not None and query.near_map is not None:
        raise QueryError(f"{query.label!r} and coordinates are two places: ask about one")
    if query.radius_m is not None and not has_place:
        raise QueryError('within that distance of what? Say "within 2 m of (x, y)"')
    return query


def _without(text: str, match: re.Match[str], *, put: str = "") -> str:
    return " ".join(f"{text[: match.start()]} {put} {text[match.end() :]}".split())


def _not_understood(words: str) -> QueryError:
    return QueryError(f"I do not understand {words!r}: ask {UNDERSTOOD}")


# --- rendering -----------------------------------------------------------------------------------


def _sentence(query: Query, name: str | None, timebase: Timebase) -> str:
    parts = [_asked(query, name), _place_words(query, name), _span_words(query, timebase)]
    if query.limit != DEFAULT_LIMIT:
        parts.append(f"at most {query.limit}")
    return " ".join(filter(None, parts))


def _asked(query: Query, name: str | None) -> str:
    """Return the question without its narrowings."""
    if query.kind is QueryKind.VISITED:
        return "where were you" if name is None and query.near_map is None else "when were you last"
    without, about = _CANONICAL[query.kind]
    if name is None or query.kind is QueryKind.NEAR:
        return without
    return about.format(name if query.kind in (QueryKind.COUNT, QueryKind.TOLD) else _the(name))


def _place_words(query: Query, name: str | None) -> str:
    has_name = name is not None and query.kind in (QueryKind.NEAR, QueryKind.VISITED)
    if query.near_map is None and not has_name:
        return ""
    place = _the(name or "") if query.near_map is None else _point(query.near_map)
    return (
        f"near {place}"
        if query.radius_m is None
        else f"within {_number(query.radius_m)} m of {place}"
    )


def _span_words(query: Query, timebase: Timebase) -> str:
    since, until = (
        None if ns is None else render_time(ns, timebase) for ns in (query.since_ns, query.until_ns)
    )
    if since and until:
        return f"between {since} and {until}"
    return f"since {since}" if since else f"until {until}" if until else ""


def _the(name: str) -> str:
    return name if name.startswith('"') else f"the {name}"


def _point(near_map: tuple[float, ...]) -> str:
    return f"({', '.join(map(_number, near_map))})"


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
