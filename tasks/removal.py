"""What an undeploy does, in its order; each step looks before it acts, and may be repeated after a kill anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from prefect import get_run_logger
from prefect.futures import PrefectFuture

from agent.client import AgentClient
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.service import Service
from fleet import naming, removal
from fleet.errors import InvalidInput, TransientError
from fleet.removal import Departure, Scope, UndeployPlan
from fleet.state import Droplet, World
from tasks import dns, firewalls, images, locks
from tasks.agents import reach
from tasks.locks import Lock
from tasks.policy import reason, settle, step
from tasks.waits import wait_for

LONGEST = timedelta(minutes=12)
"""The longest that a service may take to drain, and some slack."""
GONE_DEADLINE = timedelta(minutes=2)
POLL = timedelta(seconds=2)
Locks = Mapping[str, Lock]
R = TypeVar("R")


@step("check what was filled in", retries=2)
def check(
    service: Service | None,
    environment: Environment | None,
    droplet: str | None,
    destroy_empty: bool,
    volumes: Sequence[str],
) -> Scope:
    """What is to go, and from where.

    Raises:
        InvalidInput: neither a service nor an environment is given, or they do not belong together.
    """
    where = the_environment(service, environment)
    return Scope(
        owner=where.digitalocean.client().account.read_owner(),
        environment=where.spec(),
        service=service.name if service else None,
        since=datetime.now(UTC),
        droplet=droplet or None,
        destroy_empty=destroy_empty,
        volumes=tuple(volumes),
    )


def the_environment(service: Service | None, environment: Environment | None) -> Environment:
    """The environment that is meant.

    Raises:
        InvalidInput: none is given, or another one than the service's.
    """
    if service and environment and service.environment.title() != environment.title():
        raise InvalidInput(
            f"{service.name} belongs to {service.environment.title()}, not to {environment.title()}.",
            hint="Leave the environment empty to undeploy the service, or the service to undeploy the environment.",
        )
    found = service.environment if service else environment
    if found is None:
        raise InvalidInput("Nothing was named.", hint="Choose a service, or an environment to remove all of it.")
    return found


def domains(service: Service | None) -> tuple[str, ...]:
    """The names that a service is to have, if it has any."""
    return tuple(getattr(service.runs, "domains", ())) if service else ()


@step("plan the removal of {scope.title}", retries=0)
def decide(scope: Scope, world: World, first: bool = False) -> UndeployPlan:
    """What has to go, also as lines in the log; the `first` plan of a run needs the droplet that was named."""
    plan = removal.plan_undeploy(world, scope)
    if first:
        removal.check_droplet(plan, world, scope)
    return _told(plan)


@step("plan what is still to go", retries=0)
def decide_finish(owner: str, environment: Environment, world: World) -> UndeployPlan:
    """What is still to go from droplets with a tombstone, also as lines in the log."""
    return _told(removal.plan_finish(world, owner, environment.spec()))


@contextmanager
def locked(
    plan: UndeployPlan, scope: Scope | None, world: World, environment: Environment, when: locks.WhenLocked
) -> Iterator[Locks]:
    """The locks of everything that goes, on every droplet of the environment that answers; by container."""
    where = [host.droplet for host in world.hosts if host.error is None]
    names = {one.container for one in plan.departures} | {name.rpartition("_")[0] for _, name in plan.volumes}
    if scope and scope.service:
        names.add(naming.container(scope.owner, scope.environment, scope.service))
    with locks.hold_each(sorted(names), where, environment, locks.PATIENCE[when]) as held:
        yield held


def hide(plan: UndeployPlan, environment: Environment) -> None:
    """Takes the traffic off: all records first, those of droplets that do not answer too."""
    dns.unpoint_all(plan.records, environment)
    dns.let_forget(plan.records)


def clear_all(plan: UndeployPlan, held: Locks, environment: Environment) -> dict[str, str]:
    """Routes, containers, volumes and images off every droplet that answers; gives what failed, by droplet.

    Where only a route is left goes first: no nginx leads to a container any more when that goes.
    """
    failed: dict[str, str] = {}
    for group in (
        [one for one in plan.departures if not one.releases],
        [one for one in plan.departures if one.releases],
    ):
        going = [one for one in group if one.container in held]
        failed |= _attempt(
            "be cleared",
            [one.droplet for one in going],
            [take_off.submit(one, held[one.container], environment) for one in going],
        )
    volumes = [(one, name) for one, name in plan.volumes if name.rpartition("_")[0] in held]
    failed |= _attempt(
        "lose a volume",
        [one for one, _ in volumes],
        [remove_volume.submit(one, name, held[name.rpartition("_")[0]], environment) for one, name in volumes],
    )
    pruned = [one for one, _ in plan.prunes]
    return failed | _attempt("be pruned", pruned, [images.prune.submit(one, environment) for one in pruned])


def end_all(plan: UndeployPlan, held: Locks, environment: Environment) -> dict[str, str]:
    """Empty droplets, then the firewall, then the tags; gives what failed, by name."""
    credentials = environment.digitalocean
    for lock in held.values():
        lock.leave(plan.destroyed)
    gone = [destroy.submit(one, tuple(held), environment) for one in plan.destroyed]
    failed = _attempt("be destroyed", plan.destroyed, gone)
    if failed:
        return failed
    if plan.firewall:
        failed |= _settle(
            "be removed", [plan.firewall.name], [firewalls.remove_firewall.submit(plan.firewall.name, credentials)]
        )
    stones = naming.tombstones(plan.tags)
    # Tombstones last: as long as one is there, the next round goes on.
    for group in ([tag for tag in plan.tags if tag not in stones], list(stones)):
        failed |= _settle("be deleted", group, [discard.submit(tag, credentials) for tag in group])
    return failed


@step("{one.droplet.name}: remove {one.container}", timeout=LONGEST)
def take_off(one: Departure, lock: Lock, environment: Environment) -> None:
    """Takes a service off a droplet: its routes, then, drained, its containers with their cron entry and manifest."""
    with reach(environment, one.droplet, fencing=lock.number(one.droplet)) as agent:
        agent.remove(one.container)


@step("{droplet.name}: remove the volume {name}")
def remove_volume(droplet: Droplet, name: str, lock: Lock, environment: Environment) -> None:
    """Removes a named volume with all that is in it; absent is fine."""
    container, _, volume = name.rpartition("_")
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        agent.remove_volume(container, volume)


@step("{droplet.name}: destroy", timeout=GONE_DEADLINE * 2)
def destroy(droplet: Droplet, held: Sequence[str], environment: Environment) -> None:
    """Destroys an empty droplet of ours, and waits until it is gone; absent is fine.

    Raises:
        InvalidInput: something is on it after all.
        TransientError: another run is changing something there, or it is not gone in time.
    """
    droplets = environment.digitalocean.client().droplets
    if droplets.read(droplet.id) is None:
        return
    with reach(environment, droplet) as agent:
        check_empty(droplet, agent, held)
    droplets.remove(droplet.id)
    wait_for(f"{droplet.name} to be gone", lambda: droplets.read(droplet.id) is None or None, GONE_DEADLINE, POLL)


@step("tag {tag}: delete")
def discard(tag: str, credentials: DigitalOceanCredentials) -> None:
    """Deletes a tag that nothing carries any more; absent is fine.

    Raises:
        TransientError: something carries it, or the provider still thinks so.
    """
    if not credentials.client().tags.discard(tag):
        raise TransientError(f"Something carries the tag {tag} still.", hint="Run this again to delete it.")


def check_empty(droplet: Droplet, agent: AgentClient, held: Sequence[str]) -> None:
    """Whether nothing would be lost with a droplet: the last look before it goes.

    Raises:
        InvalidInput: something is there.
        TransientError: another run is changing something there.
    """
    rest = agent.inventory()
    there = [*(one.name for one in agent.containers().containers), *rest.strangers, *rest.volumes]
    if there:
        raise InvalidInput(f"{droplet.name} is not empty: {', '.join(there)}.", hint="It was not destroyed.")
    others = [one for one in agent.leases().leases if one.service not in held]
    if others:
        raise TransientError(f"{droplet.name} is just being changed by {others[0].holder}.", hint="It was left alone.")


def _told(plan: UndeployPlan) -> UndeployPlan:
    for line in plan.lines() or ["nothing is there"]:
        get_run_logger().info("plan: %s", line)
    return plan


def _attempt(what: str, hosts: Sequence[Droplet], futures: Sequence[PrefectFuture[R]]) -> dict[str, str]:
    return _settle(what, [host.name for host in hosts], futures)


def _settle(what: str, names: Sequence[str], futures: Sequence[PrefectFuture[R]]) -> dict[str, str]:
    """Waits for all; gives the reasons of those that failed, and loses none. The proof says what they left."""
    _, failures = settle(names, futures)
    for name, error in failures.items():
        get_run_logger().error("%s could not %s: %s", name, what, error)
    return {name: reason(error) for name, error in failures.items()}
