"""The releases that droplets have kept, mirrored into `Release` blocks so that a rollback's form can offer them.

A mirror is for the eye: whoever goes by a stale one is refused by the plan. So nothing here fails a run, and what could
not be done now is done by the next health check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from blocks.environment import Environment
from blocks.release import Release
from fleet import naming
from fleet.errors import DeployerError
from fleet.rollback import kept_releases
from fleet.state import Container, Droplet
from tasks import agents, documents
from tasks.health import Finding

AT_ONCE = 32
Seen = Mapping[str, Sequence[Container] | None]
"""What is on each droplet of an environment; None: nobody could say."""


def refresh(environment: Environment) -> None:
    """Makes the blocks of an environment those that its droplets have now."""
    try:
        _mirror(environment.title(), _look(environment))
    except Exception as error:  # see above
        get_run_logger().warning("The releases that a rollback's form offers may be stale: %s", error)


def refresh_all(findings: Iterable[Finding]) -> None:
    """The same for every environment of a health sweep, by what it found."""
    environments: dict[str, dict[str, Sequence[Container] | None]] = {}
    for one in findings:
        if not one.container:
            environments.setdefault(one.environment, {})[one.droplet] = one.there
    for title, seen in environments.items():
        try:
            _mirror(title, seen)
        except Exception as error:  # see above
            get_run_logger().warning("The releases that a rollback's form offers may be stale: %s", error)


def _look(environment: Environment) -> Seen:
    tag = naming.environment_tag(environment.spec())
    found = environment.digitalocean.client().droplets.read_tagged(tag)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(pool.map(lambda droplet: (droplet.name, _ask(droplet, environment)), found))


def _ask(droplet: Droplet, environment: Environment) -> Sequence[Container] | None:
    try:
        with agents.reach(environment, droplet) as agent:
            return [agents.container(seen) for seen in agent.containers().containers]
    except DeployerError:
        return None


def _mirror(title: str, seen: Seen) -> None:
    """Documents made, changed and deleted where they differ; none at all while a droplet cannot be seen."""
    known = {droplet: containers for droplet, containers in seen.items() if containers is not None}
    if len(known) < len(seen):
        return
    wanted = {one.title(): one for one in map(Release.of, kept_releases(known))}
    there = {name: found for name, found in _documents().items() if found[1].get("environment") == title}
    for name, release in wanted.items():
        if name not in there or _as_block(there[name][1]) != release.model_dump():
            release.save(name, overwrite=True)
    with get_client(sync_client=True) as client:
        for name in there.keys() - wanted.keys():
            with suppress(ObjectNotFound):
                client.delete_block_document(there[name][0])


def _documents() -> dict[str, tuple[UUID, dict[str, Any]]]:
    """All documents of the type, by name: id and fields."""
    found = documents.list_all(Release.get_block_type_slug())
    return {one.name: (one.id, one.data) for one in found if one.name}


def _as_block(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a document holds; None when it cannot be read any more, e.g. from an older version."""
    try:
        return Release.model_validate(fields).model_dump()
    except ValidationError:
        return None
