"""Orders checked at the door, the world observed, and the plan that follows from both."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prefect import get_run_logger

from agent.client import AgentClient, AgentProblem
from blocks import manifest
from blocks.environment import Environment
from blocks.release import Release
from blocks.service import Service
from blocks.snapshot import Snapshot
from fleet import naming, peers, plan, rollback
from fleet.cloud.ports import Cloud
from fleet.errors import InvalidInput, TransientError
from fleet.spec import EnvironmentSpec, LogRules, ServiceSpec, Tcp
from fleet.state import Droplet, Host, Image, Inventory, Record, Route, World
from tasks import agents, sources, weights
from tasks.policy import step

YOUNG = timedelta(minutes=10)
"""A droplet younger than this may still be starting: it is waited for, not called silent."""
LOOKS = 6
"""How often an observation is tried again, for two minutes in all: a droplet that a killed run has made a moment ago
gets its address within one, and the next run must not fail for it."""
AT_ONCE = 32


@dataclass(frozen=True)
class Order:
    """What was asked for, checked: nothing in it can be refused for its form any more."""

    owner: str
    environment: EnvironmentSpec
    service: ServiceSpec
    to_approve: bool = False
    """Whether somebody is to approve it: then what the image is made of counts among what must not move."""
    manifest: str = field(default="", repr=False)
    """What is left of the service on its droplets once it serves."""
    to_deploy: bool = False
    """Whether its image is to travel: then an observation says how much of it each droplet lacks."""

    @property
    def title(self) -> str:
        """What its plan is headed by."""
        return self.service.name

    @property
    def container(self) -> str:
        """The name of the service's containers."""
        return naming.container(self.owner, self.environment, self.service.name)

    def comment(self, droplet: Droplet) -> str:
        """The comment of the service's record for a droplet."""
        return naming.comment(self.owner, self.environment, self.service.name, droplet.name)


@step("{service.name}: check what was filled in")
def check(service: Service, snapshot: Snapshot | None = None) -> Order:
    """Everything that can be known to fail, fails here, before anything has been changed.

    Raises:
        InvalidInput: a value cannot work; the message says what to write instead.
        Refused: a token was not accepted.
    """
    service.check_complete()
    environment, spec = service.environment.spec(snapshot), service.spec()
    sources.check(spec.source)
    if isinstance(spec.runs, Tcp):
        peers.check_offered(spec.name, spec.runs.port)
    owner = service.environment.digitalocean.client().account.read_owner()
    service.environment.cloudflare.client().read_zone()
    check_region(service.environment, environment)
    return Order(owner, environment, spec, service.environment.approval, manifest.write(service), to_deploy=True)


@step("{service.name}: read what was filled in")
def order(service: Service) -> Order:
    """What a run that makes nothing new needs to know; also works when the service could not be built any more."""
    owner = service.environment.digitalocean.client().account.read_owner()
    return Order(owner, service.environment.spec(), service.spec())


def chosen(service: Service, to: Release | None, release: str | None) -> str | None:
    """The release that a rollback is to go to, as picked or written; None: the one before.

    Raises:
        InvalidInput: it is another service's, or two are named, or it is no release.
    """
    if to is None:
        if release:
            naming.released_at(release)
        return release or None
    if (to.environment, to.service) != (service.environment.title(), service.name):
        raise InvalidInput(
            f"{to.release} is a release of {to.service} in {to.environment}, not of {service.name} in "
            f"{service.environment.title()}.",
            hint=f"Choose one whose name begins with {service.environment.title()}-{service.name}.",
        )
    if release and release != to.release:
        raise InvalidInput(
            f"Two releases are named: {to.release} and {release}.", hint="Leave one of the fields empty."
        )
    return to.release


def check_region(environment: Environment, spec: EnvironmentSpec) -> None:
    """Whether droplets of this size can be made in this region, from this snapshot.

    Raises:
        InvalidInput: they cannot.
    """
    cloud = environment.digitalocean.client()
    regions, sizes = cloud.account.read_regions(), cloud.account.read_sizes()
    if not regions.get(spec.region):
        open_ones = ", ".join(sorted(slug for slug, available in regions.items() if available))
        raise InvalidInput(
            f"No droplets can be made in the region {spec.region!r}.", hint=f"Choose one of: {open_ones}."
        )
    offered = sorted(size.slug for size in sizes if size.available and spec.region in size.regions)
    if spec.size not in offered:
        raise InvalidInput(
            f"The region {spec.region} does not have the size {spec.size!r}.",
            hint=f"Choose one of: {', '.join(offered)}.",
        )
    known = {found.id: found for found in cloud.snapshots.read_all()} if spec.snapshot else {}
    if spec.snapshot and (spec.snapshot not in known or spec.region not in known[spec.snapshot].regions):
        raise InvalidInput(
            f"The snapshot {spec.snapshot} is not there in {spec.region}.",
            hint="Choose another in the run form, or make one with build-snapshot.",
        )


@step("observe {order.environment.project}-{order.environment.name}", timeout=timedelta(minutes=5), retries=LOOKS)
def observe(order: Order, environment: Environment) -> World:
    """The environment as it is: its droplets with their containers, its firewall, and the records of the service.

    Records of other services, and of other people, are among them where they have one of its names.
    """
    cloud, dns = environment.digitalocean.client(), environment.cloudflare.client()
    droplets = cloud.droplets.read_tagged(naming.environment_tag(order.environment))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        hosts = tuple(pool.map(lambda droplet: ask(droplet, environment), droplets))
    running = {domain for host in hosts for seen in host.all_of(order.container) for domain in seen.hosts}
    names = sorted({*order.service.domains, *running})
    records = [record for name in names for record in dns.read_records(name=name)]
    records += dns.read_records(comment=naming.comment_mark(order.owner, order.environment, order.service.name))
    check_listed(order, hosts, records, cloud)
    firewall = cloud.firewalls.read(naming.firewall(order.environment))
    return World(
        hosts=hosts,
        records=tuple({record.id: record for record in records}.values()),
        firewalls=(firewall,) if firewall else (),
        edge=dns.read_edge_ranges(),
        content=sources.fingerprint(order.service.source) if order.to_approve else "",
        weight=weights.weigh(order.service.source, hosts, environment) if order.to_deploy else None,
    )


def check_listed(order: Order, hosts: Sequence[Host], records: Iterable[Record], cloud: Cloud) -> None:
    """Where droplets seem to lack, whether the list has all that carry the tag: an empty one does not mean that all
    are gone, and without them the service would be made a second time.

    Raises:
        TransientError: more of them carry it than are listed.
    """
    mark = naming.comment_mark(order.owner, order.environment, order.service.name)
    led = {record.content for record in records if record.comment.startswith(f"{mark} ")}
    serving = [host for host in hosts if host.all_of(order.container)]
    if len(serving) >= order.service.replicas and led <= {host.droplet.public_address for host in hosts}:
        return
    tag = naming.environment_tag(order.environment)
    if (carry := cloud.tags.read_all().get(tag, 0)) > len(hosts):
        raise TransientError(
            f"{carry} droplets carry the tag {tag}, and DigitalOcean lists {len(hosts)} of them.",
            hint="Nothing has been changed. Run this again once its list is complete.",
        )


def ask(droplet: Droplet, environment: Environment) -> Host:
    """What a droplet's agent says; one that may still be starting is a reason to try again."""
    if not naming.is_our_droplet(droplet.tags):
        return Host(droplet, error="it was not made here")
    try:
        with agents.reach(environment, droplet) as agent:
            found, routes, inventory = agent.containers(), _routes(agent), _inventory(agent)
        containers = tuple(agents.container(seen) for seen in found.containers)
        return Host(droplet, containers, routes=routes, inventory=inventory)
    except TransientError as error:
        if datetime.now(UTC) - droplet.created_at < YOUNG:
            raise
        return Host(droplet, error=error.message)


def _routes(agent: AgentClient) -> tuple[Route, ...] | None:
    """What the droplet's nginx serves; None when it does not say, which is no reason to call the droplet silent."""
    try:
        return agents.routes(agent.routes())
    except AgentProblem:
        return None


def _inventory(agent: AgentClient) -> Inventory | None:
    """What else is there; None when the agent cannot say, and then nothing is done that could lose any of it."""
    try:
        found = agent.inventory()
    except AgentProblem:
        return None
    return Inventory(found.strangers, found.volumes, found.unused)


@step("plan {order.service.name}", retries=0)
def decide(order: Order, world: World, remove_empty: bool = False) -> plan.Plan:
    """Where the service will run and what has to be made for it, also as lines in the log."""
    seed = secrets.token_hex(6)
    made = plan.plan(world, plan.Desired(order.owner, order.environment, order.service, seed, remove_empty))
    for one in made.operations:
        get_run_logger().info("plan: %s", one.told)
    return made


@step("plan the rollback of {order.service.name}", retries=0)
def decide_rollback(order: Order, world: World, release: str | None) -> rollback.RollbackPlan:
    """Which release the droplets go back to, also as lines in the log."""
    made = rollback.plan_rollback(world, order.owner, order.environment, order.service, release)
    for line in made.lines():
        get_run_logger().info("plan: %s", line)
    return made


@step("name the release of {order.service.name}", retries=0)
def name_release(order: Order, image: Image, world: World, environment: Environment) -> str:
    """The release's id; one that has the same content already, on any droplet, gives its own.

    But not one that a droplet has kept as an older one: it comes again under a new name, which sorts after all that the
    droplets have, whatever the clock of the controller that gave those. One that failed is tried again under its own.
    """
    content = digest(order.service, image, environment.digitalocean.seed_value())
    known = [seen for host in world.hosts for seen in host.all_of(order.container)]
    left = {seen.release for seen in known if seen.role in ("previous", "kept")}
    same = {one.release for one in known if one.image == image.id and naming.same_content(one.release, content)}
    return max(same - left, default=naming.next_release(datetime.now(UTC), content, {one.release for one in known}))


def digest(service: ServiceSpec, image: Image, key: str) -> str:
    """What a release consists of, as hex digits: the image and everything that the container is given.

    It is keyed, because secrets are part of it and release ids are shown.
    """
    given = (image.id, service.runs, service.health, sorted(service.variables.items()), sorted(service.secrets.items()))
    limits = (service.memory_mib, service.cpus, service.drain_seconds, service.volumes, service.command)
    parts = (given, limits) if service.log == LogRules() else (given, limits, service.log)  # releases keep their names
    return hmac.new(key.encode(), repr(parts).encode(), hashlib.sha256).hexdigest()
