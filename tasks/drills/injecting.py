"""A fault made, and undone: by the droplet itself, or by the account's API, however the run ends.

A droplet ends its own fault when its time is over. What the account's API was asked for is noted on the controller's
disk first, so that a later run undoes it when this one was killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from prefect import get_run_logger

from agent import wire
from agent.client import AgentProblem
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from fleet import naming
from fleet.drills import FAULTS
from fleet.errors import DeployerError, NotFound, PermanentError
from fleet.firewalls import AGENT_PORT, WEB_PORTS
from fleet.state import Droplet, Firewall
from tasks import droplets, firewalls
from tasks.agents import reach
from tasks.drills.files import Note, Notes
from tasks.drills.orders import DrillOrder, Target
from tasks.locks import holder
from tasks.policy import step
from tasks.waits import Overdue, wait_for

LEASE_SLACK: Final = 60
"""Seconds that the lease, and the permission, outlast the drill."""
END_DEADLINE: Final = timedelta(seconds=30)
POLL: Final = timedelta(seconds=1)
GOING_OFF: Final = timedelta(seconds=15)
"""A run that is cancelled has half a minute."""
UNDER_WAY: Final = ("ordered", "running")
CLOSED: Final = {"network-controller": (AGENT_PORT,), "network-edge": WEB_PORTS}
"""The ports that a fault of the network shuts."""


@contextmanager
def injected(order: DrillOrder, target: Target, environment: Environment) -> Iterator[None]:
    """The fault, for as long as the block lasts and for `order.seconds` at most."""
    where = FAULTS[order.fault].where
    if where == "run":
        yield
    elif where == "droplet":
        with _by_droplet(order, target, environment):
            yield
    else:
        with _by_account(order, target, environment):
            yield


@contextmanager
def _by_droplet(order: DrillOrder, target: Target, environment: Environment) -> Iterator[None]:
    number = begin(order, target, holder(), environment)
    try:
        yield
    finally:
        try:
            end(order, target, number, environment)
        except DeployerError as error:  # the droplet needs nobody for that
            get_run_logger().warning("The droplet ends the drill by itself within %d s: %s", order.seconds, error)


@step("{target.droplet.name}: make the fault {order.fault}", retries=0)
def begin(order: DrillOrder, target: Target, who: str, environment: Environment) -> int:
    """Takes the lease, allows a drill, and has the droplet begin it; gives the lease's number.

    Raises:
        PermanentError: the droplet's snapshot is older than drills.
    """
    name, seconds = order.lock(environment), order.seconds + LEASE_SLACK
    with reach(environment, target.droplet) as agent:
        number = agent.take_lease(name, wire.LeaseRequest(holder=who, seconds=min(seconds, 600))).fencing
    with reach(environment, target.droplet, fencing=number) as agent:
        try:
            agent.drills(name).allow(seconds)
            agent.drills(name).begin(_asked(order, target, who))
        except AgentProblem:
            agent.free_lease(name)
            raise
    return number


@step("{target.droplet.name}: undo the fault {order.fault}", timeout=timedelta(minutes=3))
def end(order: DrillOrder, target: Target, number: int, environment: Environment) -> None:
    """Has the droplet undo the fault now, sees that it did, and allows no other."""
    name = order.lock(environment)
    with reach(environment, target.droplet, fencing=number) as agent:
        drills = agent.drills(name)
        drills.end()
        wait_for(
            f"{target.droplet.name} to undo {order.fault}",
            lambda: None if drills.read().phase in UNDER_WAY else True,
            END_DEADLINE,
            POLL,
        )
        drills.allow(0)
        agent.free_lease(name)


def _asked(order: DrillOrder, target: Target, who: str) -> wire.DrillOrder:
    return wire.DrillOrder.model_validate(
        {
            "fault": order.fault,
            "seconds": order.seconds,
            "container": target.container,
            "fill_mib": order.fill_mib,
            "holder": who,
        }
    )


@contextmanager
def _by_account(order: DrillOrder, target: Target, environment: Environment) -> Iterator[None]:
    until = datetime.now(UTC) + timedelta(seconds=order.seconds + LEASE_SLACK)
    droplet, wall = target.droplet, _wall(order, environment)
    note = Note(environment.title(), order.fault, droplet.id, droplet.name, until, wall)
    Notes().write(note)
    is_made = False
    try:
        make(note, environment)
        is_made = True
        yield
    finally:
        undo(note, environment, is_made)


@step("{note.droplet_name}: make the fault {note.fault}", timeout=timedelta(minutes=5))
def make(note: Note, environment: Environment) -> None:
    """By the account's API: the droplet off, or the firewall without some of its rules."""
    credentials = environment.digitalocean
    if note.wall is not None:
        shut = CLOSED[note.fault]
        open_still = tuple(rule for rule in note.wall.inbound if rule.ports not in shut)
        firewalls.settled(note.wall.name, open_still, note.wall.tags, credentials)
        return
    droplets.wait_action(credentials.client().droplets.act(note.droplet_id, "power_off"), credentials)


@step("{note.droplet_name}: undo the fault {note.fault}", timeout=timedelta(minutes=5))
def undo(note: Note, environment: Environment, is_made: bool = True) -> None:
    """As it was before; once it is so, the note goes. One that is undone already is fine.

    Args:
        note: what is undone.
        environment: whose it is.
        is_made: the fault was made to its end; otherwise a droplet may be about to go off, which is waited for.
    """
    credentials = environment.digitalocean
    if note.wall is not None:
        firewalls.settled(note.wall.name, note.wall.inbound, note.wall.tags, credentials)
    else:
        seen = credentials.client().droplets.read(note.droplet_id)
        if not is_made and seen is not None and seen.status == "active":
            seen = _going_off(note, credentials)
        if seen is not None and seen.status == "off" and _belongs(seen, environment):
            droplets.wait_action(credentials.client().droplets.act(note.droplet_id, "power_on"), credentials)
    Notes().remove(note)


def end_overdue(environments: list[Environment]) -> None:
    """Undoes what runs that were killed have left of their drills; a note of another controller is not here."""
    now, named = datetime.now(UTC), {one.title(): one for one in environments}
    for note in Notes().read():
        if note.until < now and note.environment in named:
            get_run_logger().warning("A drill was cut off: undoing %s of %s.", note.fault, note.droplet_name)
            try:
                undo(note, named[note.environment])
            except DeployerError as error:  # the next round tries again, and this one goes on
                get_run_logger().error("%s of %s is not undone: %s", note.fault, note.droplet_name, error)


def _going_off(note: Note, credentials: DigitalOceanCredentials) -> Droplet | None:
    """The droplet once it is off, if it is within a moment."""
    api = credentials.client().droplets

    def look() -> Droplet | None:
        seen = api.read(note.droplet_id)
        return seen if seen is None or seen.status == "off" else None

    try:
        return wait_for(f"{note.droplet_name} to go off", look, GOING_OFF, POLL)
    except Overdue:
        return None


def _belongs(droplet: Droplet, environment: Environment) -> bool:
    """Whether it is still one of the environment's: another one may have taken its place meanwhile."""
    return naming.environment_tag(environment.spec()) in droplet.tags


def _wall(order: DrillOrder, environment: Environment) -> Firewall | None:
    """The firewall as it is, where that is what is changed."""
    if order.fault not in CLOSED:
        return None
    name = naming.firewall(environment.spec())
    found = environment.digitalocean.client().firewalls.read(name)
    if found is None:
        raise NotFound(f"There is no firewall {name}.", hint="Deploy something: that makes it.")
    if missing := {AGENT_PORT, *WEB_PORTS} - {rule.ports for rule in found.inbound}:
        raise PermanentError(  # what somebody else has shut must not be taken for how it should be
            f"The firewall {name} is not as it should be: nobody comes in at {', '.join(sorted(missing))}.",
            hint="Wait for the end of another drill, or deploy: that puts it right.",
        )
    return found
