"""What the rest of the project may ask of the clouds, in terms of `fleet.state`.

Every method makes the calls it needs once, never retries, and raises `TransientError` or `PermanentError`.
`read_*` has no effect, `ensure_*` may be repeated, `remove_*` succeeds when the thing is absent.
"""

from __future__ import annotations

from typing import Literal, Protocol

from fleet.origins import Pair, Pulls
from fleet.state import Action, Droplet, DropletRequest, Firewall, Record, Rule, Size, Snapshot, TokenFacts

ActionType = Literal["power_on", "power_off", "shutdown", "reboot", "power_cycle"]


class Droplets(Protocol):
    """Droplets of the account."""

    def read_tagged(self, tag: str) -> list[Droplet]:
        """All droplets that carry the tag (all pages). An empty list never means that all are gone."""

    def read_all(self) -> list[Droplet]:
        """All droplets of the account (all pages), ours and others."""

    def read(self, droplet_id: int) -> Droplet | None:
        """One droplet, or None when the provider says that it does not exist."""

    def ensure(self, request: DropletRequest) -> Droplet:
        """The droplet of this intent: looked up by its `op:` tag first, and again after a lost reply; else created."""

    def act(self, droplet_id: int, action: ActionType) -> Action:
        """Starts an action; a pending one of another kind is a `TransientError`."""

    def snapshot(self, droplet_id: int, name: str) -> Action:
        """Starts a snapshot of the droplet, which should be off."""

    def read_action(self, action_id: int) -> Action:
        """The action as it is now."""

    def remove(self, droplet_id: int) -> None:
        """Destroys one droplet of ours by its id; absent is fine, and one that is not ours is a `PermanentError`."""


class Snapshots(Protocol):
    """Droplet snapshots of the account."""

    def read_all(self) -> list[Snapshot]:
        """All droplet snapshots (all pages)."""

    def exists(self, snapshot_id: str) -> bool:
        """Whether a snapshot of this id is there, asked by the id itself: lists lag."""

    def describe(self, snapshot_id: str, description: str) -> None:
        """Writes the description."""

    def tag(self, snapshot_id: str, tags: frozenset[str]) -> None:
        """Adds tags (created when new)."""

    def remove(self, snapshot_id: str) -> None:
        """Deletes one snapshot by its id; absent is fine."""


class Firewalls(Protocol):
    """Cloud firewalls of the account."""

    def read(self, name: str) -> Firewall | None:
        """The firewall of that exact name."""

    def read_all(self) -> list[Firewall]:
        """All firewalls of the account (all pages), ours and others."""

    def ensure(self, name: str, inbound: tuple[Rule, ...], tags: tuple[str, ...]) -> Firewall:
        """Creates it or brings it to these rules and tags; outbound is open. It may not be settled yet.

        One of that name that is attached to none of our tags is not ours: a `PermanentError`, and no change.
        """

    def remove(self, name: str) -> None:
        """Deletes our firewall of that exact name; absent is fine, and one that is not ours is a `PermanentError`."""


class Tags(Protocol):
    """Tags of the account."""

    def read_all(self) -> dict[str, int]:
        """All tags (all pages), and how many things carry each; a firewall that is attached to one does not count."""

    def add(self, tag: str, droplet_id: int) -> None:
        """Puts a tag (made when new) on a droplet, which must be there."""

    def remove(self, tag: str, droplet_id: int) -> None:
        """Takes a tag off a droplet; an absent tag or droplet is fine."""

    def discard(self, tag: str) -> bool:
        """Deletes a tag that nothing carries, absent is fine; False, and no change, when something carries it."""


class Keys(Protocol):
    """SSH keys of the account, for bakes."""

    def ensure(self, name: str, public_key: str) -> int:
        """The key's id, added when it is new."""

    def remove_named(self, name: str) -> None:
        """Removes all keys of that exact name; absent is fine."""


class Account(Protocol):
    """What the token may see."""

    def read_owner(self) -> str:
        """Six hex digits that stand for the team (or the user without one); the same on every machine."""

    def read_missing(self) -> tuple[str, ...]:
        """The scopes to read that the token lacks; whether it may write, nobody tells before it does."""

    def read_sizes(self) -> list[Size]:
        """All sizes."""

    def read_regions(self) -> dict[str, bool]:
        """Region slugs, and whether droplets can be made there."""

    def read_excess(self) -> tuple[str, ...]:
        """What the token may read although Deployer never needs it; a refusal, or no word of it, is as it should be."""


class Dns(Protocol):
    """Records of one zone."""

    def read_zone(self) -> str:
        """The zone's name, proving that it exists and that the token may see it."""

    def read_token(self) -> TokenFacts:
        """What the provider tells of the token; one that is not active is `Refused`."""

    def read_records(self, name: str | None = None, comment: str | None = None) -> list[Record]:
        """Records with this exact name and whose comment contains this text (all pages)."""

    def ensure(
        self, name: str, address: str, comment: str, proxied: bool | None = None, ttl: int | None = None
    ) -> Record:
        """An A record with this name, address and comment; one that another made is `InvalidInput`.

        One that is there stays proxied or not, with its TTL. A new one gets what is given; else it is as the service's
        other records of the name are, or, as the first of them, proxied.
        """

    def remove(self, record_id: str) -> None:
        """Deletes one record of ours by its id; absent is fine, and one that is not ours is a `PermanentError`."""

    def read_edge_ranges(self) -> tuple[str, ...]:
        """Addresses (CIDR) from which the edge connects to origins."""

    @property
    def origins(self) -> Origins:
        """The zone's origins."""


class Origins(Protocol):
    """What the edge demands of a zone's origins, and shows them; `Refused` where the token may not."""

    def sign(self, csr: str, names: tuple[str, ...]) -> str:
        """A certificate (PEM) that the edge trusts, for a signing request and these names."""

    def read_mode(self) -> str:
        """How the edge speaks with origins: off, flexible, full or strict."""

    def set_mode(self, mode: str) -> None:
        """Has the edge speak with origins so from now on."""

    def read_pulls(self) -> Pulls:
        """What the edge shows to origins, the newest certificate first."""

    def add_pulls(self, pair: Pair) -> None:
        """Gives the edge a certificate to show."""

    def show_pulls(self) -> None:
        """Has the edge show its certificate to origins."""


class Cloud(Protocol):
    """All ports of one DigitalOcean account."""

    @property
    def account(self) -> Account:
        """What the token may see."""

    @property
    def droplets(self) -> Droplets:
        """Its droplets."""

    @property
    def firewalls(self) -> Firewalls:
        """Its firewalls."""

    @property
    def keys(self) -> Keys:
        """Its SSH keys."""

    @property
    def snapshots(self) -> Snapshots:
        """Its snapshots."""

    @property
    def tags(self) -> Tags:
        """Its tags."""
