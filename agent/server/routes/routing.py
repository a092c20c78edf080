"""The whole routing table, as the controller sees and sets it."""

from __future__ import annotations

from fastapi import APIRouter

from agent import wire
from agent.server import table
from agent.server.context import Context


def routes(context: Context) -> APIRouter:
    """`GET` and `PUT /routes`."""
    router = APIRouter()

    @router.get("/routes", summary="The table that nginx uses now", response_model_exclude_none=True)
    async def read_routes() -> wire.Routes:
        return await context.work.call(context.router.read)

    summary = "Replace the table: all of it, checked and read back, or nothing"

    @router.put("/routes", summary=summary, response_model_exclude_none=True)
    async def write_routes(body: wire.Routes) -> wire.Routes:
        return await context.work.call(_write, context, body)

    return router


def _write(context: Context, body: wire.Routes) -> wire.Routes:
    table.check(body, context.engine.instances())
    context.router.update(lambda _: table.ordered(body.routes))
    return context.router.read()
