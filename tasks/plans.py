"""Orders checked at the door, the world observed, and the plan that follows from both."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect import get_run_logger

from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from fleet import naming, plan, removal
from fleet.errors import InvalidInput, TransientError
from fleet.spec import BuildSource, EnvironmentSpec, ServiceSpec
from fleet.state import Droplet, Host, Image, World
from tasks import agents, contexts
from tasks.policy import step

YOUNG = timedelta(minutes=10)
"""A droplet younger than this may still be starting: it is waited for, not called silent."""
AT_ONCE = 32


@dataclass(frozen=True)
class Order:
    """What was asked for, checked: nothing in it can be refused for its form any more."""

    owner: str
    environment: EnvironmentSpec
    service: ServiceSpec

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
    environment, spec = service.environment.spec(snapshot), service.spec()
    if isinstance(spec.source, BuildSource):
        contexts.check(Path(spec.source.context), spec.source.dockerfile)
    owner = service.environment.digitalocean.client().account.read_owner()
    service.environment.cloudflare.client().read_zone()
    check_region(service.environment, environment)
    return Order(owner, environment, spec)


def order(service: Service) -> Order:
    """What a run that makes nothing new needs to know; also works when the service could not be built any more."""
    owner = service.environment.digitalocean.client().account.read_owner()
    return Order(owner, service.environment.spec(), service.spec())


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


@step("observe {order.environment.project}-{order.environment.name}", timeout=timedelta(minutes=5))
def observe(order: Order, environment: Environment) -> World:
    """The environment as it is: its droplets with their containers, and the records of the service and its domains."""
    droplets = environment.digitalocean.client().droplets.read_tagged(naming.environment_tag(order.environment))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        hosts = tuple(pool.map(lambda droplet: ask(droplet, environment), droplets))
    dns = environment.cloudflare.client()
    records = [record for domain in order.service.domains for record in dns.read_records(name=domain)]
    records += dns.read_records(comment=naming.comment_mark(order.owner, order.environment, order.service.name))
    return World(hosts=hosts, records=tuple({record.id: record for record in records}.values()))


def ask(droplet: Droplet, environment: Environment) -> Host:
    """What a droplet's agent says; one that may still be starting is a reason to try again."""
    try:
        with agents.reach(environment, droplet) as agent:
            found = agent.containers()
        return Host(droplet, tuple(agents.container(seen) for seen in found.containers))
    except TransientError as error:
        if datetime.now(UTC) - droplet.created_at < YOUNG:
            raise
        return Host(droplet, error=error.message)


@step("plan {order.service.name}", retries=0)
def decide(order: Order, world: World) -> plan.DeployPlan:
    """Where the service will run and what has to be made for it, also as lines in the log."""
    made = plan.plan_deploy(world, order.owner, order.environment, order.service, secrets.token_hex(6))
    for line in made.lines():
        get_run_logger().info("plan: %s", line)
    return made


@step("plan the removal of {order.service.name}", retries=0)
def decide_removal(order: Order, world: World, droplet: str | None) -> removal.UndeployPlan:
    """What has to go, also as lines in the log."""
    made = removal.plan_undeploy(world, order.owner, order.environment, order.service.name, droplet)
    for line in made.lines() or ["nothing is there"]:
        get_run_logger().info("plan: %s", line)
    return made


@step("name the release of {order.service.name}", retries=0)
def name_release(order: Order, image: Image, world: World, environment: Environment) -> str:
    """The release's id; one that has the same content already, on any droplet, gives its own."""
    content = digest(order.service, image, environment.digitalocean.token.get_secret_value())
    for host in world.hosts:
        for seen in host.containers:
            same = seen.name == order.container and seen.image == image.id
            if same and seen.role != "previous" and naming.same_content(seen.release, content):
                return seen.release
    return naming.release(datetime.now(UTC), content)


def digest(service: ServiceSpec, image: Image, key: str) -> str:
    """What a release consists of, as hex digits: the image and everything that the container is given.

    It is keyed, because secrets are part of it and release ids are shown.
    """
    given = (image.id, service.runs, service.health, sorted(service.variables.items()), sorted(service.secrets.items()))
    limits = (service.memory_mib, service.cpus, service.drain_seconds)
    return hmac.new(key.encode(), repr((given, limits)).encode(), hashlib.sha256).hexdigest()
