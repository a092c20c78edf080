"""An example of several services: `web` notes visits in redis, `worker` counts them, `report` prints the count.

REDIS says where redis is: the name of its service, and its port.
"""

from __future__ import annotations

import asyncio
import os
import sys

from aiohttp import web

HOST, _, REDIS_PORT = os.environ.get("REDIS", "redis:6379").partition(":")
PORT = int(os.environ.get("PORT", "8080"))
WAIT_SECONDS = 5
TRY_AGAIN_SECONDS = 1.0


async def ask(*words: str) -> str | None:
    """One command to redis, and what it answers; of an array, the last item."""
    reader, writer = await asyncio.open_connection(HOST, int(REDIS_PORT))
    try:
        writer.write(f"*{len(words)}\r\n".encode())
        writer.writelines(f"${len(word.encode())}\r\n{word}\r\n".encode() for word in words)
        return await answer(reader)
    finally:
        writer.close()
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> str | None:
    """What redis says next."""
    line = (await reader.readline()).decode().rstrip()
    kind, rest = line[:1], line[1:]
    if kind == "-":
        raise RuntimeError(rest)
    if kind == "$":
        return None if rest == "-1" else (await reader.readexactly(int(rest) + 2))[:-2].decode()
    if kind == "*":
        items = [await answer(reader) for _ in range(max(int(rest), 0))]
        return items[-1] if items else None
    return rest


async def visit(_: web.Request) -> web.Response:
    """Notes a visit."""
    await ask("LPUSH", "visits", os.environ.get("DEPLOYER_DROPLET", "somewhere"))
    return web.json_response({"counted": int(await ask("GET", "counted") or 0)})


async def health(_: web.Request) -> web.Response:
    """Whether redis answers."""
    try:
        return web.json_response({"redis": await ask("PING")})
    except OSError as error:
        return web.json_response({"redis": str(error)}, status=503)


async def work() -> None:
    """Counts visits for ever; while redis is away it tries again."""
    while True:
        try:
            if droplet := await ask("BRPOP", "visits", str(WAIT_SECONDS)):
                print(f"visit {await ask('INCR', 'counted')}, on {droplet}", flush=True)
        except OSError as error:
            print(f"redis is away: {error}", flush=True)
            await asyncio.sleep(TRY_AGAIN_SECONDS)


async def report() -> None:
    """Says how many visits there were."""
    print(f"{await ask('GET', 'counted') or 0} visits so far", flush=True)


def serve() -> None:
    """The web service."""
    app = web.Application()
    app.router.add_get("/", visit)
    app.router.add_get("/health", health)
    web.run_app(app, port=PORT, print=None, access_log=None)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["worker"]:
            asyncio.run(work())
        case ["report"]:
            asyncio.run(report())
        case _:
            serve()
