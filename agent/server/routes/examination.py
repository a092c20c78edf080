"""A droplet looks at itself: the first one that is made from a snapshot, before any other is."""

from __future__ import annotations

from fastapi import APIRouter

from agent import wire
from agent.server import examination
from agent.server.context import Context


def routes(context: Context) -> APIRouter:
    """`POST /examine`."""
    router = APIRouter()

    @router.post(
        "/examine", summary="Is this droplet fit to be copied? SSH, nginx, Docker, packages, marks on the disk"
    )
    async def examine(body: wire.Examine) -> wire.Examination:
        return await context.work.call(examination.examine, context.settings, body)

    return router
