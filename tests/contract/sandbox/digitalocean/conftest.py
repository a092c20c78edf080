"""The sandbox's DigitalOcean over a real TLS socket, with machines that are only pretended; and two clients of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import digitalocean  # type: ignore[import-untyped]  # it has no types
import httpx
import pydo
import pytest
import trustme
import uvicorn
from azure.core.exceptions import HttpResponseError

from sandbox.app import make_app
from sandbox.cloudflare.zones import seed
from sandbox.digitalocean.gate import RateLimit
from sandbox.digitalocean.inventory import Inventory
from sandbox.digitalocean.lifecycle import Lifecycle
from sandbox.digitalocean.pace import Pace
from sandbox.digitalocean.routes import World
from sandbox.machines.network import Block
from sandbox.store import Store
from tests.contract.sandbox.cloudflare.serving import Loop, trusting, until
from tests.fakes.machines import FakeMachines

TOKENS = {"digitalocean": "dop_v1_test", "cloudflare": "cf-test", "control": "sbx_test"}
BLOCK = Block(15)  # the last one: a sandbox that runs beside the tests takes the first that is free


class Cloud:
    """A running sandbox without real machines; `restart` ends it and starts another on the same state."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.machines = FakeMachines()
        self.limit = RateLimit(hourly=100_000, burst=100_000)
        self.authority_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.authority_file))
        self._pem = folder / "server.pem"
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(self._pem))
        self._folder = folder
        self._loop = Loop()
        self.start()

    def start(self) -> None:
        """Serves on a new port."""
        self.store = Store(self._folder / "store.db")
        seed(self.store)
        self.lifecycle = Lifecycle(Inventory(self.store), self.machines, Pace(0))
        self._loop.run(self.lifecycle.start())
        world = World(self.lifecycle.inventory, self.lifecycle, BLOCK)
        app = make_app(world, TOKENS, {"ok": True}, limit=self.limit)
        config = uvicorn.Config(
            app,
            port=0,
            ssl_certfile=self._pem,
            log_level="critical",
            lifespan="off",
            ws="none",
            # A client that raised keeps its connection open; nobody waits for it.
            timeout_graceful_shutdown=0,
        )
        self._server = uvicorn.Server(config)
        self._loop.run(self._serve())
        until(lambda: self._server.started, "the API listens")

    def stop(self) -> None:
        """Ends the server and leaves the state."""
        self._loop.run(self._end())
        self.store.close()

    def close(self) -> None:
        """Ends everything."""
        self.stop()
        self._loop.close()

    @property
    def url(self) -> str:
        """The API's address."""
        return f"https://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    async def _serve(self) -> None:
        self._serving = asyncio.create_task(self._server.serve())

    async def _end(self) -> None:
        self._server.should_exit = True
        await self._serving
        await self.lifecycle.stop()


def error_id(error: HttpResponseError) -> str:
    """The word in DigitalOcean's error body."""
    reply: Any = error.response
    return str(reply.json()["id"])


@dataclass(frozen=True)
class Droplets:
    """Shortcuts to pydo for what most tests need."""

    sdk: pydo.Client

    def new(self, **fields: Any) -> dict[str, Any]:
        """A droplet just created."""
        body = {"name": "web-1", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64", **fields}
        return dict(self.sdk.droplets.create(body=body)["droplet"])

    def active(self, **fields: Any) -> dict[str, Any]:
        """A droplet that has become active."""
        id = self.new(**fields)["id"]
        until(lambda: self.get(id)["status"] == "active" and not self.get(id)["locked"], "the droplet is active")
        return self.get(id)

    def get(self, id: int) -> dict[str, Any]:
        """The droplet as it is now."""
        return dict(self.sdk.droplets.get(id)["droplet"])

    def act(self, id: int, **body: Any) -> dict[str, Any]:
        """An action, finished."""
        action = self.sdk.droplet_actions.post(id, body=body)["action"]
        until(lambda: self.sdk.actions.get(action["id"])["action"]["status"] != "in-progress", "the action ends")
        return dict(self.sdk.actions.get(action["id"])["action"])


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def cloud(tmp_path: Path, authority: trustme.CA) -> Iterator[Cloud]:
    with contextlib.closing(Cloud(tmp_path, authority)) as cloud:
        yield cloud


@pytest.fixture
def sdk(cloud: Cloud) -> Iterator[pydo.Client]:
    client = pydo.Client(
        TOKENS["digitalocean"], endpoint=cloud.url, connection_verify=str(cloud.authority_file), retry_total=0
    )
    with client:
        yield client


@pytest.fixture
def droplets(sdk: pydo.Client) -> Droplets:
    return Droplets(sdk)


@pytest.fixture
def http(cloud: Cloud, authority: trustme.CA) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {TOKENS['digitalocean']}"}
    with httpx.Client(base_url=f"{cloud.url}/v2", verify=trusting(authority), headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def control(cloud: Cloud, authority: trustme.CA) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {TOKENS['control']}"}
    with httpx.Client(
        base_url=f"{cloud.url}/sandbox", verify=trusting(authority), headers=headers, timeout=60
    ) as client:
        yield client


@pytest.fixture
def manager(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> digitalocean.Manager:
    """The other people's client, which trusts what the environment says."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cloud.authority_file))
    monkeypatch.setenv("DIGITALOCEAN_END_POINT", f"{cloud.url}/v2/")
    return digitalocean.Manager(token=TOKENS["digitalocean"])
