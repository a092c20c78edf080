"""Worlds to undeploy from: written out for examples, and drawn at random for Hypothesis; and what an undeploy does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from fleet import naming
from fleet.naming import Tombstone
from fleet.removal import Scope, UndeployPlan
from fleet.spec import EnvironmentSpec
from fleet.state import Container, Droplet, Firewall, Host, Inventory, Record, Role, Route, World

OWNER, OTHER_OWNER = "9fe5e6", "000001"
SPEC = EnvironmentSpec("demo", "prod", "fra1", "s-1vcpu-1gb", "example.com")
TAG = naming.environment_tag(SPEC)
OLD, NEW = "20261101t000000-aaaaaa", "20261124t000000-bbbbbb"
MADE, NOW = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 20, 12, tzinfo=UTC)
FIREWALL = Firewall("fw-1", naming.firewall(SPEC), (), (TAG,))


def scope(service: str | None = "hello", **changes: object) -> Scope:
    """What is to go: the service `hello`, but for these changes."""
    return replace(Scope(OWNER, SPEC, service, NOW), **changes)  # type: ignore[arg-type]  # fields by name


def droplet(number: int, *more: str, ours: bool = True) -> Droplet:
    """An active droplet `demo-prod-00000{number}` with more tags; without its intent it is not ours."""
    mark = {naming.TAG, f"op:0123456789ab-{number}"} if ours else set[str]()
    return Droplet(
        id=100 + number,
        name=f"demo-prod-00000{number}",
        status="active",
        region="fra1",
        size="s-1vcpu-1gb",
        image="9001",
        tags=frozenset({TAG, *mark, *more}),
        public_address=f"192.0.2.{number}",
        private_address=None,
        created_at=MADE,
    )


def container(service: str = "hello", role: Role = "current", release: str = OLD, owner: str = OWNER) -> Container:
    """A container of a service of the environment."""
    name = naming.container(owner, SPEC, service)
    return Container(name, role, release, "sha256:0", "running", 0, (f"{service}.example.com",))


def route(service: str = "hello", release: str = OLD) -> Route:
    """What nginx knows of a service."""
    return Route(f"{service}.example.com", naming.container(OWNER, SPEC, service), release)


def host(number: int, *services: str, tags: tuple[str, ...] = (), **rest: tuple[str, ...]) -> Host:
    """A droplet that serves these services, and has the rest of an inventory."""
    return Host(
        droplet(number, *tags),
        tuple(container(name) for name in services),
        routes=tuple(route(name) for name in services),
        inventory=Inventory(**rest),
    )


def silent(number: int, *tags: str) -> Host:
    """A droplet that does not answer."""
    return Host(droplet(number, *tags), error="the agent did not answer: timed out")


def record(number: int, service: str = "hello") -> Record:
    """A record of ours to a droplet."""
    to = droplet(number)
    comment = naming.comment(OWNER, SPEC, service, to.name)
    return Record(f"{service}-{number}", f"{service}.example.com", "A", to.public_address or "", True, comment)


def world(*hosts: Host, records: tuple[Record, ...] = (), firewall: Firewall | None = FIREWALL) -> World:
    """These hosts, with the tags that they and the firewall carry."""
    counts = {naming.TAG: 0, TAG: 0}
    for one in hosts:
        for tag in one.droplet.tags:
            counts[tag] = counts.get(tag, 0) + 1
    return World(hosts, records, (firewall,) if firewall else (), counts)


def after(seen: World, plan: UndeployPlan) -> World:
    """The world once the plan has been carried out; what nothing uses any more is pruned."""
    gone = {(one.droplet.id, one.container) for one in plan.departures}
    destroyed = {one.id for one in plan.destroyed}
    stones = {one.droplet.id: one for one in plan.pending if not one.placed}
    settled = set(plan.settled)
    hosts = []
    for one in (one for one in seen.hosts if one.droplet.id not in destroyed):
        tags = {tag for tag in one.droplet.tags if (one.droplet, tag) not in settled}
        if stone := stones.get(one.droplet.id):
            tags = (tags - set(stone.outdated)) | {naming.tombstone_tag(stone.tombstone)}
        kept = tuple(c for c in one.containers if (one.droplet.id, c.name) not in gone)
        routes = tuple(r for r in one.routes or () if (one.droplet.id, r.container) not in gone)
        volumes = {name for droplet, name in plan.volumes if droplet == one.droplet}
        rest = one.inventory and Inventory(
            one.inventory.strangers, tuple(name for name in one.inventory.volumes if name not in volumes)
        )
        hosts.append(
            replace(
                one, droplet=replace(one.droplet, tags=frozenset(tags)), containers=kept, routes=routes, inventory=rest
            )
        )
    counts = dict.fromkeys(seen.tags, 0) | {tag: 0 for one in hosts for tag in one.droplet.tags}
    for one in hosts:
        for tag in one.droplet.tags:
            counts[tag] += 1
    passed = {tag for _, tag in settled} | {tag for one in stones.values() for tag in one.outdated}
    left = {tag: count for tag, count in counts.items() if tag not in plan.tags and (count or tag not in passed)}
    records = tuple(one for one in seen.records if one not in plan.records)
    return World(tuple(hosts), records, tuple(one for one in seen.firewalls if one != plan.firewall), left)


_names = st.sampled_from(["hello", "shop", "redis"])
_stones = st.builds(
    lambda *given: naming.tombstone_tag(Tombstone(*given)),
    st.sampled_from(["hello", "shop", None]),
    st.sampled_from([NOW, NOW - timedelta(days=15), NOW + timedelta(days=30)]),
    st.booleans(),
)
_containers = st.builds(
    container,
    _names,
    st.sampled_from(["current", "candidate", "previous"]),
    st.sampled_from([OLD, NEW]),
    st.sampled_from([OWNER, OWNER, OWNER, OTHER_OWNER]),
)
_inventories = st.builds(
    Inventory,
    st.sampled_from([(), (), (), ("postgres",)]),
    st.sampled_from([(), (), (), (f"{OWNER}_demo_prod_hello_data",), ("backup",)]),
    st.sampled_from([(), ("sha256:1",)]),
)


@st.composite
def _hosts(draw: st.DrawFn, number: int, answering: bool) -> Host:
    machine = droplet(number, *draw(st.lists(_stones, max_size=2)), ours=draw(st.sampled_from([True] * 5 + [False])))
    machine = replace(machine, created_at=draw(st.sampled_from([MADE, NOW])))
    if not naming.is_our_droplet(machine.tags):
        return Host(machine, error="it was not asked")
    if not answering and draw(st.booleans()):
        return Host(machine, error="no answer")
    found = draw(st.lists(_containers, max_size=4, unique_by=lambda one: (one.name, one.role)))
    routes = draw(
        st.lists(st.builds(route, _names, st.sampled_from([OLD, NEW])), max_size=2, unique_by=lambda r: r.host)
    )
    return Host(machine, tuple(found), routes=tuple(routes), inventory=draw(st.one_of(_inventories, st.none())))


def _records() -> st.SearchStrategy[Record]:
    theirs = st.builds(
        Record,
        st.uuids().map(str),
        st.sampled_from(["hello.example.com", "www.example.com"]),
        st.sampled_from(["A", "TXT"]),
        st.just("198.51.100.9"),
        st.booleans(),
        st.one_of(st.text(max_size=30), st.just(f"deployer {OTHER_OWNER} demo/prod/hello demo-prod-000001")),
    )
    return st.one_of(st.builds(record, st.integers(1, 9), _names), theirs)


@st.composite
def worlds(draw: st.DrawFn, answering: bool = False) -> World:
    """Worlds of whatever is allowed to be; `answering`: all our droplets answer."""
    numbers = draw(st.lists(st.integers(1, 9), max_size=5, unique=True))
    hosts = [draw(_hosts(number, answering)) for number in numbers]
    records = draw(st.lists(_records(), max_size=6, unique_by=lambda one: one.id))
    foreign = replace(FIREWALL, tags=("theirs",))
    made = world(*hosts, records=tuple(records), firewall=draw(st.sampled_from([FIREWALL, foreign, None])))
    return replace(made, tags={**made.tags, **draw(st.sampled_from([{}, {"op:ffffffffffff-0": 0, "op:theirs": 0}]))})


scopes = st.builds(
    lambda service, droplet, destroy, volumes: scope(service, droplet=droplet, destroy_empty=destroy, volumes=volumes),
    st.sampled_from(["hello", "shop", None]),
    st.sampled_from([None, None, "demo-prod-000001"]),
    st.booleans(),
    st.sampled_from([(), ("data",)]),
)
