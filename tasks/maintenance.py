"""Maintenance of a service: its page on all of its droplets, or on none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from prefect import get_run_logger

from blocks.environment import Environment
from blocks.service import Service
from fleet import maintenance
from fleet.errors import TransientError
from fleet.maintenance import MaintenancePlan
from fleet.spec import Maintenance
from fleet.state import Droplet, World
from tasks import agents
from tasks.agents import reach
from tasks.containers import names
from tasks.locks import Lock
from tasks.plans import Order
from tasks.policy import gather, reason, settle, step
from tasks.releases import undoing


def check(service: Service, on: bool, retry_after_seconds: int, message: str) -> Maintenance | None:
    """The page that is wanted, or None for the service itself.

    Raises:
        InvalidInput: the service has no visitors, or the page cannot be shown as it is.
    """
    maintenance.check_kind(service.spec())
    page = Maintenance(retry_after_seconds, message.strip())
    return page if on else None


@step("plan the maintenance of {order.service.name}", retries=0)
def decide(order: Order, world: World, page: Maintenance | None) -> MaintenancePlan:
    """Where the service runs and what is shown there now, also as lines in the log."""
    made = maintenance.plan_maintenance(world, order.owner, order.environment, order.service, page)
    for name, before in made.before.items():
        get_run_logger().info("plan: %s shows %s, and is to show %s", name, told(before), told(page))
    return made


@step("{droplet.name}: switch maintenance")
def switch(droplet: Droplet, lock: Lock, page: Maintenance | None, environment: Environment) -> None:
    """Shows the page under the service's names here, or the service again, and reads it back.

    Raises:
        TransientError: the droplet's nginx shows something else afterwards.
    """
    wanted = agents.page(page)
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        if wanted:
            agent.begin_maintenance(lock.name, wanted)
        else:
            agent.end_maintenance(lock.name)
        found = {one.page for one in agents.routes(agent.routes()) if one.container == lock.name}
    if found - {page}:
        raise TransientError(f"{droplet.name}: nginx does not show {told(page)}.", hint="See `journalctl -u nginx`.")


def switch_all(lock: Lock, plan: MaintenancePlan, environment: Environment) -> None:
    """The same thing shown on every droplet."""
    futures = [switch.submit(host, lock, plan.page, environment) for host in plan.hosts]
    gather(f"Showing {told(plan.page)}", names(plan.hosts), futures)


@contextmanager
def everywhere_or_nowhere(lock: Lock, plan: MaintenancePlan, environment: Environment) -> Iterator[None]:
    """Has every droplet show what it showed before, when what is inside fails or the run is cancelled.

    Raises:
        HalfDone: not everything could be taken back.
    """
    what = f"Not every droplet shows {told(plan.page)}"
    with undoing(lock, what, partial(take_back, lock, plan, environment), "maintenance"):
        yield


def take_back(lock: Lock, plan: MaintenancePlan, environment: Environment) -> dict[str, str]:
    """What was shown before, shown again; gives where that is not so, in words."""
    futures = [switch.submit(host, lock, plan.before[host.name], environment) for host in plan.hosts]
    _, failures = settle(names(plan.hosts), futures)
    return {
        name: f"may show {told(plan.page)}; it showed {told(plan.before[name])} before ({reason(error)})"
        for name, error in failures.items()
    }


def told(page: Maintenance | None) -> str:
    """What visitors get, in words."""
    return f"the {page}" if page else "the service"
