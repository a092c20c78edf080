"""What else is on the droplet: whoever wants to destroy it looks here first."""

from __future__ import annotations

from fastapi import APIRouter

from agent import wire
from agent.server.context import Context


def routes(context: Context) -> APIRouter:
    """`GET /inventory`."""
    router = APIRouter()

    @router.get("/inventory", summary="Containers that are not ours, named volumes, and images that nothing uses")
    async def read_inventory() -> wire.Inventory:
        return await context.work.call(_read, context)

    return router


def _read(context: Context) -> wire.Inventory:
    return wire.Inventory(
        strangers=context.engine.strangers(),
        volumes=context.engine.volume_names(),
        unused=context.images.unused(),
    )
