"""The flow `deploy`: a service's new release, on all its droplets or on none."""

from __future__ import annotations

from blocks.service import Service
from blocks.snapshot import Snapshot
from tasks import containers, dns, droplets, firewalls, images, plans, reports
from tasks.deploy_report import deploy_report
from tasks.releases import all_or_none
from tasks.runbooks import runbook


@runbook("deploy", "deploy {service.name} to {service.environment.project}-{service.environment.name}")
def deploy(service: Service, snapshot: Snapshot | None = None) -> None:
    """Builds the service's image and puts it on its droplets.

    Nothing that serves changes before every droplet's candidate is healthy; then all of them switch. A failure after
    that takes every droplet back to the release before.

    Args:
        service: what to deploy.
        snapshot: what droplets that have to be made are made from, instead of the environment's default.
    """
    environment = service.environment
    order = plans.check(service, snapshot)
    world = plans.observe(order, environment)
    plan = plans.decide(order, world)
    with deploy_report(order, plan, environment) as report:
        made = droplets.ensure_all(plan.create, environment)
        firewalls.apply_firewall(environment)
        report.hosts = hosts = [*plan.keep, *droplets.ready_all(made, environment)]
        report.step("droplets ready")
        report.image = image = images.obtain_image(hosts[0], order.service, environment)
        report.step("image built")
        report.shipments = images.ship_all(hosts[0], hosts[1:], image, environment)
        report.step("image on every droplet")
        report.release = release = plans.name_release(order, image, world, environment)
        with all_or_none(order, hosts, plan.current, release, environment):
            report.states = containers.prepare_all(order, hosts, image, release, environment)
            report.step("every candidate healthy")
            report.states = containers.promote_all(order, hosts, release, environment)
            report.step("promoted everywhere")
            dns.point_all(order, hosts, plan.stale, environment)
            report.statuses = reports.verify(order.service, environment)
            report.step("verified through the edge")
        containers.retire_all(order, hosts, environment)
        report.step("previous release retired")
