"""Containers of a service on its droplets: prepared, promoted, retired, removed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from agent import wire
from blocks.environment import Environment
from fleet.spec import Maintenance, ServiceSpec
from fleet.state import Container, Droplet, Image
from tasks import agents
from tasks.agents import reach
from tasks.locks import Lock
from tasks.plans import Order
from tasks.policy import gather, step
from tasks.specs import wire_spec

SLACK = timedelta(minutes=2)
"""On top of the longest that the service itself may take to start or to drain."""
LONGEST = timedelta(minutes=10) + SLACK


@step("{droplet.name}: prepare {release}", timeout=LONGEST, retries=2)
def prepare(
    droplet: Droplet, spec: ServiceSpec, image: Image, release: str, lock: Lock, environment: Environment
) -> tuple[Container, ...]:
    """Starts the release beside the current one and waits until it is healthy; changes nothing that serves.

    Raises:
        Unproven: it did not become healthy; it is stopped and kept, and its last lines are in the error.
    """
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        return _all(agent.prepare(lock.name, wire_spec(spec, image, release)))


@step("{droplet.name}: promote {release}")
def promote(
    droplet: Droplet, lock: Lock, release: str, page: Maintenance | None, environment: Environment
) -> tuple[Container, ...]:
    """Makes the candidate current: its name, then nginx's routes, read back. The old one goes on as previous.

    With a maintenance page, visitors see that and nothing else from the routes' first moment on.
    """
    body = wire.Promote(release=release, maintenance=agents.page(page))
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        return _all(agent.promote(lock.name, body))


@step("{droplet.name}: back to {release}", timeout=LONGEST)
def go_back(
    droplet: Droplet, lock: Lock, release: str, page: Maintenance | None, environment: Environment
) -> tuple[Container, ...]:
    """Makes a release that was kept current again; the page as for `promote`."""
    body = wire.Rollback(release=release, maintenance=agents.page(page))
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        return _all(agent.rollback(lock.name, body))


@step("{droplet.name}: retire the previous release", timeout=LONGEST)
def retire(droplet: Droplet, lock: Lock, keep: int, environment: Environment) -> tuple[Container, ...]:
    """Stops the previous release once its last request has ended; of the older ones, the newest `keep` stay."""
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        return _all(agent.retire(lock.name, wire.Retire(keep=keep)))


@step("{droplet.name}: remove the candidate")
def abandon(droplet: Droplet, lock: Lock, environment: Environment) -> None:
    """Removes a candidate that is not wanted any more; absent is fine."""
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        agent.remove_candidate(lock.name)


@step("{droplet.name}: remove {lock.name}", timeout=LONGEST)
def remove(droplet: Droplet, lock: Lock, environment: Environment) -> bool:
    """Takes the service off the droplet: its routes, then, drained, its containers; says whether any was there."""
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        changed: bool = agent.remove(lock.name).changed
    return changed


def _all(changed: wire.Changed) -> tuple[Container, ...]:
    return tuple(agents.container(seen) for seen in changed.containers)


def prepare_all(
    order: Order, lock: Lock, hosts: Sequence[Droplet], image: Image, release: str, environment: Environment
) -> list[tuple[Container, ...]]:
    """A healthy candidate on every droplet."""
    futures = [prepare.submit(host, order.service, image, release, lock, environment) for host in hosts]
    return gather(f"Preparing {release}", names(hosts), futures)


def promote_all(
    lock: Lock, hosts: Sequence[Droplet], release: str, page: Maintenance | None, environment: Environment
) -> list[tuple[Container, ...]]:
    """The release current on every droplet, behind the page if there is one."""
    futures = [promote.submit(host, lock, release, page, environment) for host in hosts]
    return gather(f"Promoting {release}", names(hosts), futures)


def retire_all(
    order: Order, lock: Lock, hosts: Sequence[Droplet], environment: Environment
) -> list[tuple[Container, ...]]:
    """The previous release stopped on every droplet, and those gone that are more than the service keeps."""
    futures = [retire.submit(host, lock, order.service.keep_releases, environment) for host in hosts]
    return gather("Retiring the previous release", names(hosts), futures)


def abandon_all(lock: Lock, hosts: Sequence[Droplet], environment: Environment) -> None:
    """No candidate of the service on any of the droplets."""
    futures = [abandon.submit(host, lock, environment) for host in hosts]
    gather("Removing candidates", names(hosts), futures)


def names(hosts: Sequence[Droplet]) -> list[str]:
    """What the droplets are called, in order."""
    return [host.name for host in hosts]
