"""Origins for the edge to reach: real servers on 127.77.250.x, over HTTP on port 80 and TLS on port 443."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

MEGABYTE = 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Origin:
    """A web server that remembers what it saw: `requests`, and the transports of its `connections`."""

    def __init__(self, address: str, tls: ssl.SSLContext | None) -> None:
        self.address = address
        self.requests: list[web.BaseRequest] = []
        self.connections: set[int] = set()
        self._tls = tls
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        @web.middleware
        async def remember(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.requests.append(request)
            self.connections.add(id(request.transport))
            return await handler(request)

        app = web.Application(client_max_size=0, middlewares=[remember])
        app.add_routes(
            [
                web.get("/big/{megabytes}", _big),
                web.post("/upload", _upload),
                web.get("/broken", _broken),
                web.get("/redirect", _redirect),
                web.get("/ws", self._echo),
                web.get("/status/{status}", _status),
                web.route("*", "/{path:.*}", self._who),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        port = 443 if self._tls else 80
        await web.TCPSite(self._runner, self.address, port, ssl_context=self._tls).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _who(self, request: web.Request) -> web.Response:
        seen = {key.lower(): value for key, value in request.headers.items()}
        told = {"origin": self.address, "path": request.raw_path, "peer": request.remote, "headers": seen}
        response = web.json_response(told)
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("chat",))
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "cut" and request.transport:
                request.transport.abort()
            elif message.type is WSMsgType.TEXT and message.data == "bye":
                await socket.close(code=4001, message=b"so long")
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(f"{self.address} {message.data}")
            else:
                await socket.send_bytes(message.data)
        return socket


async def _big(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(int(request.match_info["megabytes"])):
        await response.write(b"x" * MEGABYTE)
    return response


async def _upload(request: web.Request) -> web.Response:
    digest, size = hashlib.sha256(), 0
    async for chunk in request.content.iter_any():
        digest.update(chunk)
        size += len(chunk)
    return web.json_response({"size": size, "sha256": digest.hexdigest()})


async def _broken(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(MEGABYTE)})
    await response.prepare(request)
    await response.write(b"only the beginning")
    if request.transport is not None:
        request.transport.close()
    return response


async def _redirect(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": f"https://{request.host}/there?q=1"})


async def _status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["status"]), text="from the origin")


class Forgetful:
    """An origin that answers one request a connection, promises to keep it, and closes it unannounced."""

    def __init__(
        self, address: str, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", port: int = 80
    ) -> None:
        self.address = address
        self.port = port
        self.heads: list[bytes] = []
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.address, self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await (reader.readuntil(b"\r\n\r\n") if self.port == 80 else reader.read(1)))
        writer.write(self._answer)
        writer.close()
