"""Another version of the agent."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, Request

from agent import wire
from agent.server.context import Context


def routes(context: Context) -> APIRouter:
    """Everything under `/upgrade`."""
    router = APIRouter(prefix="/upgrade")
    call, upgrades = context.work.call, context.upgrades

    @router.get("", summary="Which version runs, and how far the last upgrade has come")
    async def read_upgrade() -> wire.Upgrade:
        return await call(upgrades.read)

    @router.post("", summary="Install the version in the body beside this one, and try it; nobody may hold a lease")
    async def upgrade(request: Request, order: Annotated[wire.UpgradeOrder, Query()]) -> wire.Upgrade:
        await call(context.leases.while_free, upgrades.read)  # before anything is received
        received = await _receive(context, request)
        return await call(context.leases.while_free, lambda: upgrades.begin(order, received))

    @router.post("/confirm", summary="Keep the version that runs: the one before it goes")
    async def confirm(body: wire.Confirm) -> wire.Upgrade:
        return await call(upgrades.confirm, body)

    return router


async def _receive(context: Context, request: Request) -> str:
    """The archive to its place on the disk; gives its digest."""
    digest = hashlib.sha256()
    with context.upgrades.bundle.open("wb") as file:
        async for chunk in request.stream():
            digest.update(chunk)
            context.images.room(len(chunk))
            await context.work.call(file.write, chunk)
    return f"sha256:{digest.hexdigest()}"
