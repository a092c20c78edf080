"""Schedules that are on where there is a gateway, and off elsewhere."""

from __future__ import annotations

from prefect.client.orchestration import get_client

AUDIT = "audit/audit"


async def ensure_audited() -> str:
    """Switches the schedule of `audit` on."""
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(AUDIT)
        for schedule in deployment.schedules:
            if not schedule.active:
                await client.update_deployment_schedule(deployment.id, schedule.id, active=True)
    return "Schedule: audit, on"
