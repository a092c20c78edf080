"""DigitalOcean and Cloudflare in memory, behind the ports; kept honest by the suite in `tests/contract/cloud`.

A droplet becomes active, and an action complete, when it is next read: waits end at once, and none can be forgotten.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

from fleet import naming
from fleet.cloud.ports import ActionType
from fleet.errors import DeployerError, InvalidInput, NotFound, PermanentError
from fleet.origins import Pair, Pulls
from fleet.state import Action, Droplet, DropletRequest, Firewall, Record, Rule, Size, Snapshot, TokenFacts
from tests.fakes.identities import Authority

START = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
STATUS_AFTER: dict[str, str] = {
    "power_on": "active",
    "power_off": "off",
    "shutdown": "off",
    "reboot": "active",
    "power_cycle": "active",
}


@dataclass
class Faults:
    """Errors that the next calls raise: `before` anything happens, or `after` it has (a lost reply)."""

    before: dict[str, deque[DeployerError]] = field(default_factory=dict)
    after: dict[str, deque[DeployerError]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    """The names of all calls so far."""
    watch: Callable[[str], None] = lambda _: None
    """Is told of each call before it does anything, and may raise."""

    def fail(self, call: str, *errors: DeployerError, lost_reply: bool = False) -> None:
        """Makes the next calls of this name (`droplets.ensure`) fail with these errors, one each."""
        (self.after if lost_reply else self.before).setdefault(call, deque()).extend(errors)

    def enter(self, call: str) -> None:
        """Notes a call, and raises what it shall raise before it does anything."""
        self.calls.append(call)
        self.watch(call)
        self._raise(self.before, call)

    def leave(self, call: str) -> None:
        """Raises what a call shall raise after it has done its work."""
        self._raise(self.after, call)

    @staticmethod
    def _raise(errors: dict[str, deque[DeployerError]], call: str) -> None:
        waiting = errors.get(call)
        if waiting:
            raise waiting.popleft()


class FakeAccount:
    """The port `Account`."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.team = "11111111-2222-3333-4444-555555555555"
        self.sizes = [
            Size("s-1vcpu-1gb", 1024, 25, ("fra1", "nyc3"), True, 6.0),
            Size("s-2vcpu-4gb", 4096, 80, ("fra1",), True, 24.0),
        ]
        self.regions = {"fra1": True, "nyc3": True, "sfo1": False}
        self.missing: tuple[str, ...] = ()
        self.excess: tuple[str, ...] = ()
        """What the token may read beyond need."""

    def read_owner(self) -> str:
        """The owner of the fake team."""
        self._faults.enter("account.read_owner")
        return naming.owner(self.team)

    def read_missing(self) -> tuple[str, ...]:
        """What a test says that the token lacks."""
        self._faults.enter("account.read_missing")
        return self.missing

    def read_sizes(self) -> list[Size]:
        """Two sizes, of which the larger is in one region only."""
        self._faults.enter("account.read_sizes")
        return list(self.sizes)

    def read_regions(self) -> dict[str, bool]:
        """Three regions, of which one is closed."""
        self._faults.enter("account.read_regions")
        return dict(self.regions)

    def read_excess(self) -> tuple[str, ...]:
        """What a test says."""
        self._faults.enter("account.read_excess")
        return self.excess


class FakeDroplets:
    """The port `Droplets`."""

    def __init__(self, account: FakeAccount, snapshots: FakeSnapshots, faults: Faults) -> None:
        self._account, self._snapshots, self._faults = account, snapshots, faults
        self._ids = count(101)
        self.all: dict[int, Droplet] = {}
        self.gone: list[Droplet] = []
        self.requests: list[DropletRequest] = []
        self._actions: dict[int, Action] = {}
        self.clock: Callable[[], datetime] = lambda: START
        """Tells when a droplet is made."""

    def read_tagged(self, tag: str) -> list[Droplet]:
        """Droplets with the tag."""
        self._faults.enter("droplets.read_tagged")
        return [droplet for droplet in self.all.values() if tag in droplet.tags]

    def read_all(self) -> list[Droplet]:
        """All of them."""
        self._faults.enter("droplets.read_all")
        return list(self.all.values())

    def read(self, droplet_id: int) -> Droplet | None:
        """One droplet, which becomes active by being read."""
        self._faults.enter("droplets.read")
        return self._booted(droplet_id)

    def _booted(self, droplet_id: int) -> Droplet | None:
        found = self.all.get(droplet_id)
        if found and found.status == "new":
            number = found.id - 100
            found = replace(
                found, status="active", public_address=f"127.77.0.{number}", private_address=f"10.110.0.{number}"
            )
            self.all[droplet_id] = found
        return found

    def ensure(self, request: DropletRequest) -> Droplet:
        """The droplet of this intent."""
        self._faults.enter("droplets.ensure")
        tag = naming.intent_tag(request.intent)
        found = next((droplet for droplet in self.all.values() if tag in droplet.tags), None)
        if found is None:
            found = self._create(request, tag)
        self._faults.leave("droplets.ensure")
        return found

    def act(self, droplet_id: int, action: ActionType) -> Action:
        """Starts an action, whose effect is there at once."""
        self._faults.enter("droplets.act")
        return self._start(droplet_id, action)

    def snapshot(self, droplet_id: int, name: str) -> Action:
        """Starts a snapshot, which is there at once."""
        self._faults.enter("droplets.snapshot")
        started = self._start(droplet_id, "snapshot")
        self._snapshots.add(name, self.all[droplet_id].region, droplet=droplet_id)
        return started

    def read_action(self, action_id: int) -> Action:
        """The action, completed by now."""
        self._faults.enter("droplets.read_action")
        if action_id not in self._actions:
            raise NotFound(f"There is no action {action_id}.")
        return replace(self._actions[action_id], status="completed")

    def remove(self, droplet_id: int) -> None:
        """Destroys a droplet of ours."""
        self._faults.enter("droplets.remove")
        found = self.all.get(droplet_id)
        if found and not naming.is_our_droplet(found.tags):
            raise PermanentError(f"The droplet {found.name} is not ours.")
        self.gone += [found] if found else []
        self.all.pop(droplet_id, None)

    def _create(self, request: DropletRequest, tag: str) -> Droplet:
        size = next((size for size in self._account.sizes if size.slug == request.size), None)
        if size is None or request.region not in size.regions:
            raise InvalidInput(f"{request.region} does not have the size {request.size}.")
        if request.image.isdigit() and request.image not in self._snapshots.all:
            raise InvalidInput(f"There is no image {request.image}.")
        self.requests.append(request)
        made = Droplet(
            id=next(self._ids),
            name=request.name,
            status="new",
            region=request.region,
            size=request.size,
            image=request.image,
            tags=request.tags | {tag},
            public_address=None,
            private_address=None,
            created_at=self.clock(),
            memory_mib=size.memory_mib,
        )
        self.all[made.id] = made
        return made

    def _start(self, droplet_id: int, kind: str) -> Action:
        if droplet_id not in self.all:
            raise NotFound(f"There is no droplet {droplet_id}.")
        status = STATUS_AFTER.get(kind)
        if status:
            self.all[droplet_id] = replace(self.all[droplet_id], status=status)  # type: ignore[arg-type]
        action = Action(id=len(self._actions) + 1, type=kind, status="in-progress")
        self._actions[action.id] = action
        return action


class FakeSnapshots:
    """The port `Snapshots`."""

    def __init__(self, faults: Faults, first: int) -> None:
        self._faults = faults
        self._ids = count(first)
        self.all: dict[str, Snapshot] = {}

    def add(
        self, name: str, region: str = "fra1", tags: frozenset[str] = frozenset(), droplet: int | None = None
    ) -> Snapshot:
        """Makes a snapshot appear."""
        made = Snapshot(str(next(self._ids)), name, (region,), 25, 2.4, START, tags, droplet=droplet)
        self.all[made.id] = made
        return made

    def read_all(self) -> list[Snapshot]:
        """All of them."""
        self._faults.enter("snapshots.read_all")
        return list(self.all.values())

    def exists(self, snapshot_id: str) -> bool:
        """Whether it is there."""
        self._faults.enter("snapshots.exists")
        return snapshot_id in self.all

    def describe(self, snapshot_id: str, description: str) -> None:
        """Writes the description."""
        self._faults.enter("snapshots.describe")
        self.all[snapshot_id] = replace(self._find(snapshot_id), description=description)

    def tag(self, snapshot_id: str, tags: frozenset[str]) -> None:
        """Adds tags."""
        self._faults.enter("snapshots.tag")
        found = self._find(snapshot_id)
        self.all[snapshot_id] = replace(found, tags=found.tags | tags)

    def remove(self, snapshot_id: str) -> None:
        """Deletes one."""
        self._faults.enter("snapshots.remove")
        self.all.pop(snapshot_id, None)

    def _find(self, snapshot_id: str) -> Snapshot:
        if snapshot_id not in self.all:
            raise NotFound(f"There is no snapshot {snapshot_id}.")
        return self.all[snapshot_id]


class FakeFirewalls:
    """The port `Firewalls`."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.all: dict[str, Firewall] = {}

    def read(self, name: str) -> Firewall | None:
        """The firewall of that name, which settles by being read."""
        self._faults.enter("firewalls.read")
        if name in self.all:
            self.all[name] = replace(self.all[name], settled=True)
        return self.all.get(name)

    def read_all(self) -> list[Firewall]:
        """All of them."""
        self._faults.enter("firewalls.read_all")
        return list(self.all.values())

    def ensure(self, name: str, inbound: tuple[Rule, ...], tags: tuple[str, ...]) -> Firewall:
        """Creates it or brings it to these rules."""
        self._faults.enter("firewalls.ensure")
        found = self.all.get(name)
        if found:
            naming.check_firewall(name, found.tags)
        if found is None or (found.inbound, found.tags) != (inbound, tags):
            self.all[name] = Firewall(
                found.id if found else f"firewall-{len(self.all)}", name, inbound, tags, settled=False
            )
        return self.all[name]

    def remove(self, name: str) -> None:
        """Deletes it."""
        self._faults.enter("firewalls.remove")
        if name in self.all:
            naming.check_firewall(name, self.all[name].tags)
        self.all.pop(name, None)


class FakeTags:
    """The port `Tags`; a tag stays when the last thing that carried it is gone."""

    def __init__(self, cloud: FakeDigitalOcean) -> None:
        self._cloud, self._faults = cloud, cloud.faults
        self.made: set[str] = set()

    @property
    def all(self) -> dict[str, int]:
        """Tags, and how many droplets and snapshots carry each."""
        carried = Counter(tag for one in self._cloud.droplets.all.values() for tag in one.tags)
        carried.update(tag for one in self._cloud.snapshots.all.values() for tag in one.tags)
        held = {tag for one in self._cloud.firewalls.all.values() for tag in one.tags}
        self.made |= {*carried, *held, *(tag for one in self._cloud.droplets.gone for tag in one.tags)}
        self._cloud.droplets.gone.clear()
        return {tag: carried[tag] for tag in sorted(self.made)}

    def read_all(self) -> dict[str, int]:
        """All of them."""
        self._faults.enter("tags.read_all")
        return self.all

    def add(self, tag: str, droplet_id: int) -> None:
        """Puts it on a droplet."""
        self._faults.enter("tags.add")
        if droplet_id not in self._cloud.droplets.all:
            raise NotFound(f"There is no droplet {droplet_id}.")
        found = self._cloud.droplets.all[droplet_id]
        self._cloud.droplets.all[droplet_id] = replace(found, tags=found.tags | {tag})

    def remove(self, tag: str, droplet_id: int) -> None:
        """Takes it off a droplet."""
        self._faults.enter("tags.remove")
        found = self._cloud.droplets.all.get(droplet_id)
        if found and tag in self.all:
            self._cloud.droplets.all[droplet_id] = replace(found, tags=found.tags - {tag})

    def discard(self, tag: str) -> bool:
        """Deletes it when nothing carries it."""
        self._faults.enter("tags.discard")
        if self.all.get(tag, 0):
            return False
        self.made.discard(tag)
        for name, one in self._cloud.firewalls.all.items():
            self._cloud.firewalls.all[name] = replace(one, tags=tuple(kept for kept in one.tags if kept != tag))
        return True


class FakeKeys:
    """The port `Keys`; `all` has name and key by id."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._ids = count(501)
        self.all: dict[int, tuple[str, str]] = {}

    def ensure(self, name: str, public_key: str) -> int:
        """The key's id; a comment makes no other key."""
        self._faults.enter("keys.ensure")
        body = " ".join(public_key.split()[:2])
        known = next((number for number, (_, text) in self.all.items() if text == body), None)
        if known is None:
            self.all[known := next(self._ids)] = (name, body)
        return known

    def remove_named(self, name: str) -> None:
        """Removes all keys of that name."""
        self._faults.enter("keys.remove_named")
        self.all = {number: kept for number, kept in self.all.items() if kept[0] != name}


class FakeDigitalOcean:
    """An account; satisfies `fleet.cloud.ports.Cloud`. No snapshot has the id of one in another account."""

    def __init__(self, first_snapshot: int = 9001) -> None:
        self.faults = Faults()
        self.account = FakeAccount(self.faults)
        self.snapshots = FakeSnapshots(self.faults, first_snapshot)
        self.droplets = FakeDroplets(self.account, self.snapshots, self.faults)
        self.firewalls = FakeFirewalls(self.faults)
        self.keys = FakeKeys(self.faults)
        self.tags = FakeTags(self)


class FakeOrigins:
    """The port `Origins`; `mode`, and the pairs that were added."""

    def __init__(self, faults: Faults, zone: str) -> None:
        self._faults, self._zone = faults, zone
        self._authority = Authority("Origin CA")
        self.mode = "full"
        self.enabled = False
        self.pairs: list[Pair] = []

    def sign(self, csr: str, names: tuple[str, ...]) -> str:
        """A certificate of the fake's own authority."""
        self._faults.enter("origins.sign")
        if not all(name == self._zone or name.endswith(f".{self._zone}") for name in names):
            raise InvalidInput(f"{names} are not all of the zone {self._zone}.")
        return self._authority.sign(csr)

    def read_mode(self) -> str:
        """The mode."""
        self._faults.enter("origins.read_mode")
        return self.mode

    def set_mode(self, mode: str) -> None:
        """Another mode."""
        self._faults.enter("origins.set_mode")
        self.mode = mode

    def read_pulls(self) -> Pulls:
        """What was added, the newest first."""
        self._faults.enter("origins.read_pulls")
        return Pulls(self.enabled, tuple(pair.certificate for pair in reversed(self.pairs)))

    def add_pulls(self, pair: Pair) -> None:
        """One more."""
        self._faults.enter("origins.add_pulls")
        self.pairs.append(pair)

    def show_pulls(self) -> None:
        """From now on."""
        self._faults.enter("origins.show_pulls")
        self.enabled = True


class FakeCloudflare:
    """The records of one zone; satisfies `fleet.cloud.ports.Dns`."""

    def __init__(self, zone: str = "example.test") -> None:
        self.faults = Faults()
        self.zone = zone
        self.token = TokenFacts(None, (zone,))
        self._ids = count(1)
        self.all: dict[str, Record] = {}
        self.origins = FakeOrigins(self.faults, zone)

    def add(self, name: str, address: str, comment: str = "") -> Record:
        """Makes a record appear that somebody else made, unless the comment is ours."""
        record = Record(f"record-{next(self._ids)}", name, "A", address, True, comment)
        self.all[record.id] = record
        return record

    def set(self, record_id: str, proxied: bool, ttl: int) -> Record:
        """What a person sets by hand; a proxied record's TTL is always automatic."""
        changed = replace(self.all[record_id], proxied=proxied, ttl=1 if proxied else ttl)
        self.all[record_id] = changed
        return changed

    def read_zone(self) -> str:
        """The zone's name."""
        self.faults.enter("dns.read_zone")
        return self.zone

    def read_token(self) -> TokenFacts:
        """What a test says of the token."""
        self.faults.enter("dns.read_token")
        return self.token

    def read_records(self, name: str | None = None, comment: str | None = None) -> list[Record]:
        """Records by name and by a part of the comment."""
        self.faults.enter("dns.read_records")
        named = [record for record in self.all.values() if name in (None, record.name)]
        return [record for record in named if comment is None or comment in record.comment]

    def ensure(
        self, name: str, address: str, comment: str, proxied: bool | None = None, ttl: int | None = None
    ) -> Record:
        """A record with this name, address and comment; what else somebody has set on it stays."""
        self.faults.enter("dns.ensure")
        found = next((one for one in self.all.values() if (one.name, one.content) == (name, address)), None)
        if found is None:
            others = (one for one in self.all.values() if one.name == name)
            like = next((one for one in others if naming.same_service(one.comment, comment)), None)
            found = self.add(name, address, comment)
            found = self.set(
                found.id,
                proxied=(like.proxied if like else True) if proxied is None else proxied,
                ttl=(like.ttl if like else 1) if ttl is None else ttl,
            )
        elif found.comment != comment:
            if not naming.same_service(found.comment, comment):
                raise InvalidInput(f"The record {name} to {address} is not this service's.")
            found = self.all[found.id] = replace(found, comment=comment)
        self.faults.leave("dns.ensure")
        return found

    def remove(self, record_id: str) -> None:
        """Deletes a record of ours."""
        self.faults.enter("dns.remove")
        found = self.all.get(record_id)
        if found:
            naming.check_ours(found.comment, f"The record {found.name}")
            del self.all[record_id]

    def read_edge_ranges(self) -> tuple[str, ...]:
        """Where the fake edge connects from."""
        self.faults.enter("dns.read_edge_ranges")
        return ("127.76.0.0/24",)
