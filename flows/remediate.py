"""The flow `remediate`: one step that a health round has decided, carried out while nobody is in its way."""

from __future__ import annotations

from flows import rollback
from tasks import plans
from tasks.healing import machines, names, outcomes, replacing, retiring, safety, services, worlds
from tasks.healing.orders import Order, open_order
from tasks.healing.outcomes import Told
from tasks.runbooks import runbook


@runbook("remediate", "remediate {decision}")
def remediate(decision: str) -> None:
    """Carries out one decision, and writes down what became of it; a second run of the same changes nothing.

    Whoever holds the lock of a service of it, or has paused it, comes first: then the step is cancelled, also between
    two parts of it. A run that was killed is repeated as a whole, until the step's deadline is over.

    Args:
        decision: its whole name, e.g. 20261124t021530-9fe5e6a1b2, as a health round has written it down.
    """
    order = open_order(decision)
    if order is None:
        return
    with outcomes.told(order.folder, order.record) as told:
        carry_out(order, told)


def carry_out(order: Order, told: Told) -> None:
    """The step that was decided."""
    match order.action:
        case "restart":
            services.restart(order, told)
        case "recreate":
            services.recreate(order, told)
        case "rollback":
            roll_back(order, told)
        case "remove from DNS":
            names.leave(order, told)
        case "return to DNS":
            names.give_back(order, told)
        case "restart agent":
            machines.restart_agent(order, told)
        case "power-cycle":
            machines.power_cycle(order, told)
        case "replace":
            replace(order, told)


def roll_back(order: Order, told: Told) -> None:
    """The release that was good before the deploy, on every droplet of the service; nobody is asked for approval."""
    wanted = plans.order(order.service())
    present = worlds.observe(order.environment)
    with safety.holding(order, present.answering, told) as held:
        world = plans.observe(wanted, order.environment)
        plan = plans.decide_rollback(wanted, world, order.decision.release)
        safety.go_on(order, *held.values())
        rollback.carry_out(wanted, plan, held[order.container], order.environment)


def replace(order: Order, told: Told) -> None:
    """A new droplet in the place of the dead one, which is switched off and kept for a day."""
    present = worlds.observe(order.environment)
    with safety.holding(order, present.answering, told) as held:
        safety.still_dead(order)
        plan = replacing.decide(order, present)
        safety.go_on(order, *held.values())
        new, wider = replacing.ensure(plan, held, order, told)
        with replacing.proven(plan, new, wider, order):
            replacing.bring(plan, new, wider, order)
        replacing.point(plan, present, new, wider, order)
        retiring.retire(order.droplet, order.environment)
        told.detail = f"{new.name} has taken its place"
