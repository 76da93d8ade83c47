"""One moment or day in words to nanoseconds: "09:10", "5 minutes ago", "yesterday morning"."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal

from robomem.ask.timebase import (
    DAY_NS,
    HOUR_NS,
    MINUTE_NS,
    SECOND_NS,
    Timebase,
    local_time,
    stamp_of,
)
from robomem.errors import QueryError
from robomem.query import checked_time

EXAMPLES = '"09:10", "2026-01-05 09:10:30", "5 minutes ago", "yesterday at 14:00", "t=12.5s"'

ONE_DAY = timedelta(days=1)
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
_COUNTS = {"a": "1", "an": "1", "half a": "0.5", "half an": "0.5", "one": "1", "two": "2"}
_COUNTS |= {"three": "3", "four": "4", "five": "5", "six": "6", "ten": "10", "twenty": "20"}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_NAMED_DAYS = {"today": 0, "yesterday": 1, "the day before yesterday": 2}
_RELATIVE_DAYS = {"this": "today", "the": "today", "last": "yesterday"}  # "this morning"
_PARTS_H = {"morning": (0, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 24)}

NUMBER = r"\d+(?:\.\d+)?"
_COUNT = rf"(?:{NUMBER} ?|(?:{'|'.join(sorted(_COUNTS, key=len, reverse=True))}) )"
_UNIT = r"(?:ns|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?)"
DURATION = rf"{_COUNT}{_UNIT}(?:(?:,| and|) ?{_COUNT}{_UNIT})*"
_CLOCK = (
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?)?"
    r" ?(?P<half>am|pm|a\.m\.?|p\.m\.?|o'clock)?"
)
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_YEAR = r"(?:19|20|21|22)\d\d"
_NTH = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"


@dataclass(frozen=True, slots=True)
class Moment:
    """A named time: an instant as precise as it was said ("09:10" lasts a minute), or a day."""

    start_ns: int
    end_ns: int
    is_point: bool = True

    @property
    def last_ns(self) -> int:
        """Where "until" this moment ends: at an instant, but at the end of a day."""
        return self.start_ns if self.is_point else self.end_ns


def read_moment(text: str, timebase: Timebase, *, is_hour_bare: bool = False) -> Moment | None:
    """Read one time. `is_hour_bare`: "9" may be nine o'clock."""
    text = re.sub(r"^(?:at|on) ", "", text.strip())
    for pattern, read in _MOMENTS:
        match = re.fullmatch(pattern, text)
        if match:
            return read(match, timebase)
    if is_hour_bare and re.fullmatch(r"\d{1,2}", text):
        text = f"{text}:00" if timebase.has_dates else f"t={text}"
        return read_moment(text, timebase)
    return _date_and_clock(text, timebase)


def _now(match: re.Match[str], timebase: Timebase) -> Moment:
    return _point(timebase.now_ns)


def _start(match: re.Match[str], timebase: Timebase) -> Moment:
    return _point(timebase.start_ns)


def _ago_moment(match: re.Match[str], timebase: Timebase) -> Moment:
    return _point(timebase.now_ns - read_duration(match["a"]), MINUTE_NS)


def _into(match: re.Match[str], timebase: Timebase) -> Moment:
    return _point(timebase.start_ns + read_duration(match["a"]))


def _t(match: re.Match[str], timebase: Timebase) -> Moment:
    return _point(timebase.start_ns + int(Decimal(match["a"]) * SECOND_NS))


def _epoch_seconds(match: re.Match[str], timebase: Timebase) -> Moment:
    return _point(int(Decimal(match["a"]) * SECOND_NS))


def _epoch_ns(match: re.Match[str], timebase: Timebase) -> Moment:
    return _point(int(match["a"]))


_MOMENTS: tuple[tuple[str, Callable[[re.Match[str], Timebase], Moment]], ...] = (
    (r"now|just now|the end(?: of the recording)?", _now),
    (r"(?:the )?(?:start|beginning)(?: of the recording)?", _start),
    (rf"(?P<a>{DURATION}) (?:ago|earlier|before now)", _ago_moment),
    (rf"(?P<a>{DURATION}) (?:in|into the recording|after the start|from the start)", _into),
    (rf"(?P<a>{NUMBER} ?(?:s|secs?|seconds?))", _into),
    (rf"t ?= ?(?P<a>-?{NUMBER}) ?(?:s|secs?|seconds?)?", _t),
    (r"(?P<a>\d{9,11}(?:\.\d{1,9})?)", _epoch_seconds),
    (r"(?P<a>\d{18,19})(?: ?ns)?", _epoch_ns),
)


def is_clock(text: str) -> bool:
    """Tell whether the text is a time of day without a day."""
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


def _date_and_clock(text: str, timebase: Timebase) -> Moment | None:
    """Read a day, a clock time, or both in either order."""
    match = re.fullmatch(r"(.*:\d\d(?:\.\d+)?) ?(z|utc|[+-](?:[01]\d|2[0-3]):?[0-5]\d)", text)
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


def _last_time(clock: _Clock, zone: tzinfo, timebase: Timebase) -> Moment:
    """Return the last such time of day that is not after now."""
    today = _today(timebase)
    moment = _on_day(today, clock, zone)
    return moment if moment.start_ns <= timebase.now_ns else _on_day(today - ONE_DAY, clock, zone)


def _on_day(day: date, clock: _Clock, zone: tzinfo) -> Moment:
    local = datetime.combine(day, time(clock.hour, clock.minute, clock.second), tzinfo=zone)
    return _point(stamp_of(local) + clock.fraction_ns, clock.resolution_ns)


def _part_of_day(text: str, timebase: Timebase) -> Moment | None:
    """Read a day, or its morning, afternoon, evening or night."""
    name, _, part = text.rpartition(" ")
    if text == "tonight":
        name, part = "today", "night"
    elif part not in _PARTS_H:
        name, part = text, ""
    elif name in _RELATIVE_DAYS:
        name = _RELATIVE_DAYS[name]
    day = _day(name, timebase)
    if day is None:
        return None
    first, last = _PARTS_H.get(part, (0, 24))
    return Moment(
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
    if re.fullmatch(rf"{_YEAR}-\d\d-\d\d", text):
        return _date(*map(int, text.split("-")))
    return _written_date(text, timebase)


def _written_date(text: str, timebase: Timebase) -> date | None:
    """Read "5 jan", "january 5th 2026"; without a year the last such day not after now."""
    for pattern in (
        rf"{_NTH}(?: of)? {_MONTH}(?: (?P<year>{_YEAR}))?",
        rf"{_MONTH} {_NTH}(?: (?P<year>{_YEAR}))?",
    ):
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
    return local_time(timebase.now_ns, timebase)[0].date()


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _midnight(day: date, timebase: Timebase, *, hours: int) -> int:
    day, hours = (day + ONE_DAY, 0) if hours == 24 else (day, hours)
    return checked_time(stamp_of(datetime.combine(day, time(hours), tzinfo=timebase.zone)))


# --- numbers -----------------------------------------------------------------------------------


def _point(stamp_ns: int, resolution_ns: int = SECOND_NS) -> Moment:
    return Moment(checked_time(stamp_ns), checked_time(stamp_ns + resolution_ns))


def read_duration(text: str) -> int:
    """Return the nanoseconds of "1 hour and 30 min", "half an hour", or a lone unit."""
    if text in _UNITS_NS:
        return _UNITS_NS[text]
    total = Decimal(0)
    for count, unit in re.findall(rf"({_COUNT})({_UNIT})(?![a-z])", text):
        unit_ns = _UNITS_NS[unit if unit in _UNITS_NS else unit[:-1]]
        total += Decimal(_COUNTS.get(count.strip(), count)) * unit_ns
    return int(total)


def _offset(text: str) -> timezone:
    if text in ("z", "utc"):
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
