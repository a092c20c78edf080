"""Drills: allowed for a while, begun, looked at, ended."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from agent import wire
from agent.server.context import Context
from agent.server.routes.leases import Fencing, Name


def routes(context: Context) -> APIRouter:
    """Everything under `/drills`; `{name}` is that of the lease under which it is done."""
    router = APIRouter(prefix="/drills")
    call, drills = context.work.call, context.drills

    async def fenced(name: str, fencing: int | None, act: Callable[[], wire.Drill]) -> wire.Drill:
        await call(context.leases.check, name, fencing)
        return await call(act)

    @router.get("", summary="The last drill, and whether another may begin")
    async def read_drill() -> wire.Drill:
        return await call(drills.read)

    @router.put("/{name}/permission", summary="Let drills begin on this droplet for a while; without it, none may")
    async def allow(name: Name, body: wire.DrillPermission, fencing: Fencing = None) -> wire.Drill:
        return await fenced(name, fencing, lambda: drills.allow(body))

    @router.post("/{name}", summary="Have a fault happen, which ends by itself")
    async def begin(name: Name, body: wire.DrillOrder, fencing: Fencing = None) -> wire.Drill:
        return await fenced(name, fencing, lambda: drills.begin(body))

    @router.delete("/{name}", summary="Undo the fault now")
    async def end(name: Name, fencing: Fencing = None) -> wire.Drill:
        return await fenced(name, fencing, drills.end)

    return router
