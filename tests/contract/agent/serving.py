"""The real agent over its own TLS, in a thread, with a fake Docker and a fake nginx."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from agent import keys, wire
from agent.client import AgentClient
from agent.client.transport import options
from agent.server import serve
from agent.server import settings as switches
from agent.server.app import create_app
from agent.server.settings import Settings
from tests.contract.sandbox.cloudflare.serving import free_port, until
from tests.fakes.engine import FakeEngine
from tests.fakes.router import Crashes, FakeRouter
from tests.transports import abort_all
from tests.unit.agent.builders import DROPLET, LIMITS, NAME, TOKEN, settings, spec

PATIENCE = 60.0
"""Seconds that an answer may take on a machine that does much else."""


@dataclass(frozen=True)
class Droplet:
    """A running agent and what it runs on."""

    engine: FakeEngine
    router: FakeRouter
    settings: Settings
    port: int
    image: wire.Image

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    def http(self, address: str = "127.0.0.1", key: str | bytes | None = None) -> httpx.Client:
        """A client that trusts the droplet, calls from this address, and sends this key, or none."""
        chosen = options(self.settings.secret, DROPLET, "127.0.0.1", self.port)
        transport = httpx.HTTPTransport(verify=chosen["verify"], local_address=address)
        client = httpx.Client(base_url=chosen["base_url"], transport=transport, event_hooks=NAMED, timeout=PATIENCE)
        if key is not None:
            client.headers = httpx.Headers(
                [(wire.KEY_HEADER.encode(), key if isinstance(key, bytes) else key.encode())]
            )
        return client

    def keyed(self, address: str = "127.0.0.1") -> httpx.Client:
        """The same with the droplet's key."""
        return self.http(address, keys.api_key(self.settings.secret))

    @contextlib.contextmanager
    def client(self, name: str = NAME, holder: str = "the tests") -> Iterator[AgentClient]:
        """The controller's client, with the lease of a service, which the holder keeps."""
        with self.keyed() as http:
            taken = AgentClient(http).take_lease(name, wire.LeaseRequest(holder=holder))
            yield AgentClient(http, taken.fencing)

    def spec(self, number: int, **changes: Any) -> wire.ContainerSpec:
        """What release `number` runs here."""
        return spec(number, changes.pop("image", self.image.id), **changes)

    def deploy(self, number: int, name: str = NAME, **changes: Any) -> wire.ContainerSpec:
        """Release `number` is current."""
        wanted = self.spec(number, **changes)
        with self.client(name) as client:
            client.prepare(name, wanted)
            client.promote(name, wire.Promote(release=wanted.release))
        return wanted

    def raw(self) -> ssl.SSLSocket:
        """A bare TLS connection."""
        context: ssl.SSLContext = options(self.settings.secret, DROPLET, "127.0.0.1", self.port)["verify"]
        plain = socket.create_connection(("127.0.0.1", self.port), 5)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)  # what is sent has left this side
        return context.wrap_socket(plain, server_hostname=DROPLET)


def _name(request: httpx.Request) -> None:
    request.extensions = {**request.extensions, "sni_hostname": DROPLET}


NAMED: dict[str, list[Any]] = {"request": [_name]}


@contextlib.contextmanager
def serving(app: ASGIApp, chosen: Settings) -> Iterator[int]:
    """Serves an application as the agent does; gives its port."""
    server = serve.server(app, chosen)
    thread = threading.Thread(target=asyncio.run, args=(_run(server),))
    thread.start()
    try:
        until(lambda: server.started, "the agent listens")
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)


async def _run(server: uvicorn.Server) -> None:
    await server.serve()
    await abort_all()


@contextlib.contextmanager
def droplet(folder: Path, **changes: Any) -> Iterator[Droplet]:
    """An enrolled droplet with an image, and nothing that runs."""
    chosen, crashes = settings(folder, **changes), Crashes()
    router = FakeRouter(crashes)
    with FakeEngine(crashes) as engine, serving(create_app(chosen, engine, router), chosen) as port:
        yield Droplet(engine, router, chosen, port, engine.add_image(b"one", b"two", tag="hello:1"))


class NewDroplet:
    """A droplet as user data left it: a name and a boot secret. Its agent comes back each time it ends, as systemd
    would have it, until `close`.
    """

    def __init__(self, folder: Path) -> None:
        self.etc, self.state, self.run = folder / "etc", folder / "state", folder / "run"
        self.port = free_port()
        self.etc.mkdir()
        (self.etc / "droplet").write_text(f"{DROPLET}\n")
        (self.etc / "boot.key").write_text(f"{keys.boot_secret(TOKEN, DROPLET)}\n")
        self.engine, self.router = FakeEngine(), FakeRouter()
        self._ended = threading.Event()
        self._server: list[uvicorn.Server] = []
        self._thread = threading.Thread(target=self._live)
        self._thread.start()
        until(lambda: bool(self._server) and self._server[-1].started, "the new droplet listens")

    def close(self) -> None:
        """End it for good."""
        self._ended.set()
        self._server[-1].should_exit = True
        self._thread.join(20)
        self.engine.close()

    def _live(self) -> None:
        while not self._ended.is_set():
            asyncio.run(self._once())

    async def _once(self) -> None:
        found = switches.load(self.etc, self.state)
        chosen = replace(found, address="127.0.0.1", port=self.port, run=self.run, limits=LIMITS)
        app = create_app(chosen, self.engine, self.router, self._stop)
        self._server.append(serve.server(app, chosen))
        await self._server[-1].serve()
        await abort_all()

    def _stop(self) -> None:
        self._server[-1].should_exit = True
