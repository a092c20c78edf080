"""One request through the edge: find the site, choose an origin, pass the request and its answer."""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import aiohttp
from aiohttp import ClientResponse, StreamReader, web

from sandbox.edge import websocket
from sandbox.edge.headers import to_origin, to_origin_websocket, to_visitor
from sandbox.edge.names import Site, find_site, real_name
from sandbox.edge.origins import Origins, Way, failure_of
from sandbox.edge.pages import ELSEWHERE, Failure, error_page
from sandbox.store import Store

log = logging.getLogger("sandbox.edge")

SMALL = 65536  # bodies up to this many bytes are passed in one piece
T = TypeVar("T")


class Proxy:
    """The handler of every request: `await proxy(request)`."""

    def __init__(self, store: Store, origins: Origins) -> None:
        self._store = store
        self._origins = origins
        self._turn = itertools.count()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        ray = f"{secrets.token_hex(8)}-SBX"
        try:
            site = find_site(self._store, real_name(request.host))
            if websocket.is_websocket(request):
                return await self._websocket(request, site, ray)
            return await self._http(request, site, ray)
        except Failure as failure:
            log.warning("%s %s%s: %s (ray %s)", request.method, request.host, request.path, failure, ray)
            return error_page(failure, ray)

    async def _http(self, request: web.BaseRequest, site: Site, ray: str) -> web.StreamResponse:
        headers = to_origin(request, site.name, ray)
        small = await _small_body(request)

        async def ask(way: Way) -> ClientResponse:
            return await self._origins.session.request(
                request.method,
                way.url(request.raw_path),
                headers=headers,
                data=_stream(request.content) if small is None else small or None,
                ssl=way.tls or True,
                server_hostname=way.name if way.tls else None,
                allow_redirects=False,
            )

        async with await self._try(site, ask) as answer:
            return await _deliver(request, answer, site, ray)

    async def _websocket(self, request: web.BaseRequest, site: Site, ray: str) -> web.StreamResponse:
        headers = to_origin_websocket(request, site.name, ray)
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [part.strip() for part in offered.split(",") if part.strip()]

        async def ask(way: Way) -> aiohttp.ClientWebSocketResponse[bool]:
            return await websocket.connect(self._origins.session, way, request.raw_path, headers, protocols)  # type: ignore[no-any-return]

        try:
            origin = await self._try(site, ask)
        except aiohttp.WSServerHandshakeError as refusal:
            return web.Response(status=refusal.status, headers={"cf-ray": ray, "server": "cloudflare"})
        return await websocket.join(request, origin)

    async def _try(self, site: Site, ask: Callable[[Way], Awaitable[T]]) -> T:
        """Asks one origin, and after a failed connection one other, once, where DNS names another."""
        addresses = self._spread(site.addresses)[:2]
        for last, address in enumerate(addresses, start=1):
            try:
                return await ask(self._origins.way(site, address))
            except aiohttp.WSServerHandshakeError:
                raise
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                failure = failure_of(error, address)
                if failure.code not in ELSEWHERE or last == len(addresses):
                    raise failure from error
                log.info("%s: trying another origin after %s", site.name, failure)
        raise Failure(530, 1016, f"{site.name} has no address record.")

    def _spread(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """The addresses, each first in its turn."""
        start = next(self._turn) % len(addresses)
        return addresses[start:] + addresses[:start]


async def _small_body(request: web.BaseRequest) -> bytes | None:
    """The whole body when it is none or short, else None: it is streamed then. A short one can be sent twice."""
    if not request.can_read_body:
        return b""
    if request.content_length is None or request.content_length > SMALL:
        return None
    return await request.content.readexactly(request.content_length)


async def _stream(content: StreamReader) -> AsyncIterator[bytes]:
    async for chunk in content.iter_any():
        yield chunk


async def _deliver(request: web.BaseRequest, answer: ClientResponse, site: Site, ray: str) -> web.StreamResponse:
    """Passes the origin's answer; one that breaks off midway breaks off for the visitor as well."""
    headers = to_visitor(request, answer.headers, site.name, ray)
    length = answer.content_length
    try:
        if request.method != "HEAD" and length is not None and length <= SMALL:
            body = await answer.read()
            return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise failure_of(error, "The origin") from error
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        log.warning("%s: the answer broke off: %s (ray %s)", site.name, type(error).__name__, ray)
        if request.transport is not None:
            request.transport.abort()
    return response
