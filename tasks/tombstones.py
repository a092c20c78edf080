"""Tombstones: what is still to go from a droplet that did not answer, kept on the droplet itself as a tag.

So any controller finds them, also one with an empty database; and a droplet that is destroyed takes its own along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from prefect import get_run_logger

from blocks.environment import Environment
from fleet import naming
from fleet.errors import PermanentError, TransientError
from fleet.naming import Tombstone
from fleet.removal import Pending, Scope, UndeployPlan
from fleet.state import Droplet
from tasks import leftovers
from tasks.agents import Leased
from tasks.policy import gather, reason, step


@contextmanager
def each_by_itself() -> Iterator[Callable[[Callable[[Environment], None], Environment], None]]:
    """Gives what calls something for an environment; one that fails keeps none of the others from their turn.

    Raises:
        PermanentError: at the end, when some failed; the message names each.
    """
    failures: dict[str, str] = {}

    def attempt(do: Callable[[Environment], None], environment: Environment) -> None:
        try:
            do(environment)
        except Leased as error:
            get_run_logger().info("%s is left to the next round: %s", environment.title(), error.message)
        except Exception as error:  # the other environments have their turn; this one is named at the end
            failures[environment.title()] = reason(error)

    yield attempt
    if failures:
        lines = "".join(f"\n  {name}: {why}" for name, why in sorted(failures.items()))
        raise PermanentError(f"Some environments could not be finished:{lines}\n", hint="The next round tries again.")


def place_all(plan: UndeployPlan, environment: Environment) -> None:
    """A tombstone on every droplet that does not answer."""
    new = [one for one in plan.pending if not one.placed]
    gather("Noting what is pending", [one.droplet.name for one in new], [place.submit(one, environment) for one in new])


def settle_all(plan: UndeployPlan, environment: Environment) -> None:
    """Off with the tombstones that are done with."""
    futures = [remove.submit(droplet, tag, environment) for droplet, tag in plan.settled]
    gather("Removing tombstones", [f"{droplet.name} {tag}" for droplet, tag in plan.settled], futures)


def clear_all(service: str, owner: str, hosts: Sequence[Droplet], environment: Environment) -> None:
    """A deploy comes to these droplets: what is pending there is not to take it off again."""
    marked = [one for one in hosts if any(t.service in (None, service) for t in naming.tombstones(one.tags).values())]
    futures = [clear.submit(one, service, owner, environment) for one in marked]
    gather("Clearing tombstones", [one.name for one in marked], futures)


@step("{one.droplet.name}: leave a tombstone")
def place(one: Pending, environment: Environment) -> None:
    """Notes on the droplet what is still to go; a droplet that is gone needs no note.

    Raises:
        TransientError: the note is not there although it was taken; another run may have deleted the tag meanwhile.
    """
    cloud, tag = environment.digitalocean.client(), naming.tombstone_tag(one.tombstone)
    if cloud.droplets.read(one.droplet.id) is None:
        return
    cloud.tags.add(tag, one.droplet.id)
    found = cloud.droplets.read(one.droplet.id)
    if found and tag not in found.tags:
        raise TransientError(f"{one.droplet.name} did not take the tag {tag}.", hint="Run this again.")
    for outdated in one.outdated:
        _off(one.droplet, outdated, environment)


@step("{droplet.name}: remove {tag}")
def remove(droplet: Droplet, tag: str, environment: Environment) -> None:
    """Takes a tombstone off its droplet; absent is fine."""
    _off(droplet, tag, environment)


@step("{droplet.name}: {service} is wanted again")
def clear(droplet: Droplet, service: str, owner: str, environment: Environment) -> None:
    """Takes the service's tombstone off the droplet; one for everything goes on to stand for the other services."""
    tags = environment.digitalocean.client().tags
    for tag, stone in naming.tombstones(droplet.tags).items():
        if stone.service is None:
            for other in _others(droplet, service, owner, environment):
                tags.add(naming.tombstone_tag(Tombstone(other, stone.since)), droplet.id)
        if stone.service in (None, service):
            _off(droplet, tag, environment)


def _others(droplet: Droplet, service: str, owner: str, environment: Environment) -> list[str]:
    """The other services of the environment that are on the droplet.

    Raises:
        TransientError: it does not say.
    """
    host = leftovers.ask(droplet, environment)
    leftovers.check_seen(host)
    names = {one.name for one in host.containers} | {one.container for one in host.routes or ()}
    scope = Scope(owner, environment.spec(), None, droplet.created_at)
    return sorted({naming.service_of(name) for name in names if scope.takes(name)} - {service})


def _off(droplet: Droplet, tag: str, environment: Environment) -> None:
    tags = environment.digitalocean.client().tags
    tags.remove(tag, droplet.id)
    tags.discard(tag)
