"""Steps for a service on one droplet: restarted, or made anew."""

from __future__ import annotations

from datetime import timedelta

from agent import wire
from fleet import naming
from fleet.errors import PermanentError
from fleet.spec import ServiceSpec
from fleet.state import Image
from tasks import plans
from tasks.agents import reach
from tasks.healing import safety
from tasks.healing.orders import Order
from tasks.healing.outcomes import Overruled, Told
from tasks.locks import Lock
from tasks.policy import step
from tasks.specs import wire_spec

LONGEST = timedelta(minutes=12)


def restart(order: Order, told: Told) -> None:
    """Restarts the container, and has helped once it serves."""
    with safety.holding(order, [order.the_droplet()], told) as held:
        restart_container(order, held[order.container])


def recreate(order: Order, told: Told) -> None:
    """Makes the container anew of the release that it has, and has helped once it serves."""
    spec = order.service().spec()
    with safety.holding(order, [order.the_droplet()], told) as held:
        recreate_container(order, spec, held[order.container])


@step("{order.container}: restart", timeout=LONGEST, retries=1)
def restart_container(order: Order, lock: Lock) -> None:
    """One that serves again by itself, or that somebody has stopped, is left alone.

    Raises:
        Overruled: it is not there any more, or was stopped on purpose, or serves.
        Unproven: it does not serve after it either.
    """
    seen = _current(order)
    if _serves(seen):
        return
    with reach(order.environment, order.the_droplet(), fencing=lock.number(order.the_droplet())) as agent:
        agent.restart(order.container)


@step("{order.container}: make anew", timeout=LONGEST, retries=1)
def recreate_container(order: Order, spec: ServiceSpec, lock: Lock) -> None:
    """Makes it anew; the old one comes back if the new one does not serve.

    Raises:
        PermanentError: the block says something else than what runs.
        Unproven: the new one does not serve.
    """
    seen = _current(order)
    if _serves(seen):
        return
    check_same(spec, seen.image, seen.release, order.environment.digitalocean.seed_value())
    body = wire_spec(spec, Image(seen.image, (), 0), seen.release)
    with reach(order.environment, order.the_droplet(), fencing=lock.number(order.the_droplet())) as agent:
        agent.recreate(order.container, body)


def check_same(spec: ServiceSpec, image: str, release: str, key: str) -> None:
    """Whether a release can be made again from what is filled in now.

    Raises:
        PermanentError: it cannot; unasked nothing else is brought into the world than what was deployed.
    """
    if not naming.same_content(release, plans.digest(spec, Image(image, (), 0), key)):
        raise PermanentError(
            f"{spec.name} {release} cannot be made again: its block, or what it is built from, has changed.",
            hint="Deploy it; nothing is deployed unasked that nobody has deployed before.",
        )


def _current(order: Order) -> wire.Container:
    """The container as it is now.

    Raises:
        Overruled: it is gone, has another release than when this was decided, or was stopped on purpose.
    """
    with reach(order.environment, order.the_droplet()) as agent:
        found = agent.node(observer="remediate").containers
    seen = next((one for one in found if (one.name, one.role) == (order.container, "current")), None)
    if seen is None:
        raise Overruled(f"{order.container} is not on {order.the_droplet().name} any more.")
    if seen.release != order.record.state.service.release:
        raise Overruled(f"{order.container} has release {seen.release} by now.")
    if seen.watch and seen.watch.resting:
        raise Overruled(f"somebody has stopped {order.container}.")
    return seen


def _serves(seen: wire.Container) -> bool:
    """Whether it serves again by itself: then the step is done."""
    return seen.verdict is not None and seen.verdict.verdict in ("healthy", "degraded")
