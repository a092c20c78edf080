"""The first vantage point: every droplet's agent, asked at once, and its answer as findings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import agent
from agent import keys, wire
from agent.client import AgentError, AgentUnreachable, AsyncAgentClient, apart, mend
from blocks.environment import Environment
from fleet.remediation.moments import Moment
from fleet.state import Droplet, VerdictWord
from tasks import agents, causes
from tasks.health.findings import SEVERITY, AgentAnswer, EdgeAnswer, Finding

OBSERVER: Final = wire.HEALTH_ROUND
DROPLET_SECONDS: Final = 10.0
"""How long one droplet may take; a sweep takes as long as its slowest droplet."""
AT_ONCE: Final = 100
Edge = dict[str, EdgeAnswer]
"""What the edge answered, by name."""


async def ask_all(environment: Environment, droplets: Sequence[Droplet]) -> list[AgentAnswer]:
    """What every droplet's agent says, in their order; `AT_ONCE` at a time, each within `DROPLET_SECONDS`."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(droplet: Droplet) -> AgentAnswer:
        async with gate:
            return await _ask(agents.ring_of(environment, droplet), droplet)

    return await asyncio.gather(*map(ask, droplets))


async def _ask(ring: keys.Ring, droplet: Droplet) -> AgentAnswer:
    if not droplet.public_address:
        return AgentAnswer(None, "it has no public address yet")
    began = time.monotonic()
    try:
        async with AsyncAgentClient(ring, droplet.name, droplet.public_address) as client:
            node = await asyncio.wait_for(client.node(observer=OBSERVER), DROPLET_SECONDS)
    except TimeoutError:
        return AgentAnswer(None, "too slow", time.monotonic() - began, silent=True)
    except AgentError as error:
        return AgentAnswer(None, str(error), time.monotonic() - began, isinstance(error, AgentUnreachable))
    except Exception as error:  # whatever it is, one droplet hides no other, and our own bug is no silence of it
        told = f"it could not be asked: {type(error).__name__}: {error}"
        return AgentAnswer(None, told, time.monotonic() - began)
    return AgentAnswer(node, "", time.monotonic() - began)


def read(where: str, droplet: Droplet, answer: AgentAnswer, edge: Edge, at: Moment) -> list[Finding]:
    """One droplet's answer as findings, its own first; silence is `unknown`, never unhealthy.

    Args:
        where: the environment's title.
        droplet: as the provider shows it.
        answer: what its agent said.
        edge: the answers of the environment's names.
        at: when the sweep began.
    """
    leading = tuple(one for one in edge.values() if droplet.name in one.droplets)
    if answer.node is None:
        told = f"the agent did not answer: {answer.reason}"
        return [
            Finding(where, droplet.name, "", "", "unknown", told, None, at, droplet, answer, leading),
        ]
    shown = [seen for seen in answer.node.containers if not _rests(seen)]
    return [
        _droplet(where, droplet, answer, answer.node, leading, at),
        *(_container(where, droplet.name, seen, edge, at) for seen in shown),
    ]


def _droplet(
    where: str, droplet: Droplet, answer: AgentAnswer, node: wire.Node, leading: tuple[EdgeAnswer, ...], at: Moment
) -> Finding:
    verdict, reason = judge(node)
    known = node.docker.verdict == "healthy"
    return Finding(
        environment=where,
        droplet=droplet.name,
        container="",
        release="",
        verdict=verdict,
        reason=reason,
        there=tuple(agents.container(seen) for seen in node.containers) if known else None,
        at=at,
        provider=droplet,
        agent=answer,
        edge=leading,
        since=node.booted_at,
    )


def judge(node: wire.Node) -> tuple[VerdictWord, str]:
    """A droplet as a whole: its worst part, all that is not well, and the facts that a person looks for first."""
    known = [one for one in node.vitals.values() if one.verdict != "unknown"]  # what it cannot read is no trouble
    parts = sorted((node.docker, node.nginx, *known), key=lambda verdict: -SEVERITY[verdict.verdict])
    troubles = [one.reason for one in parts if one.verdict != "healthy"]
    free = 100 * node.disk.free // max(node.disk.total, 1)
    facts = f"{free} % of the disk free, load {node.load[0]:.1f}, agent {node.agent_rss >> 20} MiB"
    if told := apart(node.api):
        return "degraded", f"{told}. {mend(node.api)} {facts}"
    if node.version != agent.__version__:
        facts += f", agent {node.version} (upgrade-agents makes it {agent.__version__})"
    return parts[0].verdict, "; ".join([*troubles, facts])


def _rests(seen: wire.Container) -> bool:
    """Whether it is only kept, and as it should be: no row of the table is spent on it."""
    return seen.role == "kept" and seen.verdict is not None and seen.verdict.verdict == "healthy"


def _container(where: str, droplet: str, seen: wire.Container, edge: Edge, at: Moment) -> Finding:
    verdict: VerdictWord = seen.verdict.verdict if seen.verdict else "unknown"
    reason = seen.verdict.reason if seen.verdict else "not judged yet"
    told = reason if seen.role == "current" else f"{seen.role}: {reason}"
    shown = "under maintenance; " if seen.maintenance else ""
    why = causes.told(seen.verdict)
    return Finding(
        environment=where,
        droplet=droplet,
        container=seen.name,
        release=seen.release,
        verdict=verdict,
        reason=shown + told + why,
        at=at,
        edge=tuple(edge[name] for name in seen.hosts if name in edge) if seen.role == "current" else (),
        role=seen.role,
        restarts=seen.restarts,
        since=seen.started_at,
    )
