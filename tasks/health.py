"""The health sweep: every droplet asked at once, in one task, with a verdict for everything."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

from prefect.artifacts import create_table_artifact
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

import agent
from agent import wire
from agent.client import AgentError, AsyncAgentClient, apart, mend
from blocks.environment import Environment
from fleet import naming
from fleet.state import Container, Droplet, VerdictWord
from tasks import agents
from tasks.policy import step

OBSERVER = "health-check"
DROPLET_SECONDS = 10.0
"""How long one droplet may take; a sweep takes as long as its slowest droplet."""
AT_ONCE = 100
FORGOTTEN = timedelta(minutes=10)
"""A run that began longer ago than this died with its worker, whatever its state says."""


@dataclass(frozen=True)
class Finding:
    """What the sweep found for one container, or for a droplet as a whole (`container` is empty)."""

    environment: str
    droplet: str
    container: str
    release: str
    verdict: VerdictWord
    reason: str
    there: tuple[Container, ...] | None = None
    """Of a droplet: all containers on it; None: nobody could say."""


@step("{environment.project}-{environment.name}: ask every droplet", timeout=timedelta(minutes=1), retries=1)
def sweep(environment: Environment) -> list[Finding]:
    """Asks all droplets of an environment at once; one that does not answer is `unknown`, never unhealthy."""
    tag = naming.environment_tag(environment.spec())
    return asyncio.run(_sweep(environment, environment.digitalocean.client().droplets.read_tagged(tag)))


def list_environments() -> list[Environment]:
    """All environments that have a block."""
    with get_client(sync_client=True) as client:
        slug = Environment.get_block_type_slug()
        names = [document.name for document in client.read_block_documents_by_type(slug)]
    return [cast(Environment, Environment.load(name)) for name in names if name]


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


def report(findings: list[Finding]) -> None:
    """The findings as a table, worst first."""
    ordered = sorted(findings, key=lambda one: (-_SEVERITY[one.verdict], one.environment, one.droplet, one.container))
    rows = [
        {
            "verdict": f"{_SIGN[one.verdict]} {one.verdict}",
            "droplet": one.droplet,
            "container": one.container or "(the droplet)",
            "reason": one.reason,
            "release": one.release,
            "environment": one.environment,
        }
        for one in ordered
    ]
    counts = Counter(one.verdict for one in findings)
    summary = ", ".join(f"{counts[word]} {word}" for word in _SEVERITY if counts[word]) or "no droplet yet"
    create_table_artifact(rows, key="fleet-health", description=f"# Fleet health: {summary}")


async def _sweep(environment: Environment, droplets: list[Droplet]) -> list[Finding]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(droplet: Droplet) -> list[Finding]:
        async with gate:
            return await _ask(environment, droplet)

    return [finding for found in await asyncio.gather(*map(ask, droplets)) for finding in found]


async def _ask(environment: Environment, droplet: Droplet) -> list[Finding]:
    where = f"{environment.project}-{environment.name}"
    token = environment.digitalocean.token.get_secret_value()
    try:
        async with AsyncAgentClient(token, droplet.name, droplet.public_address or "") as client:
            node = await asyncio.wait_for(client.node(observer=OBSERVER), DROPLET_SECONDS)
    except (AgentError, TimeoutError) as error:
        return [Finding(where, droplet.name, "", "", "unknown", f"the agent did not answer: {error or 'too slow'}")]
    told = [seen for seen in node.containers if not _rests(seen)]
    return [_droplet(where, node), *(_container(where, droplet.name, seen) for seen in told)]


def _droplet(where: str, node: wire.Node) -> Finding:
    known = [one for one in node.vitals.values() if one.verdict != "unknown"]  # what cannot be read is no trouble
    judged = sorted((node.docker, node.nginx, *known), key=lambda verdict: -_SEVERITY[verdict.verdict])
    troubles = [one.reason for one in judged if one.verdict != "healthy"]
    free = 100 * node.disk.free // max(node.disk.total, 1)
    facts = f"{free} % of the disk free, load {node.load[0]:.1f}, agent {node.agent_rss >> 20} MiB"
    if told := apart(node.api):
        return Finding(where, node.droplet, "", "", "degraded", f"{told}. {mend(node.api)} {facts}")
    if node.version != agent.__version__:
        facts += f", agent {node.version} (upgrade-agents makes it {agent.__version__})"
    reason = "; ".join([*troubles, facts])
    there = tuple(agents.container(seen) for seen in node.containers) if node.docker.verdict == "healthy" else None
    return Finding(where, node.droplet, "", "", judged[0].verdict, reason, there)


def _rests(seen: wire.Container) -> bool:
    """Whether it is only kept, and as it should be: no row of the table is spent on it."""
    return seen.role == "kept" and seen.verdict is not None and seen.verdict.verdict == "healthy"


def _container(where: str, droplet: str, seen: wire.Container) -> Finding:
    verdict: VerdictWord = seen.verdict.verdict if seen.verdict else "unknown"
    reason = seen.verdict.reason if seen.verdict else "not judged yet"
    told = reason if seen.role == "current" else f"{seen.role}: {reason}"
    shown = "under maintenance; " if seen.maintenance else ""
    return Finding(where, droplet, seen.name, seen.release, verdict, shown + told)


_SEVERITY: dict[VerdictWord, int] = {"healthy": 0, "degraded": 1, "unknown": 2, "unhealthy": 3}
_SIGN: dict[VerdictWord, str] = {"healthy": "🟢", "degraded": "🟡", "unknown": "⚪️", "unhealthy": "🔴"}
