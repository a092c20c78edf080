"""Worlds to plan in: written out for examples, and drawn at random for Hypothesis."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import strategies as st

from fleet import naming
from fleet.plan import DeployPlan
from fleet.removal import UndeployPlan
from fleet.spec import EnvironmentSpec, ImageSource, ServiceSpec, Web
from fleet.state import Container, Droplet, Host, Record, Role, World

OWNER = "9fe5e6"
SNAPSHOT = "9001"
DOMAIN = "hello.example.com"
SEED = "0123456789ab"
SPEC = EnvironmentSpec("demo", "prod", "fra1", "s-1vcpu-1gb", "example.com", SNAPSHOT, ("203.0.113.7/32",))
OLD, NEW = "20261101t000000-aaaaaa", "20261102t000000-bbbbbb"
START = datetime(2026, 11, 1, tzinfo=UTC)


def service(replicas: int = 1, memory_mib: int = 256, name: str = "hello") -> ServiceSpec:
    """A service on so many droplets."""
    web = Web(8080, (f"{name}.example.com",))
    return ServiceSpec(name, ImageSource("debian:12"), web, replicas, memory_mib=memory_mib)


def droplet(letter: str, image: str = SNAPSHOT, memory_mib: int = 1024, region: str = "fra1") -> Droplet:
    """An active droplet `demo-prod-00000{letter}`; its number makes its address."""
    number = int(letter, 16)
    return Droplet(
        id=100 + number,
        name=f"demo-prod-00000{letter}",
        status="active",
        region=region,
        size="s-1vcpu-1gb",
        image=image,
        tags=naming.droplet_tags(SPEC),
        public_address=f"192.0.2.{number}",
        private_address=f"10.110.0.{number}",
        created_at=START,
        memory_mib=memory_mib,
    )


def container(name: str = "hello", role: Role = "current", release: str = OLD, memory_mib: int = 256) -> Container:
    """A container of a service of the environment."""
    full = naming.container(OWNER, SPEC, name)
    return Container(full, role, release, "sha256:0", "running", 0, (f"{name}.example.com",), memory_mib=memory_mib)


def record(letter: str, service: str = "hello", name: str = DOMAIN) -> Record:
    """A record of ours to a droplet."""
    to = droplet(letter)
    comment = naming.comment(OWNER, SPEC, service, to.name)
    return Record(f"{service}-{letter}", name, "A", to.public_address or "", True, comment)


def foreign(name: str, comment: str = "", type: str = "A", number: int = 0) -> Record:
    """A record that somebody else made."""
    return Record(f"foreign-{number}", name, type, "198.51.100.9", False, comment)


def after_deploy(world: World, plan: DeployPlan, of: ServiceSpec, release: str = NEW) -> World:
    """The world once the plan has been carried out."""
    made = [
        replace(droplet("f"), id=900 + number, name=new.name, public_address=f"192.0.2.{200 + number}")
        for number, new in enumerate(plan.create)
    ]
    kept = {old.name for old in plan.keep}
    serves = replace(container(of.name, release=release), memory_mib=of.memory_mib)
    hosts = [
        replace(host, containers=(*(seen for seen in host.containers if seen.name != plan.container), serves))
        if host.droplet.name in kept
        else host
        for host in world.hosts
    ]
    hosts += [Host(new, (serves,)) for new in made]
    gone = {stale.id for stale in plan.stale}
    records = [one for one in world.records if one.id not in gone]
    for host in [*plan.keep, *made]:
        comment = naming.comment(OWNER, SPEC, of.name, host.name)
        for domain in of.domains:
            if not any((one.name, one.content) == (domain, host.public_address) for one in records):
                address = host.public_address or ""
                records.append(Record(f"new-{domain}-{host.id}", domain, "A", address, True, comment))
    return World(tuple(hosts), tuple(records))


def after_undeploy(world: World, plan: UndeployPlan) -> World:
    """The world once the plan has been carried out."""
    gone = {one.id for one in plan.records}
    cleared = {one.name for one in plan.droplets}
    hosts = tuple(
        replace(host, containers=tuple(seen for seen in host.containers if seen.name != plan.container))
        if host.droplet.name in cleared
        else host
        for host in world.hosts
    )
    return World(hosts, tuple(one for one in world.records if one.id not in gone))


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
    return Host(replace(machine, status=draw(st.sampled_from(["active", "active", "active", "off"]))), tuple(found))


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
    return World(hosts, tuple(replace(one, id=f"record-{index}") for index, one in enumerate(unique.values())))


services = st.builds(service, st.integers(1, 5), st.sampled_from([64, 256, 700]))
