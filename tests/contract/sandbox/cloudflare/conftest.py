"""The sandbox's Cloudflare over a real TLS socket, and the official SDK pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from cloudflare import Cloudflare
from fastapi import FastAPI

from sandbox.cloudflare.envelope import RateLimit
from sandbox.cloudflare.routes import router
from sandbox.cloudflare.zones import find_zone, seed
from sandbox.store import Store
from tests.contract.sandbox.cloudflare.serving import trusting, uvicorn_over_tls

TOKEN = "sandbox-token-of-the-tests-0123456789abcdef"  # opens nothing but the server below


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store.db")
    seed(store)
    return store


@pytest.fixture
def limit() -> RateLimit:
    return RateLimit()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def url(store: Store, limit: RateLimit, authority: trustme.CA, tmp_path: Path) -> Iterator[str]:
    app = FastAPI()
    app.include_router(router(store, TOKEN, limit=limit), prefix="/client/v4")
    with uvicorn_over_tls(app, authority, tmp_path) as base:
        yield f"{base}/client/v4"


@pytest.fixture
def http(url: str, authority: trustme.CA) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=url, verify=trusting(authority), headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def cloudflare(url: str, authority: trustme.CA) -> Iterator[Cloudflare]:
    http_client = httpx.Client(verify=trusting(authority))
    with Cloudflare(api_token=TOKEN, base_url=url, http_client=http_client, max_retries=0) as client:
        yield client


@pytest.fixture
def zone_id(store: Store) -> str:
    zone = find_zone(store, "example.test")
    assert zone is not None
    return str(zone["id"])
