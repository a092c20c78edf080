"""An answer that flows for as long as it likes, in one of the few places that there are for such."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from agent.server.work import Work


class Flowing(StreamingResponse):
    """Its place is taken before its first byte, so that with none free the answer can still say so (503)."""

    def __init__(self, work: Work, content: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(content, media_type=media_type)
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, until either side ends it."""
        async with self._work.stream_slot():
            await super().__call__(scope, receive, send)
