"""The time that questions are relative to, and stamps to words. Nothing here reads a clock.

"Now" is the newest stamp of the memory. A recording that begins near the epoch (a simulation, a
data set) has no dates: its times are told in seconds since its first stamp.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from robomem.errors import QueryError
from robomem.query import checked_time

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
# Stamps earlier than this are no dates: no robot of 1980 recorded anything we read.
FIRST_DATE_NS = 10 * 365 * DAY_NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Timebase:
    """What the words of a question are relative to.

    Attributes:
        now_ns: The newest stamp of the memory.
        start_ns: Its first stamp.
        timezone: IANA name of the zone of clock times.

    Raises:
        QueryError: No stamp can be as large.
    """

    now_ns: int
    start_ns: int
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        for stamp_ns in (self.now_ns, self.start_ns):
            checked_time(stamp_ns)

    @property
    def zone(self) -> ZoneInfo:
        """The zone; raises QueryError when there is none of this name."""
        return _zone(self.timezone)

    @property
    def has_dates(self) -> bool:
        """Whether the stamps of the memory are dates, rather than seconds since some start."""
        return self.now_ns >= FIRST_DATE_NS


def render_time(stamp_ns: int, timebase: Timebase) -> str:
    """Return words that `parse_time` reads as exactly this stamp, whatever now is."""
    if stamp_ns < FIRST_DATE_NS:
        return f"t={_decimal(stamp_ns - timebase.start_ns)}s"
    local, fraction_ns = local_time(stamp_ns, timebase)
    text = f"{local:%Y-%m-%d %H:%M}"
    if local.second or fraction_ns:
        text += f":{_decimal(local.second * SECOND_NS + fraction_ns, width=2)}"
    if stamp_of(local.replace(fold=0)) != stamp_of(local):  # the hour that a clock change repeats
        text += f"{local:%z}"
    return text


def describe_time(stamp_ns: int, timebase: Timebase) -> str:
    """Say when: "at 09:10:30 on 5 Jan 2026, 3 minutes ago", or "12.5 s into the recording"."""
    clock = describe_clock(stamp_ns, timebase, has_day=True)
    if stamp_ns < FIRST_DATE_NS:
        return clock
    return f"at {clock}, {_ago(timebase.now_ns - stamp_ns)}"


def describe_clock(stamp_ns: int, timebase: Timebase, *, has_day: bool | None = None) -> str:
    """Say when in few words: "09:10:30"; by default with the day when it is not the day of now."""
    if stamp_ns < FIRST_DATE_NS:
        seconds = (stamp_ns - timebase.start_ns) / SECOND_NS
        return f"{seconds:.1f} s into the recording"
    local, _ = local_time(stamp_ns, timebase)
    if has_day is None:
        has_day = not is_today(stamp_ns, timebase)
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{clock} on {_day_words(local)}" if has_day else clock


def describe_span(since_ns: int | None, until_ns: int | None, timebase: Timebase) -> str:
    """Say from when to when: "on 4 Jan 2026", "since 09:10", "between 09:10 and 09:20", or ""."""
    if since_ns is not None and until_ns is not None:
        day = _whole_day(since_ns, until_ns, timebase)
        if day:
            return f"on {day}"
        has_day = not (is_today(since_ns, timebase) and is_today(until_ns, timebase))
        since, until = (
            describe_clock(ns, timebase, has_day=has_day) for ns in (since_ns, until_ns)
        )
        return f"between {since} and {until}"
    if since_ns is not None:
        return f"since {describe_clock(since_ns, timebase)}"
    return "" if until_ns is None else f"until {describe_clock(until_ns, timebase)}"


def is_today(stamp_ns: int, timebase: Timebase) -> bool:
    """Tell whether a stamp is on the day of now."""
    days = (local_time(ns, timebase)[0].date() for ns in (stamp_ns, timebase.now_ns))
    return next(days) == next(days)


def describe_duration(duration_ns: int) -> str:
    """Say how long in one unit: "3 minutes", "1 hour", "2 days"."""
    for unit, unit_ns in (("day", DAY_NS), ("hour", HOUR_NS), ("minute", MINUTE_NS)):
        if duration_ns >= unit_ns:
            return _counted(round(duration_ns / unit_ns), unit)
    return _counted(round(duration_ns / SECOND_NS), "second")


def stamp_of(local: datetime) -> int:
    """Return the stamp of a local time with a zone; the inverse of `local_time` to the second."""
    since_epoch = local - _EPOCH
    return (since_epoch.days * 86400 + since_epoch.seconds) * SECOND_NS


def local_time(stamp_ns: int, timebase: Timebase) -> tuple[datetime, int]:
    """Return the local time to the second, and the nanoseconds beyond it."""
    seconds, fraction_ns = divmod(stamp_ns, SECOND_NS)
    return datetime.fromtimestamp(seconds, timebase.zone), fraction_ns


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as err:
        raise QueryError(
            f"{name!r} is no time zone: give an IANA name such as Europe/Berlin"
        ) from err


def _decimal(duration_ns: int, *, width: int = 0) -> str:
    """Return seconds exactly, without trailing zeros; `width` digits before the point."""
    whole, fraction = divmod(abs(duration_ns), SECOND_NS)
    text = f"{whole:0{width}d}.{fraction:09d}".rstrip("0").rstrip(".")
    return f"-{text}" if duration_ns < 0 else text


def _whole_day(since_ns: int, until_ns: int, timebase: Timebase) -> str | None:
    """Return the day that a span covers from midnight to midnight."""
    if since_ns < FIRST_DATE_NS:
        return None
    (first, since_rest), (last, until_rest) = (
        local_time(ns, timebase) for ns in (since_ns, until_ns)
    )
    is_midnight = first.time() == last.time() == time(0) and since_rest == until_rest == 0
    return _day_words(first) if is_midnight and (last.date() - first.date()).days == 1 else None


def _day_words(local: datetime) -> str:
    return f"{local.day} {local:%b %Y}"


def _ago(duration_ns: int) -> str:
    if duration_ns < SECOND_NS:
        return "just now"
    return f"{describe_duration(duration_ns)} ago"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
