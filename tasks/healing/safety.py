"""The safe points of a step: before each change of the world it is asked whether a person came first meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from fleet.errors import PermanentError, TransientError
from fleet.remediation import limits, moments
from fleet.remediation.gates import may_go_on
from fleet.state import Droplet
from tasks import locks
from tasks.agents import reach
from tasks.healing.orders import Order
from tasks.healing.outcomes import Overruled, Told
from tasks.locks import Lock

AT_ONCE = timedelta(0)
"""Remediation waits for nobody's lock: whoever holds it goes first, and the next round decides anew."""


def go_on(order: Order, *held: Lock) -> None:
    """Passes a safe point.

    Raises:
        Overruled: something of it is paused, or its lock is another run's by now.
        PermanentError: the step has taken longer than it may.
    """
    now = moments.read_moment()
    pauses = (*order.folder.read_pauses(), *order.folder.read_foreign())
    told, free = may_go_on(replace(order.record.state, leases=(), pauses=pauses), now)
    if not free:
        raise Overruled(told)
    if now.since(order.record.at) > limits.DEADLINES[order.action]:
        raise PermanentError(f"It took longer than the {limits.DEADLINES[order.action]:.0f} s that it may take.")
    if lost := [one.name for one in held if not one.holds()]:
        raise Overruled(f"the lock of {', '.join(lost)} is not this run's any more")


@contextmanager
def holding(order: Order, droplets: Sequence[Droplet], told: Told) -> Iterator[dict[str, Lock]]:
    """The locks of all services that a step concerns, by container; the first safe point is behind them.

    Raises:
        Leased: another run holds one of them.
        Overruled: something of it is paused.
    """
    with locks.hold_each(order.services, droplets, order.environment, AT_ONCE) as held:
        told.note(*held.values())
        go_on(order, *held.values())
        yield held


def still_dead(order: Order) -> None:
    """Looks once more before what would hurt a droplet that is well.

    Raises:
        Overruled: its agent answers.
    """
    droplet = order.droplet
    if droplet is None or not droplet.public_address:
        return
    try:
        with reach(order.environment, droplet) as agent:
            agent.node()
    except TransientError:
        return
    raise Overruled(f"{droplet.name} answers again.")
