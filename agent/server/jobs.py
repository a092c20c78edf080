"""The health rule of scheduled containers: what their times called for against what their runs' records say.

`judge` is pure: the same evidence gives the same verdict. A start may be late by `schedule.margin`; only then is it
missed. What the container wrote counts as in the other rule, for the run that is judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final

from agent import schedule, wire
from agent.runs import Runs
from agent.server import reading
from agent.server.ports import Engine, Instance
from agent.server.reading import Found

EARLY: Final = timedelta(seconds=5)
"""A run that somebody started by hand so long before a time, or within its margin, is the run of that time."""
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
    log: Found = field(default_factory=Found)
    """What the last run that has ended wrote to its log."""
    min_errors: int = 1
    """So many errors count."""
    unsure: timedelta = timedelta(0)
    """How far the droplet's clock and that of whoever asks are apart."""

    @property
    def due(self) -> datetime | None:
        """The last time at which a run should have begun by now; None: there was none yet."""
        last = schedule.last_due(self.cron, self.at - schedule.margin(self.cron) - self.unsure)
        return last if last and last >= self.enabled_at else None

    @property
    def began(self) -> bool:
        """Whether there is a run of that time, or one that was started by hand in its place."""
        due, margin = self.due, schedule.margin(self.cron)
        return due is not None and any(
            one.scheduled_for == due or (one.started_at and due - EARLY <= one.started_at <= due + margin)
            for one in self.runs
        )

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
        return self.at - (run.started_at or run.scheduled_for) > timedelta(seconds=self.cron.timeout_seconds)


def judge(seen: Evidence) -> wire.Verdict:
    """The verdict: clock skew, pending, missed, overlap, overrun, failed, errors in the log, or well."""
    word, reason = _judge(seen)
    last = seen.finished
    evidence = {
        "due": seen.due.isoformat() if seen.due else "",
        "next": _time(schedule.next_due(seen.cron, seen.at)),
        "run": last.model_dump_json(exclude_defaults=True) if last else "",
        **seen.log.evidence(),
    }
    kept = {key: value for key, value in evidence.items() if value}
    return wire.Verdict(verdict=word, reason=reason, checked_at=seen.at, evidence=kept)


def _judge(seen: Evidence) -> Finding:
    margin = schedule.margin(seen.cron)
    if seen.unsure > margin / 2:
        apart, late = seen.unsure.total_seconds(), margin.total_seconds()
        return (
            "unknown",
            f"clock skew: its clock and that of whoever asks are {apart:.0f} s apart; a start may be {late:.0f} s late",
        )
    if seen.due is None:
        return "healthy", f"it has not been due yet; the next time is {_time(schedule.next_due(seen.cron, seen.at))}"
    if not seen.began:
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
    if failed := _failure(run, seen.cron):
        return _tolerated(seen, failed)
    if run.exit_code is None:
        return "degraded", f"how the run of {when} ended is not known: {run.note or 'no reason given'}"
    if seen.log.errors >= seen.min_errors:
        return "degraded", f"the run of {when} ended well, but with {seen.log.errors} error(s) in its log"
    return "healthy", f"the run of {when} ended well"


def _failure(run: wire.JobRun, cron: wire.Cron) -> str:
    """What failed; empty: nothing, as far as is known."""
    when = _time(run.scheduled_for)
    if run.outcome == "failed_to_start":
        return f"failed: the run of {when} could not start: {run.note or 'no reason given'}"
    if run.outcome == "timed_out":
        return f"overrun: the run of {when} was stopped after {cron.timeout_seconds} s"
    if run.exit_code is None or run.exit_code in cron.ok_codes:
        return ""
    why = "it had too little memory" if run.oom else _CODES.get(run.exit_code, "")
    return f"failed: the run of {when} ended with code {run.exit_code}{f' ({why})' if why else ''}"


def _tolerated(seen: Evidence, failed: str) -> Finding:
    """A failure that counts, unless so few in a row were said to be bearable."""
    ended = (one for one in seen.runs if one.outcome not in {"running", "skipped"})
    count = len(list(takewhile(lambda one: _failure(one, seen.cron), ended)))
    if count >= seen.cron.failure_tolerance:
        return "unhealthy", failed
    return "degraded", f"{failed}; {seen.cron.failure_tolerance} in a row make it unhealthy, this is number {count}"


def look(
    engine: Engine,
    instance: Instance,
    runs: Runs,
    skew: timedelta = timedelta(0),
    now: datetime | None = None,
) -> wire.Verdict:
    """Judge a current scheduled container by its records and by the log of its last run.

    Args:
        engine: Docker.
        instance: the container.
        runs: the records.
        skew: how far the droplet's clock is ahead of that of whoever asks.
        now: the time, for tests.
    """
    at = now or datetime.now(UTC)
    if instance.cron is None:
        return _unknown(at, "it has no cron line")
    try:
        schedule.check(instance.cron)
    except ValueError as error:
        return _unknown(at, f"its cron line cannot be read: {error}")
    known = Evidence(at, instance.cron, _enabled_at(instance, runs, at), runs.read(instance.name))
    log = _log(engine, instance, known)
    return judge(replace(known, log=log, min_errors=instance.log.min_errors, unsure=abs(skew)))


def _enabled_at(instance: Instance, runs: Runs, now: datetime) -> datetime:
    """Since when `deployer-cron` watches this very container; if it does not, since it was made."""
    watched = runs.watched(instance.name)
    if watched and watched[0] == instance.id:
        return watched[1]
    return instance.created_at or now


def _log(engine: Engine, instance: Instance, known: Evidence) -> Found:
    """What the last run that has ended wrote, though its container may be an earlier one by now."""
    run = known.finished
    if run is None or run.started_at is None or not run.container:
        return Found()
    begin, end = _span(run, run.started_at, known.runs)
    return reading.of_run(engine, instance, run.container, begin, end)


def _span(run: wire.JobRun, started: datetime, runs: tuple[wire.JobRun, ...]) -> tuple[datetime, datetime]:
    """From when to when lines are a run's: a little more than it went on for, and nothing of its neighbours."""
    others = [one for one in runs if one.container == run.container and one.scheduled_for != run.scheduled_for]
    ended = [one.ended_at for one in others if one.ended_at and one.ended_at <= started]
    begun = [one.started_at for one in others if one.started_at and one.started_at > started]
    end = (run.ended_at or datetime.now(UTC)) + timedelta(seconds=1)
    return max([started - reading.STARTING, *ended]), min([end, *begun])


def _unknown(now: datetime, reason: str) -> wire.Verdict:
    return wire.Verdict(verdict="unknown", reason=reason, checked_at=now)


def _time(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else "never"
