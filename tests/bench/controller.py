"""How many runs a production controller ends in a minute, with one worker and with two.

`python -m tests.bench.controller` starts a controller of its own, with real Postgres, Redis and nginx, on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import cast
from uuid import UUID, uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from deployments.pools import ensure_pool
from deployments.production import controller
from deployments.production.parts import workers
from deployments.production.pool import ensure_closed
from deployments.production.rendering import render
from tests.contract.production import trial
from tests.contract.production.stack import Stack

DEADLINE = 900.0
POLL = 0.5


def main() -> None:
    """Prints a line for each number of workers, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30, help="how many are started at once, for each measurement")
    runs = parser.parse_args().runs
    stack = Stack()
    try:
        one, two = measure(stack, runs)
        print(f"one worker: {one:.0f} runs a minute; two: {two:.0f}; ratio {two / one:.2f}")
    finally:
        stack.close()


def measure(stack: Stack, runs: int) -> tuple[float, float]:
    """Runs a minute with one worker, and with two."""
    stack.postgres.start()
    render(stack.settings)
    list(controller.start_servers(stack.settings, stack.supervisor))
    login = stack.settings.machine_login.get_secret_value()
    with temporary_settings({PREFECT_API_URL: f"{stack.settings.ui_url}/api", PREFECT_API_AUTH_STRING: login}):
        asyncio.run(ensure_pool())
        asyncio.run(ensure_closed())
        trial.register()
        first, second, _ = workers(stack.settings)
        stack.supervisor.start(first)
        rate(stack, 2)  # the first run of a worker warms what the others find warm
        alone = rate(stack, runs)
        stack.supervisor.start(second)
        rate(stack, 2)
        return alone, rate(stack, runs)


def rate(stack: Stack, runs: int) -> float:
    """Starts so many runs at once, and gives how many ended a minute; all must end well."""
    begun = time.monotonic()
    started = [_start(stack) for _ in range(runs)]
    end = begun + DEADLINE
    with get_client(sync_client=True) as client:
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=started))
        while True:
            found = client.read_flow_runs(flow_run_filter=wanted, limit=runs)
            states = [run.state for run in found if run.state and run.state.is_final()]
            if len(states) == runs:
                break
            assert time.monotonic() < end, f"only {len(states)} of {runs} runs ended"
            time.sleep(POLL)
    assert all(state.is_completed() for state in states)
    return runs / (time.monotonic() - begun) * 60


def _start(stack: Stack) -> UUID:
    parameters = {"folder": str(stack.folder / "done"), "seconds": 0}
    key = str(uuid4())
    made = run_deployment("trial/trial", parameters=parameters, timeout=0, as_subflow=False, idempotency_key=key)
    return cast(FlowRun, made).id


if __name__ == "__main__":
    main()
