"""What runs, taken on by a controller that has lost its database: observed, planned, and written down as blocks.

Droplets, DNS and the account are only read. Everything here may be repeated: a block that is there stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from prefect import get_run_logger

from agent import wire
from blocks import manifest
from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from fleet import adoption, naming
from fleet.adoption import Adopted, AdoptionPlan, Held, Sight
from fleet.errors import DeployerError, InvalidInput, TransientError
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet, Host, Record
from tasks import agents, manifests, mirrors, plans, rolls
from tasks.health import list_environments
from tasks.policy import reason, settle, step

AT_ONCE = 32
OBSERVER = "adopt"


@dataclass(frozen=True)
class AdoptOrder:
    """What was asked for, and what the controller has already."""

    owner: str
    environment: EnvironmentSpec
    services: frozenset[str]
    """Names of services that have a block."""
    environments: frozenset[str]
    """Titles of environments that have one."""


@dataclass(frozen=True)
class Observed:
    """All that was seen."""

    sights: tuple[Sight, ...]
    records: tuple[Record, ...]
    strays: dict[str, int]


@step("check what was filled in")
def check(environment: Environment) -> AdoptOrder:
    """Whether both tokens are good, and which blocks are there.

    Raises:
        InvalidInput: the environment is not saved as a block.
        Refused: a token was not accepted.
    """
    mirrors.document_of(environment)
    owner = environment.digitalocean.client().account.read_owner()
    environment.cloudflare.client().read_zone()
    known = frozenset(one.name for one in rolls.list_services(environment))
    return AdoptOrder(owner, environment.spec(), known, frozenset(one.title() for one in list_environments()))


@step("look at all that is there", timeout=timedelta(minutes=5), retries=plans.LOOKS)
def observe(order: AdoptOrder, environment: Environment) -> Observed:
    """The environment's droplets with all that their agents know, its records, and droplets of other environments.

    Raises:
        TransientError: the list of droplets lacks some of those that carry the tag.
    """
    cloud, tag = environment.digitalocean.client(), naming.environment_tag(order.environment)
    droplets = cloud.droplets.read_tagged(tag)
    if (carry := cloud.tags.read_all().get(tag, 0)) > len(droplets):
        raise TransientError(
            f"{carry} droplets carry the tag {tag}, and DigitalOcean lists {len(droplets)} of them.",
            hint="Nothing has been written. Run this again once its list is complete.",
        )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sights = tuple(pool.map(lambda one: look(one, environment), droplets))
    records = environment.cloudflare.client().read_records(
        comment=naming.environment_mark(order.owner, order.environment)
    )
    strays = adoption.count_strays((one.tags for one in cloud.droplets.read_all()), order.environments)
    return Observed(sights, tuple(records), strays)


def look(droplet: Droplet, environment: Environment) -> Sight:
    """What one droplet knows; what an agent of the version before cannot say is left out."""
    host = plans.ask(droplet, environment)
    if host.error:
        return Sight(host)
    try:
        with agents.reach(environment, droplet) as agent:
            node = agent.node(observer=OBSERVER)
    except DeployerError as error:
        return Sight(Host(droplet, error=error.message))
    kept = manifests.read_or_nothing(droplet, environment)
    locks = tuple(Held(one.service, droplet.name, one.holder, one.since) for one in node.leases)
    return Sight(host, kept, locks, tuple(_pauses(node)), tuple(_watched(droplet, node)))


@step("what becomes of it", retries=0)
def decide(order: AdoptOrder, seen: Observed, absent: bool) -> AdoptionPlan:
    """What is made of what was seen, also as lines in the log."""
    plan = adoption.plan_adoption(
        seen.sights, seen.records, order.owner, order.environment, order.services, seen.strays, absent
    )
    for line in plan.lines():
        get_run_logger().info("plan: %s", line)
    return plan


@step("environment {environment.project}-{environment.name}: what its droplets know of it")
def complete(plan: AdoptionPlan, environment: Environment) -> list[str]:
    """Fills in what the environment's block has left at its default; gives in words what was, and what could not be."""
    if plan.newest is None:
        return []
    try:
        known = manifest.read(plan.newest.document)
    except InvalidInput as error:
        return [error.message]
    slug = mirrors.document_of(environment)
    fresh = cast(Environment, Environment.load(slug))
    changes, notes = manifest.settle(fresh, known)
    for name, value in changes.items():
        setattr(fresh, name, value)
    told = [f"{name} is {value!r} again" for name, value in changes.items()]
    if had_none := fresh.snapshot is None and bool(known.snapshot):
        told.append(_choose_snapshot(fresh, known.snapshot))
    if changes or (had_none and fresh.snapshot):
        fresh.save(slug, overwrite=True)
    return told + notes


def make_all(plan: AdoptionPlan, environment: Environment) -> tuple[dict[str, str], dict[str, str]]:
    """A block of every service that has a manifest; gives the documents' names, and what failed, by service."""
    futures = [make.submit(one, environment) for one in plan.making]
    made, failures = settle([one.service for one in plan.making], futures)
    return made, {name: reason(error) for name, error in failures.items()}


@step("{one.service}: make its block", retries=1)
def make(one: Adopted, environment: Environment) -> str:
    """The block that a person filled in once, without its secrets; gives its document's name.

    Raises:
        InvalidInput: its manifest does not fit, or its name is taken.
    """
    left = manifest.read(one.left.document if one.left else "")
    where = cast(Environment, Environment.load(mirrors.document_of(environment)))
    service = manifest.rebuild(left, where)
    name = next((name for name in (left.block, f"{where.title()}-{one.service}") if name and _is_free(name)), None)
    if name is None:
        raise InvalidInput(
            f"{one.service}: a Service block of another environment has its name already.", hint="Rename that one."
        )
    service.save(name)
    return name


def missing(one: Adopted) -> tuple[str, ...]:
    """Names of secrets that a service had, and that nobody can read back."""
    try:
        return manifest.read(one.left.document).secrets if one.left else ()
    except InvalidInput:
        return ()


def _is_free(name: str) -> bool:
    try:
        Service.load(name)
    except ValueError:  # Prefect's word for a document that is not there
        return True
    return False


def _choose_snapshot(environment: Environment, name: str) -> str:
    try:
        environment.snapshot = cast(Snapshot, Snapshot.load(name))
    except ValueError:
        return f"its default snapshot was {name}, which is not there any more: choose another"
    return f"its default snapshot is {name} again"


def _pauses(node: wire.Node) -> Iterator[str]:
    for held in node.pauses or ():
        for one in held.pauses:
            what = f"{one.scope} {one.name}".strip()
            until = f" until {one.until:%Y-%m-%d %H:%M} UTC" if one.until else ""
            yield f"{what}{until}, by {one.by or 'somebody'}: {one.why or 'no reason given'}"


def _watched(droplet: Droplet, node: wire.Node) -> Iterator[str]:
    for one in node.containers:
        if one.watch and (one.watch.restarts or one.watch.held):
            spent = ", and its budget is spent" if one.watch.held else ""
            yield f"{one.name} on {droplet.name}: restarted {one.watch.restarts} times in the last half hour{spent}"
        if one.watch and one.watch.resting:
            yield f"{one.name} on {droplet.name}: stopped on purpose"
