"""Runs of scheduled containers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from agent.wire.base import Reply


class JobRun(Reply):
    """One run of a scheduled container, or a start that did not come about."""

    scheduled_for: datetime
    """When it was due; for a run that somebody started out of turn, when it began."""
    release: str
    outcome: Literal["running", "ended", "skipped", "failed_to_start", "timed_out"]
    """`ended` with an exit code other than 0 is a failed run; `skipped`: the run before it was still going on."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    """None for `ended`: the container was gone before anybody could ask."""
    oom: bool = False
    """The kernel ended it for want of memory."""
    note: str = ""
    container: str = ""
    """Docker's id of the container that it ran in."""


class JobRuns(Reply):
    """The latest runs of a scheduled container, newest first."""

    runs: tuple[JobRun, ...]
