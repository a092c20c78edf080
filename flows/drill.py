"""The flow `drill`: a fault on purpose, to see how soon it is noticed and how soon all is well again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from blocks.environment import Environment
from fleet.drills import Fault
from tasks.drills import injecting, orders, report, watching
from tasks.runbooks import runbook

Seconds = Annotated[int, Field(ge=10, le=540)]
Mebibytes = Annotated[int, Field(ge=0, le=65_536)]


@runbook("drill", "drill {fault} in {environment.project}-{environment.name}")
def drill(
    environment: Environment,
    fault: Fault = "container",
    droplet: str = "",
    service: str = "",
    seconds: Seconds = 60,
    fill_mib: Mebibytes = 0,
    force: bool = False,
) -> None:
    """Makes one fault on one droplet, watches, and undoes it; the table `drills` tells how long everything took.

    The fault is undone when it was noticed and all is well again, when its time is over, and when the run ends in any
    other way. Refused while something is not well, and where the environment is marked as production.

    Args:
        environment: where.
        fault: what is to fail; docs/drills.md says what each is. Those of the network concern all droplets.
        droplet: the one; empty: the first that runs a service.
        service: the service whose container is killed; empty: the first.
        seconds: how long the fault lasts at most, 10 to 540.
        fill_mib: how much of the disk is filled at most; 0: all but 48 MiB.
        force: also in an environment that is marked as production.
    """
    order = orders.check(environment, fault, seconds, fill_mib, force)
    injecting.end_overdue([environment])
    target = orders.choose(order, droplet, service, environment)
    watching.check_before(order, target, environment)
    with report.recorded(order, target, environment) as run:
        with injecting.injected(order, target, environment):
            run.begin()
            watching.until_well(run.watch, seconds)
        run.end()
        watching.until_steady(run.watch)
