"""Locks: who may change a service on a droplet, and until when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from agent.wire.base import Reply, Request


class LeaseRequest(Request):
    """Asks for the lock of a service; repeated by its holder, it renews it.

    With `FENCING_HEADER` it renews the lease of that number, or fails; without, one that is over is taken anew.
    """

    holder: Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")]
    """Who asks, for people: the flow run and the machine. One holder is one run."""
    seconds: Annotated[int, Field(ge=10, le=600)] = 60
    """How long it holds without being renewed."""


class Lease(Reply):
    """The lock of a service on this droplet."""

    service: str
    """The container's plain name."""
    holder: str
    since: datetime
    seconds_left: float
    fencing: int
    """Higher than that of every lease before it, of any service of the droplet; each changing call carries it in
    `FENCING_HEADER`."""


class Leases(Reply):
    """All locks that are held on this droplet."""

    leases: tuple[Lease, ...]
