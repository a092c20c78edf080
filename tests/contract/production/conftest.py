"""One controller for the tests of roles, and one for those of its parts; each only as large as its tests need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from deployments.pools import ensure_pool
from deployments.production import controller
from deployments.production.parts import PATIENCE
from deployments.production.pool import ensure_closed
from deployments.production.rendering import render
from tests.contract.production import trial
from tests.contract.production.stack import Stack


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Everything but the workers, registered."""
    made = Stack()
    try:
        made.postgres.start()
        render(made.settings)
        list(controller.start_servers(made.settings, made.supervisor))
        access = {
            PREFECT_API_URL: f"{made.settings.ui_url}/api",
            PREFECT_API_AUTH_STRING: made.settings.machine_login.get_secret_value(),
            PREFECT_CLIENT_MAX_RETRIES: PATIENCE,
        }
        with temporary_settings(access):
            asyncio.run(ensure_pool())
            asyncio.run(ensure_closed())
            trial.register()
            yield made
    finally:
        made.close()
