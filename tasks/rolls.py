"""A roll: what is asked for, what follows from it, and the locks under which one droplet gives way to another."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from prefect import get_run_logger

from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from fleet import naming
from fleet.errors import InvalidInput, PermanentError
from fleet.roll import Move, RollPlan, Wanted, plan_roll
from fleet.spec import EnvironmentSpec, ServiceSpec
from fleet.state import Image, World
from tasks import documents, locks, plans
from tasks.locks import Lock, WhenLocked
from tasks.policy import step

AT_ONCE = 32
Locks = Mapping[str, Lock]


@dataclass(frozen=True)
class RollOrder:
    """What was asked for, checked."""

    owner: str
    environment: EnvironmentSpec
    services: Mapping[str, ServiceSpec] = field(repr=False)
    seed: str
    leave_pinned: bool

    @property
    def title(self) -> str:
        """What its plan is headed by."""
        return "roll"


@step("check what was filled in")
def check(environment: Environment, snapshot: Snapshot | None, leave_pinned: bool) -> RollOrder:
    """Everything that can be known to fail, fails here, before anything has been changed.

    Raises:
        InvalidInput: there is no snapshot to move to, it was rejected, or it is not where the droplets are.
        Refused: a token was not accepted.
    """
    spec = environment.spec(snapshot)
    if spec.snapshot is None:
        raise InvalidInput(
            f"{environment.title()} has no snapshot to move to.", hint="Choose one in the run form, or make it first."
        )
    plans.check_region(environment, spec)
    _check_snapshot(spec.snapshot, environment)
    owner = environment.digitalocean.client().account.read_owner()
    services = {naming.container(owner, spec, one.name): one.spec() for one in list_services(environment)}
    return RollOrder(owner, spec, services, secrets.token_hex(6), leave_pinned)


def list_services(environment: Environment) -> list[Service]:
    """All services of an environment that have a block."""
    saved = documents.list_all(Service.get_block_type_slug())
    found = [cast(Service, Service.load(one.name)) for one in saved if one.name]
    return [one for one in found if one.environment.title() == environment.title()]


@step("observe {order.environment.project}-{order.environment.name}", timeout=timedelta(minutes=5), retries=plans.LOOKS)
def observe(order: RollOrder, environment: Environment) -> World:
    """The environment as it is: its droplets with their containers, its firewall, and the records of its services."""
    cloud, dns = environment.digitalocean.client(), environment.cloudflare.client()
    droplets = cloud.droplets.read_tagged(naming.environment_tag(order.environment))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        hosts = tuple(pool.map(lambda droplet: plans.ask(droplet, environment), droplets))
    firewall = cloud.firewalls.read(naming.firewall(order.environment))
    return World(
        hosts=hosts,
        records=tuple(dns.read_records(comment=naming.environment_mark(order.owner, order.environment))),
        firewalls=(firewall,) if firewall else (),
        edge=dns.read_edge_ranges(),
    )


@step("plan the roll", retries=0)
def decide(order: RollOrder, world: World, environment: Environment) -> RollPlan:
    """Which droplets give way, and what moves with them; also as lines in the log."""
    plan = plan_roll(world, _wanted(order, world, environment))
    for line in plan.lines():
        get_run_logger().info("plan: %s", line)
    return plan


@contextmanager
def locked(
    order: RollOrder, planned: Move, when: WhenLocked, environment: Environment
) -> Iterator[tuple[Locks, Move | None]]:
    """The locks of all that moves, and the move as it follows from what is there now; None: there is nothing left.

    Raises:
        PermanentError: it is not what was approved.
    """
    where = locks.concerned(observe(order, environment))
    names = [one.container for one in planned.services]
    with locks.hold_each(names, where, environment, locks.PATIENCE[when]) as held:
        fresh = observe(order, environment)
        found = plan_roll(fresh, _wanted(order, fresh, environment)).moves
        move = next((one for one in found if one.old.id == planned.old.id), None)
        if move is not None and (environment.approval or not {one.container for one in move.services} <= {*held}):
            _check_same(planned, move)
        yield held, move


def _check_snapshot(snapshot: str, environment: Environment) -> None:
    found = next((one for one in environment.digitalocean.client().snapshots.read_all() if one.id == snapshot), None)
    if found is not None and naming.snapshot_state(found.tags) == "rejected":
        raise InvalidInput(
            f"The snapshot {found.name} was examined and rejected: no droplet may be made from it.",
            hint="Choose another, or run build-snapshot again.",
        )


def _check_same(planned: Move, now: Move) -> None:
    if planned.what != now.what:
        raise PermanentError(
            f"What runs on {now.old.name} is not what it was when the roll was planned. It was left as it is.",
            hint="Run this again: it makes a plan of what is there now.",
        )


def _wanted(order: RollOrder, world: World, environment: Environment) -> Wanted:
    key = environment.digitalocean.seed_value()
    changed = {
        seen.name: f"{seen.release} on {host.droplet.name} is not what the block {order.services[seen.name].name} says"
        for host in world.hosts
        for seen in host.containers
        if seen.role == "current" and seen.name in order.services
        if not naming.same_content(seen.release, plans.digest(order.services[seen.name], Image(seen.image, (), 0), key))
    }
    return Wanted(
        owner=order.owner,
        environment=order.environment,
        seed=order.seed,
        services=order.services,
        changed=changed,
        leave_pinned=order.leave_pinned,
    )
