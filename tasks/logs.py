"""The last lines of a service's containers, through the agents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from blocks.environment import Environment
from blocks.service import Service
from fleet import ages
from fleet.errors import InvalidInput
from fleet.state import Droplet, World
from tasks import jobs, lines
from tasks.agents import reach
from tasks.lines import Line
from tasks.plans import Order
from tasks.policy import step
from tasks.reports import fenced, publish, table

MOST_LINES = 2000


@step("{droplet.name}: log of {name}")
def read_log(droplet: Droplet, name: str, lines: int, environment: Environment) -> str:
    """The last lines of a container, each with its time, oldest first."""
    with reach(environment, droplet) as agent:
        found = agent.logs(name, tail=lines)
    return "\n".join(f"{line.at:%Y-%m-%d %H:%M:%S} {line.text}" for line in found.lines)


def since_of(text: str) -> datetime | None:
    """The time from which on lines are wanted; nothing: from wherever the last ones begin.

    Raises:
        InvalidInput: it is neither an age nor a time.
    """
    return ages.read_moment(text, datetime.now(UTC)) if text else None


def hosts_of(order: Order, world: World) -> list[Droplet]:
    """The droplets that run the service, and those that do not answer, as they may.

    Raises:
        InvalidInput: it runs on none that answers.
    """
    if not any(seen.name == order.container for host in world.hosts for seen in host.containers):
        raise InvalidInput(f"{order.service.name} runs on no droplet that answers.", hint="Deploy it first.")
    return [host.droplet for host in world.hosts if host.error or host.all_of(order.container)]


@step("{service.name}: lines of all droplets", retries=1)
def read_all(service: Service, droplets: Sequence[Droplet], most: int, since: datetime | None) -> list[Line]:
    """The last lines of each droplet by their times; one that does not answer says why instead, at the end."""
    return asyncio.run(lines.read(lines.wanted(service, most, since), droplets))


def check(most: int) -> None:
    """Whether so many lines can be shown.

    Raises:
        InvalidInput: they are too many, or none.
    """
    if not 1 <= most <= MOST_LINES:
        raise InvalidInput(f"{most} lines cannot be shown.", hint=f"Ask for 1 to {MOST_LINES}.")


def report(order: Order, found: Sequence[Line], runs: Sequence[jobs.Run] | None) -> None:
    """The lines as an artifact, in the order of their times; above them, of a scheduled service, its runs."""
    parts = [f"# Logs of {order.container}"]
    if runs is not None:
        parts.append("## Runs")
        parts.append(table(jobs.HEAD, [one.cells() for one in runs]) if runs else "It has not run yet.")
    silent = [f"⚠️ {one.droplet}: {one.text}" for one in found if one.at is None]
    text = "\n".join(str(one) for one in found if one.at) or "(no lines)"
    publish(f"logs-{order.service.name}", "\n\n".join([*parts, *silent, fenced(text)]), order.container)
