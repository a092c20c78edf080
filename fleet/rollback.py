"""Back to a release that the droplets have kept: a pure function, like `fleet.plan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fleet import facts, naming, operations, plan, records
from fleet.errors import InvalidInput
from fleet.facts import Facts, digest_of
from fleet.operations import Operation
from fleet.records import Pointer, RecordPlan
from fleet.spec import EnvironmentSpec, ServiceSpec
from fleet.state import Before, Container, Droplet, Host, World


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback will do: the same release on all droplets of the service."""

    container: str
    release: str
    hosts: tuple[Droplet, ...]
    before: Before
    domains: tuple[str, ...]
    """The names that the release serves, which are not always those of today's specification."""
    records: RecordPlan
    operations: tuple[Operation, ...]
    at_rest: bool
    """Whether it serves everywhere already, and nothing else is to be done."""
    world: World = field(repr=False)
    """What it follows from."""

    @property
    def basis(self) -> Facts:
        """The facts that it follows from: when they change, it has to be made anew."""
        return facts.facts_of(self.world)

    def lines(self) -> list[str]:
        """Each operation in a line."""
        return [str(operation) for operation in self.operations]

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with anything that the plan would do."""
        return digest_of(self.lines())


def plan_rollback(
    world: World, owner: str, spec: EnvironmentSpec, service: ServiceSpec, release: str | None = None
) -> RollbackPlan:
    """The release that all droplets of the service go back to, and what is done for it.

    Without a release it is the older one that they have kept. Where they serve different releases, a change was cut
    off in its middle: then it is the oldest that serves. It never goes forward unless a release is named.

    Raises:
        TransientError: a droplet of the environment did not answer.
        InvalidInput: the service runs nowhere, a droplet has not kept the release, or a name of it is taken.
    """
    name = naming.container(owner, spec, service.name)
    plan.check_reachable(world.hosts)
    hosts = sorted((host for host in world.hosts if host.find(name)), key=lambda host: host.droplet.name)
    if not hosts:
        raise InvalidInput(f"{service.name} runs on no droplet of {naming.environment(spec)}.", hint="Deploy it.")
    target = release or _target(hosts, name)
    chosen = {host.droplet.name: _kept(host, name, target) for host in hosts}
    _check_kept(hosts, name, target, chosen)
    found = {droplet: seen for droplet, seen in chosen.items() if seen}
    domains = tuple(sorted({domain for seen in found.values() for domain in seen.hosts}))
    records.check_domains(world, owner, spec, service.name, domains)
    droplets = tuple(host.droplet for host in hosts)
    pointers = [Pointer(d, one.name, one.public_address) for one in droplets for d in found[one.name].hosts]
    ours = records.ours(world, owner, spec, service.name)
    dns = records.plan_records(ours, pointers, droplets, (), naming.comment_mark(owner, spec, service.name))
    current = {host.droplet.name: seen.release for host in hosts if (seen := host.find(name))}
    return RollbackPlan(
        container=name,
        release=target,
        hosts=droplets,
        before=Before(current, ours),
        domains=domains,
        records=dns,
        operations=(*operations.back(current, target), *operations.records(dns)),
        at_rest=not dns.changes
        and set(current.values()) == {target}
        and all(plan.is_at_rest(host, name, service) for host in hosts),
        world=world,
    )


def _target(hosts: Sequence[Host], name: str) -> str:
    serving = {seen.release for host in hosts if (seen := host.find(name))}
    if len(serving) > 1:
        return min(serving)
    kept = {seen.release for host in hosts if (seen := host.find(name, "previous"))}
    older = {release for release in kept if release < min(serving)}
    if not older:
        newer = f"; {max(kept)}, which they have kept, is newer" if kept else ""
        raise InvalidInput(
            f"No droplet has kept a release older than {min(serving)}, which serves{newer}.",
            hint="Name the release to go to it all the same, or deploy." if kept else "Deploy what is wanted instead.",
        )
    return max(older)


def _kept(host: Host, name: str, release: str) -> Container | None:
    kept = (host.find(name, "current"), host.find(name, "previous"))
    return next((seen for seen in kept if seen and seen.release == release), None)


def _check_kept(hosts: Sequence[Host], name: str, release: str, chosen: dict[str, Container | None]) -> None:
    missing = [host for host in hosts if chosen[host.droplet.name] is None]
    if not missing:
        return
    has = "; ".join(f"{host.droplet.name} has {_inventory(host, name)}" for host in missing)
    raise InvalidInput(
        f"{release} cannot serve everywhere, so nothing has been changed: {has}.",
        hint="Choose a release that every droplet has, or deploy.",
    )


def _inventory(host: Host, name: str) -> str:
    return ", ".join(f"{seen.release} ({seen.role})" for seen in host.all_of(name)) or "nothing"
