"""Where a service runs: it stays where it is, then the least loaded droplets come, then new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.spec import EnvironmentSpec, ServiceSpec
from fleet.state import Host

SYSTEM_MIB = 256
"""Memory that a droplet keeps for itself: kernel, dockerd, nginx, agent."""


@dataclass(frozen=True)
class Placement:
    """The droplets that a service keeps or comes to, those that it leaves, and how many have to be made."""

    keep: tuple[Host, ...]
    drain: tuple[Host, ...]
    missing: int


def place(hosts: Sequence[Host], name: str, spec: EnvironmentSpec, service: ServiceSpec) -> Placement:
    """On as many droplets as asked for.

    When they are too many, it leaves first those where it does not serve, then the most loaded, then the newest; never
    one that holds a volume of it. When they are too few, the least loaded of those come that have the snapshot and the
    memory, and what is missing then has to be made.
    """
    pinned = [host for host in hosts if _is_pinned(host, name, service)]
    movable = sorted((one for one in hosts if one.all_of(name) and one not in pinned), key=lambda one: _last(one, name))
    most = max(service.replicas - len(pinned), 0)
    serving = [*pinned, *movable[:most]]
    free = [host for host in hosts if host not in [*pinned, *movable] and _fits(host, spec, service)]
    wanted = max(service.replicas - len(serving), 0)
    chosen = sorted(free, key=lambda host: (used(host), host.droplet.name))[:wanted]
    return Placement(_by_name([*serving, *chosen]), _by_name(movable[most:]), wanted - len(chosen))


def _is_pinned(host: Host, name: str, service: ServiceSpec) -> bool:
    """Whether the service belongs here: its data is here, or nobody can say whether there is any."""
    here = bool(host.all_of(name))
    if host.inventory is None:
        return here and bool(service.volumes)
    data = any(volume.startswith(f"{name}_") for volume in host.inventory.volumes)
    return data and (here or bool(service.volumes))


def used(host: Host) -> int:
    """Memory (MiB) that the services on a droplet may use."""
    return sum(seen.memory_mib for seen in host.containers if seen.role == "current")


def _last(host: Host, name: str) -> tuple[bool, int, object, str]:
    """Sorts the droplets that are left first to the end."""
    return host.find(name) is None, used(host), host.droplet.created_at, host.droplet.name


def _fits(host: Host, spec: EnvironmentSpec, service: ServiceSpec) -> bool:
    room = host.droplet.memory_mib - SYSTEM_MIB - used(host)
    like_new = (host.droplet.image, host.droplet.region) == (spec.snapshot, spec.region)
    return host.droplet.status == "active" and like_new and room >= service.memory_mib


def _by_name(hosts: Sequence[Host]) -> tuple[Host, ...]:
    return tuple(sorted(hosts, key=lambda host: host.droplet.name))
