"""Services as documents of the Prefect server: what is secret in them is shown to nobody, and comes back."""

from __future__ import annotations

import json
from typing import cast

import pytest
from prefect.client.orchestration import get_client

from blocks.service import Service
from tests.unit.blocks import examples
from tests.unit.blocks.examples import git, service

pytestmark = pytest.mark.usefixtures("prefect")


def test_a_service_with_all_its_tabs_filled_in_comes_back_as_it_was_and_shows_no_secret() -> None:
    filled = service(
        image=git(),
        runs={"kind": "tcp", "port": 6379},
        volumes=[{"name": "data", "path": "/data"}],
        command=["redis-server", "--appendonly", "yes"],
    )
    filled.save("documents-redis", overwrite=True)
    with get_client(sync_client=True) as client:
        shown = client.read_block_document_by_name("documents-redis", "service", include_secrets=False)
    text = json.dumps(shown.data, default=str)
    assert [secret for secret in (examples.GIT_TOKEN, examples.SECRET) if secret in text] == []
    assert shown.data["image"]["token"] == "*" * 8
    loaded = cast(Service, Service.load("documents-redis"))
    assert loaded.spec() == filled.spec()
    assert loaded.image == git()
