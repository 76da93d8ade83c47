from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robomem.ask.timebase import (
    DAY_NS,
    FIRST_DATE_NS,
    HOUR_NS,
    MINUTE_NS,
    SECOND_NS,
    Timebase,
    describe_clock,
    describe_duration,
    describe_span,
    describe_time,
    render_time,
)
from robomem.ask.times import Span, parse_span, parse_time
from robomem.checks import MAX_STAMP_NS
from robomem.errors import QueryError

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"]


def ns(text, zone="UTC"):
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return int(local.timestamp()) * SECOND_NS


NOW = ns("2026-01-05 10:13:30")  # a Monday
START = ns("2026-01-05 09:00:00")
BASE = Timebase(NOW, START, "UTC")
UNDATED = Timebase(100 * SECOND_NS, 2 * SECOND_NS, "UTC")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05 09:10", "2026-01-05 09:10"),
        ("2026-01-05 09:10:30", "2026-01-05 09:10:30"),
        ("2026-01-05T09:10:30Z", "2026-01-05 09:10:30"),
        ("2026-01-05T09:10+02:00", "2026-01-05 07:10"),
        ("2026-01-05 09:10 -0330", "2026-01-05 12:40"),
        ("09:10", "2026-01-05 09:10"),
        ("9:10 am", "2026-01-05 09:10"),
        ("9am", "2026-01-05 09:00"),
        ("12 am", "2026-01-05 00:00"),
        ("12pm", "2026-01-04 12:00"),
        ("noon", "2026-01-04 12:00"),
        ("10:14", "2026-01-04 10:14"),
        ("5 minutes ago", "2026-01-05 10:08:30"),
        ("an hour ago", "2026-01-05 09:13:30"),
        ("half an hour ago", "2026-01-05 09:43:30"),
        ("1 hour and 30 min ago", "2026-01-05 08:43:30"),
        ("two days ago", "2026-01-03 10:13:30"),
        ("yesterday", "2026-01-04 00:00"),
        ("Today", "2026-01-05 00:00"),
        ("yesterday at 14:00", "2026-01-04 14:00"),
        ("9am yesterday", "2026-01-04 09:00"),
        ("23:00 on 4 January", "2026-01-04 23:00"),
        ("Jan 3rd, 2026 at 8:00", "2026-01-03 08:00"),
        ("6 jan", "2025-01-06 00:00"),
        ("on Sunday at 3pm", "2026-01-04 15:00"),
        ("monday", "2026-01-05 00:00"),
        ("this morning", "2026-01-05 00:00"),
        ("yesterday evening", "2026-01-04 18:00"),
        ("last night", "2026-01-04 18:00"),
        ("t=12s", "2026-01-05 09:00:12"),
        ("12 s", "2026-01-05 09:00:12"),
        ("2 minutes into the recording", "2026-01-05 09:02"),
        ("1767604000", "2026-01-05 09:06:40"),
        ("1767604000000000000", "2026-01-05 09:06:40"),
        ("the beginning", "2026-01-05 09:00"),
        ("now", "2026-01-05 10:13:30"),
    ],
)
def test_a_time_in_words_is_read(text, expected):
    assert parse_time(text, BASE) == ns(expected)


def test_fractions_of_a_second_are_exact():
    assert parse_time("2026-01-05 09:10:30.123456789", BASE) % SECOND_NS == 123_456_789
    assert parse_time("t=0.000000001s", BASE) == START + 1


def test_a_clock_time_is_of_the_zone():
    base = Timebase(NOW, START, "Europe/Berlin")

    assert parse_time("09:10", base) == ns("2026-01-05 08:10")


@pytest.mark.parametrize(
    "text", ["", "flood", "25:00", "9:75", "13pm", "0am", "31 feb", "2026-02-30", "red mug", "9"]
)
def test_what_is_no_time_is_refused_with_examples(text):
    with pytest.raises(QueryError, match="is no time: say"):
        parse_time(text, BASE)


@pytest.mark.parametrize(
    "text", ["99999999999999 days ago", "t=99999999999999s", "9999999999999999999"]
)
def test_a_time_beyond_every_stamp_is_refused(text):
    with pytest.raises(QueryError, match="out of range"):
        parse_time(text, BASE)


@pytest.mark.parametrize("text", ["09:10", "yesterday", "this morning", "monday"])
def test_a_memory_without_dates_has_no_clock(text):
    with pytest.raises(QueryError, match="no dates"):
        parse_time(text, UNDATED)


def test_an_unknown_zone_is_refused():
    with pytest.raises(QueryError, match="Mars/Olympus"):
        parse_time("09:10", Timebase(NOW, START, "Mars/Olympus"))


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("since 09:10", "2026-01-05 09:10", None),
        ("since yesterday", "2026-01-04 00:00", None),
        ("since 9", "2026-01-05 09:00", None),
        ("after yesterday", "2026-01-05 00:00", None),
        ("before 09:10", None, "2026-01-05 09:10"),
        ("before yesterday", None, "2026-01-04 00:00"),
        ("until yesterday", None, "2026-01-05 00:00"),
        ("in the last 10 minutes", "2026-01-05 10:03:30", None),
        ("the last hour", "2026-01-05 09:13:30", None),
        ("between 09:10 and 09:20", "2026-01-05 09:10", "2026-01-05 09:20"),
        ("from 9 to 10 am", "2026-01-05 09:00", "2026-01-05 10:00"),
        ("between 23:00 and 01:00", "2026-01-04 23:00", "2026-01-05 01:00"),
        ("from yesterday 9:00 to 10:00", "2026-01-04 09:00", "2026-01-04 10:00"),
        ("between 2026-01-03 23:50 and 00:10", "2026-01-03 23:50", "2026-01-04 00:10"),
        ("yesterday between 9 and 10", "2026-01-04 09:00", "2026-01-04 10:00"),
        ("on 3 january between 9:00 and 10:30", "2026-01-03 09:00", "2026-01-03 10:30"),
        ("on 2026-01-03 before noon", "2026-01-03 00:00", "2026-01-03 12:00"),
        ("between 1 hour and 5 minutes ago and now", "2026-01-05 09:08:30", "2026-01-05 10:13:30"),
        ("yesterday", "2026-01-04 00:00", "2026-01-05 00:00"),
        ("during yesterday", "2026-01-04 00:00", "2026-01-05 00:00"),
        ("this morning", "2026-01-05 00:00", "2026-01-05 12:00"),
        ("at 09:10", "2026-01-05 09:10", "2026-01-05 09:11"),
        ("at 09:10:05", "2026-01-05 09:10:05", "2026-01-05 09:10:06"),
    ],
)
def test_a_span_in_words_is_read(text, since, until):
    span = parse_span(text, BASE)

    assert span is not None
    assert span.since_ns == (since and ns(since))
    assert span.until_ns == (until and ns(until))


@pytest.mark.parametrize(
    "text", ["red mug", "9", "at the table", "since forever", "between chairs"]
)
def test_other_words_are_no_span(text):
    assert parse_span(text, BASE) is None


def test_bare_numbers_are_seconds_where_there_are_no_dates():
    assert parse_span("between 10 and 20", UNDATED) == Span(12 * SECOND_NS, 22 * SECOND_NS)


def test_the_repeated_hour_of_a_clock_change_stays_apart():
    base = Timebase(ns("2025-10-27 00:00"), START, "Europe/Berlin")
    second = ns("2025-10-26 01:30")

    assert render_time(second, base) == "2025-10-26 02:30+0100"
    assert parse_time(render_time(second, base), base) == second


@given(
    st.integers(-DAY_NS, MAX_STAMP_NS - DAY_NS),
    st.integers(0, MAX_STAMP_NS),
    st.sampled_from(ZONES),
)
def test_a_rendered_time_is_read_as_the_same_stamp(stamp_ns, start_ns, zone):
    base = Timebase(start_ns, start_ns, zone)

    assert parse_time(render_time(stamp_ns, base), base) == stamp_ns


@given(st.text(max_size=30))
def test_any_text_is_a_span_or_none_or_refused(text):
    with suppress(QueryError):
        assert parse_span(text, BASE) is None or isinstance(parse_span(text, BASE), Span)


@given(
    st.lists(
        st.sampled_from(
            [
                "since",
                "between",
                "and",
                "at",
                "9",
                "09:10",
                "t=5s",
                "yesterday",
                "2026-01-05",
                "ago",
                "5",
                "minutes",
                "last",
                "the",
                "jan",
                "pm",
                "night",
                "today",
            ]
        ),
        max_size=6,
    )
)
def test_any_mix_of_time_words_is_a_span_or_none_or_refused(words):
    with suppress(QueryError):
        span = parse_span(" ".join(words), BASE)
        assert span is None or span != Span()


def test_a_time_is_told_with_day_and_distance():
    told = describe_time(NOW - 190 * SECOND_NS, BASE)

    assert told == "at 10:10:20 on 5 Jan 2026, 3 minutes ago"


def test_a_recording_from_zero_is_told_in_seconds():
    assert describe_time(14_500_000_000, UNDATED) == "12.5 s into the recording"


def test_the_day_is_left_out_today():
    assert describe_clock(NOW - 30 * SECOND_NS, BASE) == "10:13"
    assert describe_clock(NOW - DAY_NS, BASE) == "10:13:30 on 4 Jan 2026"


def test_words_that_go_on_for_longer_than_a_span_are_none():
    assert parse_span("last 1 hour and 1 minute", BASE) is not None
    assert parse_span("last 1 hour" + " and 1 minute" * 20, BASE) is None


def test_a_span_is_told_shortly():
    midnight = ns("2026-01-04 00:00")

    assert describe_span(midnight, midnight + DAY_NS, BASE) == "on 4 Jan 2026"
    assert describe_span(None, None, BASE) == ""
    assert describe_span(START, None, BASE) == "since 09:00"
    assert describe_span(START, NOW, BASE) == "between 09:00 and 10:13:30"


@pytest.mark.parametrize(
    ("duration_ns", "words"),
    [
        (0, "0 seconds"),
        (SECOND_NS, "1 second"),
        (90 * MINUTE_NS, "2 hours"),
        (3 * MINUTE_NS, "3 minutes"),
        (49 * HOUR_NS, "2 days"),
    ],
)
def test_a_duration_is_told_in_one_unit(duration_ns, words):
    assert describe_duration(duration_ns) == words


def test_dates_begin_in_1980():
    assert datetime.fromtimestamp(FIRST_DATE_NS / SECOND_NS, UTC).year == 1979
