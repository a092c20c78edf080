"""The flow `rollback`: a release that was kept again, on all droplets of a service or on none, without a build."""

from __future__ import annotations

from blocks.environment import Environment
from blocks.release import Release
from blocks.service import Service
from fleet.rollback import RollbackPlan
from tasks import approvals, containers, dns, kept, locks, peers, plans, rollouts, runs, verifying
from tasks.deploy_report import rollback_report
from tasks.locks import Lock, WhenLocked
from tasks.plans import Order
from tasks.releases import all_or_none
from tasks.runbooks import runbook


@runbook("rollback", "roll back {service.name} in {service.environment.project}-{service.environment.name}")
def rollback(
    service: Service, to: Release | None = None, release: str | None = None, when_locked: WhenLocked = "wait"
) -> None:
    """Makes a release that was kept serve again, everywhere, in seconds; a second run changes nothing.

    A failure takes every droplet to the release that it served. Refused when a droplet has not kept the release.

    Args:
        service: what to roll back.
        to: the release to go to, of those that were kept; empty: the one before.
        release: the same as text, for programs, e.g. 20261124t021530-9fe5e6.
        when_locked: when another run changes the service, `wait` for its end or `fail` at once.
    """
    environment = service.environment
    wanted = plans.chosen(service, to, release)
    order = plans.order(service)
    world = plans.observe(order, environment)
    plan = plans.decide_rollback(order, world, wanted)
    with locks.hold(order.container, locks.concerned(world), environment, locks.PATIENCE[when_locked]) as lock:
        approvals.confirm(order, plan, environment)
        carry_out(order, plan, lock, environment)


def carry_out(order: Order, plan: RollbackPlan, lock: Lock, environment: Environment) -> None:
    """Everything that the plan says."""
    with rollback_report(order, plan, environment) as report:
        if report.is_idle(plan.at_rest):
            return
        with all_or_none(order, lock, plan.hosts, plan.before, plan.release, environment, new=False):
            runs.let_end(order.service, order.container, plan.release, plan.hosts, environment)
            report.states = rollouts.go_back(lock, plan, environment)
            report.step("the release serves on every droplet")
            lock.confirm()  # no agent guards DNS
            peers.share(order, plan.hosts, environment)
            lock.confirm()  # no agent guards DNS
            dns.point_all(order, plan.hosts, plan.records, environment)
            statuses = verifying.verify_back(order.container, plan.hosts, plan.domains, plan.maintenance, environment)
            report.served(statuses)
        containers.retire_all(order, lock, plan.hosts, environment)
        containers.abandon_all(lock, plan.strays, environment)
        report.step("the other release retired")
        kept.refresh(environment)
