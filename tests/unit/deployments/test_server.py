"""Whoever reaches Prefect's API may do anything on every droplet: it is for this machine, and for who has the login."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from prefect.server.api.server import create_app
from prefect.settings import PREFECT_SERVER_API_AUTH_STRING, temporary_settings
from pydantic import SecretStr

from deployments import server
from deployments.settings import Settings

NAME, PASSWORD = "admin", "canary-login-5d20"
SETTINGS = Settings(_env_file=None, admin_login=SecretStr(f"{NAME}:{PASSWORD}"))  # type: ignore[call-arg]  # no file is read
NOWHERE = "00000000-0000-0000-0000-000000000000"
DOORS = [
    ("POST", f"/api/deployments/{NOWHERE}/create_flow_run"),
    ("POST", "/api/deployments/filter"),
    ("POST", "/api/flow_runs/filter"),
    ("POST", "/api/block_documents/filter"),
    ("POST", "/api/logs/filter"),
    ("POST", "/api/artifacts/filter"),
    ("GET", f"/api/block_documents/{NOWHERE}?include_secrets=true"),
    ("GET", "/api/admin/settings"),
    ("POST", "/api/admin/database/drop"),
]


@pytest.fixture(scope="module")
def app() -> Iterator[FastAPI]:
    """Prefect's own API under the login that the server is given."""
    given = server.server_environment(SETTINGS)["PREFECT_SERVER_API_AUTH_STRING"]
    with temporary_settings({PREFECT_SERVER_API_AUTH_STRING: given}):
        yield create_app(ephemeral=True, ignore_cache=True)


def status(app: FastAPI, method: str, path: str, login: tuple[str, str] | None) -> int:
    """What somebody with this login is answered."""

    async def ask() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", auth=login) as client:
            return (await client.request(method, path)).status_code

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "login", [None, (NAME, "wrong"), (NAME, ""), ("", PASSWORD)], ids=["none", "wrong", "no", "who"]
)
@pytest.mark.parametrize(("method", "path"), DOORS)
def test_without_the_login_nothing_of_the_api_answers(
    app: FastAPI, method: str, path: str, login: tuple[str, str] | None
) -> None:
    assert status(app, method, path, login) == 401


def test_with_the_login_it_does(app: FastAPI) -> None:
    assert status(app, "GET", "/api/admin/version", (NAME, PASSWORD)) == 200


def test_the_server_listens_on_this_machine_alone() -> None:
    assert server.server_environment(SETTINGS)["PREFECT_SERVER_API_HOST"] == "127.0.0.1"
    assert server.environment(SETTINGS)["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
