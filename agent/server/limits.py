"""How much may come in: bytes of a body by route, calls at once; and the access log, which has paths only."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent import wire
from agent.server.errors import TooLarge, describe, reply
from agent.server.settings import Limits

ARCHIVES = frozenset({"/images/load", "/images/build"})
"""Routes whose body is streamed to the disk; every other one, but for the next two, takes a small JSON document."""
UPLOADS = "/uploads/"
UPGRADE = "/upgrade"
RESERVED = 8
"""Of the calls at once, those that no large body may take: a crowd of uploads keeps no health round out."""
log = logging.getLogger("agent.access")


class Gate:
    """ASGI middleware: refuses bodies that are too large and calls that are too many."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 413 or 503 without reading a byte."""
        if scope["type"] != "http" or scope["path"] == "/ping":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        if _length(scope) > limit:
            await reply(*describe(TooLarge(limit)), {"connection": "close"})(scope, receive, send)
            return
        if self._inside >= self._limits.concurrency - (RESERVED if _is_large(scope["path"]) else 0):
            problem = wire.Problem(code="busy", message="The agent has its hands full.", hint="Ask again in a second.")
            await reply(503, problem, {"retry-after": "1", "connection": "close"})(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, _counted(receive, limit), send)
        finally:
            self._inside -= 1

    def _limit(self, path: str) -> int:
        if path == UPGRADE:
            return self._limits.bundle_bytes
        return self._limits.archive_bytes if _is_large(path) else self._limits.json_bytes


class AccessLog:
    """ASGI middleware, outermost: one line a call with its path, never its query or headers, and the last resort."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log the call when it is over; whatever nobody caught becomes the 500 envelope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, complete = time.monotonic(), 0, False

        async def watched(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if complete:
                return  # the framework answered, logged, and raised it again
            if status:
                raise  # half an answer is out: only closing the connection tells the caller
            await reply(*describe(error))(scope, receive, watched)
        finally:
            self._write(scope, status, time.monotonic() - started)

    def _write(self, scope: Scope, status: int, seconds: float) -> None:
        quiet = status < 400 and scope["method"] == "GET"
        fields = {"method": scope["method"], "path": scope["path"][:200], "status": status, "ms": round(seconds * 1000)}
        fields["client"] = scope["client"][0] if scope.get("client") else ""
        log.log(logging.DEBUG if quiet else logging.INFO, "call", extra={"fields": fields})


def _is_large(path: str) -> bool:
    return path in ARCHIVES or path.startswith(UPLOADS)


def _length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _counted(receive: Receive, limit: int) -> Receive:
    """The same stream, which raises once it has carried more than `limit` bytes."""
    seen = 0

    async def counting() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise TooLarge(limit)
        return message

    return counting
