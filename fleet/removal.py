"""What has to go so that a service is on a droplet no more, or on none: a pure function, like `fleet.plan`."""

from __future__ import annotations

from dataclasses import dataclass

from fleet import naming, plan
from fleet.errors import InvalidInput
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet, Record, World


@dataclass(frozen=True)
class UndeployPlan:
    """What an undeploy will do: records first, then containers."""

    container: str
    records: tuple[Record, ...]
    droplets: tuple[Droplet, ...]

    def lines(self) -> list[str]:
        """Each operation in a line."""
        return [
            *(f"remove A record {record.name} to {record.content}" for record in self.records),
            *(f"remove {self.container} from {droplet.name}" for droplet in self.droplets),
        ]

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with anything that the plan would do."""
        return plan.digest_of(self.lines())


def plan_undeploy(
    world: World, owner: str, spec: EnvironmentSpec, service: str, droplet: str | None = None
) -> UndeployPlan:
    """What has to go so that a service is on this droplet no more, or on none.

    Raises:
        InvalidInput: the environment has no droplet of that name.
        TransientError: a droplet concerned did not answer.
    """
    name = naming.container(owner, spec, service)
    hosts = [host for host in world.hosts if droplet in (None, host.droplet.name)]
    ours = [record for record in world.records if naming.is_ours(record.comment, owner, spec, service)]
    records = tuple(one for one in ours if droplet in (None, naming.droplet_of(one.comment)))
    if droplet and not hosts and not records:
        known = ", ".join(sorted(host.droplet.name for host in world.hosts)) or "none"
        raise InvalidInput(
            f"{naming.environment(spec)} has no droplet {droplet!r}.",
            hint=f"Its droplets: {known}. Choose one of them.",
        )
    plan.check_reachable(hosts)
    return UndeployPlan(
        container=name,
        records=records,
        droplets=tuple(host.droplet for host in hosts if any(seen.name == name for seen in host.containers)),
    )
