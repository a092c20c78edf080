"""What is asked about an environment beside its droplets: whose it is, which records are ours, what may be lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from blocks.environment import Environment
from fleet import naming
from fleet.errors import DeployerError
from fleet.state import Record
from tasks import rolls
from tasks.healing.looks import Look


@dataclass(frozen=True)
class Surroundings:
    """What is known of one environment in this round."""

    title: str
    replaceable: bool
    """Whether somebody has opted in to the replacement of its droplets."""
    names: Mapping[str, tuple[str, ...]] | None = None
    """The names that our records lead to each droplet, by its name; None: nobody could say."""
    disposable: frozenset[str] = field(default_factory=frozenset)
    """Containers whose volumes may be lost with their droplet."""

    def of(self, droplet: str) -> tuple[str, ...] | None:
        """The names that lead to a droplet; None: nobody could say."""
        return None if self.names is None else self.names.get(droplet, ())

    def alone(self, droplet: str) -> frozenset[str]:
        """Those of its names that lead nowhere else."""
        counted = [name for found in (self.names or {}).values() for name in found]
        return frozenset(name for name in self.of(droplet) or () if counted.count(name) == 1)


def survey(environment: Environment, looks: Iterable[Look]) -> Surroundings:
    """Asks for the records of an environment, and, where it matters, for its services; nothing here fails a round."""
    try:
        spec = environment.spec()
        owner = environment.digitalocean.client().account.read_owner()
        records = environment.cloudflare.client().read_records(comment=naming.environment_mark(owner, spec))
        names = by_droplet([one for one in records if naming.service_of_comment(one.comment, owner, spec)])
        disposable = _disposable(environment, owner, looks)
    except DeployerError:
        return Surroundings(environment.title(), environment.replaceable)
    return Surroundings(environment.title(), environment.replaceable, names, disposable)


def by_droplet(records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """The names of our records, by the droplet that each says it leads to."""
    found: dict[str, set[str]] = {}
    for one in records:
        found.setdefault(naming.droplet_of(one.comment), set()).add(one.name)
    return {droplet: tuple(sorted(names)) for droplet, names in found.items()}


def _disposable(environment: Environment, owner: str, looks: Iterable[Look]) -> frozenset[str]:
    """Asked only where an answer changes anything: each service's block is a call to Prefect."""
    if not environment.replaceable or not any(one.node and one.node.keeps for one in looks):
        return frozenset()
    services = [one for one in rolls.list_services(environment) if one.volumes_may_go]
    return frozenset(naming.container(owner, environment.spec(), one.name) for one in services)
