"""Pauses of remediation, as controllers hand them over."""

from __future__ import annotations

from fastapi import APIRouter

from agent import wire
from agent.server.context import Context


def routes(context: Context) -> APIRouter:
    """`PUT /pauses/{controller}`; what is in force is a part of `GET /node`."""
    router = APIRouter()

    @router.put("/pauses/{controller}", summary="All pauses of one controller, in the place of those before")
    async def replace(controller: wire.Controller, body: wire.Pauses) -> wire.PauseBook:
        return wire.PauseBook(held=await context.work.call(context.pauses.replace, controller, body))

    return router
