"""The work pool and the concurrency limits, made to be as written here."""

from __future__ import annotations

import contextlib

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.server import POOL

TAG_LIMITS = {"transfer": 4}
"""How many tasks with a tag run at once: a politeness, never a lock. Provider calls have budgets in `fleet.cloud`."""


async def ensure_pool() -> None:
    """Creates the pool of the process worker when it is not there."""
    async with get_client() as client:
        try:
            await client.read_work_pool(POOL)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            with contextlib.suppress(ObjectAlreadyExists):  # another bootstrap was quicker: what we want is there
                await client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))


async def ensure_limits() -> None:
    """Sets the limit of every tag."""
    async with get_client() as client:
        for tag, limit in TAG_LIMITS.items():
            await client.create_concurrency_limit(tag=tag, concurrency_limit=limit)
