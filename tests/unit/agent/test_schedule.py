"""When a cron line is due: clocks that turn, years that end, clocks that are set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import schedule, wire

MINUTE = timedelta(minutes=1)


def cron(expression: str, zone: str = "UTC") -> wire.Cron:
    return wire.Cron(expression=expression, zone=zone)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(expression: str, zone: str, since: str, now: str) -> list[str]:
    found = schedule.due(cron(expression, zone), at(since), at(now))
    return [time.strftime("%m-%d %H:%M") for time in found]


@pytest.mark.parametrize(
    ("expression", "zone", "since", "now", "times"),
    [
        # New York's clocks go from 02:00 to 03:00 on 8 March 2026, at 07:00 UTC, and back on 1 November, at 06:00 UTC.
        ("30 2 * * *", "America/New_York", "2026-03-07 12:00", "2026-03-09 12:00", ["03-08 07:00", "03-09 06:30"]),
        ("*/15 * * * *", "America/New_York", "2026-03-08 06:40", "2026-03-08 07:20", ["03-08 06:45", "03-08 07:00", "03-08 07:15"]),  # noqa: E501
        ("0,30 2,3 * * *", "America/New_York", "2026-03-07 12:00", "2026-03-08 12:00", ["03-08 07:00", "03-08 07:30"]),
        ("30 1 * * *", "America/New_York", "2026-10-31 12:00", "2026-11-02 12:00", ["11-01 05:30", "11-02 06:30"]),
        ("45 1 * * *", "America/New_York", "2026-11-01 06:10", "2026-11-01 07:10", []),
        ("0 1,2 * * *", "America/New_York", "2026-11-01 04:30", "2026-11-01 08:00", ["11-01 05:00", "11-01 07:00"]),
        ("0 * * * *", "America/New_York", "2026-11-01 04:30", "2026-11-01 07:30", ["11-01 05:00", "11-01 06:00", "11-01 07:00"]),  # noqa: E501
        # Berlin's go forth on 29 March 2026, at 01:00 UTC; Lord Howe's by half an hour, on 3 October, at 15:30 UTC.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "2026-03-30 12:00", ["03-29 01:00", "03-30 00:30"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-02 16:00", "2026-10-04 16:00", ["10-03 15:30", "10-04 15:15"]),
        ("0 0 1 1 *", "UTC", "2026-12-31 23:59", "2027-01-01 00:00", ["01-01 00:00"]),
        ("59 23 31 12 *", "UTC", "2026-12-31 23:58", "2027-01-01 00:01", ["12-31 23:59"]),
        ("0 12 29 2 *", "UTC", "2025-01-01 00:00", "2032-12-31 00:00", ["02-29 12:00", "02-29 12:00"]),
        ("0 0 1 * 1", "UTC", "2026-11-28 00:00", "2026-12-08 00:00", ["11-30 00:00", "12-01 00:00", "12-07 00:00"]),
        ("0 6 * * 7", "UTC", "2026-11-20 00:00", "2026-11-27 00:00", ["11-22 06:00"]),
        ("0 6 * * MON-FRI", "UTC", "2026-11-20 07:00", "2026-11-24 07:00", ["11-23 06:00", "11-24 06:00"]),
    ],
)  # fmt: skip
def test_a_line_is_due_when_debians_cron_would_start_it(
    expression: str, zone: str, since: str, now: str, times: list[str]
) -> None:
    assert due(expression, zone, since, now) == times


def test_a_time_is_due_from_its_very_second_on_and_only_once() -> None:
    line, time = cron("0 4 * * *"), at("2026-11-24 04:00")
    second = timedelta(seconds=1)
    assert schedule.due(line, time - second, time - timedelta(microseconds=1)) == ()
    assert schedule.due(line, time - second, time) == (time,)
    assert schedule.due(line, time, time + second) == ()


def test_a_clock_that_is_set_back_brings_nothing_due_and_one_that_is_set_forth_all_that_it_leapt_over() -> None:
    line, now = cron("*/5 * * * *"), at("2026-11-24 04:02")
    assert schedule.due(line, now, now - timedelta(hours=1)) == ()
    leapt = schedule.due(line, now, now + timedelta(minutes=12))
    assert [time.minute for time in leapt] == [5, 10]
    year = schedule.due(line, now, now + timedelta(days=365))
    assert (len(year), year[-1]) == (schedule.MOST, at("2027-11-24 04:00"))


LINES = st.sampled_from(
    ["*/5 * * * *", "30 1 * * *", "30 2 * * *", "0 0 * * *", "15,45 1,2,3 * * *", "*/20 2 * * *", "0 3 * * 0"]
)
ZONES = st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"])
TURNS = ["2026-03-08 07:00", "2026-11-01 06:00", "2026-03-29 01:00", "2026-10-25 01:00", "2026-04-04 15:00"]
NEAR = st.builds(lambda turn, minutes: at(turn) + minutes * MINUTE, st.sampled_from(TURNS), st.integers(-600, 600))
CUTS = st.integers(0, 240)


@settings(max_examples=150, deadline=None)
@given(LINES, ZONES, NEAR, CUTS, CUTS)
def test_however_the_time_is_cut_every_time_is_due_exactly_once_and_both_directions_agree(
    expression: str, zone: str, since: datetime, one: int, other: int
) -> None:
    line = cron(expression, zone)
    middle = since + one * MINUTE
    end = middle + other * MINUTE
    whole = schedule.due(line, since, end)
    assert schedule.due(line, since, middle) + schedule.due(line, middle, end) == whole
    if zone == "Australia/Lord_Howe":
        return  # its clocks turn by half an hour, over which cronsim stumbles forwards; what is due is asked backwards
    forwards, now = [], since
    while (time := schedule.next_due(line, now)) and time <= end:
        forwards.append(time)
        now = time
    assert tuple(forwards) == whole
    assert all(time.tzinfo is UTC for time in whole)


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [
        ("* * * * *", 1),
        ("*/5 * * * *", 1),
        ("0 * * * *", 6),
        ("0 9,10 * * 1", 6),
        ("0 4 * * *", 60),
        ("0 0 29 2 *", 60),
    ],
)
def test_a_start_may_be_late_by_a_tenth_of_the_shortest_gap_between_a_minute_and_an_hour(
    expression: str, minutes: int
) -> None:
    assert schedule.margin(cron(expression)) == minutes * MINUTE


@pytest.mark.parametrize(
    "expression",
    ["* * * * *", "*/5 0-6/2 1,15 * MON-FRI", "0 0 * JAN,jul sun", "0 0 29 2 *", "0 0 * * 7", "5-10,20 * * * *"],
)
def test_a_line_of_debians_cron_is_accepted(expression: str) -> None:
    schedule.check(cron(expression))


@pytest.mark.parametrize(
    "expression",
    [
        "60 * * * *",
        "* 24 * * *",
        "0 0 30 2 *",
        "0 0 * * 8",
        "0 22-2 * * *",
        "5/15 * * * *",
        "0 0 L * *",
        "0 0 15W * *",
        "0 0 * * 5L",
        "R * * * *",
        "*/0 * * * *",
        "0 0 * FEBRUARY *",
        "-1 * * * *",
    ],
)
def test_what_is_no_line_of_debians_cron_is_refused_even_if_the_evaluator_would_take_it(expression: str) -> None:
    with pytest.raises(ValueError, match=r"five fields|never comes due"):
        schedule.check(cron(expression))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "America"])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        schedule.check(cron("* * * * *", zone))
