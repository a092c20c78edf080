"""Steps for the DNS of one droplet: its names taken off it, and given back."""

from __future__ import annotations

from collections.abc import Sequence

from fleet import naming
from fleet.state import Record
from tasks import dns
from tasks.agents import reach
from tasks.healing import safety, worlds
from tasks.healing.orders import Order
from tasks.healing.outcomes import Overruled, Told
from tasks.policy import gather, step


def leave(order: Order, told: Told) -> None:
    """Takes the droplet's records away, but for that of a name which no other host is in DNS for.

    Raises:
        Overruled: all of them stay.
    """
    world = worlds.observe(order.environment)
    with safety.holding(order, world.answering, told) as held:
        found = leading(order, world.owner)
        safety.go_on(order, *held.values())
        dns.unpoint_all(found, order.environment)
        told.resources += [one.id for one in found]
        dns.let_forget(found)


def give_back(order: Order, told: Told) -> None:
    """Points the names at the droplet again that its nginx serves now."""
    world = worlds.observe(order.environment)
    with safety.holding(order, world.answering, told) as held:
        pairs = routed(order, world.owner)
        safety.go_on(order, *held.values())
        droplet, labels = order.the_droplet(), [name for name, _ in pairs]
        futures = [dns.point.submit(droplet, name, comment, order.environment) for name, comment in pairs]
        told.resources += [one.id for one in gather("Pointing DNS", labels, futures)]


@step("{order.decision.target.name}: records that lead to it")
def leading(order: Order, owner: str) -> list[Record]:
    """Those that are to go, none when an earlier run has removed them.

    Raises:
        Overruled: a name of them has no other record any more: the last one stays, unless the droplet is gone.
    """
    ours = _ours(order, owner)
    name = order.decision.target.name
    mine = [one for one in ours if naming.droplet_of(one.comment) == name and one.name in order.decision.names]
    last = {one.name for one in mine} - {one.name for one in ours if naming.droplet_of(one.comment) != name}
    if last and order.droplet is not None:
        raise Overruled(f"{', '.join(sorted(last))} leads to no other host any more: the records stay.")
    return mine


@step("{order.decision.target.name}: names that it serves")
def routed(order: Order, owner: str) -> list[tuple[str, str]]:
    """The names that are to come back and that its nginx serves, each with the comment of its record.

    Raises:
        Overruled: it serves none of them.
    """
    droplet, spec = order.the_droplet(), order.environment.spec()
    with reach(order.environment, droplet) as agent:
        routes = agent.routes().routes
    found = [
        (one.host, naming.comment(owner, spec, naming.service_of(one.container), droplet.name))
        for one in routes
        if one.host in order.decision.names
    ]
    if not found:
        raise Overruled(f"{droplet.name} serves none of {', '.join(order.decision.names)} any more.")
    return found


def _ours(order: Order, owner: str) -> Sequence[Record]:
    spec = order.environment.spec()
    found = order.environment.cloudflare.client().read_records(comment=naming.environment_mark(owner, spec))
    return [one for one in found if naming.service_of_comment(one.comment, owner, spec)]
