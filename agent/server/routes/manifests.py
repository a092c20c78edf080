"""Manifests of services: left by deploys, read by a controller that has lost its database, gone with an undeploy."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from agent import wire
from agent.server.context import Context
from agent.server.routes.leases import Fencing, Name


def routes(context: Context) -> APIRouter:
    """Everything under `/manifests`."""
    router = APIRouter(prefix="/manifests")
    call, manifests = context.work.call, context.manifests

    async def fenced(name: str, fencing: int | None, act: Callable[[], object]) -> wire.Manifests:
        async with context.work.exclusive(name):
            await call(context.leases.check, name, fencing)
            await call(act)
        return wire.Manifests(manifests=await call(manifests.read_all))

    @router.get("", summary="What the environment's services were to be when they were deployed last")
    async def read_manifests() -> wire.Manifests:
        return wire.Manifests(manifests=await call(manifests.read_all))

    @router.put("/{name}", summary="Keep what a service is to be, in the place of what was kept before")
    async def keep(name: Name, body: wire.Manifest, fencing: Fencing = None) -> wire.Manifests:
        return await fenced(name, fencing, lambda: manifests.keep(name, body))

    @router.delete("/{name}", summary="Forget what a service was to be")
    async def forget(name: Name, fencing: Fencing = None) -> wire.Manifests:
        return await fenced(name, fencing, lambda: manifests.remove(name))

    return router
