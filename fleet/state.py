"""What we observe, as frozen values: never a vendor's type, never a wire model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fleet.spec import Maintenance

DropletStatus = Literal["new", "active", "off", "archive"]
ActionStatus = Literal["in-progress", "completed", "errored"]
Role = Literal["current", "candidate", "previous", "kept", "parked"]
VerdictWord = Literal["healthy", "degraded", "unhealthy", "unknown"]


@dataclass(frozen=True)
class Droplet:
    """A droplet as the provider shows it; addresses are empty until it has them."""

    id: int
    name: str
    status: DropletStatus
    region: str
    size: str
    image: str
    """The id of the image or snapshot that it was made from, as a string."""
    tags: frozenset[str]
    public_address: str | None
    private_address: str | None
    created_at: datetime
    memory_mib: int = 0


@dataclass(frozen=True)
class TokenFacts:
    """What a provider tells of a token."""

    expires: datetime | None
    """None: it does not end by itself, as far as is known."""
    zones: tuple[str, ...]
    """Some of the zones that it sees: more than one is more than it needs."""


@dataclass(frozen=True)
class DropletRequest:
    """A droplet to make; `intent` is its idempotency key, carried as a tag and looked for before creating."""

    name: str
    region: str
    size: str
    image: str
    tags: frozenset[str]
    intent: str
    user_data: str = ""
    ssh_keys: tuple[int, ...] = ()
    vpc: str | None = None


@dataclass(frozen=True)
class Action:
    """An asynchronous change of a droplet."""

    id: int
    type: str
    status: ActionStatus


@dataclass(frozen=True)
class Snapshot:
    """A droplet snapshot; `size_gigabytes` is what is billed."""

    id: str
    name: str
    regions: tuple[str, ...]
    min_disk_gb: int
    size_gigabytes: float
    created_at: datetime
    tags: frozenset[str] = frozenset()
    description: str = ""
    droplet: int | None = None
    """The droplet that it was taken of, which may be gone."""


@dataclass(frozen=True)
class Size:
    """A size that droplets come in; `available` says whether any can be made now."""

    slug: str
    memory_mib: int
    disk_gb: int
    regions: tuple[str, ...]
    available: bool
    dollars: float = 0.0
    """What a droplet of it costs a month; 0: nobody has said."""


@dataclass(frozen=True)
class Rule:
    """Inbound TCP ports (`443`, `0` for all) and who may use them: addresses (CIDR) or droplets by tag."""

    ports: str
    addresses: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Firewall:
    """Inbound rules for the droplets of some tags; outbound is always open."""

    id: str
    name: str
    inbound: tuple[Rule, ...]
    tags: tuple[str, ...]
    settled: bool = True
    """False while the provider still applies changes."""


@dataclass(frozen=True)
class Record:
    """A DNS record; `ours` is decided by its comment, never by its name."""

    id: str
    name: str
    type: str
    content: str
    proxied: bool
    comment: str
    ttl: int = 1
    """Seconds; 1: as Cloudflare thinks fit, which it always is for a proxied one."""


@dataclass(frozen=True)
class Container:
    """A managed container on a droplet, with its verdict."""

    name: str
    role: Role
    release: str
    image: str
    status: str
    restarts: int
    hosts: tuple[str, ...] = ()
    verdict: VerdictWord = "unknown"
    reason: str = ""
    started_at: datetime | None = None
    memory_mib: int = 0

    @property
    def runs(self) -> bool:
        """Whether its process is there, or is being restarted by Docker."""
        return self.status in ("running", "restarting")


@dataclass(frozen=True)
class Route:
    """One name that a droplet's nginx serves, and the release that it is sent to."""

    host: str
    container: str
    release: str
    page: Maintenance | None = None
    """What visitors get instead; None: requests go to the release."""


@dataclass(frozen=True)
class Image:
    """A container image on a droplet: the digest of its configuration, and its layers (diff ids), lowest first."""

    id: str
    layers: tuple[str, ...]
    size: int
    sizes: tuple[int, ...] = ()
    """Bytes of those of its layers that hold anything, topmost first; empty: nobody has said."""

    @property
    def short(self) -> str:
        """The first digits of its id, for people."""
        return self.id.removeprefix("sha256:")[:12]

    def weight(self, layers: int) -> int:
        """At most so many bytes are in its topmost layers; where their sizes are not known, in the whole image."""
        return sum(self.sizes[:layers]) if self.sizes else self.size


@dataclass(frozen=True)
class Inventory:
    """What is on a droplet beside our containers: whoever's they are, they go with the droplet."""

    strangers: tuple[str, ...] = ()
    """Names of containers that are not ours."""
    volumes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    """Ids of images that a prune would remove."""


@dataclass(frozen=True)
class Host:
    """A droplet and what its agent said; `containers` is empty and `error` set when it did not answer."""

    droplet: Droplet
    containers: tuple[Container, ...] = ()
    error: str | None = None
    routes: tuple[Route, ...] | None = None
    """None: nobody could say, e.g. because nginx is down."""
    inventory: Inventory | None = None
    """None: it was not asked, or its agent is too old to say."""

    def all_of(self, name: str) -> tuple[Container, ...]:
        """The containers of one service here, of whatever role."""
        return tuple(seen for seen in self.containers if seen.name == name)

    def find(self, name: str, role: Role = "current") -> Container | None:
        """The container of one service here that has this role."""
        return next((seen for seen in self.all_of(name) if seen.role == role), None)

    def page_of(self, name: str) -> Maintenance | None:
        """The maintenance page that a service's names show here."""
        return next((one.page for one in self.routes or () if one.container == name and one.page), None)

    def older(self, name: str) -> tuple[Container, ...]:
        """What one service can go back to here: the previous release, then the others that are kept, newest first."""
        found = [seen for seen in self.all_of(name) if seen.role in ("previous", "kept")]
        return tuple(sorted(found, key=lambda seen: (seen.role == "previous", seen.release), reverse=True))


@dataclass(frozen=True)
class Weight:
    """What would travel of an image that is known before a deploy, in bytes."""

    whole: int
    """All of its layers: what a droplet that is yet to be made lacks."""
    lacking: Mapping[str, int]
    """What each droplet lacks, by its name; one that could not be asked is not in it."""


@dataclass(frozen=True)
class World:
    """Everything a plan may depend on."""

    hosts: tuple[Host, ...]
    records: tuple[Record, ...] = ()
    firewalls: tuple[Firewall, ...] = field(default=())
    tags: Mapping[str, int] = field(default_factory=dict)
    """The account's tags, and how many things carry each; only where somebody asked for them."""
    edge: tuple[str, ...] = ()
    """Addresses (CIDR) that the edge connects from."""
    content: str = ""
    """What stands for what the service's image is made of; only where somebody is to approve it."""
    weight: Weight | None = None
    """What of the image is to travel; None: only its build or pull can tell. Shown, and nothing follows from it."""

    def page_of(self, name: str) -> Maintenance | None:
        """The maintenance page of a service: it is under maintenance for as long as it is so on any droplet."""
        return next((page for host in self.hosts if (page := host.page_of(name))), None)

    def showing(self, name: str, page: Maintenance | None) -> set[str]:
        """The droplets on which the service's names show this page."""
        return {host.droplet.name for host in self.hosts if host.page_of(name) == page}


@dataclass(frozen=True)
class Before:
    """What served before a change: what a change that fails is taken back to."""

    releases: Mapping[str, str]
    """The current release of a service, by droplet."""
    records: tuple[Record, ...]
    """All records of the service."""
    previous: Mapping[str, str] = field(default_factory=dict)
    """The previous release of a service, by droplet; where there is none, nothing."""
