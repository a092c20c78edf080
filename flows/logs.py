"""The flow `logs`: the last lines of a service's containers, as an artifact."""

from __future__ import annotations

from blocks.service import Service
from tasks import logs as log_tasks
from tasks import plans
from tasks.runbooks import runbook


@runbook("logs", "logs of {service.name}")
def logs(service: Service, lines: int = 100) -> None:
    """Shows the last lines that a service wrote on each of its droplets.

    Args:
        service: whose lines.
        lines: how many of each droplet, 1 to 2000.
    """
    environment = service.environment
    order = plans.order(service)
    world = plans.observe(order, environment)
    log_tasks.report(order, log_tasks.read_all(order, world, lines, environment))
