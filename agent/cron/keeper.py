"""What cron does every few seconds: follow the runs that go on, and begin those that are due.

A run is written down before its container is started, so that a sudden death of cron leaves at most a run without its
end, which the next cron finds out from Docker. A time is never started twice, and one that passed while nobody looked
is not made up for: it has no record, and health says that it was missed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from agent import schedule, wire
from agent.cron.ports import Containers, Job, State
from agent.docker_api import EngineDown, EngineError
from agent.runs import Runs

LATE: Final = timedelta(seconds=60)
"""How late a start may be; as late, health calls it missed."""
RESTART: Final = timedelta(seconds=10)
"""What is due within cron's own restart is begun all the same."""
_SLACK: Final = timedelta(seconds=2)
log = logging.getLogger("cron")


class Step(NamedTuple):
    """What to do about a time that has come: start it, start it beside another, skip it, or let it go."""

    verb: Literal["start", "start beside", "skip", "let go"]
    time: datetime


def decide(cron: wire.Cron, since: datetime, now: datetime, going: bool) -> Step | None:
    """What the times between `since` and `now` call for; None: nothing.

    Args:
        cron: the line.
        since: up to when its times have been seen to.
        now: the present.
        going: whether a run of the service is going on.
    """
    times = schedule.due(cron, since, now)
    if not times:
        return None
    if now - times[-1] > LATE:
        return Step("let go", times[-1])
    return Step(("start beside" if cron.overlap else "skip") if going else "start", times[-1])


class Keeper:
    """Keeps the times of all scheduled services of the droplet.

    Args:
        containers: Docker.
        runs: the records.
        begun: when this process began.
        alive: called after each service, as a sign of life.
    """

    def __init__(
        self, containers: Containers, runs: Runs, begun: datetime, alive: Callable[[], None] = lambda: None
    ) -> None:
        self._containers = containers
        self._runs = runs
        self._begun = begun
        self._alive = alive
        self._seen: dict[str, datetime] = {}
        """Up to when each service's times have been seen to."""
        self._open: dict[str, list[wire.JobRun]] = {}
        """The runs of each service that go on."""
        self._asked: set[str] = set()
        """Containers that were asked to end."""

    def tick(self, now: datetime) -> None:
        """Look after every service once. Raises EngineDown when Docker does not answer."""
        jobs = self._containers.jobs()
        names = sorted({job.name for job in jobs if not job.extra_for})
        for gone in self._open.keys() - set(names):  # removed from the droplet, its records too
            self._open.pop(gone)
            self._seen.pop(gone, None)
        for name in names:
            try:
                self._tend(name, [job for job in jobs if job.name == name], now)
            except EngineDown:
                raise
            except (EngineError, OSError, ValueError) as error:
                _say("a service could not be looked after", name, error)
            self._alive()

    def _tend(self, name: str, jobs: list[Job], now: datetime) -> None:
        if name not in self._open:
            self._open[name] = [one for one in self._runs.read(name) if one.outcome == "running"]
        self._adopt(name, jobs, now)
        for run in list(self._open[name]):
            self._follow(name, run, jobs, now)
        current = next((job for job in jobs if job.current), None)
        if current is not None:  # between two names there is none for a moment; its times wait for the next look
            self._begin(current, now)

    def _begin(self, job: Job, now: datetime) -> None:
        step = decide(job.cron, self._since(job, now), now, bool(self._open[job.name]))
        self._seen[job.name] = now
        if step and any(one.scheduled_for == step.time for one in self._runs.read(job.name)):
            return  # the clock was set back, or the cron before this one had begun it
        match step:
            case Step("start", time):
                self._start(job, time, now)
            case Step("start beside", time):
                self._start_beside(job, time, now)
            case Step("skip", time):
                note = "the run before is still going on"
                self._write(job.name, _run(job, time, outcome="skipped", note=note, container=""))
            case Step("let go", time):
                _say("a time has passed that nobody saw", job.name, time.isoformat())

    def _since(self, job: Job, now: datetime) -> datetime:
        """Up to when this service's times have been seen to; a container that is new here is watched from now on."""
        watched = self._runs.watched(job.name)
        if not watched or watched[0] != job.id:
            watched = job.id, now
            try:
                self._runs.watch(job.name, *watched)
            except OSError as error:
                _say("it could not be written down that it is watched", job.name, error)
        return self._seen.get(job.name, max(watched[1], self._begun - RESTART))

    def _start(self, job: Job, time: datetime, now: datetime) -> None:
        run = _run(job, time, outcome="running", started_at=now)
        self._write(job.name, run)
        self._open[job.name].append(run)
        try:
            self._containers.start(job.id)
        except EngineDown:
            raise  # whether it runs will be seen
        except EngineError as error:
            self._close(job.name, run, outcome="failed_to_start", ended_at=now, note=str(error)[:500])

    def _start_beside(self, job: Job, time: datetime, now: datetime) -> None:
        if not job.running:
            self._start(job, time, now)
            return
        try:
            made = self._containers.clone(job, time)
        except EngineDown:
            raise
        except EngineError as error:
            self._write(job.name, _run(job, time, outcome="failed_to_start", note=str(error)[:500], container=""))
            return
        self._start(Job(made, job.name, job.release, job.cron, current=False, running=False), time, now)

    def _adopt(self, name: str, jobs: Iterable[Job], now: datetime) -> None:
        """Runs that somebody else began, and extra containers whose run was never written down."""
        followed = {one.container for one in self._open[name]}
        for job in jobs:
            if job.id in followed:
                continue
            state = self._containers.state(job.id) if job.running else None
            if state and state.running:
                time = job.extra_for or state.started_at or now
                run = _run(job, time, outcome="running", started_at=state.started_at, note="started out of turn")
                self._write(name, run)
                self._open[name].append(run)
            elif job.extra_for:
                self._containers.remove(job.id)

    def _follow(self, name: str, run: wire.JobRun, jobs: Iterable[Job], now: datetime) -> None:
        job = next((one for one in jobs if one.id == run.container), None)
        state = self._containers.state(run.container)
        if state is None:
            self._close(name, run, outcome="ended", ended_at=now, note="its container was removed")
        elif state.running:
            self._hurry(name, run, job, now)
        else:
            self._close(name, run, **_end(run, job, state, now))
            if job and job.extra_for:
                self._containers.remove(job.id)

    def _hurry(self, name: str, run: wire.JobRun, job: Job | None, now: datetime) -> None:
        """Ask a run that takes too long to end, and end it when it does not."""
        if job is None or run.started_at is None:
            return
        over = now - run.started_at - timedelta(seconds=job.cron.timeout_seconds)
        if over > timedelta(seconds=job.grace_seconds) and run.container in self._asked:
            self._containers.signal(run.container, "SIGKILL")
        elif over > timedelta(0) and run.container not in self._asked:
            self._asked.add(run.container)
            _say("a run takes too long and is stopped", name, run.scheduled_for.isoformat())
            self._containers.signal(run.container, "SIGTERM")

    def _close(self, name: str, run: wire.JobRun, **facts: object) -> None:
        self._open[name].remove(run)
        self._asked.discard(run.container)
        self._write(name, run.model_copy(update=facts))

    def _write(self, name: str, run: wire.JobRun) -> None:
        """A disk that is full keeps no run from being started."""
        try:
            self._runs.append(name, run)
        except OSError as error:
            _say("a run could not be written down", name, error)
        log.info("run", extra={"fields": {"service": name, **run.model_dump(mode="json", exclude_defaults=True)}})


def _run(job: Job, time: datetime, **facts: object) -> wire.JobRun:
    known = {"scheduled_for": time, "release": job.release, "container": job.id}
    return wire.JobRun.model_validate({**known, **facts})


def _end(run: wire.JobRun, job: Job | None, state: State, now: datetime) -> dict[str, object]:
    """How a run ended, from what Docker says of its container afterwards."""
    began = state.started_at
    if began is None or (run.started_at and began < run.started_at - _SLACK):
        note = state.error or "cron ended before it could start it"
        return {"outcome": "failed_to_start", "ended_at": now, "note": note}
    ended = max(state.ended_at or now, began)  # of a short process Docker may note the end before the beginning
    longest = timedelta(seconds=job.cron.timeout_seconds) if job else ended - began + _SLACK
    return {
        "outcome": "timed_out" if ended - began >= longest else "ended",
        "started_at": began,
        "ended_at": ended,
        "exit_code": state.exit_code,
        "oom": state.oom,
    }


def _say(what: str, name: str, why: object) -> None:
    log.warning(what, extra={"fields": {"service": name, "reason": str(why)}})
