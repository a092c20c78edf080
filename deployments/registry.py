"""Registers what the Prefect server must know: all of it idempotent, on an empty or a used database."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT

import yaml

from deployments import registered
from deployments.documents import ensure_documents, ensure_types
from deployments.pools import ensure_limits, ensure_pool
from deployments.processes import ProcessFailed
from deployments.settings import ROOT, Settings

DEPLOY_DEADLINE = 120.0
"""Seconds for `prefect deploy --all`; it takes about 20 on two cores."""


async def register(settings: Settings) -> list[str]:
    """Makes the server know types, documents, pool, limits and deployments; gives a line for each.

    Raises:
        ProcessFailed: `prefect deploy` did not succeed; the message holds its last lines.
    """
    types, _, _ = await asyncio.gather(ensure_types(), ensure_pool(), ensure_limits())
    documents = await ensure_documents(settings)
    deployments = await ensure_deployments()
    return [types, *documents, deployments]


async def ensure_deployments() -> str:
    """Brings the deployments and schedules of `prefect.yaml` to the server, unless it has them."""
    names = [one["name"] for one in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]]
    if not await registered.is_current():
        await _deploy_all()
        await registered.mark()
    return f"Deployments: {len(names)} of prefect.yaml"


async def _deploy_all() -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=dict(os.environ), stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), DEPLOY_DEADLINE)
    except TimeoutError:
        process.kill()
        raise ProcessFailed(
            f"`prefect deploy --all` took over {DEPLOY_DEADLINE:.0f} s; see the server's log."
        ) from None
    text = output.decode(errors="replace")
    if process.returncode:
        raise ProcessFailed("`prefect deploy --all` failed:\n" + "\n".join(text.splitlines()[-20:]))
