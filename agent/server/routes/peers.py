"""The table of peers, as the controller sees and sets it."""

from __future__ import annotations

from fastapi import APIRouter

from agent import wire
from agent.server.context import Context


def routes(context: Context) -> APIRouter:
    """`GET` and `PUT /peers`."""
    router = APIRouter()

    @router.get("/peers", summary="The tcp services that containers reach by name; without the secret")
    async def read_peers() -> wire.PeerTable:
        return await context.work.call(context.peers.read)

    @router.put("/peers", summary="Replace the table: all of it, in use and read back, or nothing")
    async def write_peers(body: wire.Peers) -> wire.PeerTable:
        return await context.work.call(context.peers.replace, body)

    return router
