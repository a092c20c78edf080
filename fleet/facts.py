"""The world in words: what a plan depends on, as lines that can be hashed and compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleet.state import Container, Firewall, Host, Record, World

Facts = Mapping[str, str]
"""What is seen, by what it is seen of; two worlds for which a plan may differ have other facts."""
NOTHING = "not there"


@dataclass(frozen=True)
class Moved:
    """One thing that is not as it was."""

    what: str
    old: str
    new: str

    def __str__(self) -> str:
        """In a line."""
        return f"{self.what}: was {self.old}; is {self.new}"


def facts_of(world: World) -> dict[str, str]:
    """All that a plan may depend on, in words; counters and times that change by themselves are left out."""
    found = dict(fact for host in world.hosts for fact in _host(host))
    found |= {f"{one.type} record {one.name} ({one.id})": _record(one) for one in world.records}
    found |= {f"firewall {one.name}": _firewall(one) for one in world.firewalls}
    found |= {"content of the image": world.content} if world.content else {}
    return {**found, "addresses of the edge": ", ".join(sorted(world.edge)) or NOTHING}


def moved(old: Facts, new: Facts) -> tuple[Moved, ...]:
    """What differs, in the order of its name."""
    pairs = ((what, old.get(what, NOTHING), new.get(what, NOTHING)) for what in sorted({*old, *new}))
    return tuple(Moved(what, was, now) for what, was, now in pairs if was != now)


def digest(facts: Facts) -> str:
    """Twelve hex digits that change with any of the facts."""
    return digest_of([f"{what}: {seen}" for what, seen in sorted(facts.items())])


def digest_of(lines: Sequence[str]) -> str:
    """Twelve hex digits that stand for these lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _host(host: Host) -> Iterator[tuple[str, str]]:
    seen = host.droplet
    where = f"{seen.public_address or 'no address'}, from {seen.image} in {seen.region}"
    yield f"droplet {seen.name} ({seen.id})", f"{seen.status} at {where}, {seen.memory_mib} MiB"
    if host.error:
        yield f"agent of {seen.name}", f"silent: {host.error}"
    for one in host.containers:
        which = f"kept {one.release}" if one.role == "kept" else one.role
        yield f"{which} container {one.name} on {seen.name}", _container(one)
    for route in host.routes or ():
        page = f", behind a {route.page}" if route.page else ""
        yield f"route {route.host} on {seen.name}", f"to {route.container}, release {route.release}{page}"


def _container(seen: Container) -> str:
    names = f", for {', '.join(sorted(seen.hosts))}" if seen.hosts else ""
    state = "runs" if seen.runs else "stopped"
    return f"release {seen.release} of image {seen.image}, {state}, {seen.memory_mib} MiB{names}"


def _record(seen: Record) -> str:
    how = "proxied" if seen.proxied else "not proxied"
    lives = f", TTL {seen.ttl} s" if seen.ttl != 1 else ""
    return f"to {seen.content}, {how}{lives}, comment {seen.comment!r}"


def _firewall(seen: Firewall) -> str:
    rules = (f"{one.ports} from {', '.join(sorted([*one.addresses, *one.tags]))}" for one in seen.inbound)
    return f"{'; '.join(sorted(rules))}; for {', '.join(sorted(seen.tags))}"
