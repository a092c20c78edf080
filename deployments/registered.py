"""Whether the server has the deployments of this checkout already: `prefect deploy` takes twenty seconds to say so."""

from __future__ import annotations

import hashlib
import json

import prefect
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.responses import DeploymentResponse

from deployments.settings import ROOT

MARK = "deployer_registered"
"""The variable on the server, so that a new database has none."""
SOURCES = ("flows", "tasks", "blocks", "fleet", "agent")
"""What a flow's form follows from, beside `prefect.yaml`."""
_ASKED = {
    "name", "entrypoint", "description", "tags", "path", "work_pool_name", "work_queue_name", "parameters",
    "parameter_openapi_schema", "pull_steps", "job_variables", "enforce_parameter_schema",
}  # fmt: skip
"""Whether somebody has paused one or its schedule is not looked at: that is theirs."""


async def is_current() -> bool:
    """Whether nothing has changed since `mark`, here or on the server."""
    async with get_client() as client:
        noted = await client.read_variable_by_name(MARK)
    return noted is not None and noted.value == await _now()


async def mark() -> None:
    """Notes what is registered now; to be called after `prefect deploy`."""
    now = await _now()
    async with get_client() as client:
        if await client.read_variable_by_name(MARK):
            await client.update_variable(VariableUpdate(name=MARK, value=now))
        else:
            await client.create_variable(VariableCreate(name=MARK, value=now))


async def _now() -> str:
    digest = hashlib.sha256(prefect.__version__.encode())
    for path in (ROOT / "prefect.yaml", *sorted(one for name in SOURCES for one in (ROOT / name).rglob("*.py"))):
        digest.update(path.read_bytes())
    names = [one["name"] for one in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]]
    wanted = DeploymentFilter(name=DeploymentFilterName(any_=names))
    async with get_client() as client:
        found = await client.read_deployments(deployment_filter=wanted, limit=len(names) + 1)
    told = sorted(_told(one) for one in found)
    digest.update("\n".join(told).encode())
    return digest.hexdigest()


def _told(one: DeploymentResponse) -> str:
    schedules = [each.schedule.model_dump(mode="json") for each in one.schedules]
    return json.dumps([one.model_dump(mode="json", include=_ASKED), schedules], sort_keys=True)
