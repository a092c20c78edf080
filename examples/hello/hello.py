"""An example service: a page that shows which release and which droplet answer, and counts requests as they come.

`/` the page, `/json` the same for programs, `/health` 200 or, when it is told to be ill, 503, `/ws` a websocket,
`/slow` an answer that takes its time, `/upload` counts the bytes that it is sent.
HELLO_BROKEN makes it ill; HELLO_BROKEN_ON names the only droplet on which it is.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from aiohttp import WSCloseCode, WSMsgType, web

PAGE = Path(__file__).with_name("page.html").read_text()
PORT = int(os.environ.get("PORT", "8080"))
RELEASE = os.environ.get("DEPLOYER_RELEASE", "none")
DROPLET = os.environ.get("DEPLOYER_DROPLET", "none")
BEAT_SECONDS = 1.0
SLOW_SECONDS = 5.0
SOCKETS: set[web.WebSocketResponse] = set()
"""Pages that are open."""
FAREWELL = b"another release serves now"


class Counter:
    """Requests that were answered here."""

    count = 0


class Leaving:
    """Whether this container was told to end."""

    now = False


def broken() -> bool:
    """Whether this container was told to be ill."""
    return bool(os.environ.get("HELLO_BROKEN")) and os.environ.get("HELLO_BROKEN_ON", DROPLET) == DROPLET


def facts() -> dict[str, object]:
    """What the page shows."""
    return {"release": RELEASE, "droplet": DROPLET, "requests": Counter.count}


async def page(_: web.Request) -> web.Response:
    """The page itself; what changes comes through the websocket."""
    Counter.count += 1
    return web.Response(text=PAGE, content_type="text/html")


async def as_json(_: web.Request) -> web.Response:
    """The facts for programs."""
    Counter.count += 1
    return web.json_response(facts())


async def health(_: web.Request) -> web.Response:
    """How it is."""
    if broken():
        print("error: told to be ill by HELLO_BROKEN", flush=True)
        return web.json_response({"healthy": False}, status=503)
    return web.json_response({"healthy": True})


async def slow(_: web.Request) -> web.Response:
    """The facts, after a while: a request that is in flight when releases change."""
    await asyncio.sleep(SLOW_SECONDS)
    return web.json_response(facts())


async def upload(request: web.Request) -> web.Response:
    """How many bytes came; they may come slowly."""
    size = 0
    async for chunk in request.content.iter_chunked(65_536):
        size += len(chunk)
    return web.json_response({**facts(), "bytes": size})


async def live(request: web.Request) -> web.WebSocketResponse:
    """The facts again and again, until either side leaves."""
    socket = web.WebSocketResponse(heartbeat=20)
    await socket.prepare(request)
    SOCKETS.add(socket)
    beat = asyncio.create_task(_beat(socket))
    try:
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        if Leaving.now:  # aiohttp 3.8 wakes this before `goodbye` has said anything, and would end it as any other
            await socket.close(code=WSCloseCode.GOING_AWAY, message=FAREWELL)
    finally:
        beat.cancel()
        SOCKETS.discard(socket)
    return socket


async def _beat(socket: web.WebSocketResponse) -> None:
    while not socket.closed:
        await socket.send_json(facts())
        await asyncio.sleep(BEAT_SECONDS)


async def goodbye(_: web.Application) -> None:
    """Tells every open page that this container goes, so that it comes back to another."""
    Leaving.now = True
    for socket in list(SOCKETS):
        await socket.close(code=WSCloseCode.GOING_AWAY, message=FAREWELL)


def application() -> web.Application:
    """The service, ready to serve."""
    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/json", as_json)
    app.router.add_get("/health", health)
    app.router.add_get("/slow", slow)
    app.router.add_post("/upload", upload)
    app.router.add_get("/ws", live)
    app.on_shutdown.append(goodbye)
    return app


if __name__ == "__main__":
    print(f"serving release {RELEASE} on {DROPLET}, port {PORT}", flush=True)
    web.run_app(application(), port=PORT, print=None, access_log=None)
