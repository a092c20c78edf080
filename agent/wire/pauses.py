"""Pauses of remediation: a person's word that nothing is to be done unasked, kept where every controller sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.wire.base import Reply, Request

Text = Annotated[str, Field(max_length=500)]
Controller = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
"""Stands for one controller's folder, and outlives its restarts."""


class Pause(BaseModel):
    """One pause."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    scope: Literal["everything", "service", "droplet"]
    name: Annotated[str, Field(max_length=128)] = ""
    by: Text = ""
    why: Text = ""
    since: datetime | None = None
    until: datetime | None = None
    """None: until its controller ends it."""


class Pauses(Request):
    """All pauses of one controller, in the place of those that it has handed over before."""

    pauses: Annotated[tuple[Pause, ...], Field(max_length=200)] = ()


class HeldPauses(Reply):
    """What one controller has handed over, and how long ago."""

    controller: str
    pauses: tuple[Pause, ...]
    seconds_ago: float


class PauseBook(Reply):
    """What all controllers have handed over."""

    held: tuple[HeldPauses, ...]
