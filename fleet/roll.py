"""Another snapshot under an environment: which droplet gives way to a new one, and what moves with it. Pure.

A droplet is replaced, never changed: the new one carries a tag that says whose place it takes, so that a run which was
killed anywhere is gone on with from what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fleet import facts, naming, operations, placement
from fleet.errors import InvalidInput
from fleet.facts import Facts, digest_of
from fleet.firewalls import FirewallPlan, plan_firewall
from fleet.operations import Operation
from fleet.plan import check_marks, check_reachable
from fleet.spec import EnvironmentSpec, Maintenance, Scheduled, ServiceSpec, Tcp, Worker
from fleet.state import Container, Droplet, DropletRequest, Host, Record, World


@dataclass(frozen=True)
class Wanted:
    """What a person asks for; new droplets are named after `seed`, which must be random."""

    owner: str
    environment: EnvironmentSpec
    """Its snapshot is the one to move to."""
    seed: str
    services: Mapping[str, ServiceSpec] = field(repr=False)
    """What is known of the environment's services, by the name of their containers."""
    changed: Mapping[str, str]
    """Why a service cannot be made again as it runs, by the name of its containers."""
    leave_pinned: bool = False
    """Whether droplets with data on them are left where they are, instead of the whole roll being refused."""


@dataclass(frozen=True)
class Moving:
    """A service that moves from one droplet to another, with the release that serves."""

    service: ServiceSpec = field(repr=False)
    container: str
    release: str
    image: str
    page: Maintenance | None
    """The maintenance page in front of it."""
    served: bool
    """Whether the new droplet serves it already."""

    @property
    def stops_first(self) -> bool:
        """Whether it must have stopped on the old droplet before it may start on the new one."""
        return isinstance(self.service.runs, Worker) and self.service.runs.exclusive

    @property
    def leaves_first(self) -> bool:
        """Whether the old droplet must have given it up before the new one takes it: no run may be started twice."""
        return isinstance(self.service.runs, Scheduled)


@dataclass(frozen=True)
class Move:
    """One droplet that gives way to a new one."""

    old: Droplet
    request: DropletRequest
    """What the new one is made by, if it is not there."""
    made: Droplet | None
    """The new one, when an earlier run has made it."""
    services: tuple[Moving, ...]
    records: tuple[Record, ...]
    """Those that lead to the old one, of these services."""

    @property
    def new(self) -> str:
        """The name of the new droplet."""
        return self.made.name if self.made else self.request.name

    @property
    def what(self) -> tuple[str, tuple[tuple[str, str, str], ...]]:
        """What has to be the same for an approval to hold."""
        return self.old.name, tuple((one.container, one.release, one.image) for one in self.services)


@dataclass(frozen=True)
class RollPlan:
    """What is to be done, one move after the other."""

    snapshot: str
    moves: tuple[Move, ...]
    done: tuple[Droplet, ...]
    """Droplets from the snapshot."""
    left: Mapping[str, str]
    """Why a droplet stays as it is, by its name."""
    firewall: FirewallPlan
    operations: tuple[Operation, ...]
    world: World = field(repr=False)

    @property
    def at_rest(self) -> bool:
        """Whether there is nothing to move."""
        return not self.moves

    @property
    def basis(self) -> Facts:
        """The facts that it follows from."""
        return facts.facts_of(self.world)

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with anything that the plan would do; new droplets' names are not among it."""
        return digest_of([repr(one.what) for one in self.moves] + [str(one) for one in self.operations if one.changes])

    def lines(self) -> list[str]:
        """Each operation in a line."""
        return [str(operation) for operation in self.operations]


def plan_roll(world: World, wanted: Wanted) -> RollPlan:
    """Which droplets give way, in the order of their names.

    Raises:
        TransientError: a droplet did not answer.
        InvalidInput: something cannot move, or be made again; the message names all of it.
    """
    spec = wanted.environment
    check_marks(world.hosts, spec)
    check_reachable(world.hosts)
    old = sorted((one for one in world.hosts if one.droplet.image != spec.snapshot), key=lambda one: one.droplet.name)
    pairs = {host.droplet.name: _pair(world, host.droplet) for host in old}
    left = {host.droplet.name: why for host in old if (why := _staying(host, pairs[host.droplet.name], wanted))}
    going = [host for host in old if host.droplet.name not in left]
    _check_pinned(going)
    moves = tuple(_move(world, host, pairs[host.droplet.name], wanted) for host in going)
    _check_known(moves, wanted)
    wall = plan_firewall(world, spec)
    return RollPlan(
        snapshot=spec.snapshot or "",
        moves=moves,
        done=tuple(one.droplet for one in world.hosts if one.droplet.image == spec.snapshot),
        left=left,
        firewall=wall,
        operations=tuple(_told(moves, left, wall)),
        world=world,
    )


def _pair(world: World, old: Droplet) -> Host | None:
    """The droplet that an earlier run has made in the place of this one."""
    tag = naming.roll_tag(old.id)
    return next((host for host in world.hosts if tag in host.droplet.tags), None)


def _staying(host: Host, pair: Host | None, wanted: Wanted) -> str:
    """Why a droplet is left alone; empty when it is to move."""
    if wanted.leave_pinned and (pinned := _pinned(host)):
        return pinned
    if pair is None and not any(one.role == "current" for one in host.containers):
        return "no service runs on it; `undeploy` with `destroy_empty` removes it"
    return ""


def _check_pinned(hosts: Sequence[Host]) -> None:
    """Whether nothing would be lost with these droplets.

    Raises:
        InvalidInput: something would; the message names each of them.
    """
    found = {host.droplet.name: why for host in hosts if (why := _pinned(host))}
    if found:
        told = "".join(f"\n  {name}: {why}" for name, why in found.items())
        raise InvalidInput(
            f"{len(found)} droplets cannot be replaced:{told}\n",
            hint="Tick `leave_pinned` to move the others, or undeploy what is on these first. Nothing was changed.",
        )


def _pinned(host: Host) -> str:
    """What on a droplet would be lost with it."""
    if host.inventory is None:
        return "its agent cannot say what else is there"
    if host.inventory.volumes:
        return f"it holds the volumes {', '.join(sorted(host.inventory.volumes))}"
    if host.inventory.strangers:
        return f"containers are there that were not made here: {', '.join(sorted(host.inventory.strangers))}"
    serving = {one.name for one in host.containers if one.role == "current"}
    if rest := sorted({one.name for one in host.containers} - serving):
        return f"of {', '.join(rest)} there are only containers that do not serve"
    return ""


def _move(world: World, host: Host, pair: Host | None, wanted: Wanted) -> Move:
    found = [one for one in host.containers if one.role == "current"] + _stranded(world, host, pair)
    services = [_moving(world, one, pair, wanted) for one in found if one.name in wanted.services]
    unknown = sorted({one.name for one in found} - {*wanted.services})
    if unknown:
        raise InvalidInput(
            f"{host.droplet.name} runs {', '.join(unknown)}, of which there is no Service block.",
            hint="Make the blocks as the services were deployed, or undeploy them.",
        )
    names = {one.service.name for one in services}
    leading = [one for one in world.records if one.content == host.droplet.public_address]
    spec = wanted.environment
    mine = [one for one in leading if naming.service_of_comment(one.comment, wanted.owner, spec) in names]
    return Move(
        old=host.droplet,
        request=_request(host.droplet, wanted),
        made=pair.droplet if pair else None,
        services=tuple(sorted(services, key=lambda one: (not isinstance(one.service.runs, Tcp), one.container))),
        records=tuple(mine),
    )


def _stranded(world: World, host: Host, pair: Host | None) -> list[Container]:
    """What a killed run has taken off the old droplet and not yet made current on the new one."""
    here = {one.name for one in host.containers if one.role == "current"}
    running = {one.name for other in world.hosts for one in other.containers if one.role == "current"}
    waiting = [one for one in (pair.containers if pair else ()) if one.role == "candidate"]
    return [one for one in waiting if one.name not in here | running]


def _moving(world: World, seen: Container, pair: Host | None, wanted: Wanted) -> Moving:
    there = pair.find(seen.name) if pair else None
    return Moving(
        service=wanted.services[seen.name],
        container=seen.name,
        release=seen.release,
        image=seen.image,
        page=world.page_of(seen.name),
        served=there is not None and there.release == seen.release,
    )


def _check_known(moves: Sequence[Move], wanted: Wanted) -> None:
    """Whether each service can be made again as it runs, and each new droplet has room for what comes to it.

    Raises:
        InvalidInput: some cannot; all are named.
    """
    names = sorted({one.container for move in moves for one in move.services} & wanted.changed.keys())
    if names:
        told = "".join(f"\n  {name}: {wanted.changed[name]}" for name in names)
        raise InvalidInput(
            f"What runs cannot be made again from what is filled in:{told}\n",
            hint="Deploy these services first, then run this again.",
        )
    for move in moves:
        need = sum(one.service.memory_mib for one in move.services)
        if need > move.old.memory_mib - placement.SYSTEM_MIB > 0:
            raise InvalidInput(
                f"{move.old.name} runs services that may use {need} MiB, more than a new one has free.",
                hint="Give them less memory, or spread them, then run this again.",
            )


def _request(old: Droplet, wanted: Wanted) -> DropletRequest:
    """A droplet like the old one, from the other snapshot."""
    spec, intent = wanted.environment, f"{wanted.seed}-{old.id}"
    return DropletRequest(
        name=naming.droplet(spec, intent),
        region=old.region,
        size=old.size,
        image=spec.snapshot or "",
        tags=naming.droplet_tags(spec) | {naming.roll_tag(old.id)},
        intent=intent,
    )


def _told(moves: Sequence[Move], left: Mapping[str, str], wall: FirewallPlan) -> Iterator[Operation]:
    yield operations.firewall(wall)
    for name, why in left.items():
        yield Operation("droplet", f"leave {name} as it is: {why}", changes=False)
    for move in moves:
        yield from _told_move(move)


def _told_move(move: Move) -> Iterator[Operation]:
    old, image = move.old.name, move.request.image
    if move.made:
        yield Operation("droplet", f"go on with {move.made.name} in the place of {old}")
    elif move.services:
        yield Operation("droplet", f"create a droplet from {image} in the place of {old}, of its size and region")
    for one in move.services:
        already = ", which serves it already" if one.served else ", and prove it there"
        yield Operation("container", f"move {one.container} {one.release} from {old} to the new droplet{already}")
        yield from (Operation("record", f"add A record {name} to the new droplet") for name in one.service.domains)
    for record in move.records:
        yield Operation("record", f"remove A record {record.name} to {record.content} ({old})")
    yield Operation("droplet", f"destroy {old} once its last request has ended")
