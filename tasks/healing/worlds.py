"""An environment as it is while a step is carried out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from blocks.environment import Environment
from fleet import naming
from fleet.errors import DeployerError
from fleet.state import Droplet, Host, World
from tasks import plans
from tasks.policy import step

AT_ONCE: Final = 32


@dataclass(frozen=True)
class Present:
    """What is there now."""

    owner: str
    world: World

    @property
    def answering(self) -> list[Droplet]:
        """The droplets whose agents answer: where locks can be held."""
        return [one.droplet for one in self.world.hosts if one.error is None]


@step("{environment.project}-{environment.name}: look at everything", timeout=timedelta(minutes=5))
def observe(environment: Environment) -> Present:
    """Every droplet with its containers, and the records of the environment; a silent one is no failure."""
    cloud, spec = environment.digitalocean.client(), environment.spec()
    owner = cloud.account.read_owner()
    droplets = cloud.droplets.read_tagged(naming.environment_tag(spec))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        hosts = tuple(pool.map(lambda droplet: _ask(droplet, environment), droplets))
    records = environment.cloudflare.client().read_records(comment=naming.environment_mark(owner, spec))
    return Present(owner, World(hosts=hosts, records=tuple(records)))


def _ask(droplet: Droplet, environment: Environment) -> Host:
    try:
        return plans.ask(droplet, environment)
    except DeployerError as error:  # also of one that is just being made: it is not waited for
        return Host(droplet, error=error.message)
