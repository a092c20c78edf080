"""The droplet's own key."""

from __future__ import annotations

from fastapi import APIRouter, Request

from agent import wire
from agent.server.context import Context


def routes(context: Context) -> APIRouter:
    """Everything under `/key`."""
    router = APIRouter(prefix="/key")
    call, own = context.work.call, context.own_key

    @router.get("", summary="Since when the droplet has its key, and whether the one before is still good")
    async def read_key() -> wire.KeyState:
        return await call(own.read)

    @router.put("", summary="Come back under another secret, with both keys good; nobody may hold a lease")
    async def turn_key(body: wire.Turn) -> wire.KeyState:
        if await call(context.leases.while_free, lambda: own.turn(body.secret)):
            context.stop()
        return await call(own.read)

    @router.post("/confirm", summary="Forget the key before; asked under the present one")
    async def confirm_key(request: Request) -> wire.KeyState:
        if await call(own.confirm, request.headers.get(wire.KEY_HEADER, "")):
            context.stop()
        return await call(own.read)

    return router
