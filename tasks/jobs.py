"""The runs of a scheduled service, from all of its droplets: what was due when, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent import wire
from blocks.environment import Environment
from blocks.service import Service
from fleet.errors import DeployerError, InvalidInput
from fleet.spec import Scheduled
from fleet.state import Droplet
from tasks import plans
from tasks.agents import reach
from tasks.policy import reason

MOST: Final = 1000
"""As many as a droplet keeps."""
AT_ONCE: Final = 32
HEAD: Final = ("droplet", "due (UTC)", "started", "ended", "outcome", "exit code", "release")


@dataclass(frozen=True)
class Run:
    """One run of a service on a droplet."""

    droplet: str
    run: wire.JobRun | None
    """None: the droplet could not be read."""
    well: bool
    """Whether it did what it should, or may still do so."""
    why: str = ""
    """Why the droplet could not be read."""

    def cells(self) -> tuple[str, ...]:
        """As a row under `HEAD`; out of memory is said beside the outcome."""
        if self.run is None:
            return (self.droplet, "", "", "", f"cannot be read: {self.why}", "", "")
        one = self.run
        code = "" if one.exit_code is None else str(one.exit_code)
        words = (one.outcome.replace("_", " "), "out of memory" if one.oom else "", one.note)
        told = ", ".join(word for word in words if word)
        return (self.droplet, *map(_time, (one.scheduled_for, one.started_at, one.ended_at)), told, code, one.release)


def check(service: Service) -> Scheduled:
    """What is scheduled.

    Raises:
        InvalidInput: the service is not a scheduled one, and so has no runs.
    """
    runs = service.spec().runs
    if not isinstance(runs, Scheduled):
        raise InvalidInput(
            f"{service.name} is not a scheduled service, and so has no runs.", hint="See its lines with `logs`."
        )
    return runs


def read(service: Service, droplets: Sequence[Droplet], limit: int) -> list[Run]:
    """The latest runs on each of these droplets, the last one due first; who does not answer says so at the end.

    Args:
        service: a scheduled one.
        droplets: where it may run.
        limit: how many of each droplet, 1 to 1000.
    """
    name, codes = plans.order(service).container, check(service).ok_codes
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda one: _read(one, name, limit, codes, service.environment), droplets))
    return sorted((run for some in found for run in some), key=_when, reverse=True)


def _when(one: Run) -> tuple[float, str]:
    return (one.run.scheduled_for.timestamp() if one.run else 0.0, one.droplet)


def _read(droplet: Droplet, name: str, limit: int, codes: Sequence[int], environment: Environment) -> list[Run]:
    try:
        with reach(environment, droplet) as agent:
            return [Run(droplet.name, one, _well(one, codes)) for one in agent.runs(name, limit).runs]
    except DeployerError as error:
        return [Run(droplet.name, None, well=False, why=reason(error))]


def _well(one: wire.JobRun, codes: Sequence[int]) -> bool:
    return one.outcome in ("running", "skipped") or (one.outcome == "ended" and one.exit_code in codes)


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""
