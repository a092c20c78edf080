"""The health rule of scheduled containers as a pure function of their times and records."""

# ruff: noqa: E501 - the rules are read as a table

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import wire
from agent.server.jobs import Evidence, judge
from agent.server.reading import Found
from tests.unit.agent.builders import release

HOURLY = wire.Cron(expression="0 * * * *", timeout_seconds=600)
"""A start may be six minutes late."""
NOW = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
DUE = NOW.replace(minute=0)
LONG_AGO = NOW - timedelta(days=2)
HOUR = timedelta(hours=1)


def run(before: int = 0, outcome: str = "ended", **changes: Any) -> wire.JobRun:
    """The run of so many hours before the last time."""
    time = DUE - before * HOUR
    facts: dict[str, Any] = {"scheduled_for": time, "release": release(1), "outcome": outcome, "started_at": time}
    if outcome == "ended":
        facts |= {"exit_code": 0, "ended_at": time + timedelta(seconds=20)}
    return wire.JobRun.model_validate({**facts, **changes})


def seen(*runs: wire.JobRun, **changes: Any) -> Evidence:
    """What is known half an hour after the last time."""
    return Evidence(**{"at": NOW, "cron": HOURLY, "enabled_at": LONG_AGO, "runs": runs, **changes})


LENIENT = HOURLY.model_copy(update={"ok_codes": (0, 3), "failure_tolerance": 2})
AT_4 = "2026-11-24 04:00:00 UTC"
RULES: list[tuple[str, Evidence, str, str]] = [
    ("well", seen(run()), "healthy", f"the run of {AT_4} ended well"),
    ("pending", seen(enabled_at=NOW - timedelta(minutes=9)), "healthy", "it has not been due yet; the next time is 2026-11-24 05:00:00 UTC"),
    ("missed", seen(run(1)), "unhealthy", f"missed: the run of {AT_4} did not begin"),
    ("missed again and again", seen(run(3)), "unhealthy", f"missed: the run of {AT_4} and the 2 before did not begin"),
    ("missed since ever", seen(enabled_at=NOW - timedelta(days=9)), "unhealthy", "missed 100 times or more: is deployer-cron running, and the clock right?"),
    ("late, but in time", seen(run(1), at=DUE + timedelta(minutes=5)), "healthy", "the run of 2026-11-24 03:00:00 UTC ended well"),
    ("failed", seen(run(exit_code=3)), "unhealthy", f"failed: the run of {AT_4} ended with code 3"),
    ("failed before its time was late", seen(run(exit_code=3), run(1), at=DUE + timedelta(minutes=1)), "unhealthy", f"failed: the run of {AT_4} ended with code 3"),
    ("command not found", seen(run(exit_code=127)), "unhealthy", f"failed: the run of {AT_4} ended with code 127 (its command was not found)"),
    ("killed", seen(run(exit_code=137)), "unhealthy", f"failed: the run of {AT_4} ended with code 137 (it was killed)"),
    ("out of memory", seen(run(exit_code=137, oom=True)), "unhealthy", f"failed: the run of {AT_4} ended with code 137 (it had too little memory)"),
    ("not started", seen(run(outcome="failed_to_start", note="no such file")), "unhealthy", f"failed: the run of {AT_4} could not start: no such file"),
    ("stopped", seen(run(outcome="timed_out", exit_code=143)), "unhealthy", f"overrun: the run of {AT_4} was stopped after 600 s"),
    ("not known how", seen(run(exit_code=None, note="the container was gone")), "degraded", f"how the run of {AT_4} ended is not known: the container was gone"),
    ("errors in its log", seen(run(), log=Found(2)), "degraded", f"the run of {AT_4} ended well, but with 2 error(s) in its log"),
    ("first run goes on", seen(run(outcome="running"), at=DUE + timedelta(minutes=8)), "healthy", f"its first run goes on since {AT_4}"),
    ("goes on after a good one", seen(run(outcome="running"), run(1), at=DUE + timedelta(minutes=8)), "healthy", f"the run of 2026-11-24 03:00:00 UTC ended well; a run goes on since {AT_4}"),
    ("goes on after a bad one", seen(run(outcome="running"), run(1, exit_code=1), at=DUE + timedelta(minutes=8)), "unhealthy", f"failed: the run of 2026-11-24 03:00:00 UTC ended with code 1; a run goes on since {AT_4}"),
    ("goes on for too long", seen(run(outcome="running")), "unhealthy", f"overrun: the run since {AT_4} goes on for longer than 600 s"),
    ("skipped, the one before has ended", seen(run(outcome="skipped"), run(1)), "degraded", "overlap: its last time was skipped, because the run before was still going on"),
    ("skipped, the one before goes on", seen(run(outcome="skipped"), run(1, outcome="running"), cron=HOURLY.model_copy(update={"timeout_seconds": 9000})), "degraded", "overlap: the run since 2026-11-24 03:00:00 UTC is still going on at the next time"),
    ("skipped, the one before is stuck", seen(run(outcome="skipped"), run(1, outcome="running")), "unhealthy", "overrun: the run since 2026-11-24 03:00:00 UTC goes on for longer than 600 s"),
    ("the one before goes on, and nobody noted the skip", seen(run(1, outcome="running"), cron=HOURLY.model_copy(update={"timeout_seconds": 9000})), "degraded", "overlap: the run since 2026-11-24 03:00:00 UTC is still going on at the next time"),
    ("well again by hand", seen(run(scheduled_for=DUE + timedelta(minutes=9)), run(exit_code=1)), "healthy", "the run of 2026-11-24 04:09:00 UTC ended well"),
    ("by hand in place of its time", seen(run(scheduled_for=DUE + timedelta(minutes=5), started_at=DUE + timedelta(minutes=5)), run(1)), "healthy", "the run of 2026-11-24 04:05:00 UTC ended well"),
    ("by hand a moment before its time", seen(run(scheduled_for=DUE - timedelta(seconds=4), started_at=DUE - timedelta(seconds=4)), run(1)), "healthy", "the run of 2026-11-24 03:59:56 UTC ended well"),
    ("fewer errors than count", seen(run(), log=Found(2), min_errors=3), "healthy", f"the run of {AT_4} ended well"),
    ("a code that is good", seen(run(exit_code=3), cron=LENIENT), "healthy", f"the run of {AT_4} ended well"),
    ("one failure of the two that count", seen(run(exit_code=4), run(1), cron=LENIENT), "degraded", f"failed: the run of {AT_4} ended with code 4; 2 in a row make it unhealthy, this is number 1"),
    ("both failures that count", seen(run(exit_code=4), run(1, outcome="timed_out", exit_code=143), cron=LENIENT), "unhealthy", f"failed: the run of {AT_4} ended with code 4"),
    ("a failure after a good code", seen(run(exit_code=4), run(1, exit_code=3), run(2, exit_code=4), cron=LENIENT), "degraded", f"failed: the run of {AT_4} ended with code 4; 2 in a row make it unhealthy, this is number 1"),
    ("failures with a skipped time between", seen(run(exit_code=4), run(1, outcome="skipped"), run(2, exit_code=4), cron=LENIENT), "unhealthy", f"failed: the run of {AT_4} ended with code 4"),
    ("clocks apart", seen(run(1), unsure=timedelta(minutes=4)), "unknown", "clock skew: its clock and that of whoever asks are 240 s apart; a start may be 360 s late"),
    ("clocks apart before its first time", seen(enabled_at=NOW - timedelta(minutes=9), unsure=timedelta(minutes=4)), "unknown", "clock skew: its clock and that of whoever asks are 240 s apart; a start may be 360 s late"),
    ("clocks nearly the same, and late by both", seen(run(1), at=DUE + timedelta(minutes=8), unsure=timedelta(minutes=3)), "healthy", "the run of 2026-11-24 03:00:00 UTC ended well"),
    ("clocks nearly the same, and missed by both", seen(run(1), at=DUE + timedelta(minutes=9), unsure=timedelta(minutes=3)), "unhealthy", f"missed: the run of {AT_4} did not begin"),
    ("goes on for exactly as long as it may", seen(run(outcome="running"), run(1), at=DUE + timedelta(minutes=10)), "healthy", f"the run of 2026-11-24 03:00:00 UTC ended well; a run goes on since {AT_4}"),
    ("goes on a second longer", seen(run(outcome="running"), run(1), at=DUE + timedelta(seconds=601)), "unhealthy", f"overrun: the run since {AT_4} goes on for longer than 600 s"),
    ("by hand, and yet missed", seen(run(scheduled_for=DUE + timedelta(minutes=9), started_at=DUE + timedelta(minutes=9)), run(1)), "unhealthy", f"missed: the run of {AT_4} did not begin"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "evidence", "verdict", "reason"), RULES, ids=[rule[0] for rule in RULES])
def test_what_is_known_gives_this_verdict_and_this_reason(
    case: str, evidence: Evidence, verdict: str, reason: str
) -> None:
    found = judge(evidence)
    assert (found.verdict, found.reason, found.checked_at) == (verdict, reason, evidence.at)


def test_the_evidence_names_the_time_the_next_one_and_the_run() -> None:
    found = judge(seen(run(exit_code=3), log=Found(1, "ERROR no")))
    assert found.evidence == {
        "due": "2026-11-24T04:00:00+00:00",
        "next": "2026-11-24 05:00:00 UTC",
        "run": run(exit_code=3).model_dump_json(exclude_defaults=True),
        "errors": "1",
        "log": "ERROR no",
    }


def test_a_schedule_that_was_edited_just_before_its_time_is_judged_from_its_next_time_on() -> None:
    changed = DUE - timedelta(seconds=1)
    assert judge(seen(enabled_at=changed)).verdict == "unhealthy"
    assert judge(seen(enabled_at=DUE + timedelta(seconds=1))).verdict == "healthy"


def test_a_job_of_every_minute_that_slept_through_a_reboot_is_missed_and_then_well_again() -> None:
    every_minute = wire.Cron(expression="* * * * *")
    before = run(scheduled_for=NOW - timedelta(minutes=10))
    asleep = seen(before, cron=every_minute)
    assert judge(asleep).reason.startswith("missed")
    after = run(scheduled_for=NOW - timedelta(minutes=1))
    assert judge(seen(after, before, cron=every_minute)).verdict == "healthy"


RUNS = st.lists(
    st.builds(
        run,
        st.integers(0, 50),
        st.sampled_from(["running", "ended", "skipped", "failed_to_start", "timed_out"]),
        exit_code=st.sampled_from([None, 0, 1, 137]),
    ),
    max_size=6,
).map(lambda runs: tuple(sorted(runs, key=lambda one: one.scheduled_for, reverse=True)))


@settings(deadline=None)
@given(RUNS, st.integers(-100, 100), st.integers(0, 3))
def test_errors_alone_never_make_it_unhealthy_and_a_miss_is_told_whatever_else_there_is(
    runs: tuple[wire.JobRun, ...], hours: int, errors: int
) -> None:
    at = NOW + hours * HOUR
    calm, loud = judge(seen(*runs, at=at)), judge(seen(*runs, at=at, log=Found(errors)))
    assert (calm.verdict == "unhealthy") == (loud.verdict == "unhealthy")
    began = any(one.scheduled_for == DUE + hours * HOUR for one in runs)
    if hours > -47 and not began and not any(one.outcome == "running" for one in runs):
        assert loud.reason.startswith("missed")
