"""Maintenance of a service, begun or ended on all its droplets: a pure function, like `fleet.plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleet import naming, plan
from fleet.errors import InvalidInput, TransientError
from fleet.spec import EnvironmentSpec, Maintenance, ServiceSpec, Web
from fleet.state import Droplet, Host, World


@dataclass(frozen=True)
class MaintenancePlan:
    """What will be shown under a service's names, on every droplet that it runs on."""

    container: str
    page: Maintenance | None
    """None: the service itself."""
    hosts: tuple[Droplet, ...]
    before: Mapping[str, Maintenance | None]
    """What is shown now, by droplet."""
    domains: tuple[str, ...]
    """The names that the service has, which are not always those of today's specification."""

    @property
    def at_rest(self) -> bool:
        """Whether it is shown everywhere already."""
        return all(shown == self.page for shown in self.before.values())


def check_kind(service: ServiceSpec) -> None:
    """Whether visitors come to the service at all.

    Raises:
        InvalidInput: they do not, so there is nobody to show a page to.
    """
    if not isinstance(service.runs, Web):
        kind = type(service.runs).__name__.lower()
        raise InvalidInput(
            f"{service.name} is a {kind} service: no visitor comes to it, so there is no page to show.",
            hint="Choose the web service that uses it.",
        )


def plan_maintenance(
    world: World, owner: str, spec: EnvironmentSpec, service: ServiceSpec, page: Maintenance | None
) -> MaintenancePlan:
    """Where the service runs, and what its names show there.

    Raises:
        TransientError: a droplet of the environment, or the nginx of one that runs the service, did not answer.
        InvalidInput: the service is no web service, or runs nowhere.
    """
    check_kind(service)
    name = naming.container(owner, spec, service.name)
    plan.check_reachable(world.hosts)
    hosts = sorted((host for host in world.hosts if host.find(name)), key=lambda host: host.droplet.name)
    if not hosts:
        raise InvalidInput(f"{service.name} runs on no droplet of {naming.environment(spec)}.", hint="Deploy it.")
    _check_routes(hosts)
    current = [seen for host in hosts if (seen := host.find(name))]
    return MaintenancePlan(
        container=name,
        page=page,
        hosts=tuple(host.droplet for host in hosts),
        before={host.droplet.name: host.page_of(name) for host in hosts},
        domains=tuple(sorted({domain for seen in current for domain in seen.hosts})),
    )


def _check_routes(hosts: list[Host]) -> None:
    silent = [host.droplet.name for host in hosts if host.routes is None]
    if silent:
        raise TransientError(
            f"The nginx of {', '.join(silent)} does not say what it shows, so nothing has been changed.",
            hint="See `health-check`, then run this again.",
        )
