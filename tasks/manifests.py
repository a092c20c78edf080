"""Manifests: what a deploy leaves of a service with every droplet, for a controller that has lost its database.

A manifest that could not be left fails no run, as the service serves: it is told, and the next deploy leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from prefect import get_run_logger

from agent import wire
from agent.client import AgentProblem
from blocks.environment import Environment
from fleet import naming
from fleet.adoption import Left
from fleet.departures import Scope, UndeployPlan
from fleet.errors import DeployerError, PermanentError
from fleet.plan import Plan
from fleet.state import Droplet, World
from tasks import locks
from tasks.agents import reach
from tasks.locks import Lock
from tasks.plans import Order
from tasks.policy import reason, settle, step

AT_ONCE = 32
TOO_OLD = "its agent is too old to keep any: run `upgrade-agents`"


def leave_all(
    order: Order, lock: Lock, release: str, plan: Plan, made: Sequence[Droplet], environment: Environment
) -> list[str]:
    """The manifest with every droplet of the environment that answers and stays; gives in words where it is not."""
    gone = {one.name for one in plan.destroy}
    there = [host.droplet for host in plan.world.hosts if host.error is None] + list(made)
    droplets = list({one.name: one for one in there if one.name not in gone and one.name in lock.fencing}.values())
    manifest = wire.Manifest(release=release, written_at=datetime.now(UTC), by=locks.holder(), document=order.manifest)
    futures = [leave.submit(one, manifest, lock, environment) for one in droplets]
    _, failures = settle([one.name for one in droplets], futures)
    told = [
        f"The manifest of {order.title} is not on {name}: {reason(error)}" for name, error in sorted(failures.items())
    ]
    for line in told:
        get_run_logger().warning("%s", line)
    return told


@step("{droplet.name}: leave the manifest of {lock.name}", retries=1)
def leave(droplet: Droplet, manifest: wire.Manifest, lock: Lock, environment: Environment) -> bool:
    """Leaves it there, unless the droplet has it; says whether it had another, or none.

    Raises:
        PermanentError: the agent is too old, or its disk is full.
        TransientError: it did not answer.
    """
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        try:
            kept = {one.name: one for one in agent.manifests().manifests}.get(lock.name)
            if kept and (kept.release, kept.document) == (manifest.release, manifest.document):
                return False
            agent.keep_manifest(lock.name, manifest)
        except AgentProblem as error:
            if error.problem.code in ("not_found", "method_not_allowed"):
                raise PermanentError(TOO_OLD) from error
            raise
    return True


def hand_on(held: Mapping[str, Lock], new: Droplet, environment: Environment) -> None:
    """The manifests of services that a new droplet has taken over, from whatever other droplet has them."""
    try:
        tag = naming.environment_tag(environment.spec())
        others = [one for one in environment.digitalocean.client().droplets.read_tagged(tag) if one.name != new.name]
        newest = _newest(one for left in at_once(others, environment) for one in left)
        with_lock = [(held[name], one) for name, one in newest.items() if name in held]
        for lock, one in with_lock:
            manifest = wire.Manifest(release=one.release, written_at=one.written_at, by=one.by, document=one.document)
            leave.fn(new, manifest, lock, environment)
    except DeployerError as error:
        get_run_logger().warning("%s has not every manifest; the next deploys leave them: %s", new.name, error)


def forget_all(
    scope: Scope, plan: UndeployPlan, held: Mapping[str, Lock], world: World, environment: Environment
) -> dict[str, str]:
    """No droplet knows any more what services were to be that go everywhere; gives what failed, by droplet.

    A droplet that a service is taken off forgets it by itself, one that is silent with its tombstone.
    """
    if scope.droplet is not None:
        return {}
    gone = {one.name for one in plan.destroyed}
    there = [host.droplet for host in world.hosts if host.error is None and host.droplet.name not in gone]
    pairs = [(one, lock) for lock in held.values() for one in there if one.name in lock.fencing]
    futures = [forget.submit(one, lock, environment) for one, lock in pairs]
    _, failures = settle([f"{one.name}/{lock.name}" for one, lock in pairs], futures)
    return {name.partition("/")[0]: reason(error) for name, error in failures.items()}


@step("forget the manifest of {lock.name} on {droplet.name}", retries=1)
def forget(droplet: Droplet, lock: Lock, environment: Environment) -> None:
    """Has a droplet forget a service; none is fine, and so is an agent that is too old to keep any."""
    with reach(environment, droplet, fencing=lock.number(droplet)) as agent:
        try:
            agent.forget_manifest(lock.name)
        except AgentProblem as error:
            if error.problem.code not in ("not_found", "method_not_allowed"):
                raise


def at_once(droplets: Sequence[Droplet], environment: Environment) -> list[tuple[Left, ...]]:
    """What each droplet has kept; nothing where it does not answer."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: read_or_nothing(one, environment), droplets))


def read_or_nothing(droplet: Droplet, environment: Environment) -> tuple[Left, ...]:
    """What a droplet has kept; nothing where it does not answer, or cannot keep any."""
    try:
        with reach(environment, droplet) as agent:
            return tuple(_left(droplet, one) for one in agent.manifests().manifests)
    except DeployerError:
        return ()


def _newest(found: Iterable[Left]) -> dict[str, Left]:
    return {one.container: one for one in sorted(found, key=lambda one: one.order)}


def _left(droplet: Droplet, one: wire.HeldManifest) -> Left:
    return Left(one.name, droplet.name, one.release, one.written_at, one.by, one.document)
