"""Words for times to nanoseconds: "since 09:10", "between yesterday at 9 and noon"."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from robomem.ask.moments import (
    DURATION,
    EXAMPLES,
    NUMBER,
    Moment,
    is_clock,
    read_duration,
    read_moment,
)
from robomem.ask.timebase import DAY_NS, Timebase
from robomem.errors import QueryError
from robomem.query import checked_time

MAX_LENGTH = 120  # of a span of time in words; reading it takes as the cube of its length


@dataclass(frozen=True, slots=True)
class Span:
    """From `since_ns` to `until_ns`; None is open. `is_point` when one moment was named."""

    since_ns: int | None = None
    until_ns: int | None = None
    is_point: bool = False

    def intersect(self, other: "Span") -> "Span":
        """Return what lies in both."""
        starts = [ns for ns in (self.since_ns, other.since_ns) if ns is not None]
        ends = [ns for ns in (self.until_ns, other.until_ns) if ns is not None]
        return Span(
            max(starts, default=None), min(ends, default=None), self.is_point or other.is_point
        )


def parse_time(text: str, timebase: Timebase) -> int:
    """Return the stamp that the words name, for a day its beginning; raises QueryError."""
    moment = read_moment(_tidy(text), timebase)
    if moment is None:
        raise QueryError(f"{text!r} is no time: say {EXAMPLES}")
    return moment.start_ns


def parse_span(text: str, timebase: Timebase) -> Span | None:
    """Return the span that the whole text names ("since 9", "yesterday"); None if it names none."""
    words = _tidy(text)
    if len(words) > MAX_LENGTH:
        return None
    for pattern, read in _SPANS:
        match = re.fullmatch(pattern, words)
        span = read(match, timebase) if match else None
        if span is not None:
            return span
    for pattern, span_of in _SPANS_OF_A_MOMENT:
        match = re.fullmatch(pattern, words)
        moment = read_moment(match[1], timebase, is_hour_bare=True) if match else None
        if moment is not None:
            return span_of(moment)
    return None


def _last(match: re.Match[str], timebase: Timebase) -> Span | None:
    return Span(since_ns=checked_time(timebase.now_ns - read_duration(match[1])))


def _within_day(match: re.Match[str], timebase: Timebase) -> Span | None:
    """Read "yesterday between 9 and 10", "on 12 March after 9": the clock times are of that day."""
    day = read_moment(match["day"] or match["date"], timebase)
    if day is None or day.is_point:
        return None
    span = parse_span(match["rest"], replace(timebase, now_ns=day.end_ns))
    return Span(day.start_ns, day.end_ns).intersect(span) if span else None


def _between(match: re.Match[str], timebase: Timebase) -> Span | None:
    for joint in re.finditer(r" (?:and|to|until|till) ", match[1]):
        first, second = match[1][: joint.start()], match[1][joint.end() :]
        unit = re.search(r" ?[a-z.]*$", second)
        if re.fullmatch(NUMBER, first) and unit:
            first += unit[0]  # "between 9 and 10 am"
        span = _from_to(first, second, timebase)
        if span is not None:
            return span
    return None


def _from_to(first: str, second: str, timebase: Timebase) -> Span | None:
    """Read two moments; a clock time beside a date is on that date or the day after."""
    start = read_moment(first, timebase, is_hour_bare=True)
    end = read_moment(second, timebase, is_hour_bare=True)
    if start is None or end is None:
        return None
    if is_clock(first) and start.start_ns > end.start_ns:
        before_end = replace(timebase, now_ns=end.start_ns)
        start = read_moment(first, before_end, is_hour_bare=True)
    elif is_clock(second) and not is_clock(first):
        day_after = replace(timebase, now_ns=start.start_ns + DAY_NS)
        end = read_moment(second, day_after, is_hour_bare=True)
    return Span(start.start_ns, end.last_ns) if start and end else None


def _tidy(text: str) -> str:
    return " ".join(text.lower().split())


_DAY_WORDS = (
    "(?:today|tonight|yesterday|the day before yesterday|this|last|mon|tue|wed|thu|fri|sat|sun)"
)
_Reader = Callable[[re.Match[str], Timebase], Span | None]
# In both tables the first pattern that fits the whole text, and whose moments can be read, decides.
_SPANS: tuple[tuple[str, _Reader], ...] = (
    (r"(?:between|from) (.+)", _between),
    (
        rf"(?:(?:in|within|during|over|for) )?(?:the )?(?:last|past) ({DURATION}|hour|minute|day|week)",
        _last,
    ),
    (
        rf"(?:(?P<day>{_DAY_WORDS}.*?)|on (?P<date>.+?)),? (?P<rest>(?:between|from|since|after|before|until|till) .+)",
        _within_day,
    ),
)
_SPANS_OF_A_MOMENT: tuple[tuple[str, Callable[[Moment], Span]], ...] = (
    (
        r"(?:since|from|starting(?: at)?) (.+?)(?: onwards?| on| until now| till now)?",
        lambda moment: Span(since_ns=moment.start_ns),
    ),
    (r"after (.+)", lambda moment: Span(since_ns=moment.last_ns)),
    (r"before (.+)", lambda moment: Span(until_ns=moment.start_ns)),
    (r"(?:until|till|up to|up until|as of) (.+)", lambda moment: Span(until_ns=moment.last_ns)),
    (
        rf"(?:(?:at|on|during|in|around|about) (?=.)|(?={_DAY_WORDS}|.* ago$|t ?=|\d{{4}}-\d\d-\d\d))(.+)",
        lambda moment: Span(moment.start_ns, moment.end_ns, moment.is_point),
    ),
)
