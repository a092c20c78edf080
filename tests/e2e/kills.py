"""SIGKILL for the process that carries out a flow run."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from uuid import UUID

import psutil

from tests.e2e.scenes import begun, eventually, state_of

START_SECONDS = 300.0
WHERE = re.compile(r"^(lab-prod-[0-9a-f]{6}|lab-prod): |[0-9]{8}t[0-9]{6}-[0-9a-f]{6}|[0-9.]{7,}")
"""What differs between the steps of one kind: droplet, release, address."""


def kinds(names: list[str]) -> set[str]:
    """The kinds of steps among these: the same step on several droplets is of one kind."""
    return {WHERE.sub("", name) for name in names}


def kill_at_step(run: UUID, step: str) -> bool:
    """Kills the run as soon as a step whose name contains this has begun; False when it ended before that."""
    return _kill_when(run, lambda names: any(step in name for name in names))


def kill_at_number(run: UUID, number: int) -> bool:
    """Kills the run as soon as steps of so many kinds have begun; False when it ended before that."""
    return _kill_when(run, lambda names: len(kinds(names)) >= number)


def _kill_when(run: UUID, reached: Callable[[list[str]], bool]) -> bool:
    def look() -> str | None:
        if reached(begun(run)):
            return "reached"
        return "ended" if state_of(run) in ("COMPLETED", "FAILED", "CRASHED") else None

    return eventually(look, "the step begins", START_SECONDS) == "reached" and _kill(run)


def _kill(run: UUID) -> bool:
    """Kills the process that carries the run out, and nothing else; False when it has ended."""
    found = [one for one in psutil.process_iter(["pid"]) if _carries(one, run)]
    for process in found:
        os.kill(process.pid, signal.SIGKILL)
    return bool(found)


def _carries(process: psutil.Process, run: UUID) -> bool:
    try:
        return process.environ().get("PREFECT__FLOW_RUN_ID") == str(run) and "prefect.engine" in process.cmdline()
    except psutil.Error:
        return False
