"""The flow `deploy`: a service's new release, on all its droplets or on none."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field

from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from fleet.plan import Plan
from tasks import (
    approvals,
    bases,
    containers,
    dns,
    droplets,
    encounters,
    firewalls,
    images,
    kept,
    locks,
    manifests,
    origins,
    peers,
    plans,
    rollouts,
    runs,
    tombstones,
    verifying,
)
from tasks.deploy_report import Report, deploy_report
from tasks.locks import Lock, WhenLocked
from tasks.plans import Order
from tasks.releases import all_or_none
from tasks.rollouts import LONGEST_SOAK_SECONDS, Pace
from tasks.runbooks import runbook

Seconds = Annotated[int, Field(ge=0, le=LONGEST_SOAK_SECONDS)]
Most = Annotated[int, Field(ge=0, le=100)]


@runbook("deploy", "deploy {service.name} to {service.environment.project}-{service.environment.name}")
def deploy(
    service: Service,
    snapshot: Snapshot | None = None,
    plan_only: bool = False,
    canary: bool = False,
    soak_seconds: Seconds = 60,
    max_parallel: Most = 0,
    remove_empty: bool = False,
    when_locked: WhenLocked = "wait",
) -> None:
    """Builds the service's image and puts it on its droplets.

    Nothing that serves changes before every droplet's candidate is healthy; then all of them switch. A failure after
    that takes every droplet back to the release before. Where fewer droplets are asked for than run the service, it
    leaves the others once the new release serves. Each droplet keeps as many older releases as the service says.

    Args:
        service: what to deploy.
        snapshot: what droplets that have to be made are made from, instead of the environment's default.
        plan_only: only show what would be done, and change nothing.
        canary: let one droplet switch first, and the others when it has been well for the soak time.
        soak_seconds: how long the canary is watched, 0 to 3600.
        max_parallel: let at most so many droplets switch at a time; 0: all of them.
        remove_empty: destroy droplets that the service leaves when nothing else is on them.
        when_locked: when another run changes the service, `wait` for its end or `fail` at once.
    """
    environment = service.environment
    order = plans.check(service, snapshot)
    world = plans.observe(order, environment)
    plan = plans.decide(order, world, remove_empty)
    approvals.show(order, plan, environment)
    if plan_only:
        return
    approvals.ask(order, plan, environment)
    with locks.hold(order.container, locks.concerned(world), environment, locks.PATIENCE[when_locked]) as lock:
        again = partial(plans.decide, order, remove_empty=remove_empty) if when_locked == "wait" else None
        plan = approvals.confirm(order, plan, environment, again)
        carry_out(order, plan, lock, Pace(canary, soak_seconds, max_parallel), environment)


def carry_out(order: Order, plan: Plan, lock: Lock, pace: Pace, environment: Environment) -> None:
    """Everything that the plan says."""
    with deploy_report(order, plan, environment) as report:
        made = droplets.ensure_all(plan.create, environment)
        firewalls.apply(plan.firewall, environment)
        report.hosts = hosts = [*plan.keep, *droplets.ready_all(made, environment)]
        tombstones.clear_all(order.service.name, order.owner, hosts, environment)
        peers.welcome(hosts, environment)
        origins.admit_new(hosts, environment)
        report.step("droplets ready")
        report.image = image = images.obtain_image(hosts[0], order.service, environment)
        report.step("image built")
        report.release = release = plans.name_release(order, image, plan.world, environment)
        if report.is_idle(plan.is_done(release)):
            report.warnings = manifests.leave_all(order, lock, release, plan, (), environment)
            return
        report.shipments = images.ship_all(hosts[0], hosts[1:], image, environment)
        report.warnings = bases.warn(hosts, order.service.name, image, environment)
        report.step("image on every droplet")
        lock = encounters.extend(lock, hosts, order.environment, environment)
        with all_or_none(order, lock, [*hosts, *plan.drain], plan.before, release, environment):
            report.states = containers.prepare_all(order, lock, hosts, image, release, environment)
            report.step("every candidate healthy")
            runs.let_end(order.service, order.container, release, hosts, environment)
            report.states = rollouts.promote(lock, hosts, plan, release, pace, environment)
            peers.share(order, hosts, environment)
            report.step("promoted everywhere")
            lock.confirm()  # no agent guards DNS
            dns.point_all(order, hosts, plan.records, environment)
            statuses = verifying.verify(order.service, order.container, hosts, plan.maintenance, environment)
            rollouts.hide_left(lock, plan, environment)
            report.served(statuses)
        tidy_up(order, plan, lock, report, environment)
        report.warnings += manifests.leave_all(order, lock, release, plan, made, environment)


def tidy_up(order: Order, plan: Plan, lock: Lock, report: Report, environment: Environment) -> None:
    """What the new release leaves behind, now that it serves."""
    rollouts.leave(lock, plan, environment)
    containers.retire_all(order, lock, report.hosts, environment)
    report.step("previous release retired")
    images.prune_all(report.hosts, environment)
    report.step("old images pruned")
    kept.refresh(environment)
