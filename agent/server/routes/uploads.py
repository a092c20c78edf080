"""Uploads: how much is here, and the next piece."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request

from agent import wire
from agent.server.context import Context
from agent.server.uploads import Writer

Digest = Annotated[str, Path(pattern=wire.DIGEST)]
_BUFFER: Final = 1 << 20


def routes(context: Context) -> APIRouter:
    """Everything under `/uploads`."""
    router = APIRouter(prefix="/uploads")
    uploads, call = context.uploads, context.work.call

    @router.get("/{digest}", summary="How much of an upload is here")
    async def look(digest: Digest) -> wire.Upload:
        return await call(uploads.look, digest)

    @router.put("/{digest}", summary="The next piece of an upload, or all of it")
    async def send(
        request: Request,
        digest: Digest,
        total: Annotated[int, Query(ge=1)],
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> wire.Upload:
        async with context.work.stream_slot():
            writer = await call(uploads.begin, digest, offset, total)
            try:
                await _written(context, request, writer)
                return await call(uploads.end, writer)
            finally:
                await call(uploads.close, writer)

    return router


async def _written(context: Context, request: Request, writer: Writer) -> None:
    append, buffer = context.uploads.append, bytearray()
    try:
        async for chunk in request.stream():
            buffer += chunk
            if len(buffer) >= _BUFFER:
                await context.work.call(append, writer, bytes(buffer))
                buffer.clear()
    finally:  # what came before the connection broke need not come again
        if buffer:
            await context.work.call(append, writer, bytes(buffer))
