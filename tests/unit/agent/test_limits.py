"""The gate: so many calls at once, of which large bodies never take the last."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from agent.server.limits import RESERVED, Gate
from agent.server.settings import Limits

LIMITS = Limits(concurrency=10)


def test_a_crowd_of_uploads_leaves_places_for_whoever_asks_how_the_droplet_is() -> None:
    async def story() -> None:
        over, answered = asyncio.Event(), list[int]()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await over.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def keep(message: Message) -> None:
            answered.extend([message["status"]] if message["type"] == "http.response.start" else [])

        async def nothing() -> Message:
            return {"type": "http.request", "body": b""}

        def call(path: str) -> Any:
            scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
            return asyncio.create_task(gate(scope, nothing, keep))

        gate = Gate(slow, LIMITS)
        uploads = [call("/uploads/sha256:1") for _ in range(LIMITS.concurrency)]
        looks = [call("/node") for _ in range(RESERVED + 1)]
        await asyncio.sleep(0)
        assert answered == [503] * (LIMITS.concurrency - 2) + [503]
        over.set()
        await asyncio.gather(*uploads, *looks)
        assert answered[-LIMITS.concurrency :] == [200] * LIMITS.concurrency

    asyncio.run(story())
