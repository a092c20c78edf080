"""The server process: machines, APIs, edge and registry, from a start to a signal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from docker import DockerClient

from sandbox.app import make_app
from sandbox.certificates import API_NAMES, Certificates, read_tokens
from sandbox.cloudflare.zones import seed
from sandbox.digitalocean.inventory import ACCOUNT, Inventory
from sandbox.digitalocean.lifecycle import Lifecycle
from sandbox.digitalocean.pace import Pace
from sandbox.digitalocean.routes import World
from sandbox.edge import Edge
from sandbox.engine import connect
from sandbox.image import ensure_image
from sandbox.image.host import resolvers
from sandbox.machines.engine import DockerMachines
from sandbox.machines.network import Block, choose_block, ensure_network
from sandbox.registry import Registry
from sandbox.store import Store
from sandbox.turns import turn

HOST = "127.0.0.1"
_GRACE_SECONDS = 5


@dataclass(frozen=True)
class Options:
    """How the sandbox is started: its state, the first of its ports, and the pace of its cloud."""

    state: Path
    port: int = 7700
    pace: float = 0.1

    @property
    def edge_http(self) -> int:
        """The edge's plain port."""
        return self.port + 80

    @property
    def edge_https(self) -> int:
        """The edge's TLS port."""
        return self.port + 43

    @property
    def registry(self) -> int:
        """The registry mirror's port."""
        return self.port + 50

    def urls(self) -> dict[str, str]:
        """Where everything is, for people and for `/sandbox/status`."""
        return {
            "digitalocean": f"https://localhost:{self.port}",
            "cloudflare": f"https://localhost:{self.port}/client/v4",
            "control": f"https://localhost:{self.port}/sandbox",
            "edge": f"http://{{host}}.{{zone}}.localhost:{self.edge_http}",
            "edge_tls": f"https://{{host}}.{{zone}}.localhost:{self.edge_https}",
        }


Say = Callable[[str], None]


async def serve(options: Options, say: Say) -> None:
    """Runs the sandbox until SIGTERM or SIGINT, then shuts its machines down; their state stays.

    Raises SandboxError, RegistryError or OSError when it cannot start.
    """
    docker = connect()
    store = Store(options.state / "store.db")
    seed(store)
    async with AsyncExitStack() as stack:
        stack.callback(store.close)
        with turn(say):
            block = own_block(store, docker)
            ensure_network(docker, block)
            registry = Registry(options.state, docker, addresses=(block.gateway,), port=options.registry)
            stack.push_async_callback(asyncio.to_thread, registry.stop)
            await _together(
                asyncio.to_thread(ensure_image, docker, say),
                asyncio.to_thread(registry.start),
            )
        say("Starting the machines and the APIs")
        machines = DockerMachines(docker, block, options.state, registry.machine_settings(), resolvers())
        lifecycle = Lifecycle(Inventory(store), machines, Pace(options.pace))
        await _run(options, World(lifecycle.inventory, lifecycle, block), stack)


def own_block(store: Store, docker: DockerClient) -> Block:
    """The addresses of this sandbox, chosen once."""
    kept = store.get(ACCOUNT, "network")
    if kept is not None:
        return Block(kept["block"])
    block = choose_block(docker)
    store.put(ACCOUNT, "network", {"block": block.number, "range": block.vpc})
    return block


async def _run(options: Options, world: World, stack: AsyncExitStack) -> None:
    certificates = Certificates(options.state)
    edge = Edge(world.inventory.store, options.edge_http, options.edge_https, options.state, certificates.server)
    stack.push_async_callback(world.lifecycle.power_off_all)
    stack.push_async_callback(world.lifecycle.stop)
    await world.lifecycle.start()
    stack.push_async_callback(edge.stop)
    await edge.start()
    app = make_app(world, read_tokens(options.state), options.urls())
    await _api(options, app, certificates).serve()


def _api(options: Options, app: Any, certificates: Certificates) -> uvicorn.Server:
    pem = certificates.write_server(API_NAMES)
    config = uvicorn.Config(
        app,
        host=HOST,
        port=options.port,
        ssl_certfile=pem,
        ssl_keyfile=pem,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return uvicorn.Server(config)


async def _together(*work: Awaitable[Any]) -> None:
    """Does all of it; the first failure is raised when the rest has ended, so that nothing runs on unseen."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
