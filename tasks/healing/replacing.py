"""A new droplet in the place of a dead one, step by step: everything on it proven before a visitor comes to it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final

from prefect import get_run_logger

from blocks.environment import Environment
from fleet import naming
from fleet.errors import HostsFailed, PermanentError
from fleet.remediation.state import Target
from fleet.replacement import Coming, Dead, Replacement, plan_replacement
from fleet.state import Droplet, Image
from tasks import containers, dns, droplets, images, manifests, peers, removal, rolls
from tasks.agents import reach
from tasks.healing import safety, worlds
from tasks.healing.orders import Order
from tasks.healing.outcomes import Overruled, Told
from tasks.healing.services import check_same
from tasks.locks import Lock
from tasks.policy import gather, reason, step
from tasks.releases import UNDONE

LOOK_SECONDS: Final = 2.0
Locks = Mapping[str, Lock]


@step("{order.decision.target.name}: what takes its place")
def decide(order: Order, present: worlds.Present) -> Replacement:
    """What has to come to a new droplet.

    Raises:
        Overruled: nothing that ran on the dead one is missing.
        InvalidInput: what ran there cannot be made again.
    """
    target, spec = order.decision.target, order.environment.spec()
    cases = order.folder.read_memory().cases.values()
    known = {one.target.container: one.service.release for one in cases if one.service and _is_on(one.target, order)}
    dead = Dead(target.droplet, target.name, order.droplet, {name: known.get(name, "") for name in order.services})
    services = {
        naming.container(present.owner, spec, one.name): one.spec() for one in rolls.list_services(order.environment)
    }
    plan = plan_replacement(present.world, dead, spec, services)
    if not plan.services:
        raise Overruled(f"what ran on {target.name} runs on as many droplets as it should without it")
    return plan


def ensure(plan: Replacement, held: Locks, order: Order, told: Told) -> tuple[Droplet, Locks]:
    """The new droplet with its agent, and the locks with it; made, unless an earlier run has made it.

    One that this run has made, and whose agent never answers, goes again: nothing was ever on it.
    """
    environment = order.environment
    (made,) = [plan.made] if plan.made else droplets.ensure_all([plan.request], environment)
    told.resources.append(str(made.id))
    told.successor = made.id
    try:
        (new,) = droplets.ready_all([droplets.wait_active(made, environment.digitalocean)], environment)
    except UNDONE:
        if plan.made is None:
            droplets.remove_droplet(made, environment.digitalocean)
        raise
    wider = {name: lock.extend([new]) for name, lock in held.items()}
    told.note(*wider.values())
    return new, wider


def bring(plan: Replacement, new: Droplet, held: Locks, order: Order) -> None:
    """Everything on the new droplet, current and well for as long as the environment says; no visitor comes yet."""
    share(new, order)
    waiting = [one for one in plan.services if not one.served]
    ready = [obtain(one, new, order) for one in waiting]
    safety.go_on(order, *held.values())
    names = [one.container for one in ready]
    gather("Preparing", names, [prepare.submit(one, new, held[one.container], order.environment) for one in ready])
    if any(one.runs_once for one in ready):
        switch_off(order)
    gather("Promoting", names, [promote.submit(one, new, held[one.container], order.environment) for one in ready])
    manifests.hand_on(held, new, order.environment)
    prove(new, [one.container for one in plan.services], order.environment)


@contextmanager
def proven(plan: Replacement, new: Droplet, held: Locks, order: Order) -> Iterator[None]:
    """When what is inside fails, the new droplet goes again, unless visitors may come to it; the error goes on."""
    try:
        yield
    except UNDONE as error:
        get_run_logger().error("%s does not take the place of %s: %s", new.name, plan.dead.name, reason(error))
        if all(lock.holds() for lock in held.values()) and not any(one.served for one in plan.services):
            _take_back(new, held, order.environment)
        raise


def point(plan: Replacement, present: worlds.Present, new: Droplet, held: Locks, order: Order) -> None:
    """Visitors and the other services come to the new droplet; then the dead one's records go."""
    safety.go_on(order, *held.values())
    share(new, order)
    spec, environment = order.environment.spec(), order.environment
    pairs = [(one, domain) for one in plan.services for domain in one.service.domains]
    comments = [naming.comment(present.owner, spec, one.service.name, new.name) for one, _ in pairs]
    futures = [
        dns.point.submit(new, domain, comment, environment)
        for (_, domain), comment in zip(pairs, comments, strict=True)
    ]
    kept = {one.id for one in gather("Pointing DNS", [f"{domain} to {new.name}" for _, domain in pairs], futures)}
    old = [one for one in present.world.records if naming.droplet_of(one.comment) == plan.dead.name]
    mine = [one for one in old if naming.service_of_comment(one.comment, present.owner, spec) and one.id not in kept]
    dns.unpoint_all(mine, environment)
    dns.let_forget(mine)


def share(new: Droplet, order: Order) -> None:
    """Every droplet that answers has the present table of peers.

    Raises:
        HostsFailed: the new one has not.
    """
    done = peers.spread([new], order.environment, leaving=[order.decision.target.name])
    failures = {name: reason(error) for name, error in (done.unseen | done.refused).items() if name == new.name}
    if failures:
        raise HostsFailed("Sharing the peers", failures, 1)


@step("{new.name}: image of {one.container}", timeout=images.SHIP_DEADLINE)
def obtain(one: Coming, new: Droplet, order: Order) -> Coming:
    """The service's image on the new droplet: only missing layers travel, from a droplet that has it; else obtained.

    Raises:
        PermanentError: it is another release than the one that ran.
    """
    key = order.environment.digitalocean.seed_value()
    if one.source and one.image:
        check_same(one.service, one.image, one.release, key)
        with reach(order.environment, one.source) as agent:
            seen = agent.image(one.image)
        image = Image(seen.id, seen.layers, seen.size, seen.sizes)
        images.ship_image.fn(one.source, new, image, order.environment)
        return one
    if not one.release:
        raise PermanentError(f"Nobody knows which release of {one.container} ran.", hint="Deploy it.")
    found = images.obtain_image.fn(new, one.service, order.environment)
    check_same(one.service, found.id, one.release, key)
    return replace(one, image=found.id)


@step("{new.name}: prepare {one.container}", timeout=containers.LONGEST, retries=2)
def prepare(one: Coming, new: Droplet, lock: Lock, environment: Environment) -> None:
    """The release that ran on the dead droplet, on the new one: started, and waited for until it is healthy."""
    containers.prepare.fn(new, one.service, Image(one.image, (), 0), one.release, lock, environment)


@step("{new.name}: promote {one.container}")
def promote(one: Coming, new: Droplet, lock: Lock, environment: Environment) -> None:
    """The release current on the new droplet, behind the page that it has."""
    containers.promote.fn(new, lock, one.release, one.page, environment)


@step("{new.name}: prove it", timeout=timedelta(minutes=12), retries=0)
def prove(new: Droplet, names: list[str], environment: Environment) -> None:
    """Looks at everything on the new droplet for as long as the environment says.

    Raises:
        PermanentError: something is not well at any look.
    """
    end = time.monotonic() + environment.proof_seconds
    while True:
        with reach(environment, new) as agent:
            seen = {one.name: one for one in agent.node(observer="remediate").containers if one.role == "current"}
        for name in names:
            verdict = seen[name].verdict if name in seen else None
            if verdict is None or verdict.verdict == "unhealthy":
                raise PermanentError(f"{new.name}: {name} is not well: {verdict.reason if verdict else 'not there'}.")
        if time.monotonic() >= end:
            return
        time.sleep(LOOK_SECONDS)


def switch_off(order: Order) -> None:
    """The dead droplet off before anything serves that may not run twice: perhaps it only cannot be seen."""
    if order.droplet is not None:
        retire_power(order.droplet, order.environment)


@step("{droplet.name}: off for good", timeout=timedelta(minutes=5))
def retire_power(droplet: Droplet, environment: Environment) -> None:
    """Switches a dead droplet off, unless it is off or gone."""
    cloud = environment.digitalocean.client().droplets
    found = cloud.read(droplet.id)
    if found is not None and found.status == "active":
        droplets.wait_action(cloud.act(droplet.id, "power_off"), environment.digitalocean)


def _is_on(target: Target, order: Order) -> bool:
    return bool(target.container) and target.droplet == order.decision.target.droplet


def _take_back(new: Droplet, held: Locks, environment: Environment) -> None:
    """The new droplet empty, and gone; what cannot be taken back is found by its tag."""
    for lock in held.values():
        containers.remove(new, lock, environment)
        lock.leave([new])
    removal.destroy(new, tuple(held), environment)
