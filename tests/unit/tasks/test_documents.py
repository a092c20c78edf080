"""All blocks of a type are found, on a real Prefect server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.client.orchestration import get_client

from fleet.errors import PermanentError
from tasks import documents, health, mirrors, rolls
from tests.unit.blocks import examples

pytestmark = pytest.mark.usefixtures("prefect")
THREE = ["page-0", "page-1", "page-2"]


@pytest.fixture
def saved() -> Iterator[None]:
    """Three snapshots, which go at the end of a test, with all else that it saved."""
    for name in THREE:
        examples.snapshot(name=name).save(name)
    yield
    with get_client(sync_client=True) as client:
        for slug in ("service", "environment", "snapshot"):
            for one in documents.list_all(slug):
                client.delete_block_document(one.id)


@pytest.mark.usefixtures("saved")
def test_the_server_knows_no_pages_and_gives_all_documents_at_once() -> None:
    with get_client(sync_client=True) as client:
        page = client.read_block_documents_by_type("snapshot", offset=1, limit=1)
    assert {one.name for one in page} == {one.name for one in documents.list_all("snapshot")} >= {*THREE}, (
        "if a later Prefect has pages here, `list_all` has to read them"
    )
    assert {*mirrors.documents()} >= {*THREE}


@pytest.mark.usefixtures("saved")
def test_environments_and_the_services_of_one_of_them_are_found() -> None:
    for name in THREE[:2]:
        environment = examples.environment(project=name, snapshot=None)
        environment.save(f"{name}-prod")
        examples.service(environment=environment).save(name)
    assert {one.title() for one in health.list_environments()} >= {f"{name}-prod" for name in THREE[:2]}
    assert [one.environment.title() for one in rolls.list_services(environment)] == [environment.title()]


@pytest.mark.usefixtures("saved")
def test_more_than_anybody_has_are_refused_and_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST", 1)
    with pytest.raises(PermanentError, match="and 1 are the most that is worked with"):
        documents.list_all("snapshot")


def test_a_type_that_the_server_does_not_know_has_none() -> None:
    assert documents.list_all("no-such-type") == []
