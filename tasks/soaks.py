"""After a deploy: every health round compares the new release with the one before, and takes a worse one back.

Only services that ask for it (*Time to soak*) are looked at. What the round decides is written down before a rollback
is begun, as a run of its own; `fleet.soak` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from prefect import get_run_logger

from agent import wire
from blocks.environment import Environment
from blocks.service import Service
from fleet import naming, soak
from fleet.errors import DeployerError
from fleet.soak import Sight, Soak, Step, Traffic
from fleet.state import Droplet
from tasks import soak_rollbacks
from tasks.agents import reach
from tasks.notebooks import Notebook
from tasks.policy import step
from tasks.rolls import list_services

AT_ONCE: Final = 32
SERVICES: Final = 1000
"""Services of which the last soak is remembered."""
Book = dict[str, Soak]
NOTEBOOK: Final = Notebook[Book]("soaks", Book, dict)
"""By the container's name."""


@dataclass(frozen=True)
class Look:
    """What a droplet has; None: it did not answer."""

    droplet: Droplet
    containers: tuple[wire.Container, ...] | None


def watch(environments: Iterable[Environment]) -> None:
    """One look at every service that soaks; a release that does worse than the one before is taken back.

    Never fails a run; an environment none of whose services asks for it costs one question to Prefect.
    """
    for environment in environments:
        try:
            services = [one for one in list_services(environment) if one.soak_minutes]
            if services:
                _watch(environment, services)
        except Exception as error:  # the round did what it is for, and the next one looks again
            get_run_logger().warning("%s: no look at what soaks: %s", environment.title(), error)


@step("{environment.project}-{environment.name}: look at what soaks", timeout=timedelta(minutes=1), retries=0)
def look(environment: Environment) -> list[Look]:
    """The containers of every droplet of an environment, with what their nginx counted."""
    tag = naming.environment_tag(environment.spec())
    droplets = environment.digitalocean.client().droplets.read_tagged(tag)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: _look(one, environment), droplets))


def sight(container: str, looks: Sequence[Look]) -> Sight:
    """One service as the droplets that answered have it."""
    found = [seen for one in looks for seen in one.containers or () if seen.name == container]
    current = [seen for seen in found if seen.role == "current"]
    return Sight(
        releases=frozenset(seen.release for seen in current),
        before=frozenset(seen.release for seen in found if seen.role == "previous"),
        traffic=_traffic(found),
        restarts=max((seen.restarts for seen in current), default=0),
        silent=sum(one.containers is None for one in looks),
    )


def _watch(environment: Environment, services: Sequence[Service]) -> None:
    owner, looks = environment.digitalocean.client().account.read_owner(), look(environment)
    for service in services:
        container = naming.container(owner, environment.spec(), service.name)
        seen, now = sight(container, looks), datetime.now(UTC)
        before = NOTEBOOK.read().get(container)
        if soak_rollbacks.paused(container, now):
            continue
        found = soak.advance(before, seen, service.soak_minutes, now)
        if found.soak is not None and found.soak != before:
            _remember(container, found.soak)
            _tell(service, found, before, seen, looks)


def _tell(service: Service, found: Step, before: Soak | None, seen: Sight, looks: Sequence[Look]) -> None:
    if found.soak is None:
        return
    get_run_logger().info("%s: %s %s", service.name, found.soak.release, found.soak.word)
    if found.roll_back or (before is not None and before.word != found.soak.word and before.word == "bad"):
        droplets = [one.droplet for one in looks if one.containers is not None]
        soak_rollbacks.tell(service, found.soak, seen, droplets)
    if found.roll_back:
        soak_rollbacks.begin(service, found.soak)


def _remember(container: str, changed: Soak) -> None:
    def change(book: Book) -> Book:
        rest = sorted((one for one in book.items() if one[0] != container), key=lambda one: one[1].since)
        return {**dict(rest[-SERVICES:]), container: changed}

    NOTEBOOK.update(change)


def _look(droplet: Droplet, environment: Environment) -> Look:
    try:
        with reach(environment, droplet) as agent:
            return Look(droplet, agent.containers().containers)
    except DeployerError:
        return Look(droplet, None)


def _traffic(found: Sequence[wire.Container]) -> Mapping[str, Traffic]:
    names = {seen.release for seen in found}
    return {one: soak.total(_counted(seen) for seen in found if seen.release == one) for one in names}


def _counted(seen: wire.Container) -> Traffic:
    return Traffic(seen.requests_total, seen.requests_errors, seen.requests_seconds)
