"""What one round saw of one droplet, before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from agent import wire
from agent.client import AgentError, AgentUnreachable
from fleet.remediation import moments
from fleet.remediation.moments import Moment
from fleet.state import Droplet


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
    """For the names whose only record leads to this droplet; what others share says nothing of one of them."""


class Found(Protocol):
    """What a health sweep found, as far as remediation is concerned."""

    @property
    def environment(self) -> str:
        """The environment's title."""

    @property
    def droplet(self) -> str:
        """The droplet's name; empty where the provider did not say which droplets there are."""

    @property
    def look(self) -> Look | None:
        """Of a droplet: what was seen of it."""


def of_answer(environment: str, droplet: Droplet, began: Moment, node: wire.Node) -> Look:
    """The look at a droplet whose agent answers."""
    now = moments.read_moment()
    return Look(environment, droplet, now, node, latency=now.since(began))


def of_silence(environment: str, droplet: Droplet, error: AgentError | TimeoutError) -> Look:
    """The look at a droplet whose agent gives no answer that can be used."""
    silent = isinstance(error, AgentUnreachable | TimeoutError)
    return Look(environment, droplet, moments.read_moment(), silent=silent, detail=str(error) or "too slow")


def looks(findings: Iterable[Found]) -> list[Look]:
    """What was seen of each droplet."""
    return [one.look for one in findings if one.look is not None]


def unlisted(findings: Iterable[Found]) -> set[str]:
    """The environments whose droplets nobody could list in this round."""
    return {one.environment for one in findings if not one.droplet}
