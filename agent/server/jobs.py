"""The health rule of scheduled containers: what their times called for against what their runs' records say.

`judge` is pure: the same evidence gives the same verdict. A start may be late by `schedule.margin`; only then is it
missed. What the container wrote counts as in the other rule, for the run that is judged.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final

from agent import schedule, wire
from agent.runs import Runs
from agent.server import levels
from agent.server.ports import Engine, EngineError, Instance

MOST_LINES: Final = 2000
_STOPPING: Final = timedelta(seconds=30)
"""What a run that is over its time may take to be stopped."""
_CODES: Final = {
    125: "Docker could not run it",
    126: "its command cannot be executed",
    127: "its command was not found",
    137: "it was killed",
    143: "it was stopped",
}

Finding = tuple[wire.VerdictWord, str]


@dataclass(frozen=True)
class Evidence:
    """What is known of a scheduled container at one time."""

    at: datetime
    cron: wire.Cron
    enabled_at: datetime
    """Since when it is the one that is started."""
    runs: tuple[wire.JobRun, ...] = ()
    """Newest first."""
    errors: int = 0
    """Errors that the last run which has ended wrote to its log."""
    sample: str = ""
    note: str = ""
    """What could not be looked at."""

    @property
    def due(self) -> datetime | None:
        """The last time at which a run should have begun by now; None: there was none yet."""
        last = schedule.last_due(self.cron, self.at - schedule.margin(self.cron))
        return last if last and last >= self.enabled_at else None

    @property
    def going(self) -> wire.JobRun | None:
        """The run that goes on; the oldest, if they overlap."""
        return next((one for one in reversed(self.runs) if one.outcome == "running"), None)

    @property
    def finished(self) -> wire.JobRun | None:
        """The last run that has come to an end, whichever."""
        return next((one for one in self.runs if one.outcome not in {"running", "skipped"}), None)

    def ran_too_long(self, run: wire.JobRun) -> bool:
        """Whether it should have been stopped by now."""
        longest = timedelta(seconds=self.cron.timeout_seconds) + _STOPPING
        return self.at - (run.started_at or run.scheduled_for) > longest


def judge(seen: Evidence) -> wire.Verdict:
    """The verdict: pending, missed, overlap, overrun, failed, errors in the log, or well."""
    word, reason = _judge(seen)
    last = seen.finished
    evidence = {
        "due": seen.due.isoformat() if seen.due else "",
        "next": _time(schedule.next_due(seen.cron, seen.at)),
        "run": last.model_dump_json(exclude_defaults=True) if last else "",
        "log": seen.sample,
        "note": seen.note,
    }
    kept = {key: value for key, value in evidence.items() if value}
    return wire.Verdict(verdict=word, reason=reason, checked_at=seen.at, evidence=kept)


def _judge(seen: Evidence) -> Finding:
    if seen.due is None:
        return "healthy", f"it has not been due yet; the next time is {_time(schedule.next_due(seen.cron, seen.at))}"
    if not any(one.scheduled_for == seen.due for one in seen.runs):
        return _overlap(seen, seen.going) if seen.going else _missed(seen)
    run = seen.runs[0]
    if run.outcome == "running":
        return _running(seen, run)
    return _overlap(seen, seen.going) if run.outcome == "skipped" else _finished(seen, run)


def _missed(seen: Evidence) -> Finding:
    known = {one.scheduled_for for one in seen.runs}
    times = schedule.due(seen.cron, seen.enabled_at - timedelta(microseconds=1), seen.due or seen.at)
    count = len(list(takewhile(lambda time: time not in known, reversed(times))))
    if count >= schedule.MOST:
        return "unhealthy", f"missed {count} times or more: is deployer-cron running, and the clock right?"
    often = f" and the {count - 1} before" if count > 1 else ""
    return "unhealthy", f"missed: the run of {_time(seen.due)}{often} did not begin"


def _overlap(seen: Evidence, going: wire.JobRun | None) -> Finding:
    if going is None:
        return "degraded", "overlap: its last time was skipped, because the run before was still going on"
    since = _time(going.started_at or going.scheduled_for)
    if seen.ran_too_long(going):
        return "unhealthy", f"overrun: the run since {since} goes on for longer than {seen.cron.timeout_seconds} s"
    return "degraded", f"overlap: the run since {since} is still going on at the next time"


def _running(seen: Evidence, run: wire.JobRun) -> Finding:
    since = _time(run.started_at or run.scheduled_for)
    if seen.ran_too_long(run):
        return "unhealthy", f"overrun: the run since {since} goes on for longer than {seen.cron.timeout_seconds} s"
    if seen.finished is None:
        return "healthy", f"its first run goes on since {since}"
    word, reason = _finished(seen, seen.finished)
    return word, f"{reason}; a run goes on since {since}"


def _finished(seen: Evidence, run: wire.JobRun) -> Finding:
    when = _time(run.scheduled_for)
    if run.outcome == "failed_to_start":
        return "unhealthy", f"failed: the run of {when} could not start: {run.note or 'no reason given'}"
    if run.outcome == "timed_out":
        return "unhealthy", f"overrun: the run of {when} was stopped after {seen.cron.timeout_seconds} s"
    if run.exit_code is None:
        return "degraded", f"how the run of {when} ended is not known: {run.note or 'no reason given'}"
    if run.exit_code:
        why = "it had too little memory" if run.oom else _CODES.get(run.exit_code, "")
        return "unhealthy", f"failed: the run of {when} ended with code {run.exit_code}{f' ({why})' if why else ''}"
    if seen.errors:
        return "degraded", f"the run of {when} ended well, but with {seen.errors} error(s) in its log"
    return "healthy", f"the run of {when} ended well"


def look(engine: Engine, instance: Instance, runs: Runs) -> wire.Verdict:
    """Judge a current scheduled container by its records and by the log of its last run."""
    now = datetime.now(UTC)
    if instance.cron is None:
        return _unknown(now, "it has no cron line")
    try:
        schedule.check(instance.cron)
    except ValueError as error:
        return _unknown(now, f"its cron line cannot be read: {error}")
    seen = Evidence(now, instance.cron, _enabled_at(instance, runs, now), runs.read(instance.name))
    found, note = _errors(engine, instance, seen.finished)
    sample = found[0][:500] if found else ""
    return judge(Evidence(now, seen.cron, seen.enabled_at, seen.runs, len(found), sample, note))


def _enabled_at(instance: Instance, runs: Runs, now: datetime) -> datetime:
    """Since when `deployer-cron` watches this very container; if it does not, since it was made."""
    watched = runs.watched(instance.name)
    if watched and watched[0] == instance.id:
        return watched[1]
    return instance.created_at or now


def _errors(engine: Engine, instance: Instance, run: wire.JobRun | None) -> tuple[list[str], str]:
    """The errors that a run wrote; one of another container's has none that could be read here."""
    if run is None or run.container != instance.id or run.started_at is None:
        return [], ""
    begin, end = run.started_at, (run.ended_at or datetime.now(UTC)) + timedelta(seconds=1)
    try:
        with closing(engine.logs(instance.full_name, tail=MOST_LINES, since=begin)) as stream:
            texts = [entry.text for entry in stream if begin <= entry.at <= end]
    except EngineError as error:
        return [], f"the log could not be read: {error}"
    return list(levels.errors(texts)), ""


def _unknown(now: datetime, reason: str) -> wire.Verdict:
    return wire.Verdict(verdict="unknown", reason=reason, checked_at=now)


def _time(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else "never"
