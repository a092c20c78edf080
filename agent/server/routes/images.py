"""Images: asked for, streamed out and in, built, pulled, pruned."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Generator
from functools import partial
from typing import IO, Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import StreamingResponse

from agent import contexts, wire
from agent.server.context import Context
from agent.server.errors import Failure
from agent.server.ports import BuildRequest, EngineError
from agent.server.work import Pumped

Digest = Annotated[str, Path(pattern=wire.DIGEST)]
_BUFFER: Final = 1 << 20


def routes(context: Context) -> APIRouter:
    """Everything under `/images`."""
    router = APIRouter(prefix="/images")
    _asking(router, context)
    _sending(router, context)
    _receiving(router, context)
    return router


def _asking(router: APIRouter, context: Context) -> None:
    images, call = context.images, context.work.call

    @router.get("/{image:path}", summary="One image by id or tag, with the sizes of its layers")
    async def read_image(image: str) -> wire.Image:
        return await call(images.read, image)

    @router.post("/missing", summary="Which layers of an image are not here")
    async def missing(body: wire.ImageQuery) -> wire.ImageMissing:
        return await call(images.missing, body)

    @router.post("/pull", summary="Pull an image by dockerd's own means")
    async def pull(body: wire.ImagePull) -> wire.Image:
        return await call(images.pull, body)

    @router.post("/prune", summary="Remove images of releases that are gone, and those without a tag that nothing uses")
    async def prune() -> wire.Pruned:
        return wire.Pruned(images=await call(images.prune))


def _sending(router: APIRouter, context: Context) -> None:
    call = context.work.call

    @router.post("/save", summary="A partial archive of an image", response_class=StreamingResponse)
    async def save(body: wire.ImageSave) -> StreamingResponse:
        stream = Pumped(_saved(context, body))
        slot = context.work.stream_slot()
        await slot.__aenter__()
        try:
            first = await call(next, stream, b"")  # what can go wrong goes wrong before the first byte
        except BaseException:
            await slot.__aexit__(None, None, None)
            context.work.later(stream.close)
            raise

        async def flow() -> AsyncIterator[bytes]:
            try:
                yield first
                async for chunk in context.work.pump(stream, partial(context.work.later, stream.close)):
                    yield chunk
            finally:
                await slot.__aexit__(None, None, None)

        return StreamingResponse(flow(), media_type="application/x-tar")


def _receiving(router: APIRouter, context: Context) -> None:
    images, call = context.images, context.work.call

    @router.post("/load", summary="Load an archive; layers that are here already may lack")
    async def load(request: Request) -> wire.Image:
        async with context.work.stream_slot():
            with images.spool() as file:
                await _spool(context, request, file)
                return await call(images.load, file)

    @router.post("/load/{digest}", summary="Load an archive that was uploaded")
    async def load_upload(digest: Digest, tag: Annotated[str | None, Query(pattern=wire.TAG)] = None) -> wire.Image:
        async with context.work.stream_slot():
            with context.uploads.opened(digest) as file:
                found = await call(images.load, file, tag or "")
            await call(context.uploads.remove, digest)
            return found

    @router.post("/build", summary="Build a tar context; the output as JSON lines", response_class=StreamingResponse)
    async def build(
        request: Request,
        tag: Annotated[str, Query(pattern=wire.TAG)],
        dockerfile: Annotated[str, Query(pattern=wire.DOCKERFILE, max_length=255)] = "Dockerfile",
    ) -> StreamingResponse:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(images.spool())
            await _spool(context, request, file)
            order = await call(images.order, file, wire.Build(tag=tag, dockerfile=dockerfile))
            rest = stack.pop_all()
        return StreamingResponse(_built(context, file, order, rest), media_type="application/x-ndjson")

    @router.post("/build/{digest}", summary="Build a context that was uploaded", response_class=StreamingResponse)
    async def build_upload(digest: Digest, body: wire.Build) -> StreamingResponse:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(context.uploads.opened(digest))
            order = await call(images.order, file, body)
            rest = stack.pop_all()
        done = partial(context.uploads.remove, digest)
        return StreamingResponse(_built(context, file, order, rest, done), media_type="application/x-ndjson")


def _saved(context: Context, body: wire.ImageSave) -> Generator[bytes, None, None]:
    with context.images.save(body) as chunks:
        yield from chunks


async def _built(
    context: Context,
    file: IO[bytes],
    order: BuildRequest,
    rest: contextlib.ExitStack,
    done: Callable[[], None] = lambda: None,
) -> AsyncIterator[bytes]:
    """The events of a build; once the answer has begun, every failure is an event too. `done`: it came to its end."""
    with rest:
        try:
            async with context.work.stream_slot():
                stream = await context.work.call(context.images.build, file, order)
                async for event in context.work.pump(stream):
                    yield _event(event)
                await context.work.call(done)
        except (EngineError, Failure, contexts.Unfit) as error:
            yield _event(wire.BuildEvent(error=str(error)))


def _event(event: wire.BuildEvent) -> bytes:
    """A line of ASCII: some readers take U+2028 and its like, which a build may print, for the end of a line."""
    return event.model_dump_json(exclude_none=True, ensure_ascii=True).encode() + b"\n"


async def _spool(context: Context, request: Request, file: IO[bytes]) -> None:
    """A body to the disk, a buffer at a time, for as long as the disk keeps its reserve."""
    buffer = bytearray()
    async for chunk in request.stream():
        buffer += chunk
        if len(buffer) >= _BUFFER:
            await context.work.call(_flush, context, file, bytes(buffer))
            buffer.clear()
    await context.work.call(_flush, context, file, bytes(buffer))


def _flush(context: Context, file: IO[bytes], content: bytes) -> None:
    context.images.room(len(content))
    file.write(content)
