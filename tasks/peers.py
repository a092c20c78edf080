"""Peers by name: every droplet of an environment knows its tcp services, and reaches each where it runs.

The table is made from what the droplets say, and given to those that have another one. It carries what its maker has
seen: a droplet whose table another run has changed meanwhile refuses it, and all of it is made again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from prefect import get_run_logger

from agent import keys, wire
from agent.client import AgentClient, AgentProblem
from blocks.environment import Environment
from fleet import naming
from fleet import peers as names
from fleet.errors import HostsFailed, TransientError
from fleet.peers import Peer, Serving, Sighting
from fleet.spec import Tcp
from fleet.state import Droplet
from tasks import droplets
from tasks.agents import reach
from tasks.plans import YOUNG, Order
from tasks.policy import reason, settle, step

ROUNDS: Final = 5
"""How often a table is made again because another run was faster."""
Failures = dict[str, Exception]


@step("{droplet.name}: read the peers", retries=2)
def look(droplet: Droplet, environment: Environment) -> Sighting:
    """The tcp services that run on a droplet, and the table that it has."""
    with reach(environment, droplet) as agent:
        found, table = agent.containers(), _table(agent)
    serving = tuple(
        Serving(one.name, one.release, one.port)
        for one in found.containers
        if (one.kind, one.role) == ("tcp", "current") and one.port
    )
    if table is None:
        return Sighting(droplet, serving)
    return Sighting(droplet, serving, tuple(map(_peer, table.peers)), table.digest, table.applied)


@step("{seen.droplet.name}: write the peers")
def write(seen: Sighting, table: Sequence[Peer], environment: Environment) -> bool:
    """Gives a droplet the whole table; False when it has got another one since it was seen."""
    body = wire.Peers(
        peers=tuple(map(_wire, table)),
        secret=keys.peer_secret(environment.digitalocean.seed_value(), names.environment_word(environment.spec())),
        replaces=seen.digest or None,
    )
    with reach(environment, seen.droplet) as agent:
        try:
            agent.write_peers(body)
        except AgentProblem as error:
            if error.problem.code == "stale":
                return False
            raise
    return True


def share(order: Order, hosts: Sequence[Droplet], environment: Environment) -> None:
    """After a tcp service was promoted on `hosts`, every droplet of the environment reaches it there.

    Raises:
        HostsFailed: some droplets do not; the message names each with its reason.
    """
    if isinstance(order.service.runs, Tcp):
        welcome(hosts, environment)


def welcome(hosts: Sequence[Droplet], environment: Environment, leaving: Collection[str] = ()) -> None:
    """Every droplet of the environment has the present table, `hosts` (which may be new) included.

    What runs on a droplet that is `leaving` counts only where it runs nowhere else.

    Raises:
        HostsFailed: some droplets have not; the message names each with its reason.
    """
    done = spread(hosts, environment, leaving)
    failures = done.unseen | done.refused
    if failures:
        reasons = {name: reason(error) for name, error in failures.items()}
        raise HostsFailed("Sharing the peers", reasons, max(len(done.everyone), len(failures)))


def forget(environment: Environment) -> dict[str, str]:
    """After something was removed, no droplet that answers names a service that runs nowhere; gives what failed.

    A droplet that does not answer keeps its table, and what it ran stays in the others', until it does.
    """
    return {name: reason(error) for name, error in spread((), environment).refused.items()}


@dataclass(frozen=True)
class Outcome:
    """How the droplets took the table."""

    everyone: tuple[str, ...]
    unseen: Failures
    """Why a droplet could not be asked."""
    refused: Failures
    """Why a droplet has not got it."""


def spread(hosts: Sequence[Droplet], environment: Environment, leaving: Collection[str] = ()) -> Outcome:
    """The present table on every droplet that answers. What runs nowhere leaves the table."""
    refused: Failures = {}
    for _ in range(ROUNDS):
        sightings, unseen = look_around(hosts, environment)
        table = names.plan_peers(names.without(sightings, leaving))
        late = names.outdated(sightings, table)
        futures = [write.submit(seen, table, environment) for seen in late]
        results, refused = settle([seen.droplet.name for seen in late], futures)
        stale = [name for name, taken in results.items() if not taken]
        if late and not stale:
            get_run_logger().info("peers: %s", ", ".join(_said(one) for one in table) or "none")
        if not stale:
            break
        again = TransientError("Other runs change the table of peers all the time.", hint="Run this again.")
        refused |= dict.fromkeys(stale, again)
    return Outcome(tuple(one.droplet.name for one in sightings), unseen, refused)


def look_around(hosts: Sequence[Droplet], environment: Environment) -> tuple[list[Sighting], Failures]:
    """Every droplet of the environment, and why some could not be asked.

    One that another run is making just now is no failure, nor one with a tombstone: the run that makes or cleans it
    gives it the table.
    """
    tagged = droplets.list_tagged(naming.environment_tag(environment.spec()), environment.digitalocean)
    everyone = {one.name: one for one in [*tagged, *hosts]}
    found, failures = settle(list(everyone), [look.submit(one, environment) for one in everyone.values()])
    ours = {one.name for one in hosts}
    excused = {name for name in failures if name not in ours and _is_excused(everyone[name])}
    silent = [Sighting(everyone[name], silent=True) for name in failures]
    return [*found.values(), *silent], {name: error for name, error in failures.items() if name not in excused}


def _is_excused(droplet: Droplet) -> bool:
    return datetime.now(UTC) - droplet.created_at < YOUNG or bool(naming.tombstones(droplet.tags))


def _table(agent: AgentClient) -> wire.PeerTable | None:
    """The table, or None where the agent is too old to have one."""
    try:
        return agent.peers()
    except AgentProblem as error:
        if error.problem.code == "not_found":
            return None
        raise


def _said(peer: Peer) -> str:
    return f"{peer.service}:{peer.port} on {peer.droplet}"


def _peer(seen: wire.Peer) -> Peer:
    return Peer(seen.service, seen.container, seen.virtual, seen.port, seen.droplet, seen.address)


def _wire(peer: Peer) -> wire.Peer:
    return wire.Peer(
        service=peer.service,
        container=peer.container,
        virtual=peer.virtual,
        port=peer.port,
        droplet=peer.droplet,
        address=peer.address,
    )
