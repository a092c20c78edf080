"""The flow `upgrade-agents`: another version of the node agent on droplets that serve, without a new snapshot."""

from __future__ import annotations

from blocks.environment import Environment
from tasks import upgrades
from tasks.locks import PATIENCE, WhenLocked
from tasks.runbooks import runbook
from tasks.upgrade_report import upgrade_report


@runbook("upgrade-agents", "upgrade the agents of {environment.project}-{environment.name}")
def upgrade_agents(
    environment: Environment, wheel: str = "", plan_only: bool = False, when_locked: WhenLocked = "wait"
) -> None:
    """Gives every droplet of an environment this controller's version of the node agent, one droplet first.

    Containers never notice. A version that does not come up is taken back by the droplet itself within 90 seconds, and
    goes no further. Droplets that have the version already are left alone.

    Args:
        environment: whose droplets.
        wheel: path of another wheel of the agent on this machine, e.g. an older one; empty: this controller's own.
        plan_only: only show what would be done, and change nothing.
        when_locked: when another run changes a service on a droplet, `wait` for its end or `fail` at once.
    """
    package = upgrades.package(wheel)
    plan = upgrades.decide(upgrades.observe(environment), package)
    with upgrade_report(plan, environment) as report:
        if not (report.is_idle() or plan_only):
            report.upgraded(upgrades.upgrade_all(plan.first, package, environment, PATIENCE[when_locked]))
            report.upgraded(upgrades.upgrade_all(plan.rest, package, environment, PATIENCE[when_locked]))
        upgrades.check_silent(plan)
