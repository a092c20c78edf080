"""The flow `undeploy`: a service off one droplet, or off all of them."""

from __future__ import annotations

from blocks.service import Service
from tasks import containers, dns, plans, removal
from tasks.runbooks import runbook


@runbook("undeploy", "undeploy {service.name} from {service.environment.project}-{service.environment.name}")
def undeploy(service: Service, droplet: str | None = None) -> None:
    """Takes a service off one droplet, or off all of them; a second run changes nothing.

    Its A record for that host goes first, then nginx's route, then, drained, the container. The droplets stay.

    Args:
        service: what to take off.
        droplet: name of the only droplet to take it off; empty: all of them.
    """
    environment = service.environment
    order = plans.order(service)
    plan = plans.decide_removal(order, plans.observe(order, environment), droplet or None)
    dns.unpoint_all(plan.records, environment)
    dns.let_forget(plan.records)
    removed = containers.remove_all(plan, environment)
    left = plans.decide_removal(order, plans.observe(order, environment), droplet or None)
    removal.report(order, plan, removed, left, environment)
