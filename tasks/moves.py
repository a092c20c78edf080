"""One droplet that gives way to another, step by step: what serves on it comes to the new one before it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from prefect import get_run_logger
from prefect.futures import PrefectFuture

from agent import wire
from blocks.environment import Environment
from fleet import naming
from fleet.errors import DeployerError
from fleet.roll import Move, Moving
from fleet.state import Droplet, Image
from tasks import containers, dns, droplets, images, manifests, origins, peers, removal, runs, verifying
from tasks.agents import reach
from tasks.locks import Lock
from tasks.policy import gather, reason, step
from tasks.releases import UNDONE, HalfDone, LockLost
from tasks.rolls import Locks, RollOrder


def ensure(move: Move, environment: Environment) -> Droplet:
    """The new droplet, with its agent: made, unless an earlier run has made it."""
    made = [move.made] if move.made else droplets.ensure_all([move.request], environment)
    active = [droplets.wait_active(one, environment.digitalocean) for one in made]
    ready = droplets.ready_all(active, environment)
    peers.welcome(ready, environment)
    origins.admit_new(ready, environment)
    return ready[0]


def bring(move: Move, new: Droplet, held: Locks, environment: Environment) -> None:
    """Everything on the new droplet, proven and current; nothing has left the old one, but what may not run twice."""
    waiting = [one for one in move.services if not one.served]
    _each("Shipping images", waiting, lambda one: ship.submit(one, move.old, new, environment))
    early = [one for one in waiting if not one.stops_first]
    _each("Preparing candidates", early, lambda one: prepare.submit(one, new, held[one.container], environment))
    for one in [one for one in waiting if one.leaves_first]:
        leave(one, move.old, held[one.container], environment)
    for one in [one for one in waiting if one.stops_first]:
        halt(one, move.old, held[one.container], environment)
        prepare(one, new, held[one.container], environment)
    _each("Promoting", waiting, lambda one: promote.submit(one, new, held[one.container], environment))
    manifests.hand_on(held, new, environment)


@contextmanager
def proven(move: Move, new: Droplet, held: Locks, environment: Environment) -> Iterator[None]:
    """When what is inside fails, the old droplet serves as before, and the new one is gone; the error goes on.

    Raises:
        HalfDone: not everything could be taken back.
        LockLost: another run may have taken over.
    """
    try:
        yield
    except UNDONE as error:
        if not all(lock.holds() for lock in held.values()):
            raise LockLost(error, "roll") from error
        get_run_logger().error("%s is not taken over by %s: taking it back.", move.old.name, new.name)
        if left := _take_back(move, new, held, environment):
            raise HalfDone(error, left, "roll") from error
        raise


def point(order: RollOrder, move: Move, new: Droplet, held: Locks, environment: Environment) -> None:
    """Visitors, and the other services, come to the new droplet too; then the old one's records go."""
    confirm(held)  # no agent guards DNS
    peers.welcome([new], environment, leaving=[move.old.name])
    web = [one for one in move.services if one.service.domains]
    pairs = [(one, domain) for one in web for domain in one.service.domains]
    gather(
        "Pointing DNS",
        [f"{domain} to {new.name}" for _, domain in pairs],
        [dns.point.submit(new, domain, _comment(order, one, new), environment) for one, domain in pairs],
    )
    for one in web:
        verifying.verify(one.service, one.container, [new], one.page, environment)
    confirm(held)
    dns.unpoint_all(move.records, environment)
    dns.let_forget(move.records)


def end(move: Move, held: Locks, environment: Environment) -> None:
    """The old droplet drained, empty, and destroyed."""
    _each("Draining", move.services, lambda one: containers.remove.submit(move.old, held[one.container], environment))
    peers.welcome([], environment)
    confirm(held)  # no agent guards droplets
    for lock in held.values():
        lock.leave([move.old])
    removal.destroy(move.old, tuple(held), environment)


def extend(held: Locks, new: Droplet) -> dict[str, Lock]:
    """The locks with the new droplet."""
    return {name: lock.extend([new]) for name, lock in held.items()}


def confirm(held: Locks) -> None:
    """Every lock renewed now."""
    for lock in held.values():
        lock.confirm()


@step("{new.name}: image of {one.container}", timeout=images.SHIP_DEADLINE)
def ship(one: Moving, old: Droplet, new: Droplet, environment: Environment) -> None:
    """The image of a service, from the old droplet to the new one: only the layers that it lacks travel."""
    with reach(environment, old) as agent:
        seen = agent.image(one.image)
    images.ship_image.fn(old, new, Image(seen.id, seen.layers, seen.size, seen.sizes), environment)


@step("{new.name}: prepare {one.container}", timeout=containers.LONGEST, retries=2)
def prepare(one: Moving, new: Droplet, lock: Lock, environment: Environment) -> None:
    """The release that serves on the old droplet, on the new one: started, and waited for until it is healthy."""
    containers.prepare.fn(new, one.service, Image(one.image, (), 0), one.release, lock, environment)


@step("{new.name}: promote {one.container}")
def promote(one: Moving, new: Droplet, lock: Lock, environment: Environment) -> None:
    """The release current on the new droplet, behind the page that it has."""
    containers.promote.fn(new, lock, one.release, one.page, environment)


@step("{old.name}: stop {one.container}", timeout=containers.LONGEST)
def halt(one: Moving, old: Droplet, lock: Lock, environment: Environment) -> None:
    """What may not run twice, stopped on the old droplet; it stays there until the new one serves."""
    with reach(environment, old, fencing=lock.number(old)) as agent:
        if any((seen.name, seen.role) == (one.container, "current") for seen in agent.containers().containers):
            agent.stop(one.container, wire.Stop(release=one.release))


@step("{old.name}: {one.container} leaves between two runs", timeout=runs.DEADLINE)
def leave(one: Moving, old: Droplet, lock: Lock, environment: Environment) -> None:
    """A scheduled service off the old droplet, once no run of it is going on."""
    runs.wait.fn(old, one.container, "", runs.longest(one.service), environment)
    with reach(environment, old, fencing=lock.number(old)) as agent:
        agent.remove(one.container)


def _comment(order: RollOrder, one: Moving, new: Droplet) -> str:
    return naming.comment(order.owner, order.environment, one.service.name, new.name)


def _each(what: str, services: Sequence[Moving], submit: Callable[[Moving], PrefectFuture[Any]]) -> None:
    """The same for every service at once; a failure names each."""
    gather(what, [one.container for one in services], [submit(one) for one in services])


def _take_back(move: Move, new: Droplet, held: Locks, environment: Environment) -> dict[str, str]:
    """What could not be taken back, in words, by where."""
    left: dict[str, str] = {}
    for one in move.services:
        if not one.served:
            back = partial(_one_back, one, move.old, new, held[one.container], environment)
            _attempt(one.container, back, left)
    if not left and not any(one.served for one in move.services):
        _attempt(new.name, partial(removal.destroy, new, tuple(held), environment), left)
    return left


def _one_back(one: Moving, old: Droplet, new: Droplet, lock: Lock, environment: Environment) -> None:
    with reach(environment, old, fencing=lock.number(old)) as agent:
        there = any((seen.name, seen.role) == (one.container, "current") for seen in agent.containers().containers)
    if not there:
        return  # a scheduled service has left already: its candidate is what the next run goes on with
    containers.remove(new, lock, environment)
    if one.stops_first:
        with reach(environment, old, fencing=lock.number(old)) as agent:
            agent.start(one.container)


def _attempt(where: str, call: Callable[[], object], left: dict[str, str]) -> None:
    try:
        call()
    except (DeployerError, OSError) as error:  # the rest is still to be taken back; the run fails by its own error
        left[where] = reason(error)
