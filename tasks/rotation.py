"""Other keys for droplets that are there: each turned in two steps, so that one works whenever a run dies.

The tags of a droplet say which keys it may answer to. The number of the new one is there before the droplet has it, and
that of the old one goes when the droplet has forgotten it: whoever reads the tags can always open the droplet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from prefect import get_run_logger, unmapped

from agent import wire
from agent.client import AgentClient
from agent.keys import Opening
from blocks.environment import Environment
from fleet import key_tags, naming
from fleet.errors import DeployerError, NotFound, PermanentError, TransientError
from fleet.rotation import KeySeen, RotationPlan, Turning, plan_rotation
from fleet.state import Droplet
from tasks import locks
from tasks.agents import reach
from tasks.policy import settle, step
from tasks.waits import wait_for

BACK_DEADLINE = timedelta(minutes=1)
"""How long an agent may take to come back after it has taken up what its files say."""
POLL = timedelta(milliseconds=500)


@dataclass(frozen=True)
class Turned:
    """How a fan-out ended, by droplet."""

    done: dict[str, str] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)


@step("{environment.project}-{environment.name}: ask every droplet for its key")
def observe(environment: Environment) -> list[KeySeen]:
    """The key of every droplet of the environment; one that does not say is among them, with the reason."""
    found = environment.digitalocean.client().droplets.read_tagged(naming.environment_tag(environment.spec()))
    return locks.at_once(lambda droplet: _ask(droplet, environment), found)


@step("plan the rotation of keys", retries=0)
def decide(seen: list[KeySeen], names: Sequence[str], older_than: timedelta) -> RotationPlan:
    """Which droplets get another key, and which one first; also as lines in the log."""
    plan = plan_rotation(seen, names, older_than, datetime.now(UTC))
    for line in plan.lines():
        get_run_logger().info("plan: %s", line)
    return plan


@step("{turning.seen.droplet.name}: turn the key", timeout=BACK_DEADLINE * 5)
def turn(turning: Turning, environment: Environment) -> str:
    """Has the droplet answer to the key of the planned number and to no other; gives what was done, in words.

    Containers and their requests do not notice. What an earlier run has begun is gone on with.

    Raises:
        Leased: another run changes a service there, or upgrades the agent.
        NotFound: the droplet is gone.
    """
    droplet = _fresh(turning.seen.droplet, environment)
    opening = _finish(droplet, environment)
    if not (opening.current and opening.number >= turning.goal):
        number = opening.number + 1
        droplet = _tagged(droplet, (opening.number, number), environment)
        _begin(droplet, number, environment)
        opening = _finish(droplet, environment)
    _tidy(droplet, opening.number, environment)
    before = turning.seen
    if opening.number == before.number:
        return f"key {before.number}: its turn was finished"
    return f"key {before.number} → key {opening.number}; the old one is dead"


def turn_all(turnings: Sequence[Turning], environment: Environment, patience: timedelta) -> Turned:
    """All of these at the same time."""
    names = [one.seen.droplet.name for one in turnings]
    attempt = locks.patient(turn, time.monotonic() + patience.total_seconds(), patience)
    return Turned(*settle(names, attempt.map(turnings, unmapped(environment))))


def check_silent(plan: RotationPlan) -> None:
    """Every droplet was asked, as far as anybody knows.

    Raises:
        PermanentError: some did not say; they have the keys that they had.
    """
    if plan.silent:
        told = "".join(f"\n  {one.droplet.name}: {one.error}" for one in plan.silent)
        raise PermanentError(
            f"Pending on {len(plan.silent)} droplets, which have the keys that they had:{told}",
            hint="Run this again with their names once they answer.",
        )


def _ask(droplet: Droplet, environment: Environment) -> KeySeen:
    if not naming.is_our_droplet(droplet.tags):
        return KeySeen(droplet, error="it was not made here")
    try:
        opening, state = _look(droplet, environment)
    except PermanentError as error:
        return KeySeen(droplet, error=f"{error} Is its agent older than this? Then run upgrade-agents first.")
    except DeployerError as error:
        return KeySeen(droplet, error=error.message)
    return KeySeen(droplet, opening.number, opening.current, state.turning, state.since)


def _look(droplet: Droplet, environment: Environment) -> tuple[Opening, wire.KeyState]:
    """The key that the droplet answers to, and what it says of it."""
    with reach(environment, droplet) as agent:
        return _opening(agent), agent.keys.read()


def _opening(agent: AgentClient) -> Opening:
    if agent.opening is None:
        raise PermanentError("The client does not say by which key it came in.", hint="This is a mistake: report it.")
    return agent.opening


def _fresh(droplet: Droplet, environment: Environment) -> Droplet:
    """With the tags of this moment: those of a list may be older than another run's last turn."""
    found = environment.digitalocean.client().droplets.read(droplet.id)
    if found is None:
        raise NotFound(f"{droplet.name} is gone.", hint="Run this again.")
    return found


def _tagged(droplet: Droplet, numbers: Sequence[int], environment: Environment) -> Droplet:
    """The droplet with tags of both keys, the old one's first: a droplet without any is one with key 1."""
    wanted = [key_tags.key_tag(one) for one in numbers]
    for tag in wanted:
        if tag not in droplet.tags:
            environment.digitalocean.client().tags.add(tag, droplet.id)
    return replace(droplet, tags=droplet.tags | set(wanted))


def _begin(droplet: Droplet, number: int, environment: Environment) -> None:
    """The first half: the droplet is back under its new key, and the API key before is good as well."""
    fresh = environment.digitalocean.ring((number,)).fresh(droplet.name, number)
    with reach(environment, droplet) as agent:
        agent.keys.turn(fresh.secret)

    def back() -> bool | None:
        found = _glance(droplet, environment)
        return True if found is not None and found[0] == fresh else None

    wait_for(f"{droplet.name} to answer to its key {number}", back, BACK_DEADLINE, POLL)


def _finish(droplet: Droplet, environment: Environment) -> Opening:
    """The second half, if there is one: the droplet is back, and takes no other key than that which it has."""
    with reach(environment, droplet) as agent:
        opening = _opening(agent)
        if not agent.keys.read().turning:
            return opening
        agent.keys.confirm()

    def back() -> bool | None:
        found = _glance(droplet, environment)
        return True if found is not None and not found[1].turning else None

    wait_for(f"{droplet.name} to forget the key before", back, BACK_DEADLINE, POLL)
    return opening


def _glance(droplet: Droplet, environment: Environment) -> tuple[Opening, wire.KeyState] | None:
    """The same as `_look`, of a droplet whose agent may be away for a moment."""
    try:
        return _look(droplet, environment)
    except TransientError:
        return None


def _tidy(droplet: Droplet, number: int, environment: Environment) -> None:
    """Takes the tags of keys off it that it answers to no more; a first key has none."""
    stale = {tag for tag in droplet.tags if key_tags.is_key_tag(tag)} - {key_tags.key_tag(number)}
    for tag in sorted(stale):
        environment.digitalocean.client().tags.remove(tag, droplet.id)
