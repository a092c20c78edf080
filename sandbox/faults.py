"""Faults of the two APIs: set by the control route, and acted on around every call."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase

from starlette.types import ASGIApp, Message, Receive, Scope, Send

APIS = ("/v2/", "/client/")
_ERRORS = {429: "too_many_requests", 500: "server_error", 503: "service_unavailable"}


@dataclass
class Fault:
    """What goes wrong with the calls that match `method` and `path` (`*` stands for anything).

    `delay` seconds pass first. Then `status` is answered and nothing done (429 with `retry_after` seconds), or, with
    `lose_reply`, the call is carried out and the connection cut instead of an answer, or, with `stale`, the answer of
    the first such call is given again. `times` limits how often; None means until it is removed.
    """

    path: str
    method: str = "*"
    status: int | None = None
    delay: float = 0.0
    retry_after: int | None = None
    lose_reply: bool = False
    stale: bool = False
    times: int | None = 1
    id: int = 0
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether this fault is meant for a call and is not used up."""
        left = self.times is None or self.hits < self.times
        return left and self.method in ("*", method) and fnmatchcase(path, self.path)


@dataclass
class Faults:
    """The faults that are set."""

    active: list[Fault] = field(default_factory=list)
    last_id: int = 0
    stale: dict[tuple[int, str], list[Message]] = field(default_factory=dict)

    def add(self, fault: Fault) -> Fault:
        """Sets one; the newest that matches a call acts."""
        self.last_id += 1
        fault.id = self.last_id
        self.active.insert(0, fault)
        return fault

    def remove(self, id: int | None = None) -> None:
        """Removes one, or all."""
        self.active = [fault for fault in self.active if id is not None and fault.id != id]
        self.stale = {key: value for key, value in self.stale.items() if any(key[0] == item.id for item in self.active)}

    def as_list(self) -> list[dict[str, object]]:
        """All of them, the newest first, with how often each has acted."""
        return [asdict(fault) for fault in self.active]

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for a call, counted."""
        for fault in self.active:
            if fault.matches(method, path):
                fault.hits += 1
                return fault
        return None


class FaultyApp:
    """An ASGI app with faults around its API routes."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call."""
        fault = self._take(scope)
        if fault is None:
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(fault.delay)
        if fault.status is not None:
            await _refuse(scope, send, fault)
        elif fault.lose_reply:
            await self._app(scope, receive, _swallow)
            await _cut(send)
        elif fault.stale:
            await self._again(fault, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _take(self, scope: Scope) -> Fault | None:
        if scope["type"] != "http" or not scope["path"].startswith(APIS):
            return None
        return self._faults.take(scope["method"], scope["path"])

    async def _again(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """The first answer to the same question, however the world has changed since."""
        key = fault.id, f"{scope['path']}?{scope['query_string'].decode()}"
        if key not in self._faults.stale:
            messages: list[Message] = []

            async def keep(message: Message) -> None:
                messages.append(message)

            await self._app(scope, receive, keep)
            self._faults.stale[key] = messages
        for message in self._faults.stale[key]:
            await send(message)


async def _swallow(message: Message) -> None:
    return None


async def _cut(send: Send) -> None:
    """Ends the connection without an answer. ASGI has no word for that, so the server's transport is asked."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if not isinstance(transport, asyncio.Transport):
        raise RuntimeError("a reply can be lost on a uvicorn server only")
    transport.abort()
    await asyncio.sleep(0.05)  # until the server has noticed; else it answers 500 into its log


async def _refuse(scope: Scope, send: Send, fault: Fault) -> None:
    """An answer in the manner of the API that was called."""
    status = fault.status or 500
    text = f"The sandbox was told to answer {status} here."
    if scope["path"].startswith("/client/"):
        body: object = {"success": False, "errors": [{"code": 10000, "message": text}], "messages": [], "result": None}
    else:
        body = {"id": _ERRORS.get(status, "server_error"), "message": text}
    headers = [(b"content-type", b"application/json")]
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
