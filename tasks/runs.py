"""The runs of a scheduled service: what takes its place, or takes it away, waits until none is going on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from blocks.environment import Environment
from fleet.errors import PermanentError
from fleet.spec import Scheduled, ServiceSpec
from fleet.state import Droplet
from tasks.agents import reach
from tasks.policy import gather, step
from tasks.waits import Overdue, wait_for

POLL: Final = timedelta(seconds=5)
SLACK: Final = timedelta(minutes=2)
"""For the droplet to notice that a run takes too long, and that it has ended."""
DEADLINE: Final = timedelta(days=8)
"""The second belt: a run may be told to last a week."""


def let_end(spec: ServiceSpec, name: str, release: str, hosts: Sequence[Droplet], environment: Environment) -> None:
    """Waits until no run of another release than this one is going on, on any of the droplets.

    Nothing is awaited of services of other kinds.

    Raises:
        HostsFailed: a run goes on for longer than it may; nothing was done to it.
    """
    if isinstance(spec.runs, Scheduled):
        futures = [wait.submit(host, name, release, longest(spec), environment) for host in hosts]
        gather(f"Waiting for the run of {name}", [host.name for host in hosts], futures)


def longest(spec: ServiceSpec) -> timedelta:
    """After this time the droplet has ended a run of this service by itself."""
    seconds = spec.runs.timeout_seconds if isinstance(spec.runs, Scheduled) else 0
    return timedelta(seconds=seconds + spec.drain_seconds) + SLACK


@step("{droplet.name}: wait for the run of {name}", timeout=DEADLINE)
def wait(droplet: Droplet, name: str, release: str, within: timedelta, environment: Environment) -> None:
    """Waits until no run is going on, but for one of this release (empty: of any).

    Raises:
        PermanentError: it goes on for longer than `within`.
    """

    def rests() -> bool | None:
        with reach(environment, droplet) as agent:
            found = [seen for seen in agent.containers().containers if seen.name == name]
        return None if any(seen.status == "running" and seen.release != release for seen in found) else True

    try:
        wait_for(f"the run of {name} on {droplet.name} to end", rests, within, POLL)
    except Overdue as error:
        hint = "Its release may allow it more time than the one that comes: run this again when it has ended."
        raise PermanentError(error.message, hint=hint) from error
