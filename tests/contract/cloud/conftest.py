"""Each port in all its implementations: the fakes, and the adapters against the sandbox over HTTPS."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import trustme
from fastapi import FastAPI

from fleet.cloud import cloudflare
from fleet.cloud.cloudflare import Cloudflare
from fleet.cloud.digitalocean import DigitalOcean, api
from fleet.cloud.ports import Cloud, Dns
from fleet.state import Record
from sandbox.cloudflare import zones
from sandbox.cloudflare.routes import router
from sandbox.store import Store
from tests.contract.cloud.serving import served
from tests.contract.sandbox.digitalocean.conftest import TOKENS
from tests.contract.sandbox.digitalocean.conftest import Cloud as Sandbox
from tests.fakes.clouds import FakeCloudflare, FakeDigitalOcean

Foreign = Callable[[str, str], str]
"""Makes a record that is not ours, of this name and address; gives its id."""
ByHand = Callable[[Record, bool, int], object]
"""Has somebody set whether a record is proxied, and its TTL."""
TOKEN = "cloudflare-token"


@pytest.fixture(autouse=True)
def unspent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests of this process have called in the last minute leaves these their budgets."""
    for budget in (api.BUDGET, cloudflare.BUDGET):
        monkeypatch.setattr(budget, "_spent", [])
        monkeypatch.setattr(budget, "_closed_until", 0.0)


@pytest.fixture
def intent() -> str:
    """An intent that no other test has."""
    return uuid4().hex[:12]


@pytest.fixture(params=["fake", "sandbox"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    """The droplets' port and its neighbours."""
    if request.param == "fake":
        yield FakeDigitalOcean()
        return
    with contextlib.closing(Sandbox(tmp_path, trustme.CA())) as box:
        yield DigitalOcean(TOKENS["digitalocean"], box.url, box.authority_file)
        api.CLIENTS.close()


@pytest.fixture(scope="session")
def cloudflare_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The sandbox's Cloudflare: its address and authority."""
    folder = tmp_path_factory.mktemp("cloudflare")
    store = Store(folder / "sandbox.db")
    zones.seed(store)
    app = FastAPI()
    app.include_router(router(store, TOKEN), prefix="/client/v4")
    with served(app, folder) as here:
        yield f"{here.url}/client/v4", here.ca_file


@pytest.fixture(params=["fake", "sandbox"])
def zone(request: pytest.FixtureRequest) -> tuple[Dns, Foreign]:
    """The port for DNS, and how somebody else makes a record."""
    if request.param == "fake":
        fake = FakeCloudflare()
        return fake, lambda name, address: fake.add(name, address).id
    url, ca_file = request.getfixturevalue("cloudflare_sandbox")
    return Cloudflare(TOKEN, "example.test", url, ca_file), lambda name, address: _post(url, ca_file, name, address)


@pytest.fixture
def dns(zone: tuple[Dns, Foreign]) -> Dns:
    """The port for DNS."""
    return zone[0]


@pytest.fixture
def by_hand(request: pytest.FixtureRequest, zone: tuple[Dns, Foreign]) -> ByHand:
    """How a person changes a record in the dashboard."""
    dns = zone[0]
    if isinstance(dns, FakeCloudflare):
        return lambda record, proxied, ttl: dns.set(record.id, proxied, ttl)
    url, ca_file = request.getfixturevalue("cloudflare_sandbox")

    def change(record: Record, proxied: bool, ttl: int) -> None:
        _ask(url, ca_file, "PATCH", f"dns_records/{record.id}", {"proxied": proxied, "ttl": ttl})

    return change


@pytest.fixture
def foreign(zone: tuple[Dns, Foreign]) -> Foreign:
    """How somebody else makes a record in the same zone."""
    return zone[1]


def _post(url: str, ca_file: Path, name: str, address: str) -> str:
    record = {"type": "A", "name": name, "content": address, "comment": "made by hand"}
    return str(_ask(url, ca_file, "POST", "dns_records", record)["id"])


def _ask(url: str, ca_file: Path, method: str, path: str, body: dict[str, Any]) -> Any:
    context = ssl.create_default_context(cafile=str(ca_file))
    with httpx.Client(verify=context, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        zone_id = client.get(f"{url}/zones").json()["result"][0]["id"]
        answer = client.request(method, f"{url}/zones/{zone_id}/{path}", json=body)
        return answer.raise_for_status().json()["result"]
