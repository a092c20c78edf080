"""Locks: taken, renewed, freed, listed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path

from agent import wire
from agent.server.context import Context

Name = Annotated[str, Path(pattern=wire.NAME, max_length=128)]
Fencing = Annotated[int | None, Header(alias=wire.FENCING_HEADER, ge=0)]
"""The number of the caller's lease."""


def routes(context: Context) -> APIRouter:
    """Everything under `/leases`."""
    router = APIRouter(prefix="/leases")
    call, leases = context.work.call, context.leases

    @router.get("", summary="All locks that are held")
    async def read_leases() -> wire.Leases:
        return await call(leases.held)

    @router.put("/{name}", summary="Take the lock of a service, or renew it; with a number only that lease is renewed")
    async def take(name: Name, body: wire.LeaseRequest, fencing: Fencing = None) -> wire.Lease:
        if renewed := await call(leases.renew, name, body, fencing):
            return renewed
        async with context.work.exclusive(name):  # what the last holder began is over before another one may begin
            return await call(leases.take, name, body)

    @router.delete("/{name}", summary="Free the lock; needs its number")
    async def free(name: Name, fencing: Fencing = None) -> wire.Leases:
        await call(leases.free, name, fencing)
        return await call(leases.held)

    return router
