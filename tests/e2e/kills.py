"""SIGKILL for a flow run's process, at a step of the walker's choice."""

from __future__ import annotations

import os
import signal
import time
from uuid import UUID

import psutil

START_SECONDS = 120.0
POLL_SECONDS = 0.05


def kill_at(run: UUID, step: str) -> bool:
    """Kills the run as soon as a task whose name contains `step` has begun; False when it ended before that."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    mine = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    end = time.monotonic() + START_SECONDS
    with get_client(sync_client=True) as client:
        while time.monotonic() < end:
            begun = [one.name for one in client.read_task_runs(flow_run_filter=mine) if one.start_time]
            if any(step in name for name in begun):
                return kill(run)
            state = client.read_flow_run(run).state
            if state is not None and state.is_final():
                return False
            time.sleep(POLL_SECONDS)
    raise AssertionError(f"no step {step!r} within {START_SECONDS:.0f} s")


def kill(run: UUID) -> bool:
    """Kills the process that carries the run out, and nothing else; False when it has ended."""
    found = [one for one in psutil.process_iter(["pid"]) if carries(one, run)]
    for process in found:
        os.kill(process.pid, signal.SIGKILL)
    return bool(found)


def carries(process: psutil.Process, run: UUID) -> bool:
    """Whether a process is the engine of this run."""
    try:
        return process.environ().get("PREFECT__FLOW_RUN_ID") == str(run) and "prefect.engine" in process.cmdline()
    except psutil.Error:
        return False
