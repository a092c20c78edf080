"""What one round saw of one droplet, before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agent import wire
from fleet.remediation.moments import Moment
from fleet.state import Droplet
from tasks.health.findings import Finding


@dataclass(frozen=True)
class EdgeAnswer:
    """What a visitor got who asked for a name."""

    name: str
    status: int | None
    """None: nobody answered."""
    latency: float | None = None
    detail: str = ""


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
    """Whether it was asked and nobody answered; not when somebody answered that is not its agent."""
    detail: str = ""
    """Why there is no answer, for people."""
    latency: float | None = None
    """Seconds until the answer."""
    edge: tuple[EdgeAnswer, ...] = ()
    """For the names that lead to this droplet; what others share says nothing of one of them."""


def looks(findings: Iterable[Finding]) -> list[Look]:
    """What was seen of each droplet."""
    return [found for one in findings if (found := of_finding(one)) is not None]


def of_finding(found: Finding) -> Look | None:
    """What a health sweep found of a droplet; None: it is of a container, or of an environment that nobody saw."""
    if found.container or found.agent is None or found.provider is None:
        return None
    said = found.agent
    return Look(
        environment=found.environment,
        droplet=found.provider,
        at=said.at,
        node=said.node,
        silent=said.node is None and not said.refused,
        detail=said.silence,
        latency=said.seconds if said.node else None,
        edge=tuple(EdgeAnswer(one.name, one.status, one.seconds, one.reason) for one in found.edge),
    )


def unlisted(findings: Iterable[Finding]) -> set[str]:
    """The environments whose droplets nobody could list in this round."""
    return {one.environment for one in findings if not one.droplet}
