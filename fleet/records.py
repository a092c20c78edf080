"""Which of a service's DNS records stay, come and go: a record leads only to a droplet that serves its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet import naming
from fleet.errors import InvalidInput
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet, Record, World

ROUTING = ("A", "AAAA", "CNAME", "HTTPS", "SVCB")
"""Records that decide where a name's requests go; others (TXT, MX, CAA …) may stand beside ours."""


@dataclass(frozen=True)
class Pointer:
    """A record that there should be: a name, and the droplet that serves it (which may have no address yet)."""

    name: str
    droplet: str
    address: str | None = None


@dataclass(frozen=True)
class RecordPlan:
    """All records of a service, by what happens to them."""

    keep: tuple[Record, ...] = ()
    add: tuple[Pointer, ...] = ()
    """Made, or brought to what they should be, once the droplet serves the name."""
    drop: tuple[Record, ...] = ()
    """Names that the droplets will serve no more: removed before the switch."""
    stale: tuple[Record, ...] = ()
    """To droplets that are gone: removed once the others serve, but for those that a new droplet takes over."""
    left: tuple[Record, ...] = ()
    """To droplets that the service leaves: removed once all is well, before it goes from there."""

    @property
    def changes(self) -> bool:
        """Whether any record has to be touched."""
        return bool(self.add or self.drop or self.stale or self.left)


def ours(world: World, owner: str, spec: EnvironmentSpec, service: str) -> tuple[Record, ...]:
    """The records that we made for this service."""
    return tuple(one for one in world.records if naming.is_ours(one.comment, owner, spec, service))


def plan_records(
    found: Sequence[Record], pointers: Iterable[Pointer], used: Iterable[Droplet], left: Iterable[Droplet], mark: str
) -> RecordPlan:
    """What becomes of the records `found`, all ours, when `pointers` shall lead to the droplets `used` only."""
    wanted = list(pointers)
    right = {(one.name, one.address, f"{mark} {one.droplet}") for one in wanted if one.address}
    keep = [one for one in found if (one.name, one.content, one.comment) in right and one.type == "A"]
    kept = {(one.name, one.content) for one in keep}
    pairs = {(one.name, one.address) for one in wanted if one.address}
    rest = [one for one in found if (one.name, one.content) not in pairs or one.type != "A"]
    here, leaving = ({one.public_address for one in droplets} for droplets in (used, left))
    return RecordPlan(
        keep=tuple(keep),
        add=tuple(one for one in wanted if (one.name, one.address) not in kept),
        drop=tuple(one for one in rest if one.content in here),
        stale=tuple(one for one in rest if one.content not in here | leaving),
        left=tuple(one for one in rest if one.content in leaving),
    )


def check_domains(world: World, owner: str, spec: EnvironmentSpec, service: str, domains: Iterable[str]) -> None:
    """Whether these domains are free or the service's own.

    Raises:
        InvalidInput: another service has one, or a record that is not ours does.
    """
    name, wanted = naming.container(owner, spec, service), set(domains)
    for host in world.hosts:
        for seen in host.containers:
            taken = sorted(wanted & set(seen.hosts))
            if taken and seen.name != name and seen.role == "current":
                raise InvalidInput(
                    f"{taken[0]} is served by {seen.name} on {host.droplet.name} already.",
                    hint="Give this service another domain, or undeploy that one first.",
                )
    for record in world.records:
        concerns = record.name in wanted and record.type in ROUTING
        if concerns and not naming.is_ours(record.comment, owner, spec, service):
            raise InvalidInput(
                f"The zone has a record {record.name} ({record.type} {record.content}) that is not this service's.",
                hint="Delete it in Cloudflare if it is not needed, or give the service another domain.",
            )
