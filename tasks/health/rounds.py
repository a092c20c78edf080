"""The health sweep: every droplet and every name asked at once, in one task for each environment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.runtime import deployment, flow_run
from prefect.types import DateTime

from blocks.environment import Environment
from fleet import naming
from fleet.remediation import moments
from fleet.state import Droplet
from tasks import documents
from tasks.health import droplets as agents
from tasks.health import edge
from tasks.health.findings import Finding
from tasks.policy import reason, settle, step

FORGOTTEN = timedelta(minutes=10)
"""A run that began longer ago than this died with its worker, whatever its state says."""


@step("{environment.project}-{environment.name}: ask every droplet", retries=1)
def sweep(environment: Environment) -> list[Finding]:
    """Asks all droplets of an environment and all its names at once; who does not answer is `unknown`.

    It takes seconds; with both providers hanging in each call, 110 s.
    """
    tag = naming.environment_tag(environment.spec())
    return asyncio.run(look(environment, environment.digitalocean.client().droplets.read_tagged(tag)))


def sweep_all(environments: Sequence[Environment]) -> list[Finding]:
    """The same for several; where nobody could say which droplets there are, that is the environment's finding."""
    titles = [one.title() for one in environments]
    found, failures = settle(titles, sweep.map(environments) if titles else [])
    told = [_unseen(title, failures[title]) if title in failures else found[title] for title in titles]
    return [finding for one in told for finding in one]


async def look(environment: Environment, droplets: Sequence[Droplet]) -> list[Finding]:
    """One look at an environment from both vantage points: what a sweep does, without Prefect."""
    at = moments.read_moment()
    answers, outside = await asyncio.gather(agents.ask_all(environment, droplets), edge.look(environment, droplets))
    names = edge.read(environment, [one.node for one in answers if one.node], outside)
    return [
        finding
        for droplet, answer in zip(droplets, answers, strict=True)
        for finding in agents.read(environment.title(), droplet, answer, names, at)
    ]


def _unseen(title: str, error: Exception) -> list[Finding]:
    told = f"nobody could say which droplets there are: {reason(error)}"
    return [Finding(title, "", "", "", "unknown", told)]


def list_environments() -> list[Environment]:
    """All environments that have a block; one that has several is that of the block with its title, else of any.

    Asked twice, its droplets would look like two of one name, of which none is healed.
    """
    names = [one.name for one in documents.list_all(Environment.get_block_type_slug()) if one.name]
    found: dict[str, Environment] = {}
    for name in sorted(names):
        one = cast(Environment, Environment.load(name))
        if name == one.title() or one.title() not in found:
            found[one.title()] = one
    return list(found.values())


def another_round_runs() -> bool:
    """Whether an earlier run of the same deployment is still at it; then this one has nothing to add."""
    if deployment.id is None:
        return False
    with get_client(sync_client=True) as client:
        running = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[UUID(deployment.id)]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
                start_time=FlowRunFilterStartTime(after_=DateTime.instance(datetime.now(UTC) - FORGOTTEN)),
            )
        )
    first = min(running, key=lambda one: (one.start_time or datetime.max.replace(tzinfo=UTC), one.id), default=None)
    return first is not None and str(first.id) != flow_run.id
