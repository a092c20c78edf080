"""The work pool and the concurrency limits, made to be as written here."""

from __future__ import annotations

import contextlib
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.server import POOL

TAG_LIMITS = {"transfer": 4}
"""How many tasks with a tag run at once: a politeness, never a lock. Provider calls have budgets in `fleet.cloud`."""


COMMAND = "python -m prefect.engine"
"""How a run's process starts. Where none is named, Prefect (3.8.8) starts another Python before it, to prepare a folder
that our flows have no use for: that costs each run two seconds of a core. The worker's PATH says which Python."""


async def ensure_pool() -> None:
    """Creates the pool of the process worker when it is not there, and has its runs start directly."""
    async with get_client() as client:
        try:
            template = (await client.read_work_pool(POOL)).base_job_template
            # A production controller's pool has no such variable: its command is fixed.
            if "command" in template["variables"]["properties"] and _command(template).get("default") is None:
                _command(template)["default"] = COMMAND
                await client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            _command(template)["default"] = COMMAND
            with contextlib.suppress(ObjectAlreadyExists):  # another bootstrap was quicker: what we want is there
                await client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))


def _command(template: dict[str, Any]) -> dict[str, Any]:
    variables: dict[str, Any] = template["variables"]["properties"]["command"]
    return variables


async def ensure_limits() -> None:
    """Sets the limit of every tag."""
    async with get_client() as client:
        for tag, limit in TAG_LIMITS.items():
            await client.create_concurrency_limit(tag=tag, concurrency_limit=limit)
