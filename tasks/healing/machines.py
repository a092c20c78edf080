"""Steps for a droplet itself: its agent begun anew, its power cycled."""

from __future__ import annotations

import time
from datetime import timedelta

from fleet.errors import TransientError
from fleet.state import Droplet
from tasks import droplets
from tasks.agents import reach
from tasks.healing import safety, worlds
from tasks.healing.orders import Order
from tasks.healing.outcomes import Overruled, Told
from tasks.policy import step
from tasks.waits import wait_for

CYCLE_DEADLINE = timedelta(minutes=5)
BEGUN_DEADLINE = timedelta(minutes=2)
POLL = timedelta(seconds=1)
SLACK = 0.2
"""Seconds by which two measures of one time may differ."""


def restart_agent(order: Order, told: Told) -> None:
    """Begins the agent anew; containers do not notice. It has helped once the agent answers."""
    safety.go_on(order)
    before = end_agent(order)
    wait_begun(order, before)
    told.detail = "its agent answers"


def power_cycle(order: Order, told: Told) -> None:
    """Switches the droplet off and on; it has helped once its agent answers.

    Raises:
        Overruled: it answers before, or somebody has switched it off.
    """
    world = worlds.observe(order.environment)
    with safety.holding(order, world.answering, told) as held:
        safety.still_dead(order)
        safety.go_on(order, *held.values())
        cycle(order.the_droplet(), order)
        droplets.wait_ready(order.the_droplet(), order.environment)
        told.resources.append(str(order.the_droplet().id))


@step("{order.decision.target.name}: begin its agent anew", retries=1)
def end_agent(order: Order) -> float:
    """The agent ends, and systemd starts it within seconds; gives how long it had run."""
    with reach(order.environment, order.the_droplet()) as agent:
        seconds = agent.node(observer="remediate").agent_seconds
        agent.restart_agent()
    return seconds or 0.0


@step("{order.decision.target.name}: wait for its agent", timeout=BEGUN_DEADLINE * 2)
def wait_begun(order: Order, before: float) -> None:
    """Waits until an agent answers that began after the one that had run for so many seconds."""
    asked = time.monotonic()

    def look() -> bool | None:
        try:
            with reach(order.environment, order.the_droplet()) as agent:
                seconds = agent.node(observer="remediate").agent_seconds or 0.0
        except TransientError:
            return None
        return True if seconds < before + time.monotonic() - asked - SLACK else None

    wait_for(f"the agent of {order.the_droplet().name} to begin anew", look, BEGUN_DEADLINE, POLL)


@step("{droplet.name}: off and on", timeout=CYCLE_DEADLINE)
def cycle(droplet: Droplet, order: Order) -> None:
    """Cycles its power, and waits until the provider says that it was done.

    Raises:
        Overruled: it is not on: somebody has switched it off meanwhile.
    """
    cloud = order.environment.digitalocean.client().droplets
    found = cloud.read(droplet.id)
    if found is None or found.status != "active":
        raise Overruled(f"{droplet.name} is {found.status if found else 'gone'} by now.")
    droplets.wait_action(cloud.act(droplet.id, "power_cycle"), order.environment.digitalocean)
