"""The last lines of a service's containers, through the agents."""

from __future__ import annotations

from blocks.environment import Environment
from fleet.errors import InvalidInput
from fleet.state import Droplet, World
from tasks.agents import reach
from tasks.plans import Order
from tasks.policy import reason, settle, step
from tasks.reports import fenced, publish

MOST_LINES = 2000


@step("{droplet.name}: log of {name}")
def read_log(droplet: Droplet, name: str, lines: int, environment: Environment) -> str:
    """The last lines of a container, each with its time, oldest first."""
    with reach(environment, droplet) as agent:
        found = agent.logs(name, tail=lines)
    return "\n".join(f"{line.at:%Y-%m-%d %H:%M:%S} {line.text}" for line in found.lines)


def read_all(order: Order, world: World, lines: int, environment: Environment) -> dict[str, str]:
    """The last lines on every droplet of the service; one that does not answer says why instead.

    Raises:
        InvalidInput: the number of lines is out of range, or the service runs nowhere.
    """
    if not 1 <= lines <= MOST_LINES:
        raise InvalidInput(f"{lines} lines cannot be shown.", hint=f"Ask for 1 to {MOST_LINES}.")
    hosts = [host.droplet for host in world.hosts if any(seen.name == order.container for seen in host.containers)]
    if not hosts:
        raise InvalidInput(f"{order.service.name} runs on no droplet that answers.", hint="Deploy it first.")
    names = [host.name for host in hosts]
    futures = [read_log.submit(host, order.container, lines, environment) for host in hosts]
    found, failures = settle(names, futures)
    return {**found, **{name: reason(error) for name, error in failures.items()}}


def report(order: Order, found: dict[str, str]) -> None:
    """The lines as an artifact, a chapter for each droplet."""
    chapters = [f"## {name}\n\n{fenced(text)}" for name, text in sorted(found.items())]
    publish(f"logs-{order.service.name}", f"# Logs of {order.container}\n\n" + "\n\n".join(chapters), order.container)
