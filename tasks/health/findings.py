"""What a health sweep found, as frozen values: for the table, the timeline and the events, and for remediation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from agent import wire
from fleet.remediation import moments
from fleet.remediation.moments import Moment
from fleet.remediation.observations import Said
from fleet.state import Container, Droplet, Role, VerdictWord

SEVERITY: Final[dict[VerdictWord, int]] = {"healthy": 0, "degraded": 1, "unknown": 2, "unhealthy": 3}
SIGN: Final[dict[VerdictWord, str]] = {"healthy": "🟢", "degraded": "🟡", "unknown": "⚪️", "unhealthy": "🔴"}


@dataclass(frozen=True)
class AgentAnswer:
    """What a droplet's agent answered, or why there is no answer."""

    node: wire.Node | None
    reason: str = ""
    """Why there is none; empty when there is one."""
    seconds: float = 0.0
    """Until the answer, or until nobody waited any longer."""
    silent: bool = False
    """It was asked and nobody answered: a witness of the droplet's death. Otherwise, when somebody answered that is not
    this droplet's agent, or we failed ourselves, nothing is known of the droplet."""
    at: Moment = field(default_factory=lambda: moments.read_moment(), compare=False)
    """When it answered, or when nobody waited any longer; ages that the agent tells count from here."""


@dataclass(frozen=True)
class EdgeAnswer:
    """What a visitor of one name gets through the edge.

    The edge chooses the host, and asks another one when it finds nobody there: an answer says that one of the droplets
    serves, not which. It is a witness of a droplet's life only where the name leads to that one alone.
    """

    name: str
    url: str
    droplets: tuple[str, ...]
    """The droplets that its records lead to; empty: none of this environment."""
    said: Said
    """`silent`: the edge found nobody; `unknown`: it was not asked, or could not be, or knows no record."""
    reason: str
    status: int | None = None
    seconds: float | None = None
    """Until the answer; None: there was none."""


@dataclass(frozen=True)
class Finding:
    """What the sweep found for one container, or for a droplet as a whole (`container` is empty).

    When nobody could say which droplets an environment has, its only finding has no droplet either.
    """

    environment: str
    droplet: str
    container: str
    release: str
    verdict: VerdictWord
    reason: str
    there: tuple[Container, ...] | None = None
    """Of a droplet: all containers on it; None: nobody could say."""
    at: Moment = field(default_factory=lambda: moments.read_moment())
    """When the sweep began to look."""
    provider: Droplet | None = None
    """Of a droplet: how the provider shows it."""
    agent: AgentAnswer | None = None
    """Of a droplet: all that its agent said."""
    edge: tuple[EdgeAnswer, ...] = ()
    """Of a droplet: the names that lead to it; of a current container: its own names."""
    role: Role = "current"
    restarts: int = 0
    since: datetime | None = None
    """The start of the container's process, or of the droplet; None: nobody could say."""
