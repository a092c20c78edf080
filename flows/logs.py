"""The flow `logs`: the last lines of a service's containers, as an artifact."""

from __future__ import annotations

from blocks.service import Service
from fleet.spec import Scheduled
from tasks import jobs, plans
from tasks import logs as log_tasks
from tasks.runbooks import runbook


@runbook("logs", "logs of {service.name}")
def logs(service: Service, lines: int = 100, since: str = "") -> None:
    """Shows the last lines that a service wrote, of all of its droplets by time; of a scheduled one its runs too.

    Args:
        service: whose lines.
        lines: how many of each droplet, 1 to 2000.
        since: an age (90s, 10m, 2h, 1d) or a time (2026-11-24T02:15), before which none is shown; empty: none is left
            out for its age.
    """
    log_tasks.check(lines)
    begin = log_tasks.since_of(since)
    order = plans.order(service)
    world = plans.observe(order, service.environment)
    droplets = log_tasks.hosts_of(order, world)
    found = log_tasks.read_all(service, droplets, lines, begin)
    scheduled = isinstance(order.service.runs, Scheduled)
    runs = jobs.read(service, droplets, lines) if scheduled else None
    log_tasks.report(order, found, runs)
