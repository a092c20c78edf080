"""What cron needs of Docker, in its own words. The real one is `agent.cron.docker.DockerContainers`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent import wire


@dataclass(frozen=True)
class Job:
    """A container of a scheduled service, in whatever role, or an extra one for a run that overlaps another."""

    id: str
    name: str
    """The service."""
    release: str
    cron: wire.Cron
    current: bool
    running: bool
    extra_for: datetime | None = None
    """The time for which an extra container was made."""
    grace_seconds: int = 10
    """What its process may take to end once it is asked to."""


@dataclass(frozen=True)
class State:
    """What Docker knows of a container's process."""

    running: bool
    started_at: datetime | None
    ended_at: datetime | None
    exit_code: int
    oom: bool
    error: str


class Containers(Protocol):
    """Scheduled containers. Every call raises EngineDown when Docker does not answer, EngineError when it refuses."""

    def jobs(self) -> tuple[Job, ...]:
        """All of them, extra ones included."""

    def state(self, id: str) -> State | None:
        """One container's process; None: there is no such container."""

    def start(self, id: str) -> None:
        """Start it; one that runs stays as it is."""

    def signal(self, id: str, name: str) -> None:
        """Send its process a signal; one that does not run gets none."""

    def clone(self, job: Job, scheduled_for: datetime) -> str:
        """Make an extra container like it, which does not run yet; its id."""

    def remove(self, id: str) -> None:
        """Remove it; an absent one is no error."""
