"""Back to a release that the droplets have kept: a pure function, like `fleet.plan`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fleet import facts, naming, operations, plan, records
from fleet.errors import InvalidInput
from fleet.facts import Facts, digest_of
from fleet.operations import Operation
from fleet.records import Pointer, RecordPlan
from fleet.spec import EnvironmentSpec, Maintenance, ServiceSpec
from fleet.state import Before, Container, Droplet, Host, World


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback will do: the same release on all droplets of the service."""

    container: str
    release: str
    hosts: tuple[Droplet, ...]
    strays: tuple[Droplet, ...]
    """Droplets that never served it, where a change that was cut off has left a candidate that runs."""
    before: Before
    domains: tuple[str, ...]
    """The names that the release serves, which are not always those of today's specification."""
    records: RecordPlan
    maintenance: Maintenance | None
    """The page that visitors get before and after, on every droplet."""
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

    Without a release it is the previous one. Where they serve different releases, a change was cut off in its middle:
    then it is the oldest that serves; and where a newer one that no longer serves still runs, the one that serves.
    It never goes forward unless a release is named.

    Raises:
        TransientError: a droplet of the environment did not answer.
        InvalidInput: the service runs nowhere, a droplet has not kept the release, or a name of it is taken.
    """
    name = naming.container(owner, spec, service.name)
    hosts = _serving(world, name, spec, service)
    target = release or _target(hosts, name)
    found = _find_kept(hosts, name, target)
    domains = tuple(sorted({domain for seen in found.values() for domain in seen.hosts}))
    records.check_domains(world, owner, spec, service.name, domains)
    droplets = tuple(host.droplet for host in hosts)
    pointers = [Pointer(d, one.name, one.public_address) for one in droplets for d in found[one.name].hosts]
    ours = records.ours(world, owner, spec, service.name)
    dns = records.plan_records(ours, pointers, droplets, (), naming.comment_mark(owner, spec, service.name))
    current, page, strays = plan.releases(hosts, name), world.page_of(name), _strays(world.hosts, name)
    shown = operations.page(page, set(current) <= world.showing(name, page))
    return RollbackPlan(
        container=name,
        release=target,
        hosts=droplets,
        strays=tuple(strays),
        before=Before(current, ours, plan.releases(hosts, name, "previous")),
        domains=domains,
        records=dns,
        maintenance=page,
        operations=(*operations.back(current, target), *shown, *operations.records(dns), *operations.strays(strays)),
        at_rest=not (dns.changes or strays)
        and set(current.values()) == {target}
        and all(plan.is_at_rest(host, name, service, page) for host in hosts),
        world=world,
    )


def _serving(world: World, name: str, spec: EnvironmentSpec, service: ServiceSpec) -> list[Host]:
    """The droplets that the service runs on, by their names."""
    plan.check_reachable(world.hosts)
    hosts = sorted((host for host in world.hosts if host.find(name)), key=lambda host: host.droplet.name)
    if not hosts:
        raise InvalidInput(f"{service.name} runs on no droplet of {naming.environment(spec)}.", hint="Deploy it.")
    return hosts


def _find_kept(hosts: Sequence[Host], name: str, target: str) -> dict[str, Container]:
    """The release as each droplet has it."""
    chosen = {host.droplet.name: _kept(host, name, target) for host in hosts}
    _check_kept(hosts, name, target, chosen)
    return {droplet: seen for droplet, seen in chosen.items() if seen}


def _target(hosts: Sequence[Host], name: str) -> str:
    serving = set(plan.releases(hosts, name).values())
    if len(serving) > 1:
        return min(serving)
    now = min(serving)
    if any(seen.runs for host in hosts if (seen := host.find(name, "previous")) and seen.release > now):
        return now  # a rollback was cut off before the release that it left was stopped everywhere
    before = {release for host in hosts if (release := _before(host, name, now))}
    if before and max(before) < now:
        return max(before)
    kept = sorted({seen.release for host in hosts for seen in host.older(name)})
    why = f"The release before {now}, which serves, is {max(before)}, a newer one" if before else ""
    raise InvalidInput(
        f"{why or f'No droplet has kept a release older than {now}, which serves'}.",
        hint=f"Name the one to go to, of {', '.join(kept)}, or deploy." if kept else "Deploy what is wanted instead.",
    )


def _before(host: Host, name: str, now: str) -> str | None:
    """What served before on a droplet; where a change that was cut off has left no previous one, the next older."""
    if previous := host.find(name, "previous"):
        return previous.release
    return max((seen.release for seen in host.older(name) if seen.release < now), default=None)


def _kept(host: Host, name: str, release: str) -> Container | None:
    kept = (host.find(name, "current"), *host.older(name))
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


def _strays(hosts: Sequence[Host], name: str) -> dict[Droplet, str]:
    """The candidates that run where the service has never served, by droplet; elsewhere the switch removes them."""
    found = {host.droplet: host.find(name, "candidate") for host in hosts if host.find(name) is None}
    return {droplet: seen.release for droplet, seen in found.items() if seen and seen.runs}


def _inventory(host: Host, name: str) -> str:
    return ", ".join(f"{seen.release} ({seen.role})" for seen in host.all_of(name)) or "nothing"


@dataclass(frozen=True)
class Kept:
    """An older release of a service that droplets have kept, and where."""

    container: str
    release: str
    image: str
    droplets: tuple[str, ...]
    """Those that have it, in order."""
    missing: tuple[str, ...]
    """Those of the service that have not: while there are any, it cannot be gone back to."""


def kept_releases(seen: Mapping[str, Iterable[Container]]) -> tuple[Kept, ...]:
    """Every release that can be gone back to somewhere, by what is on each droplet; services in order, newest first."""
    having: dict[tuple[str, str], dict[str, Container]] = {}
    found = [(droplet, one) for droplet, containers in seen.items() for one in containers]
    for droplet, one in found:
        if one.role in ("current", "previous", "kept"):
            having.setdefault((one.name, one.release), {})[droplet] = one
    older = {(one.name, one.release) for _, one in found if one.role in ("previous", "kept")}
    serving = [(one.name, droplet) for droplet, one in found if one.role == "current"]
    ordered = sorted(sorted(older, key=lambda one: one[1], reverse=True), key=lambda one: one[0])
    return tuple(_offer(*one, having[one], {droplet for name, droplet in serving if name == one[0]}) for one in ordered)


def _offer(name: str, release: str, having: Mapping[str, Container], users: set[str]) -> Kept:
    image = next(iter(having.values())).image
    return Kept(name, release, image, tuple(sorted(having)), tuple(sorted(users - having.keys())))
