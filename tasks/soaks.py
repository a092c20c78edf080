"""After a deploy: every health round compares the new release with the one before, and takes a worse one back.

Only services that ask for it (*Time to soak*) are looked at, by what the round has found anyway. What is decided is
written down before a rollback is begun, as a run of its own; `fleet.soak` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from prefect import get_run_logger

from agent import wire
from blocks.environment import Environment
from blocks.service import Service
from fleet import naming, soak
from fleet.soak import Sight, Soak, Step, Traffic
from tasks import soak_rollbacks
from tasks.health import Finding
from tasks.notebooks import Notebook
from tasks.rolls import list_services

SERVICES: Final = 1000
"""Services of which the last soak is remembered."""
Book = dict[str, Soak]
NOTEBOOK: Final = Notebook[Book]("soaks", Book, dict)
"""By the container's name."""


def watch(environments: Iterable[Environment], findings: Sequence[Finding]) -> None:
    """One look at every service that soaks; a release that does worse than the one before is taken back.

    Never fails a run; an environment none of whose services asks for it costs one question to Prefect.
    """
    for environment in environments:
        try:
            droplets = [one for one in findings if one.environment == environment.title() and not one.container]
            for service in list_services(environment):
                if service.soak_minutes:
                    _watch(service, droplets)
        except Exception as error:  # the round did what it is for, and the next one looks again
            get_run_logger().warning("%s: no look at what soaks: %s", environment.title(), error)


def containers(droplet: Finding, service: Service) -> list[wire.Container]:
    """The containers of a service on a droplet; none where its agent did not answer."""
    node = droplet.agent.node if droplet.agent else None
    return [seen for seen in (node.containers if node else ()) if _is_of(service, seen.name)]


def sight(found: Sequence[wire.Container], silent: int) -> Sight:
    """One service by its containers on the droplets that answered; `silent` did not."""
    current = [seen for seen in found if seen.role == "current"]
    return Sight(
        releases=frozenset(seen.release for seen in current),
        before=frozenset(seen.release for seen in found if seen.role == "previous"),
        traffic=_traffic(found),
        restarts=max((seen.restarts for seen in current), default=0),
        silent=silent,
    )


def _watch(service: Service, droplets: Sequence[Finding]) -> None:
    found = {one.droplet: containers(one, service) for one in droplets}
    every = [seen for those in found.values() for seen in those]
    if not every:
        return
    container, now = every[0].name, datetime.now(UTC)
    if soak_rollbacks.paused(container, now):
        return
    seen = sight(every, sum(one.agent is None or one.agent.node is None for one in droplets))
    before = NOTEBOOK.read().get(container)
    step = soak.advance(before, seen, service.soak_minutes, now)
    if step.soak is not None and step.soak != before:
        _remember(container, step.soak)
        where = [one.provider for one in droplets if one.provider and found[one.droplet]]
        _act(soak_rollbacks.Case(service, container, step.soak, seen, tuple(where)), step, before)


def _act(case: soak_rollbacks.Case, step: Step, before: Soak | None) -> None:
    """Publishes and tells what is news of a bad release, and begins its rollback."""
    get_run_logger().info("%s: %s: %s", case.service.name, case.soak.release, case.soak.word)
    was_bad = before is not None and before.word == "bad"
    if step.roll_back or (was_bad and case.soak.word != "bad"):
        soak_rollbacks.tell(case)
    if step.roll_back:
        soak_rollbacks.begin(case)


def _is_of(service: Service, container: str) -> bool:
    told = naming.read_container(container)
    wanted = (service.environment.project, service.environment.name, service.name)
    return (told.project, told.environment, told.service) == wanted


def _remember(container: str, changed: Soak) -> None:
    def change(book: Book) -> Book:
        rest = sorted((one for one in book.items() if one[0] != container), key=lambda one: one[1].since)
        return {**dict(rest[-SERVICES:]), container: changed}

    NOTEBOOK.update(change)


def _traffic(found: Sequence[wire.Container]) -> Mapping[str, Traffic]:
    names = {seen.release for seen in found}
    return {one: soak.total(_counted(seen) for seen in found if seen.release == one) for one in names}


def _counted(seen: wire.Container) -> Traffic:
    return Traffic(seen.requests_total, seen.requests_errors, seen.requests_seconds)
