"""A server that answers what it was told to, and remembers what it was asked: for answers no honest cloud gives."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send


@dataclass
class Answer:
    """What one request gets; `drop` closes the connection in the midst of it."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


class Recorder:
    """The ASGI application; answers are given in order, and one request more than answers is a failure."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.asked: list[str] = []
        self.bodies: list[Any] = []

    def will(self, *answers: Answer) -> None:
        """Adds answers for the next requests, and forgets the earlier ones."""
        self.answers = deque(answers)
        self.asked, self.bodies = [], []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        query = scope["query_string"].decode()
        self.asked.append(f"{scope['method']} {scope['path']}" + (f"?{query}" if query else ""))
        self.bodies.append(await self._body(receive))
        answer = self.answers.popleft() if self.answers else Answer(501, {"id": "unexpected", "message": "not told"})
        headers = {"content-type": "application/json", **answer.headers}
        if answer.drop:
            headers["content-length"] = "1000"
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        if answer.drop:
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            raise ConnectionResetError
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        await send({"type": "http.response.body", "body": body})

    @staticmethod
    async def _live(receive: Receive, send: Send) -> None:
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})

    @staticmethod
    async def _body(receive: Receive) -> Any:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return json.loads(body) if body else None
