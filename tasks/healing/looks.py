"""What one round saw of one droplet, before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agent import wire
from fleet.remediation.moments import Moment
from fleet.state import Droplet
from tasks.health.findings import AgentAnswer, EdgeAnswer, Finding


@dataclass(frozen=True)
class Look:
    """What one round saw of one droplet: the provider's word, its agent's, and that of the edge."""

    environment: str
    """Its title, e.g. `demo-prod`."""
    droplet: Droplet
    """As the provider listed it in this round."""
    at: Moment
    """When its agent answered, or did not."""
    node: wire.Node | None = field(default=None, repr=False)
    """None: it did not answer, or nothing that could be understood."""
    silent: bool = False
    """Whether it was asked and nobody answered; not when somebody answered that is not its agent, or we failed."""
    detail: str = ""
    """Why there is no answer, for people."""
    latency: float | None = None
    """Seconds until the answer."""
    edge: tuple[EdgeAnswer, ...] = ()
    """For the names whose records lead to this droplet alone; what others share says nothing of one of them."""


def looks(findings: Iterable[Finding]) -> list[Look]:
    """What was seen of each droplet."""
    return [_look(one, one.provider, one.agent) for one in findings if one.provider and one.agent]


def unlisted(findings: Iterable[Finding]) -> set[str]:
    """The environments whose droplets nobody could list in this round."""
    return {one.environment for one in findings if not one.droplet}


def _look(found: Finding, droplet: Droplet, answer: AgentAnswer) -> Look:
    return Look(
        environment=found.environment,
        droplet=droplet,
        at=answer.at,
        node=answer.node,
        silent=answer.silent,
        detail=answer.reason,
        latency=answer.seconds if answer.node else None,
        edge=tuple(one for one in found.edge if one.droplets == (found.droplet,)),
    )
