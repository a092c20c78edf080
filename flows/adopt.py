"""The flow `adopt`: what runs in an environment, taken on by a controller that has lost its database."""

from __future__ import annotations

from blocks.environment import Environment
from fleet.adoption import check_seen
from tasks import adoption, kept, mirrors
from tasks.adoption_report import adoption_report
from tasks.runbooks import runbook


@runbook("adopt", "adopt {environment.project}-{environment.name}")
def adopt(
    environment: Environment, plan_only: bool = False, without_silent: bool = False, also_absent: bool = False
) -> None:
    """Makes the blocks of an environment's services again from what its droplets, DNS and the account know.

    Nothing that serves is touched, and a block that is there stays as it is. Secrets cannot be read back: the report
    names them, and a deploy of a service is refused until they are filled in. With them, a deploy of what serves finds
    nothing to do.

    Args:
        environment: what to take on.
        plan_only: only show what is there, and write nothing.
        without_silent: go on although a droplet cannot be seen, which may know what no other does.
        also_absent: also make the blocks of services that run nowhere any more.
    """
    order = adoption.check(environment)
    plan = adoption.decide(order, adoption.observe(order, environment), also_absent)
    with adoption_report(plan, environment, plan_only) as report:
        if plan_only:
            return
        if not without_silent:
            check_seen(plan)
        mirrors.refresh(environment.digitalocean)
        report.settled = adoption.complete(plan, environment)
        report.made, report.failed = adoption.make_all(plan, environment)
        report.check()
    kept.refresh(environment)
