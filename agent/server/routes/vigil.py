"""What the droplet needs to tell people itself that no health round comes any more."""

from __future__ import annotations

from fastapi import APIRouter

from agent import wire
from agent.server.context import Context


def routes(context: Context) -> APIRouter:
    """`/vigil`."""
    router = APIRouter(prefix="/vigil")

    @router.get("", summary="How it stands with the health rounds; never where people are told")
    async def read_vigil() -> wire.VigilState:
        return await context.work.call(context.vigil.state)

    @router.put("", summary="Where people are told that no health round comes any more, and who tells first")
    async def write_vigil(body: wire.Vigil) -> wire.VigilState:
        return await context.work.call(context.vigil.replace, body)

    return router
