"""Websockets through the edge: one handshake on each side, then every message as it comes."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import ClientWebSocketResponse, ClientWSTimeout, WSMsgType, web
from multidict import CIMultiDict

from sandbox.edge.origins import Way

_CLOSE_SECONDS = 5.0
Side = ClientWebSocketResponse[bool] | web.WebSocketResponse[bool]


def is_websocket(request: web.BaseRequest) -> bool:
    """Whether the visitor asks for a websocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket" and request.method == "GET"


async def connect(session: Any, way: Way, path: str, headers: CIMultiDict[str], protocols: list[str]) -> Any:
    """The origin's side of a websocket, open; a refusal raises `WSServerHandshakeError` with the origin's status."""
    return await session.ws_connect(
        way.url(path),
        headers=headers,
        protocols=protocols,
        ssl=way.tls or True,
        server_hostname=way.name if way.tls else None,
        autoclose=False,
        autoping=False,
        max_msg_size=0,
        timeout=ClientWSTimeout(ws_close=_CLOSE_SECONDS),
    )


async def join(request: web.BaseRequest, origin: ClientWebSocketResponse[bool]) -> web.StreamResponse:
    """Accepts the visitor's side and passes messages both ways until one side ends; a cut is passed on as a cut."""
    protocols = (origin.protocol,) if origin.protocol else ()
    visitor = web.WebSocketResponse(
        protocols=protocols, autoclose=False, autoping=False, compress=False, max_msg_size=0, timeout=_CLOSE_SECONDS
    )
    await visitor.prepare(request)
    ways = [asyncio.create_task(_pump(visitor, origin)), asyncio.create_task(_pump(origin, visitor))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(ways)
        await origin.close()
        if not visitor.closed and request.transport is not None:
            request.transport.abort()
    return visitor


async def _end(ways: list[asyncio.Task[None]]) -> None:
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)


async def _pump(source: Side, target: Side) -> None:
    """Passes one direction; returns when the source has closed or is cut."""
    while True:
        message = await source.receive()
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is WSMsgType.PING:
            await target.ping(message.data)
        elif message.type is WSMsgType.PONG:
            await target.pong(message.data)
        elif message.type is WSMsgType.CLOSE:
            await _pass_close(source, target, message.data, (message.extra or "").encode())
            return
        else:
            return


async def _pass_close(source: Side, target: Side, code: int | None, reason: bytes) -> None:
    """Tells the other side of a close with the same code and reason, then confirms it."""
    code = code or 1000
    await target.close(code=code, message=reason)
    await source.close(code=code, message=reason)
