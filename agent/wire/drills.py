"""Drills: a fault that somebody asked for, on this droplet, for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agent.wire.base import Name, Reply, Request

DrillFault = Literal["container", "agent-hang", "agent-kill", "nginx", "docker", "disk"]
"""A container is killed; the agent stops where it is, or is killed; nginx is stopped; dockerd is restarted; the disk is
filled by one file."""
DrillPhase = Literal["none", "ordered", "running", "over", "failed"]


class DrillPermission(Request):
    """For how long drills may be begun here; without it none may, ever."""

    seconds: Annotated[int, Field(ge=0, le=3600)]
    """From now; 0: none may from now on."""


class DrillOrder(Request):
    """Which fault, and for how long at most; what can be undone is undone then, whether or not anybody asks again."""

    fault: DrillFault
    seconds: Annotated[int, Field(ge=10, le=600)] = 60
    container: Name | None = None
    """The service whose current container is killed; for that fault, and only there."""
    fill_mib: Annotated[int, Field(ge=0, le=65_536)] = 0
    """How much of the disk is filled at most; 0: all but 48 MiB of it, up to 64 GiB."""
    holder: Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")]
    """Who asks, as for a lease."""

    @model_validator(mode="after")
    def _fits_its_fault(self) -> Self:
        if (self.container is not None) != (self.fault == "container"):
            raise ValueError("the fault `container` names one, and no other fault does")
        return self


class Drill(Reply):
    """The last drill of this droplet, and whether another may begin."""

    allowed: bool = False
    phase: DrillPhase = "none"
    fault: str = ""
    holder: str = ""
    began_at: datetime | None = None
    seconds: int = 0
    reason: str = ""
    """Why it failed, or was cut off."""
