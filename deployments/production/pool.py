"""The work pool of a production controller: a run cannot bring a command or variables of its own."""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate

from deployments.pools import COMMAND
from deployments.server import POOL

CLOSED: dict[str, Any] = {
    "job_configuration": {"command": COMMAND, "stream_output": False},
    "variables": {"type": "object", "properties": {}},
}
"""With the usual template whoever starts a run may say what is executed for it: more than an operator may.

No output goes through the worker (a run's log reaches the server by itself): with it, a run whose worker was killed
dies of a broken pipe at its next line."""


async def ensure_closed() -> str:
    """Makes the pool's template that."""
    async with get_client() as client:
        if (await client.read_work_pool(POOL)).base_job_template != CLOSED:
            await client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=CLOSED))
    return f"Pool: {POOL}, closed: no run brings a command of its own"
