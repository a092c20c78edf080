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
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
"""States in which a run is over."""
SAID = ("COMPLETED", "FAILED")
"""Those of them that a run says of itself: its process was at its end when it was killed."""
GONE_SECONDS = 10.0
WHERE = re.compile(r"^(lab-prod-[0-9a-f]{6}|lab-prod): |[0-9]{8}t[0-9]{6}-[0-9a-f]{6}|[0-9.]{7,}")
"""What differs between the steps of one kind: droplet, release, address."""


def kinds(names: list[str]) -> set[str]:
    """The kinds of steps among these: the same step on several droplets is of one kind."""
    return {WHERE.sub("", name) for name in names}


def kill_at_step(run: UUID, step: str) -> bool:
    """Kills the run as soon as a step whose name contains this has begun; False when it ended by itself."""
    return _kill_when(run, lambda names: any(step in name for name in names))


def kill_at_number(run: UUID, number: int) -> bool:
    """Kills the run as soon as steps of so many kinds have begun; False when it ended by itself."""
    return _kill_when(run, lambda names: len(kinds(names)) >= number)


def _kill_when(run: UUID, reached: Callable[[list[str]], bool]) -> bool:
    def look() -> str | None:
        if reached(begun(run)):
            return "reached"
        return "ended" if state_of(run) in ENDED else None

    return eventually(look, "the step begins", START_SECONDS) == "reached" and _kill(run)


def _kill(run: UUID) -> bool:
    """Kills the process that carries the run out, and nothing else; False when the run has ended by itself.

    A run that goes on and whose process cannot be found is a failure of the test: nothing was killed.
    """

    def strike() -> str | None:
        found = [one for one in psutil.process_iter(["pid"]) if _carries(one, run)]
        for process in found:
            os.kill(process.pid, signal.SIGKILL)
        if found:
            _, alive = psutil.wait_procs(found, GONE_SECONDS)
            assert not alive, f"{alive} survived SIGKILL"
            return "ended" if state_of(run) in SAID else "killed"
        return "ended" if state_of(run) in ENDED else None

    return eventually(strike, "the process of the run is found", START_SECONDS) == "killed"


def _carries(process: psutil.Process, run: UUID) -> bool:
    try:
        return process.environ().get("PREFECT__FLOW_RUN_ID") == str(run) and "prefect.engine" in process.cmdline()
    except psutil.Error:
        return False
