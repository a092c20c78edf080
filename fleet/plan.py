"""From the world as it is to the world as it should be: a pure function, whose result prints itself in lines.

A plan changes nothing. Whoever carries it out observes again at the next run, and the plan of that run is the recovery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fleet import facts, naming, operations, records
from fleet.errors import InvalidInput, TransientError
from fleet.facts import Facts, digest_of
from fleet.firewalls import FirewallPlan, plan_firewall
from fleet.operations import Operation, Targets
from fleet.placement import Placement, place
from fleet.records import Pointer, RecordPlan
from fleet.spec import EnvironmentSpec, Maintenance, Scheduled, ServiceSpec
from fleet.state import Before, Droplet, DropletRequest, Host, Role, World

__all__ = ["Desired", "Plan", "check_reachable", "digest_of", "plan"]


@dataclass(frozen=True)
class Desired:
    """What a person wants; new droplets are named after `seed`, which must be random.

    A name, and with it a droplet's secret, is never used again.
    """

    owner: str
    environment: EnvironmentSpec
    service: ServiceSpec
    seed: str
    remove_empty: bool = False
    """Whether droplets of ours that are left without a container are destroyed."""

    @property
    def container(self) -> str:
        """The name of the service's containers."""
        return naming.container(self.owner, self.environment, self.service.name)


@dataclass(frozen=True)
class Plan:
    """What a deploy will do: on these droplets, and on those yet to be made."""

    container: str
    keep: tuple[Droplet, ...]
    """Droplets that serve already, or that have room for it."""
    create: tuple[DropletRequest, ...]
    drain: tuple[Droplet, ...]
    """Droplets that the service leaves, once it serves elsewhere."""
    destroy: tuple[Droplet, ...]
    """Those of them that nothing is left on."""
    before: Before
    firewall: FirewallPlan
    records: RecordPlan
    maintenance: Maintenance | None
    """The page that visitors get before and after, on every droplet."""
    operations: tuple[Operation, ...]
    at_rest: bool
    """Whether all is as it should be, but for the release, which only the image's build can tell."""
    world: World = field(repr=False)
    """What it follows from."""

    @property
    def current(self) -> Mapping[str, str]:
        """The release that serves now, by droplet."""
        return self.before.releases

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

    def is_done(self, release: str) -> bool:
        """Whether nothing is left to do, now that the release's name is known."""
        return self.at_rest and set(self.current.values()) == {release}


def plan(current: World, desired: Desired) -> Plan:
    """Where the service will run, and everything that is done for it.

    Raises:
        TransientError: a droplet that may run the service did not answer; nothing is done about what cannot be seen.
        InvalidInput: a domain belongs to something else, or there is no snapshot to make a droplet from.
    """
    spec, service, name = desired.environment, desired.service, desired.container
    check_marks(current.hosts, spec)
    used = [host for host in current.hosts if not _is_given_up(host, service.name)]
    check_reachable(used)
    records.check_domains(current, desired.owner, spec, service.name, service.domains)
    naming.comment(desired.owner, spec, service.name, naming.droplet(spec, desired.seed))
    placed = place(used, name, spec, service)
    _check_snapshot(placed.missing, spec, service)
    targets = _targets(current, desired, placed)
    ours = records.ours(current, desired.owner, spec, service.name)
    mark = naming.comment_mark(desired.owner, spec, service.name)
    dns = records.plan_records(ours, _pointers(targets, service), targets.keep, targets.drain, mark)
    wall = plan_firewall(current, spec)
    steady = not (targets.create or targets.drain or dns.changes) and wall.verb == "keep"
    return Plan(
        container=name,
        keep=tuple(targets.keep),
        create=tuple(targets.create),
        drain=tuple(targets.drain),
        destroy=tuple(targets.destroy),
        before=Before(targets.current, ours, releases(current.hosts, name, "previous")),
        firewall=wall,
        records=dns,
        maintenance=current.page_of(name),
        operations=tuple(_told(targets, desired, current, wall, dns)),
        at_rest=steady and all(is_at_rest(host, name, service, current.page_of(name)) for host in placed.keep),
        world=current,
    )


def _targets(current: World, desired: Desired, placed: Placement) -> Targets:
    """The droplets by what becomes of the service there."""
    name, service = desired.container, desired.service
    return Targets(
        create=tuple(_request(desired.environment, f"{desired.seed}-{number}") for number in range(placed.missing)),
        keep=tuple(host.droplet for host in placed.keep),
        drain=tuple(host.droplet for host in placed.drain),
        destroy=tuple(host.droplet for host in placed.drain if desired.remove_empty and _is_emptied(host, name)),
        current=releases(current.hosts, name),
        leaving={host.droplet.name: _leaving(host, name, service.keep_releases) for host in placed.keep},
    )


def releases(hosts: Iterable[Host], name: str, role: Role = "current") -> dict[str, str]:
    """The releases of a service that have this role, by droplet."""
    return {host.droplet.name: seen.release for host in hosts if (seen := host.find(name, role))}


def check_marks(hosts: Iterable[Host], spec: EnvironmentSpec) -> None:
    """Whether every droplet that carries the environment's tag was made here: its firewall is attached by that tag.

    Raises:
        InvalidInput: one was not, and would be changed by a deploy.
    """
    foreign = [host.droplet.name for host in hosts if not naming.is_our_droplet(host.droplet.tags)]
    if foreign:
        raise InvalidInput(
            f"{', '.join(foreign)} carries the tag {naming.environment_tag(spec)}, but was not made here.",
            hint="Take the tag off it in the control panel, then run this again.",
        )


def check_reachable(hosts: Iterable[Host]) -> None:
    """Whether every droplet answered.

    Raises:
        TransientError: one did not; the message names each.
    """
    silent = [f"{host.droplet.name} ({host.error})" for host in hosts if host.error]
    if silent:
        raise TransientError(
            f"These droplets cannot be seen, so nothing has been changed: {'; '.join(silent)}.",
            hint="Bring them back (or destroy them in the control panel), then run this again.",
        )


def _is_given_up(host: Host, service: str) -> bool:
    """Whether the service was taken off a droplet that does not answer: a tombstone says so, and it is not missed."""
    stones = naming.tombstones(host.droplet.tags).values()
    return host.error is not None and any(one.service in (None, service) for one in stones)


def is_at_rest(host: Host, name: str, service: ServiceSpec, page: Maintenance | None) -> bool:
    """Whether one release serves here, with its routes; nothing runs beside it, and no more are kept than wanted.

    A service under maintenance serves behind its page, which has to be the same everywhere.
    """
    current, seen = host.find(name), host.all_of(name)
    if current is None or host.routes is None or host.page_of(name) != page:
        return False
    if len(host.older(name)) > service.keep_releases:
        return False
    if any(one.runs for one in seen if one.role != "current") or not (current.runs or _waits(service)):
        return False
    routed = {(one.host, one.release) for one in host.routes if one.container == name}
    return routed == {(domain, current.release) for domain in current.hosts}


def _waits(service: ServiceSpec) -> bool:
    """Whether a container that does not run is as it should be: it waits for its next time."""
    return isinstance(service.runs, Scheduled)


def _leaving(host: Host, name: str, keep: int) -> tuple[str, ...]:
    """The releases that are too many once another is current: the oldest, but never what serves until then."""
    if host.find(name) is None:
        return ()
    return tuple(sorted((seen.release for seen in host.older(name)), reverse=True)[keep - 1 :])


def _check_snapshot(missing: int, spec: EnvironmentSpec, service: ServiceSpec) -> None:
    if missing and not spec.snapshot:
        raise InvalidInput(
            f"{service.name} needs {missing} more droplets; {naming.environment(spec)} has no snapshot for them.",
            hint="Run build-snapshot, then choose the snapshot in the run form or in the Environment block.",
        )


def _is_emptied(host: Host, name: str) -> bool:
    if host.inventory is None or host.inventory.strangers or host.inventory.volumes:
        return False
    return all(seen.name == name for seen in host.containers) and naming.is_our_droplet(host.droplet.tags)


def _pointers(targets: Targets, service: ServiceSpec) -> list[Pointer]:
    to = [(one.name, one.public_address) for one in targets.keep] + [(one.name, None) for one in targets.create]
    return [Pointer(domain, droplet, address) for droplet, address in to for domain in service.domains]


def _told(
    targets: Targets, desired: Desired, current: World, wall: FirewallPlan, dns: RecordPlan
) -> Iterable[Operation]:
    yield from operations.droplets(targets, desired.service)
    yield operations.firewall(wall)
    yield from operations.image(targets, desired.service.source, current.weight)
    yield from operations.containers(targets, desired.container)
    yield from operations.routes(targets, desired.service.domains)
    page = current.page_of(desired.container)
    yield from operations.page(page, set(targets.names) <= current.showing(desired.container, page))
    yield from operations.records(dns)


def _request(spec: EnvironmentSpec, intent: str) -> DropletRequest:
    return DropletRequest(
        name=naming.droplet(spec, intent),
        region=spec.region,
        size=spec.size,
        image=spec.snapshot or "",
        tags=naming.droplet_tags(spec),
        intent=intent,
    )
