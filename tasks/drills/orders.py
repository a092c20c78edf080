"""What a drill is to do, and to which droplet; whatever can be refused is refused before anything happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent import wire
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from fleet import naming
from fleet.drills import Fault
from fleet.errors import InvalidInput
from fleet.state import Droplet
from tasks.agents import reach
from tasks.policy import step

LOCK: Final = "drills"
"""Takes a service's place in the name of the lease under which droplets are told to fail: one drill at a time."""
MOST_NAMES: Final = 3
"""Names of the droplet's services that the edge is asked for."""


@dataclass(frozen=True)
class DrillOrder:
    """What was asked for, checked."""

    owner: str
    fault: Fault
    seconds: int
    fill_mib: int = 0

    def lock(self, environment: Environment) -> str:
        """The name of the lease under which it is done."""
        return naming.container(self.owner, environment.spec(), LOCK)


@dataclass(frozen=True)
class Target:
    """The droplet, and what is to be looked at there."""

    droplet: Droplet
    container: str | None = None
    """The one that is killed, where that is the fault."""
    names: tuple[str, ...] = ()
    """What visitors ask for on it."""


@step("drill {fault}: check what was asked for")
def check(environment: Environment, fault: Fault, seconds: int, fill_mib: int, force: bool) -> DrillOrder:
    """The order.

    Raises:
        InvalidInput: the environment is marked production, or the whole disk of a sandbox's machine would be filled.
    """
    if environment.production and not force:
        raise InvalidInput(
            f"{environment.title()} is marked as production, where no drill is done.",
            hint="Untick *Production* of the Environment block if it is none, or tick *force* for this one run.",
        )
    if fault == "disk" and not fill_mib and is_elsewhere(environment.digitalocean):
        raise InvalidInput(
            "In a sandbox all droplets share this machine's disk, which would be filled.",
            hint="Give *fill_mib*, e.g. 100; it then shows that the file comes and goes.",
        )
    owner = environment.digitalocean.client().account.read_owner()
    return DrillOrder(owner, fault, seconds, fill_mib)


@step("drill {order.fault}: choose a droplet")
def choose(order: DrillOrder, droplet: str, service: str, environment: Environment) -> Target:
    """The droplet of that name, or the first one that answers and runs something.

    Raises:
        InvalidInput: there is none such; the message says which there are.
    """
    tag = naming.environment_tag(environment.spec())
    found = sorted(environment.digitalocean.client().droplets.read_tagged(tag), key=lambda one: one.name)
    wanted = [one for one in found if one.status == "active" and droplet in ("", one.name)]
    for one in wanted:
        current = [
            seen for seen in _containers(one, environment) if seen.role == "current" and seen.kind != "scheduled"
        ]
        fitting = [seen.name for seen in current if service in ("", naming.read_container(seen.name).service)]
        if fitting:
            names = tuple(host for seen in current for host in seen.hosts)[:MOST_NAMES]
            return Target(one, fitting[0] if order.fault == "container" else None, names)
    raise InvalidInput(
        f"No active droplet of {environment.title()} fits: {droplet or 'any'} with {service or 'any service'}.",
        hint=f"There are: {', '.join(one.name for one in found) or 'none'}. Deploy something first.",
    )


def is_elsewhere(credentials: DigitalOceanCredentials) -> bool:
    """Whether the account is another than one at DigitalOcean itself, as a sandbox's is."""
    return credentials.api_url != str(DigitalOceanCredentials.model_fields["api_url"].default)


def _containers(droplet: Droplet, environment: Environment) -> tuple[wire.Container, ...]:
    with reach(environment, droplet) as agent:
        return agent.containers().containers
