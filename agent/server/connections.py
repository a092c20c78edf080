"""Connections that ask for nothing: each has a bounded time to bring a request's head, and their number is bounded.

Nobody has shown a key before a head is there, so whoever reaches the port could hold any number of connections open.
Where there are too many, the one that has waited longest gives way: whoever means to ask something asks at once.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.server.door import Door
from agent.server.settings import Limits


class Lobby:
    """The connections of one server on which no request is under way, whoever waits longest first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: dict[asyncio.Transport, asyncio.TimerHandle | None] = {}

    def rest(self, transport: asyncio.Transport, among: int) -> None:
        """No request is under way on it; where there are more connections than may be, somebody goes."""
        self._waiting.setdefault(transport, None)
        if among > self._limits.connections:
            self._end(next(iter(self._waiting)))

    def expect(self, transport: asyncio.Transport) -> None:
        """It has to bring a whole head in time, from now on unless its time runs already."""
        if self._waiting.get(transport) is None:
            loop = asyncio.get_running_loop()
            self._waiting[transport] = loop.call_later(self._limits.head_seconds, self._end, transport)

    def leave(self, transport: asyncio.Transport) -> None:
        """It has brought a head, or is gone."""
        if timer := self._waiting.pop(transport, None):
            timer.cancel()

    def _end(self, transport: asyncio.Transport) -> None:
        self.leave(transport)
        transport.abort()


class Punctual(H11Protocol):
    """A connection that is held to it."""

    lobby: ClassVar[Lobby]
    door: ClassVar[Door]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A new one: its first head is to come in time."""
        super().connection_made(transport)
        self.door.passed(transport.get_extra_info("socket").fileno())
        self.lobby.rest(transport, len(self.connections))
        if not transport.is_closing():
            self.lobby.expect(transport)

    def data_received(self, data: bytes) -> None:
        """With a whole head, time is the application's to give; with a part of one it runs."""
        super().data_received(data)
        if self._is_under_way():
            self.lobby.leave(self.transport)
        elif not self.transport.is_closing():
            self.lobby.expect(self.transport)

    def on_response_complete(self) -> None:
        """It may stay for another request, as long as there is room."""
        super().on_response_complete()
        if not self._is_under_way() and not self.transport.is_closing():
            self.lobby.rest(self.transport, len(self.connections))
            if self.conn.trailing_data[0]:  # a part of the next head came along
                self.lobby.expect(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.lobby.leave(self.transport)
        super().connection_lost(exc)

    def _is_under_way(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


def bounded(limits: Limits, door: Door) -> type[Punctual]:
    """The protocol of one server, whose connections know of each other, and of the door that they came through."""
    members: dict[str, Any] = {"lobby": Lobby(limits), "door": door}
    return cast(type[Punctual], type("Bounded", (Punctual,), members))
