"""Worlds to plan in: written out for examples, and drawn at random for Hypothesis; and what a plan makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from fleet import naming
from fleet.firewalls import FirewallPlan
from fleet.plan import Desired, Plan, plan
from fleet.records import RecordPlan
from fleet.rollback import RollbackPlan
from fleet.spec import EnvironmentSpec, ImageSource, ServiceSpec, Web
from fleet.state import (
    Container,
    Droplet,
    DropletStatus,
    Firewall,
    Host,
    Inventory,
    Record,
    Role,
    Route,
    Rule,
    World,
)

OWNER = "9fe5e6"
SNAPSHOT = "9001"
DOMAIN = "hello.example.com"
SEED = "0123456789ab"
SPEC = EnvironmentSpec("demo", "prod", "fra1", "s-1vcpu-1gb", "example.com", SNAPSHOT, ("203.0.113.7/32",))
HELLO = naming.container(OWNER, SPEC, "hello")
OLDER_ROLES = ("previous", "kept")
OLDER, OLD, NEW = "20261031t000000-cccccc", "20261101t000000-aaaaaa", "20261102t000000-bbbbbb"
START = datetime(2026, 11, 1, tzinfo=UTC)
EDGE = ("198.51.100.0/24",)
FIREWALL = Firewall(
    "fw-1",
    "deployer-demo.prod",
    (
        Rule("80", EDGE),
        Rule("443", EDGE),
        Rule("9999", ("203.0.113.7/32",)),
        Rule("9998", tags=("deployer:demo:prod",)),
    ),
    ("deployer:demo:prod",),
)


def service(
    replicas: int = 1, memory_mib: int = 256, name: str = "hello", domain: str = "", keep: int = 5
) -> ServiceSpec:
    """A service on so many droplets, which keep so many older releases."""
    web = Web(8080, (domain or f"{name}.example.com",))
    return ServiceSpec(name, ImageSource("debian:12"), web, replicas, memory_mib=memory_mib, keep_releases=keep)


def deploy(
    world: World, wanted: ServiceSpec, seed: str = SEED, spec: EnvironmentSpec = SPEC, remove_empty: bool = False
) -> Plan:
    """The plan for a service."""
    return plan(world, Desired(OWNER, spec, wanted, seed, remove_empty))


def droplet(letter: str, image: str = SNAPSHOT, memory_mib: int = 1024, region: str = "fra1") -> Droplet:
    """An active droplet `demo-prod-00000{letter}`; its number makes its address and its age."""
    number = int(letter, 16)
    return Droplet(
        id=100 + number,
        name=f"demo-prod-00000{letter}",
        status="active",
        region=region,
        size="s-1vcpu-1gb",
        image=image,
        tags=naming.droplet_tags(SPEC) | {naming.intent_tag(f"0123456789ab-{number}")},
        public_address=f"192.0.2.{number}",
        private_address=f"10.110.0.{number}",
        created_at=START + timedelta(hours=number),
        memory_mib=memory_mib,
    )


def container(
    name: str = "hello", role: Role = "current", release: str = OLD, memory_mib: int = 256, status: str = ""
) -> Container:
    """A container of a service of the environment; older ones are stopped, and the others run."""
    full, state = naming.container(OWNER, SPEC, name), status or ("exited" if role in OLDER_ROLES else "running")
    return Container(full, role, release, "sha256:0", state, 0, (f"{name}.example.com",), memory_mib=memory_mib)


def host(letter: str, *containers: Container, volumes: tuple[str, ...] = ()) -> Host:
    """A droplet with these containers, and the routes that they call for."""
    return routed(Host(droplet(letter), containers, inventory=Inventory(volumes=volumes)))


def routed(seen: Host) -> Host:
    """The same droplet with the routes that its current containers call for."""
    current = [one for one in seen.containers if one.role == "current" and one.runs]
    routes = tuple(Route(domain, one.name, one.release) for one in current for domain in one.hosts)
    return replace(seen, routes=routes)


def at_rest(*letters: str) -> World:
    """A world in which `hello` serves on these droplets, and nothing is left to do."""
    hosts = tuple(host(letter, container()) for letter in letters)
    return World(hosts, tuple(record(letter) for letter in letters), (FIREWALL,), edge=EDGE)


def record(letter: str, service: str = "hello", name: str = DOMAIN) -> Record:
    """A record of ours to a droplet."""
    to = droplet(letter)
    comment = naming.comment(OWNER, SPEC, service, to.name)
    return Record(f"{service}-{letter}", name, "A", to.public_address or "", True, comment)


def foreign(name: str, comment: str = "", type: str = "A", number: int = 0) -> Record:
    """A record that somebody else made."""
    return Record(f"foreign-{number}", name, type, "198.51.100.9", False, comment)


def after_deploy(world: World, plan: Plan, of: ServiceSpec, release: str = NEW) -> World:
    """The world once the plan has been carried out."""
    number = max([200, *(host.droplet.id for host in world.hosts)]) + 1  # no two droplets share an id or an address
    new = [Host(_made(number + index, one.name)) for index, one in enumerate(plan.create)]
    gone, left = {one.name for one in plan.destroy}, {one.name for one in plan.drain}
    served = {one.name for one in plan.keep} | {one.name for one in plan.create}
    hosts = [one for one in (*world.hosts, *new) if one.droplet.name not in gone]
    hosts = [_without(one, plan.container) if one.droplet.name in left else one for one in hosts]
    hosts = [_with(one, of, release) if one.droplet.name in served else one for one in hosts]
    records = _pointed(world, plan.records, hosts)
    return World(tuple(hosts), records, (_wall(plan.firewall),), edge=world.edge)


def after_rollback(world: World, plan: RollbackPlan) -> World:
    """The world once the plan has been carried out."""
    names = {one.name for one in plan.hosts}
    hosts = [_back(one, plan) if one.droplet.name in names else one for one in world.hosts]
    return replace(world, hosts=tuple(hosts), records=_pointed(world, plan.records, hosts))


def after_undeploy(world: World, letter: str) -> World:
    """The world once `hello` has been taken off one droplet, or off one that is not there."""
    name, address = droplet(letter).name, droplet(letter).public_address
    hosts = tuple(_without(one, HELLO) if one.droplet.name == name else one for one in world.hosts)
    mine = {one.id for one in world.records if naming.is_ours(one.comment, OWNER, SPEC, "hello")}
    records = tuple(one for one in world.records if one.id not in mine or one.content != address)
    return replace(world, hosts=hosts, records=records)


def _made(number: int, name: str) -> Droplet:
    made = replace(droplet("f"), id=number, name=name, public_address=f"192.0.{2 + number // 250}.{number % 250 + 1}")
    return replace(made, created_at=START + timedelta(days=number))


def _with(seen: Host, of: ServiceSpec, release: str) -> Host:
    full = naming.container(OWNER, SPEC, of.name)
    new = Container(full, "current", release, "sha256:1", "running", 0, of.domains, memory_mib=of.memory_mib)
    old = seen.find(full)
    stays = old is not None and old.release == release
    kept = list(seen.older(full))
    if old and not stays:
        older = [replace(one, role="kept") for one in kept]
        kept = [replace(old, role="previous", status="exited"), *_newest(older, of.keep_releases - 1)]
    others = tuple(one for one in seen.containers if one.name != full)
    return routed(replace(seen, containers=(*others, new, *kept), inventory=seen.inventory or Inventory()))


def _without(seen: Host, name: str) -> Host:
    return routed(replace(seen, containers=tuple(one for one in seen.containers if one.name != name)))


def _back(seen: Host, plan: RollbackPlan) -> Host:
    current, older = seen.find(plan.container), seen.older(plan.container)
    if current is None or current.release == plan.release:
        return routed(seen)
    target = next(one for one in older if one.release == plan.release)
    kept = [replace(one, role="kept") for one in older if one is not target]
    swapped = (replace(target, role="current", status="running"), replace(current, role="previous", status="exited"))
    others = tuple(one for one in seen.containers if one.name != plan.container)
    return routed(replace(seen, containers=(*others, *swapped, *kept)))


def _newest(found: list[Container], most: int) -> list[Container]:
    return sorted(found, key=lambda one: one.release, reverse=True)[:most]


def _pointed(world: World, plan: RecordPlan, hosts: list[Host]) -> tuple[Record, ...]:
    addresses = {one.droplet.name: one.droplet.public_address or "" for one in hosts}
    new = [
        Record(f"new-{one.name}-{one.droplet}", one.name, "A", addresses[one.droplet], True, _comment(one.droplet))
        for one in plan.add
    ]
    taken = {(one.name, one.content) for one in new}
    gone = {one.id for one in (*plan.drop, *plan.stale, *plan.left)}
    stay = [one for one in world.records if one.id not in gone and (one.name, one.content) not in taken]
    return (*stay, *new)


def _comment(droplet: str) -> str:
    return naming.comment(OWNER, SPEC, "hello", droplet)


def _wall(plan: FirewallPlan) -> Firewall:
    return Firewall("fw-1", plan.name, plan.inbound, plan.tags)


_containers = st.builds(
    container,
    st.sampled_from(["hello", "shop", "redis"]),
    st.sampled_from(["current", "current", "candidate", "previous"]),
    st.sampled_from([OLD, NEW]),
    st.sampled_from([64, 256, 512]),
)


@st.composite
def _hosts(draw: st.DrawFn, letter: str) -> Host:
    machine = droplet(
        letter,
        draw(st.sampled_from([SNAPSHOT, SNAPSHOT, "9002"])),
        draw(st.sampled_from([512, 1024, 4096])),
        draw(st.sampled_from(["fra1", "fra1", "nyc3"])),
    )
    found = draw(st.lists(_containers, max_size=4, unique_by=lambda one: (one.name, one.role)))
    status: DropletStatus = draw(st.sampled_from(["active", "active", "active", "off"]))
    seen = routed(Host(replace(machine, status=status), tuple(found), inventory=draw(_inventories)))
    return replace(seen, routes=draw(st.sampled_from([seen.routes, seen.routes, (), None])))


_inventories = st.sampled_from(
    [Inventory(), Inventory(), Inventory(strangers=("postgres",)), Inventory(volumes=(f"{HELLO}_data",)), None]
)


def _ours() -> st.SearchStrategy[Record]:
    names = st.sampled_from([DOMAIN, "old.example.com"])
    return st.builds(record, st.sampled_from("123456789"), st.just("hello"), names)


def _others() -> st.SearchStrategy[Record]:
    comments = st.one_of(st.text(max_size=30), st.just("deployer 9fe5e6 demo/prod/hello-2 demo-prod-000001"))
    names = st.sampled_from(["www.example.com", "example.com", "shop.example.com"])
    strangers = st.builds(foreign, names, comments, st.sampled_from(["A", "TXT", "MX"]), st.integers(0, 99))
    return st.one_of(strangers, st.builds(record, st.sampled_from("123456789"), st.just("shop"), names))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds in which every droplet answers, and no other has the service's domain."""
    letters = draw(st.lists(st.sampled_from("123456789"), max_size=6, unique=True))
    hosts = tuple(draw(_hosts(letter)) for letter in letters)
    records = draw(st.lists(st.one_of(_ours(), _others()), max_size=8))
    unique = {(one.name, one.content, one.comment): one for one in records}
    numbered = tuple(replace(one, id=f"record-{index}") for index, one in enumerate(unique.values()))
    walls = draw(st.sampled_from([(), (FIREWALL,), (replace(FIREWALL, inbound=FIREWALL.inbound[1:]),)]))
    return World(hosts, numbered, walls, edge=EDGE)


services = st.builds(service, st.integers(1, 5), st.sampled_from([64, 256, 700]))
