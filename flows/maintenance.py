"""The flow `maintenance`: a page instead of a web service, on all its droplets or on none, switched on and off."""

from __future__ import annotations

from typing import Annotated

from prefect.runtime import flow_run
from pydantic import Field

from blocks.environment import Environment
from blocks.service import Service
from fleet.maintenance import MaintenancePlan
from tasks import locks, plans, verifying
from tasks.locks import Lock, WhenLocked
from tasks.maintenance import check, decide, everywhere_or_nowhere, switch_all
from tasks.maintenance_report import maintenance_report
from tasks.plans import Order
from tasks.runbooks import runbook

Seconds = Annotated[int, Field(ge=1, le=86_400)]
Line = Annotated[str, Field(max_length=300)]


def run_name() -> str:
    """Says what is switched which way, and where."""
    service, on = (flow_run.parameters.get(name) for name in ("service", "on"))
    where = f"{service.name} in {service.environment.title()}" if service else "nothing"
    return f"maintenance {'off' if on is False else 'on'} for {where}"


@runbook("maintenance", run_name)
def maintenance(
    service: Service,
    on: bool = True,
    retry_after_seconds: Seconds = 300,
    message: Line = "",
    when_locked: WhenLocked = "wait",
) -> None:
    """Shows visitors of a web service a page (503) instead of it, or the service again; a second run changes nothing.

    Nothing stops: requests in flight end, and releases may be deployed and rolled back behind the page, which stays
    until it is switched off. A failure has every droplet show what it showed before.

    Args:
        service: the web service.
        on: on: the page is shown; off: the service is.
        retry_after_seconds: when a program that asked may ask again (the header `Retry-After`), 1 to 86400.
        message: plain text for the page, one line of at most 300 letters; empty: the page's own words.
        when_locked: when another run changes the service, `wait` for its end or `fail` at once.
    """
    environment = service.environment
    page = check(service, on, retry_after_seconds, message)
    order = plans.order(service)
    world = plans.observe(order, environment)
    decide(order, world, page)
    with locks.hold(order.container, locks.concerned(world), environment, locks.PATIENCE[when_locked]) as lock:
        plan = decide(order, plans.observe(order, environment), page)
        carry_out(order, plan, lock.extend(plan.hosts), environment)


def carry_out(order: Order, plan: MaintenancePlan, lock: Lock, environment: Environment) -> None:
    """Everything that the plan says."""
    with maintenance_report(order, plan, environment) as report:
        if report.is_idle(plan.at_rest):
            return
        with everywhere_or_nowhere(lock, plan, environment):
            switch_all(lock, plan, environment)
            report.served(verifying.verify_back(order.container, plan.hosts, plan.domains, plan.page, environment))
