"""What nginx shows the edge, and whom it admits."""

from __future__ import annotations

from fastapi import APIRouter

from agent import wire
from agent.server.context import Context
from agent.server.origin import Origin


def routes(context: Context) -> APIRouter:
    """Everything under `/origin`."""
    router = APIRouter(prefix="/origin")
    call = context.work.call

    def origin() -> Origin:
        return Origin(context.settings.certificate, context.router)

    @router.get("", summary="The certificate that nginx shows the edge, and whether it demands the edge's")
    async def read() -> wire.Origin:
        return await call(origin().read)

    @router.post("/request", summary="A signing request by the droplet's own key, which never leaves it")
    async def request(body: wire.OriginRequest) -> wire.SigningRequest:
        return await call(origin().request, body)

    @router.put("", summary="Show this certificate, and admit the edge alone where that is asked")
    async def install(body: wire.OriginCertificate) -> wire.Origin:
        async with context.work.exclusive("origin"):
            return await call(origin().install, body)

    return router
