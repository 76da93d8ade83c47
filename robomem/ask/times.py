"""Words for times to nanoseconds and back. Nothing here reads a clock: "now" is the newest stamp.

A recording that begins near the epoch (a simulation, a data set) has no dates: its times are told
in seconds since its first stamp, and clock times in a question are refused with a hint.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from robomem.errors import QueryError
from robomem.types import MAX_STAMP_NS

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
# Stamps earlier than this are no dates: no robot of 1980 recorded anything we read.
FIRST_DATE_NS = 10 * 365 * DAY_NS
EXAMPLES = '"09:10", "2026-01-05 09:10:30", "5 minutes ago", "yesterday at 14:00", "t=12.5s"'

ONE_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS_NS = {
    "ns": 1,
    "ms": SECOND_NS // 1000,
    "s": SECOND_NS,
    "sec": SECOND_NS,
    "second": SECOND_NS,
    "m": MINUTE_NS,
    "min": MINUTE_NS,
    "minute": MINUTE_NS,
    "h": HOUR_NS,
    "hr": HOUR_NS,
    "hour": HOUR_NS,
    "d": DAY_NS,
    "day": DAY_NS,
    "week": 7 * DAY_NS,
}
_COUNTS = {"a": "1", "an": "1", "half a": "0.5", "half an": "0.5"} | {
    word: str(count)
    for count, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(), start=1
    )
}
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_WEEKDAYS = "mon tue wed thu fri sat sun".split()
_NAMED_DAYS = {"today": 0, "yesterday": 1, "the day before yesterday": 2}
_RELATIVE_DAYS = {"this": "today", "the": "today", "last": "yesterday"}  # "this morning"
_PARTS = {"morning": (0, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 24)}  # hours

_NUMBER = r"\d+(?:\.\d+)?"
_COUNT = rf"(?:{_NUMBER} ?|(?:{'|'.join(sorted(_COUNTS, key=len, reverse=True))}) )"
_UNIT = r"(?:ns|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?)"
_DURATION = rf"{_COUNT}{_UNIT}(?:(?:,| and|) ?{_COUNT}{_UNIT})*"
_CLOCK = (
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?)?"
    r" ?(?P<half>am|pm|a\.m\.?|p\.m\.?|o'clock)?"
)
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_NTH = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"


@dataclass(frozen=True, slots=True)
class Timebase:
    """What the words of a question are relative to.

    Attributes:
        now_ns: The newest stamp of the memory.
        start_ns: Its first stamp.
        timezone: IANA name of the zone of clock times.
    """

    now_ns: int
    start_ns: int
    timezone: str = "UTC"

    @property
    def zone(self) -> ZoneInfo:
        """The zone; raises QueryError when there is none of this name."""
        return _zone(self.timezone)

    @property
    def has_dates(self) -> bool:
        """Whether the stamps of the memory are dates, rather than seconds since some start."""
        return self.now_ns >= FIRST_DATE_NS


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
        return Span(max(starts, default=None), min(ends, default=None), self.is_point or other.is_point)


@dataclass(frozen=True, slots=True)
class _Moment:
    """A named time: an instant as precise as it was said ("09:10" lasts a minute), or a day."""

    start_ns: int
    end_ns: int
    is_point: bool = True

    @property
    def last_ns(self) -> int:
        """Where "until" this moment ends: at an instant, but at the end of a day."""
        return self.start_ns if self.is_point else self.end_ns


def parse_time(text: str, timebase: Timebase) -> int:
    """Return the stamp that the words name, for a day its beginning; raises QueryError."""
    moment = _moment(_tidy(text), timebase)
    if moment is None:
        raise QueryError(f"{text!r} is no time: say {EXAMPLES}")
    return moment.start_ns


def parse_span(text: str, timebase: Timebase) -> Span | None:
    """Return the span that the whole text names ("since 09:10", "yesterday"), None when it names none."""
    words = _tidy(text)
    for pattern, read in _SPANS:
        match = re.fullmatch(pattern, words)
        span = read(match, timebase) if match else None
        if span is not None:
            return span
    return None


def render_time(stamp_ns: int, timebase: Timebase) -> str:
    """Return words that `parse_time` reads as exactly this stamp, whatever now is."""
    if stamp_ns < FIRST_DATE_NS:
        return f"t={_decimal(stamp_ns - timebase.start_ns)}s"
    local, fraction_ns = _local(stamp_ns, timebase)
    text = f"{local:%Y-%m-%d %H:%M}"
    if local.second or fraction_ns:
        text += f":{_decimal(local.second * SECOND_NS + fraction_ns, width=2)}"
    if _stamp(local.replace(fold=0)) != _stamp(local):  # the hour that a clock change repeats
        text += f"{local:%z}"
    return text


def describe_time(stamp_ns: int, timebase: Timebase) -> str:
    """Say when: "09:10:30 on 5 Jan 2026, 3 minutes ago", or "12.5 s into the recording"."""
    clock = describe_clock(stamp_ns, timebase)
    if stamp_ns < FIRST_DATE_NS:
        return clock
    local, _ = _local(stamp_ns, timebase)
    day = "" if " on " in clock else f" on {_day_words(local)}"
    return f"{clock}{day}, {_ago(timebase.now_ns - stamp_ns)}"


def describe_clock(stamp_ns: int, timebase: Timebase) -> str:
    """Say when in few words: "09:10:30", with the day when it is not the day of now."""
    if stamp_ns < FIRST_DATE_NS:
        seconds = (stamp_ns - timebase.start_ns) / SECOND_NS
        return f"{seconds:.1f} s into the recording"
    local, _ = _local(stamp_ns, timebase)
    now, _ = _local(timebase.now_ns, timebase)
    day = "" if local.date() == now.date() else f" on {_day_words(local)}"
    return f"{local:%H:%M:%S}{day}"


def describe_duration(duration_ns: int) -> str:
    """Say how long in one unit: "3 minutes", "1 hour", "2 days"."""
    for unit in ("day", "hour", "minute"):
        if duration_ns >= _UNITS_NS[unit]:
            return _counted(round(duration_ns / _UNITS_NS[unit]), unit)
    return _counted(round(duration_ns / SECOND_NS), "second")


# --- spans -------------------------------------------------------------------------------------


def _since(match: re.Match[str], timebase: Timebase) -> Span | None:
    moment = _moment(match["a"], timebase, is_hour_bare=True)
    return None if moment is None else Span(since_ns=moment.start_ns)


def _after(match: re.Match[str], timebase: Timebase) -> Span | None:
    moment = _moment(match["a"], timebase, is_hour_bare=True)
    return None if moment is None else Span(since_ns=moment.last_ns)


def _before(match: re.Match[str], timebase: Timebase) -> Span | None:
    moment = _moment(match["a"], timebase, is_hour_bare=True)
    return None if moment is None else Span(until_ns=moment.start_ns)


def _until(match: re.Match[str], timebase: Timebase) -> Span | None:
    moment = _moment(match["a"], timebase, is_hour_bare=True)
    return None if moment is None else Span(until_ns=moment.last_ns)


def _last(match: re.Match[str], timebase: Timebase) -> Span | None:
    duration_ns = _duration(match["a"])
    return Span(since_ns=_checked(timebase.now_ns - duration_ns))


def _at(match: re.Match[str], timebase: Timebase) -> Span | None:
    moment = _moment(match["a"], timebase, is_hour_bare=True)
    return None if moment is None else Span(moment.start_ns, moment.end_ns, moment.is_point)


def _within_day(match: re.Match[str], timebase: Timebase) -> Span | None:
    """Read "yesterday between 9 and 10": the clock times are of that day."""
    day = _moment(match["day"], timebase)
    if day is None:
        return None
    span = parse_span(match["a"], replace(timebase, now_ns=day.end_ns))
    return Span(day.start_ns, day.end_ns).intersect(span) if span else None


def _between(match: re.Match[str], timebase: Timebase) -> Span | None:
    """Read "between A and B"; a clock time beside a date is on that date or just after."""
    for joint in re.finditer(r" (?:and|to|until|till) ", match["a"]):
        first, second = match["a"][: joint.start()], match["a"][joint.end() :]
        if re.fullmatch(_NUMBER, first):
            first += re.search(r" ?[a-z.]*$", second)[0]  # type: ignore[index]  # always matches
        span = _from_to(first, second, timebase)
        if span is not None:
            return span
    return None


def _from_to(first: str, second: str, timebase: Timebase) -> Span | None:
    end = _moment(second, timebase, is_hour_bare=True)
    start = _moment(first, timebase, is_hour_bare=True)
    if start is None or end is None:
        return None
    if _is_clock(first) and start.start_ns > end.start_ns:
        start = _moment(first, replace(timebase, now_ns=end.start_ns), is_hour_bare=True)
    elif _is_clock(second) and not _is_clock(first):
        end = _moment(second, replace(timebase, now_ns=start.start_ns + DAY_NS), is_hour_bare=True)
    return Span(start.start_ns, end.last_ns) if start and end else None


_DAY_WORDS = r"(?:today|tonight|yesterday|the day before yesterday|this|last|mon|tue|wed|thu|fri|sat|sun)"
# The first pattern that matches the whole text and reads as a time decides.
_SPANS: tuple[tuple[str, Callable[[re.Match[str], Timebase], Span | None]], ...] = (
    (r"(?:between|from) (?P<a>.+)", _between),
    (r"(?:since|from|starting(?: at)?) (?P<a>.+?)(?: onwards?| on| until now| till now)?", _since),
    (r"after (?P<a>.+)", _after),
    (r"before (?P<a>.+)", _before),
    (r"(?:until|till|up to|up until|as of) (?P<a>.+)", _until),
    (
        rf"(?:(?:in|within|during|over|for) )?(?:the )?(?:last|past) (?P<a>{_DURATION}|(?:hour|minute|day|week))",
        _last,
    ),
    (r"(?:at|on|during|in|around|about) (?P<a>.+)", _at),
    (rf"(?P<day>{_DAY_WORDS}.*?),? (?P<a>(?:between|from|since|after|before|until|till) .+)", _within_day),
    (rf"(?P<a>{_DAY_WORDS}.*|.* ago|t ?=.*|\d{{4}}-\d\d-\d\d.*)", _at),
)

# --- moments -----------------------------------------------------------------------------------


def _moment(text: str, timebase: Timebase, *, is_hour_bare: bool = False) -> _Moment | None:
    """Read one time. `is_hour_bare`: "9" may be nine o'clock."""
    text = re.sub(r"^(?:at|on) ", "", text.strip())
    for pattern, read in _MOMENTS:
        match = re.fullmatch(pattern, text)
        if match:
            return read(match, timebase)
    if is_hour_bare and re.fullmatch(r"\d{1,2}", text):
        text = f"{text}:00" if timebase.has_dates else f"t={text}"
        return _moment(text, timebase)
    return _date_and_clock(text, timebase)


def _now(match: re.Match[str], timebase: Timebase) -> _Moment:
    return _point(timebase.now_ns)


def _start(match: re.Match[str], timebase: Timebase) -> _Moment:
    return _point(timebase.start_ns)


def _ago_moment(match: re.Match[str], timebase: Timebase) -> _Moment:
    return _point(timebase.now_ns - _duration(match["a"]), MINUTE_NS)


def _into(match: re.Match[str], timebase: Timebase) -> _Moment:
    return _point(timebase.start_ns + _duration(match["a"]))


def _t(match: re.Match[str], timebase: Timebase) -> _Moment:
    return _point(timebase.start_ns + int(Decimal(match["a"]) * SECOND_NS))


def _epoch_seconds(match: re.Match[str], timebase: Timebase) -> _Moment:
    return _point(int(Decimal(match["a"]) * SECOND_NS))


def _epoch_ns(match: re.Match[str], timebase: Timebase) -> _Moment:
    return _point(int(match["a"]))


_MOMENTS: tuple[tuple[str, Callable[[re.Match[str], Timebase], _Moment]], ...] = (
    (r"now|just now|the end(?: of the recording)?", _now),
    (r"(?:the )?(?:start|beginning)(?: of the recording)?", _start),
    (rf"(?P<a>{_DURATION}) (?:ago|earlier|before now)", _ago_moment),
    (rf"(?P<a>{_DURATION}) (?:in|into the recording|after the start|from the start)", _into),
    (rf"(?P<a>{_NUMBER} ?(?:s|secs?|seconds?))", _into),
    (rf"t ?= ?(?P<a>-?{_NUMBER}) ?(?:s|secs?|seconds?)?", _t),
    (r"(?P<a>\d{9,11}(?:\.\d{1,9})?)", _epoch_seconds),
    (r"(?P<a>\d{18,19})(?: ?ns)?", _epoch_ns),
)


def _is_clock(text: str) -> bool:
    return re.fullmatch(r"\d{1,2}", text) is not None or _clock(text) is not None


# --- days and clock times ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Clock:
    """A time of day, as precise as it was said."""

    hour: int
    minute: int = 0
    second: int = 0
    fraction_ns: int = 0
    resolution_ns: int = MINUTE_NS


def _date_and_clock(text: str, timebase: Timebase) -> _Moment | None:
    """Read a day, a clock time, or both in either order."""
    match = re.fullmatch(r"(.*:\d\d(?:\.\d+)?) ?(z|utc|[+-]\d\d:?\d\d)", text)
    text, zone = (match[1], _offset(match[2])) if match else (text, timebase.zone)
    clock = _clock(text)
    if clock is not None:
        return _last_time(clock, zone, timebase)
    for joint in re.finditer(r"t(?=\d)| (?:at |on )?", text):
        before, after = text[: joint.start()], text[joint.end() :]
        for day_text, clock_text in ((before, after), (after, before)):
            clock = _clock(clock_text)
            day = _day(day_text, timebase) if clock else None
            if clock and day:
                return _on_day(day, clock, zone)
    return _part_of_day(text, timebase)


def _clock(text: str) -> _Clock | None:
    if text in ("noon", "midnight"):
        return _Clock(12 if text == "noon" else 0)
    match = re.fullmatch(_CLOCK, text)
    if match is None or not (match["minute"] or match["half"]):
        return None
    hour, half = int(match["hour"]), (match["half"] or "")[0:1]
    if half in ("a", "p"):
        hour = hour % 12 + (12 if half == "p" else 0) if 1 <= hour <= 12 else 24
    minute, second = int(match["minute"] or 0), int(match["second"] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction_ns = int(Decimal(match["fraction"] or 0) * SECOND_NS)
    return _Clock(hour, minute, second, fraction_ns, SECOND_NS if match["second"] else MINUTE_NS)


def _last_time(clock: _Clock, zone: tzinfo, timebase: Timebase) -> _Moment:
    """Return the last such time of day that is not after now."""
    today = _today(timebase)
    moment = _on_day(today, clock, zone)
    return moment if moment.start_ns <= timebase.now_ns else _on_day(today - ONE_DAY, clock, zone)


def _on_day(day: date, clock: _Clock, zone: tzinfo) -> _Moment:
    local = datetime.combine(day, time(clock.hour, clock.minute, clock.second), tzinfo=zone)
    return _point(_stamp(local) + clock.fraction_ns, clock.resolution_ns)


def _part_of_day(text: str, timebase: Timebase) -> _Moment | None:
    """Read a day, or its morning, afternoon, evening or night."""
    name, _, part = text.rpartition(" ")
    if text == "tonight":
        name, part = "today", "night"
    elif part not in _PARTS:
        name, part = text, ""
    elif name in _RELATIVE_DAYS:
        name = _RELATIVE_DAYS[name]
    day = _day(name, timebase)
    if day is None:
        return None
    first, last = _PARTS.get(part, (0, 24))
    return _Moment(
        _midnight(day, timebase, hours=first), _midnight(day, timebase, hours=last), is_point=False
    )


def _day(text: str, timebase: Timebase) -> date | None:
    """Read the name of a day: a date, a weekday, today, yesterday."""
    text = text.removeprefix("on ").replace(",", "")
    if text in _NAMED_DAYS:
        return _today(timebase) - _NAMED_DAYS[text] * ONE_DAY
    if text[:3] in _WEEKDAYS and re.fullmatch(r"[a-z]{3}|[a-z]+day", text):
        today = _today(timebase)
        return today - (today.weekday() - _WEEKDAYS.index(text[:3])) % 7 * ONE_DAY
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return _date(*map(int, text.split("-")))
    return _written_date(text, timebase)


def _written_date(text: str, timebase: Timebase) -> date | None:
    """Read "5 jan", "january 5th 2026"; without a year the last such day not after now."""
    for pattern in (rf"{_NTH}(?: of)? {_MONTH}(?: (?P<year>\d{{4}}))?", rf"{_MONTH} {_NTH}(?: (?P<year>\d{{4}}))?"):
        match = re.fullmatch(pattern, text)
        if match:
            month, day = _MONTHS.index(match["month"]) + 1, int(match["day"])
            if match["year"]:
                return _date(int(match["year"]), month, day)
            today = _today(timebase)
            found = _date(today.year, month, day)
            return found if found is None or found <= today else _date(today.year - 1, month, day)
    return None


def _today(timebase: Timebase) -> date:
    if not timebase.has_dates:
        raise QueryError(
            "this memory has no dates, its stamps begin near 0: "
            'say "t=12.5s" for seconds since its beginning, or "5 minutes ago"'
        )
    return _local(timebase.now_ns, timebase)[0].date()


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _midnight(day: date, timebase: Timebase, *, hours: int) -> int:
    day, hours = (day + ONE_DAY, 0) if hours == 24 else (day, hours)
    return _checked(_stamp(datetime.combine(day, time(hours), tzinfo=timebase.zone)))


# --- numbers -----------------------------------------------------------------------------------


def _tidy(text: str) -> str:
    return " ".join(text.lower().split())


def _point(stamp_ns: int, resolution_ns: int = SECOND_NS) -> _Moment:
    return _Moment(_checked(stamp_ns), _checked(stamp_ns + resolution_ns))


def _checked(stamp_ns: int) -> int:
    if abs(stamp_ns) > MAX_STAMP_NS:
        raise QueryError(f"the time is out of range: stamps lie within 292 years of 1970, got {stamp_ns} ns")
    return stamp_ns


def _duration(text: str) -> int:
    """Return the nanoseconds of "1 hour and 30 min", "half an hour", or a lone unit."""
    if text in _UNITS_NS:
        return _UNITS_NS[text]
    total = Decimal(0)
    for count, unit in re.findall(rf"({_COUNT})({_UNIT})(?![a-z])", text):
        total += Decimal(_COUNTS.get(count.strip(), count)) * _UNITS_NS[unit if unit in _UNITS_NS else unit[:-1]]
    return int(total)


def _decimal(duration_ns: int, *, width: int = 0) -> str:
    """Return seconds exactly, without trailing zeros; `width` digits before the point."""
    whole, fraction = divmod(abs(duration_ns), SECOND_NS)
    text = f"{whole:0{width}d}.{fraction:09d}".rstrip("0").rstrip(".")
    return f"-{text}" if duration_ns < 0 else text


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as err:
        raise QueryError(f"{name!r} is no time zone: give an IANA name such as Europe/Berlin") from err


def _offset(text: str) -> timezone:
    if text in ("z", "utc"):
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _stamp(local: datetime) -> int:
    since_epoch = local - _EPOCH
    return (since_epoch.days * 86400 + since_epoch.seconds) * SECOND_NS


def _local(stamp_ns: int, timebase: Timebase) -> tuple[datetime, int]:
    """Return the local time to the second, and the nanoseconds beyond it."""
    seconds, fraction_ns = divmod(stamp_ns, SECOND_NS)
    return datetime.fromtimestamp(seconds, timebase.zone), fraction_ns


def _day_words(local: datetime) -> str:
    return f"{local.day} {local:%b %Y}"


def _ago(duration_ns: int) -> str:
    if duration_ns < SECOND_NS:
        return "just now"
    return f"{describe_duration(duration_ns)} ago"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
