"""What goes in an undeploy, in values that print themselves; `fleet.removal` finds it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from fleet import naming, plan
from fleet.naming import Tombstone
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet, Firewall, Record

What = Literal["A record", "route", "container", "volume", "images", "droplet", "firewall", "tag"]


@dataclass(frozen=True)
class Scope:
    """What is to go, and from where."""

    owner: str
    environment: EnvironmentSpec
    service: str | None
    """None: all services of the environment."""
    since: datetime
    """When this was asked for."""
    droplet: str | None = None
    """None: all droplets of the environment."""
    destroy_empty: bool = False
    """Whether droplets that are empty then go too."""
    volumes: tuple[str, ...] = ()
    """Names of volumes that go with their service; all others stay."""

    def takes(self, container: str) -> bool:
        """Whether a container of this name goes."""
        match = naming.CONTAINER.fullmatch(container)
        if match is None:
            return False
        name = naming.ContainerName(*match.groups())
        ours = (self.owner, self.environment.project, self.environment.name)
        return (name.owner, name.project, name.environment) == ours and self.service in (None, name.service)

    def volume(self, name: str) -> str | None:
        """The volume's own name when Docker's name for it says that it goes; else None."""
        container, _, volume = name.rpartition("_")
        return volume if volume in self.volumes and self.takes(container) else None

    def takes_record(self, record: Record) -> bool:
        """Whether a record goes: it is ours, of a service and for a droplet that are meant."""
        service = naming.service_of_comment(record.comment, self.owner, self.environment)
        meant = service is not None and self.service in (None, service)
        return meant and self.droplet in (None, naming.droplet_of(record.comment))

    @property
    def title(self) -> str:
        """What goes, in a word or two."""
        return self.service or "everything"


class Item(NamedTuple):
    """One thing that goes, in words: the same thing has the same first three before and after."""

    what: What
    name: str
    where: str
    now: str = "there"

    @property
    def line(self) -> str:
        """The operation in a line."""
        return f"remove {self.what} {self.name}{f' {self._where}' if self.where else ''}"

    @property
    def _where(self) -> str:
        return f"to {self.where}" if self.what == "A record" else f"from {self.where}"


@dataclass(frozen=True)
class Departure:
    """A service that goes from a droplet: nginx first, then its containers."""

    droplet: Droplet
    container: str
    hosts: tuple[str, ...]
    """Names that nginx sends to it."""
    releases: tuple[tuple[str, str], ...]
    """Its containers there: role and release."""
    newest: str = ""
    """The newest release of it that is there, as a container or as a route."""

    def items(self) -> list[Item]:
        """What goes."""
        where, held = self.droplet.name, [Item("route", host, self.droplet.name, self.container) for host in self.hosts]
        named = ", ".join(f"{role} {release}" for role, release in self.releases)
        return [*held, Item("container", self.container, where, named)] if self.releases else held


@dataclass(frozen=True)
class Pending:
    """A droplet that does not answer: what is still to go from it is kept on it, as a tag."""

    droplet: Droplet
    tombstone: Tombstone
    reason: str
    placed: bool
    """Whether it carries the tag already."""
    outdated: tuple[str, ...] = ()
    """Its tags that this one takes the place of."""


@dataclass(frozen=True)
class UndeployPlan:
    """What an undeploy will do, in this order."""

    records: tuple[Record, ...] = ()
    pending: tuple[Pending, ...] = ()
    departures: tuple[Departure, ...] = ()
    volumes: tuple[tuple[Droplet, str], ...] = ()
    """Volumes that were named, by droplet and by Docker's name."""
    prunes: tuple[tuple[Droplet, int], ...] = ()
    """Droplets with images that nothing uses, and how many; 0 where that is known only afterwards."""
    destroyed: tuple[Droplet, ...] = ()
    firewall: Firewall | None = None
    tags: tuple[str, ...] = ()
    settled: tuple[tuple[Droplet, str], ...] = ()
    """Tombstones that are done with: droplet and tag."""
    spared: tuple[str, ...] = field(default=(), compare=False)
    """What stays although somebody might expect that it goes, and why."""

    def items(self) -> list[Item]:
        """Each thing that goes."""
        return [
            *(Item("A record", one.name, one.content, one.comment) for one in self.records),
            *(item for one in self.departures for item in one.items()),
            *(Item("volume", name, one.name) for one, name in self.volumes),
            *(Item("images", "that nothing uses", one.name, _counted(count)) for one, count in self.prunes),
            *(Item("droplet", one.name, "", f"{one.status}, {one.public_address}") for one in self.destroyed),
            *([Item("firewall", self.firewall.name, "")] if self.firewall else []),
            *(Item("tag", tag, "") for tag in self.tags),
        ]

    def lines(self) -> list[str]:
        """Each operation in a line."""
        pending = [f"leave {one.droplet.name} pending: {one.reason}" for one in self.pending]
        return [item.line for item in self.items()] + pending

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with anything that the plan would do."""
        return plan.digest_of(self.lines())


def _counted(images: int) -> str:
    return f"{images} of them" if images else "those that the service leaves"
