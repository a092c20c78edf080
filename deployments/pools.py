"""The work pool, its queues and the concurrency limits, made to be as written here."""

from __future__ import annotations

import contextlib
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.server import POOL
from tasks.queues import LIMITS

TAG_LIMITS = {"transfer": 4}
"""How many tasks with a tag run at once: a politeness, never a lock. Provider calls have budgets in `fleet.cloud`."""


COMMAND = "python -m prefect.engine"
"""How a run's process starts. Where none is named, Prefect (3.8.8) starts another Python before it, to prepare a folder
that our flows have no use for: that costs each run two seconds of a core. The worker's PATH says which Python."""


async def ensure_pool() -> None:
    """Creates the pool of the process workers with its queues where they are not there; its runs start directly."""
    await _ensure_pool()
    for name, limit in LIMITS.items():
        await _ensure_queue(name, limit)


async def _ensure_pool() -> None:
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


async def _ensure_queue(name: str, limit: int | None) -> None:
    """Creates it, or sets its limit; a queue without a limit of ours keeps the one that a person gave it."""
    async with get_client() as client:
        try:
            queue = await client.read_work_queue_by_name(name, work_pool_name=POOL)
        except ObjectNotFound:
            with contextlib.suppress(ObjectAlreadyExists):  # as above
                await client.create_work_queue(name=name, concurrency_limit=limit, work_pool_name=POOL)
            return
        if limit is not None and queue.concurrency_limit != limit:
            await client.update_work_queue(queue.id, concurrency_limit=limit)


def _command(template: dict[str, Any]) -> dict[str, Any]:
    variables: dict[str, Any] = template["variables"]["properties"]["command"]
    return variables


async def ensure_limits() -> None:
    """Sets the limit of every tag."""
    async with get_client() as client:
        for tag, limit in TAG_LIMITS.items():
            await client.create_concurrency_limit(tag=tag, concurrency_limit=limit)
