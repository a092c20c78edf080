"""A flow as long as a deploy, whose steps leave marks: repeated, it does what is not done yet."""

from __future__ import annotations

import time
from pathlib import Path

from prefect import flow, task
from prefect.client.orchestration import get_client

from deployments.server import POOL

STEPS = 20


@task
def step(folder: Path, number: int, seconds: float) -> None:
    """Leaves the mark of this step."""
    mark = folder / str(number)
    if not mark.exists():
        time.sleep(seconds)
        mark.touch()


@flow
def trial(folder: Path, seconds: float = 0.5) -> int:
    """All steps; gives how many marks there are."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(STEPS):
        step(folder, number, seconds)
    return len(list(folder.iterdir()))


def register() -> None:
    """Makes the server know this flow, by its module."""
    with get_client(sync_client=True) as client:
        made = client.create_flow(trial)
        client.create_deployment(
            made, "trial", work_pool_name=POOL, entrypoint="tests.contract.production.trial.trial",
            parameter_openapi_schema={"type": "object", "properties": {}},
        )  # fmt: skip
