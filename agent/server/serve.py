"""The agent's process: TLS, readiness, watchdog, and the mending of routes at the start."""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from agent import keys
from agent.notify import notify, watchdog_seconds
from agent.server import containers
from agent.server.connections import bounded
from agent.server.door import Door
from agent.server.ports import Engine, EngineError, Router, RouterError
from agent.server.secret_files import write_private
from agent.server.settings import Settings

RECONCILE_SECONDS: Final = 2.0
HANDSHAKE_BACKLOG: Final = 128
TLS_BUFFER_BYTES: Final = 16 << 10
"""What each connection holds from its first moment on, as much as one record; asyncio's own 256 KiB let a thousand
silent callers fill the agent's memory."""
log = logging.getLogger("agent")


class Server(uvicorn.Server):
    """A server that lets in whoever comes through its door."""

    def __init__(self, config: uvicorn.Config, door: Door) -> None:
        super().__init__(config)
        self._door = door

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup([self._door, *(sockets or ())])


def server(app: ASGIApp, settings: Settings) -> Server:
    """A server with the droplet's own TLS identity, TLS 1.3 and nothing older; its port is taken from now on."""
    door = Door(settings.address, settings.port, settings.limits)
    key, certificate = settings.run / "agent.key", settings.run / "agent.pem"
    identity = keys.identity(settings.secret, settings.droplet)
    write_private(key, identity.key)
    write_private(certificate, identity.certificate)
    config = uvicorn.Config(
        app,
        ssl_keyfile=str(key),
        ssl_certfile=str(certificate),
        http=bounded(settings.limits, door),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=HANDSHAKE_BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
    )
    config.load()
    SSLProtocol.max_size = TLS_BUFFER_BYTES
    key.unlink()  # it is in memory now
    assert config.ssl is not None  # noqa: S101 - uvicorn made it from the files above
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return Server(config, door)


def settle() -> None:
    """What the process has made so far stays: only what comes is looked through for what nobody needs any more.

    A handshake that fails leaves a circle of objects behind (Python before 3.12.3), and those of a crowd are to go
    before they fill the memory. Python looks through all the rarer the more there is that stays.
    """
    gc.collect()
    gc.freeze()


async def serve(
    make: Callable[[Callable[[], None]], ASGIApp],
    settings: Settings,
    engine: Engine,
    router: Router,
    alive: Callable[[], bool] = lambda: True,
) -> None:
    """Serve until a signal, or until a route asks for the end, which then waits for its answer to be out.

    systemd is told that all is well for as long as `alive` says so.
    """
    running: list[uvicorn.Server] = []

    def stop() -> None:
        running[0].should_exit = True

    running.append(server(make(stop), settings))
    shutil.rmtree(settings.spool, ignore_errors=True)  # what a killed agent left
    tasks = [asyncio.create_task(_keep_alive(running[0], alive))]
    if settings.enrolled:
        tasks.append(asyncio.create_task(_mend(engine, router)))
    settle()
    try:
        await running[0].serve()
    finally:
        notify("STOPPING=1")
        for task in tasks:
            task.cancel()


async def _keep_alive(running: uvicorn.Server, alive: Callable[[], bool]) -> None:
    """Ready once the port listens; then a sign of life for as long as the event loop and its threads work."""
    while not running.started:
        await asyncio.sleep(0.05)
    notify("READY=1")
    log.info("ready")
    seconds = watchdog_seconds()
    while seconds:
        if alive():
            await asyncio.to_thread(notify, "WATCHDOG=1")
        await asyncio.sleep(seconds)


async def _mend(engine: Engine, router: Router) -> None:
    """Once, as soon as both Docker and nginx answer."""
    said = ""
    while True:
        try:
            count = await asyncio.to_thread(containers.reconcile, engine, router)
        except (EngineError, RouterError) as error:
            if str(error) != said:
                said = str(error)
                log.warning("the routes wait to be mended", extra={"fields": {"reason": said}})
            await asyncio.sleep(RECONCILE_SECONDS)
        else:
            log.info("routes agree with the containers", extra={"fields": {"routes": count}})
            return
