"""Scheduled containers in memory; kept honest by `tests/contract/agent/test_cron.py`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from agent import wire
from agent.cron.ports import Job, State
from agent.docker_api import EngineAbsent, EngineDown, EngineError
from tests.fakes.router import Killed

NEVER = State(running=False, started_at=None, ended_at=None, exit_code=0, oom=False, error="")


class FakeJobs:
    """The port `agent.cron.ports.Containers` in memory, with a clock that a test turns.

    Switches, to be set at any time:
        now: what the clock says.
        down: every call raises EngineDown.
        unstartable: Docker's reason not to start any container.
        stubborn: processes do not end when they are asked to.
        deadly: cron dies just before it starts a container.

    `add` makes a service's container current; `finish` lets a process end; `signals` has those that were sent.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.down = False
        self.unstartable = ""
        self.stubborn = False
        self.signals: list[tuple[str, str]] = []
        self.deadly = False
        self._jobs: dict[str, Job] = {}
        self._states: dict[str, State] = {}
        self._ids = count(1)

    def add(self, name: str, cron: wire.Cron, release: str) -> str:
        """Another container of the service, current from now on; its id."""
        for job in [job for job in self._jobs.values() if job.name == name]:
            self._jobs[job.id] = replace(job, current=False)
        made = Job(f"c{next(self._ids)}", name, release, cron, current=True, running=False)
        self._jobs[made.id], self._states[made.id] = made, NEVER
        return made.id

    def finish(self, id: str, code: int = 0, **changes: Any) -> None:
        """A process ends by itself."""
        ended = replace(self._states[id], running=False, ended_at=self.now, exit_code=code, **changes)
        self._states[id] = ended

    def running(self) -> list[str]:
        """The containers that run."""
        return [id for id, state in self._states.items() if state.running]

    def jobs(self) -> tuple[Job, ...]:
        """All of them."""
        self._answer()
        return tuple(replace(job, running=self._states[job.id].running) for job in self._jobs.values())

    def state(self, id: str) -> State | None:
        """As it is."""
        self._answer()
        return self._states.get(id)

    def start(self, id: str) -> None:
        """Start it; running already is fine."""
        self._answer()
        if self.deadly:
            raise Killed
        known = self._known(id)
        if self.unstartable:
            self._states[id] = replace(known, exit_code=127, error=self.unstartable)
            raise EngineError(self.unstartable, 400)
        if not known.running:
            self._states[id] = replace(NEVER, running=True, started_at=self.now + timedelta(milliseconds=5))

    def signal(self, id: str, name: str) -> None:
        """A process ends by it, unless it is stubborn."""
        self._answer()
        if id in self._states and self._states[id].running:
            self.signals.append((id, name))
            if name == "SIGKILL" or not self.stubborn:
                self.finish(id, 137 if name == "SIGKILL" else 143)

    def clone(self, job: Job, scheduled_for: datetime) -> str:
        """An extra container."""
        self._answer()
        self._known(job.id)
        if any((one.name, one.extra_for) == (job.name, scheduled_for) for one in self._jobs.values()):
            raise EngineError(f'The container name "/{job.name}.run" is already in use.', 409)
        made = replace(job, id=f"c{next(self._ids)}", current=False, running=False, extra_for=scheduled_for)
        self._jobs[made.id], self._states[made.id] = made, NEVER
        return made.id

    def remove(self, id: str) -> None:
        """Absent is fine."""
        self._answer()
        self._jobs.pop(id, None)
        self._states.pop(id, None)

    def _answer(self) -> None:
        if self.down:
            raise EngineDown("it is down")

    def _known(self, id: str) -> State:
        if id not in self._states:
            raise EngineAbsent(f"No such container: {id}", 404)
        return self._states[id]


def utc(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
