"""Runs of scheduled containers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from agent.wire.base import Reply


class JobRun(Reply):
    """One run of a scheduled container, or a start that did not come about."""

    scheduled_for: datetime
    release: str
    outcome: Literal["running", "ended", "skipped", "failed_to_start", "timed_out"]
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    oom: bool = False
    note: str = ""


class JobRuns(Reply):
    """The latest runs of a scheduled container, newest first."""

    runs: tuple[JobRun, ...]
