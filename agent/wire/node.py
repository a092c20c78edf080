"""The droplet itself: alive, enrolled, how it is, what its containers wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from agent.wire.base import Reply, Request
from agent.wire.containers import Container, Verdict
from agent.wire.leases import Lease
from agent.wire.pauses import HeldPauses


class Ping(Reply):
    """Alive; answered without a key."""

    ok: bool
    version: str
    api: int


class Enrol(Request):
    """Hands the droplet its secret; accepted once, under the boot key only."""

    secret: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Disk(Reply):
    """A capacity in bytes: of the disk, or of the memory."""

    total: int
    free: int


class Node(Reply):
    """All a health sweep wants to know of a droplet, in one call."""

    droplet: str
    version: str
    api: int
    now: datetime
    booted_at: datetime
    docker: Verdict
    nginx: Verdict
    disk: Disk
    memory: Disk
    load: tuple[float, float, float]
    agent_rss: int
    vitals: dict[str, Verdict] = Field(default_factory=dict)
    """`disk`, `memory`, `certificate`, `clock`; an agent of the version before says nothing of them."""
    containers: tuple[Container, ...]
    agent_seconds: float | None = None
    """How long the agent has run since its start."""
    leases: tuple[Lease, ...] = ()
    """The locks that are held here."""
    pauses: tuple[HeldPauses, ...] | None = None
    """What controllers have handed over; None: the agent is too old to hold any."""
    keeps: tuple[str, ...] | None = None
    """What would be lost with the droplet: named volumes, and containers of others; None: nobody could say."""


class LogLine(Reply):
    """One line of a container's log; a follow stream sends them as JSON lines."""

    at: datetime
    stream: Literal["stdout", "stderr"]
    text: str


class Logs(Reply):
    """The end of a container's log, oldest line first."""

    lines: tuple[LogLine, ...]
    truncated: bool
