"""From the world as it is to the world as it should be: a pure function, whose result prints itself in lines.

A plan changes nothing. Whoever carries it out observes again at the next run, and the plan of that run is the recovery.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet import naming
from fleet.errors import InvalidInput, TransientError
from fleet.spec import EnvironmentSpec, ServiceSpec
from fleet.state import Container, Droplet, DropletRequest, Host, Record, World

SYSTEM_MIB = 256
"""Memory that a droplet keeps for itself: kernel, dockerd, nginx, agent."""


ROUTING = ("A", "AAAA", "CNAME", "HTTPS", "SVCB")
"""Records that decide where a name's requests go; others (TXT, MX, CAA …) may stand beside ours."""


@dataclass(frozen=True)
class DeployPlan:
    """What a deploy will do: on these droplets, and on those yet to be made."""

    container: str
    keep: tuple[Droplet, ...]
    """Droplets that serve already, or that have room for it."""
    create: tuple[DropletRequest, ...]
    current: dict[str, str]
    """The release that serves now, by droplet."""
    stale: tuple[Record, ...]
    """Records of ours for this service whose host, or whose name, is not part of it any more."""

    def lines(self) -> list[str]:
        """Each operation in a line."""
        return [
            *(f"create droplet {new.name} ({new.size} in {new.region}, from {new.image})" for new in self.create),
            *(f"use droplet {old.name} ({self._now(old.name)})" for old in self.keep),
            *(f"remove A record {record.name} to {record.content}: it is out of use" for record in self.stale),
        ]

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with anything that the plan would do."""
        return digest_of(self.lines())

    def _now(self, droplet: str) -> str:
        release = self.current.get(droplet)
        return f"serves release {release}" if release else "does not serve it yet"


def plan_deploy(world: World, owner: str, spec: EnvironmentSpec, service: ServiceSpec, seed: str) -> DeployPlan:
    """Where the service will run, and what has to be made for that.

    It stays where it is, also where it is on more droplets than asked for (an undeploy takes it off one); then come
    the least loaded droplets that have the snapshot and the memory; then new ones, named after `seed`, which must be
    random: a name, and with it a droplet's secret, is never used again.

    Raises:
        TransientError: a droplet that may run the service did not answer; nothing is done about what cannot be seen.
        InvalidInput: a domain belongs to something else, or there is no snapshot to make a droplet from.
    """
    name = naming.container(owner, spec, service.name)
    check_reachable(world.hosts)
    check_domains(world, owner, spec, service)
    naming.comment(owner, spec, service.name, naming.droplet(spec, seed))
    keep = _placed(world.hosts, name, spec, service)
    wanted = max(service.replicas - len(keep), 0)
    if wanted and not spec.snapshot:
        raise InvalidInput(
            f"{service.name} needs {wanted} more droplets; {naming.environment(spec)} has no snapshot for them.",
            hint="Run build-snapshot, then choose the snapshot in the run form or in the Environment block.",
        )
    addresses = {droplet.public_address for droplet in keep}
    records = [record for record in world.records if naming.is_ours(record.comment, owner, spec, service.name)]
    return DeployPlan(
        container=name,
        keep=keep,
        create=tuple(_request(spec, f"{seed}-{number}") for number in range(wanted)),
        current={host.droplet.name: seen.release for host in world.hosts for seen in _current(host, name)},
        stale=tuple(one for one in records if one.content not in addresses or one.name not in service.domains),
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


def check_domains(world: World, owner: str, spec: EnvironmentSpec, service: ServiceSpec) -> None:
    """Whether the service's domains are free or its own.

    Raises:
        InvalidInput: another service has one, or a record that is not ours does.
    """
    name = naming.container(owner, spec, service.name)
    wanted = set(service.domains)
    running = [(host.droplet.name, seen) for host in world.hosts for seen in host.containers]
    for droplet, seen in running:
        taken = sorted(wanted & set(seen.hosts))
        if taken and seen.name != name and seen.role == "current":
            raise InvalidInput(
                f"{taken[0]} is served by {seen.name} on {droplet} already.",
                hint="Give this service another domain, or undeploy that one first.",
            )
    for record in world.records:
        concerns = record.name in wanted and record.type in ROUTING
        if concerns and not naming.is_ours(record.comment, owner, spec, service.name):
            raise InvalidInput(
                f"The zone has a record {record.name} ({record.type} {record.content}) that is not this service's.",
                hint="Delete it in Cloudflare if it is not needed, or give the service another domain.",
            )


def _placed(hosts: tuple[Host, ...], name: str, spec: EnvironmentSpec, service: ServiceSpec) -> tuple[Droplet, ...]:
    serving = [host for host in hosts if any(seen.name == name for seen in host.containers)]
    free = [host for host in hosts if host not in serving and _fits(host, spec, service)]
    missing = max(service.replicas - len(serving), 0)
    chosen = sorted(free, key=lambda host: (_used(host), host.droplet.name))[:missing]
    return tuple(sorted((host.droplet for host in serving + chosen), key=lambda droplet: droplet.name))


def _fits(host: Host, spec: EnvironmentSpec, service: ServiceSpec) -> bool:
    room = host.droplet.memory_mib - SYSTEM_MIB - _used(host)
    like_new = (host.droplet.image, host.droplet.region) == (spec.snapshot, spec.region)
    return host.droplet.status == "active" and like_new and room >= service.memory_mib


def _used(host: Host) -> int:
    return sum(seen.memory_mib for seen in host.containers if seen.role == "current")


def _current(host: Host, name: str) -> list[Container]:
    return [seen for seen in host.containers if seen.name == name and seen.role == "current"]


def _request(spec: EnvironmentSpec, intent: str) -> DropletRequest:
    return DropletRequest(
        name=naming.droplet(spec, intent),
        region=spec.region,
        size=spec.size,
        image=spec.snapshot or "",
        tags=naming.droplet_tags(spec),
        intent=intent,
    )


def digest_of(lines: Sequence[str]) -> str:
    """Twelve hex digits that stand for these lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
