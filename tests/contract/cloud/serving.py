"""An ASGI application over HTTPS on a free port of loopback, with an authority of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import trustme
import uvicorn
from starlette.types import ASGIApp

from fleet.cloud import cloudflare
from fleet.cloud.digitalocean import api
from tests.transports import abort_all

DEADLINE_SECONDS = 20.0


class Served(NamedTuple):
    """Where it answers, and the PEM file of the authority that its certificate is from."""

    url: str
    ca_file: Path


@contextmanager
def served(app: ASGIApp, folder: Path) -> Iterator[Served]:
    """Serves the application in a thread until the block ends."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        lifespan="on",
        ssl_certfile=str(folder / "server.pem"),
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(_serve(server),), daemon=True)
    thread.start()
    try:
        yield Served(f"https://localhost:{_port(server)}", folder / "ca.pem")
    finally:
        cloudflare.CLIENTS.close()
        api.CLIENTS.close()
        server.should_exit = True
        thread.join(DEADLINE_SECONDS)


async def _serve(server: uvicorn.Server) -> None:
    await server.serve()
    await abort_all()


def _port(server: uvicorn.Server) -> int:
    end = time.monotonic() + DEADLINE_SECONDS
    while not server.started:
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.02)
    return int(server.servers[0].sockets[0].getsockname()[1])
