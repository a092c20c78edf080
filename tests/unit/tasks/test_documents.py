"""All blocks of a type are found, however many there are, on a real Prefect server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.client.orchestration import get_client

from blocks.snapshot import Snapshot
from fleet.errors import PermanentError
from tasks import documents, health, mirrors, rolls
from tests.unit.blocks import examples

pytestmark = pytest.mark.usefixtures("prefect")
THREE = [f"page-{number}" for number in range(3)]


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that gives two at a time; what a test has saved goes at its end."""
    monkeypatch.setattr(documents, "PAGE", 2)
    yield
    with get_client(sync_client=True) as client:
        for slug in ("snapshot", "service", "environment"):
            for one in documents.list_all(slug):
                client.delete_block_document(one.id)


@pytest.mark.usefixtures("pages_of_two")
def test_snapshots_services_and_environments_on_later_pages_are_found_too() -> None:
    for name in THREE:
        examples.snapshot(name=name).save(name)
        environment = examples.environment(project=name, snapshot=None)
        environment.save(f"{name}-prod")
        examples.service(environment=environment).save(name)
    assert {*mirrors.documents()} >= {*THREE}
    assert {one.title() for one in health.list_environments()} >= {f"{name}-prod" for name in THREE}
    assert len(rolls.list_services(environment)) == 1, "the last of them"


@pytest.mark.usefixtures("pages_of_two")
def test_a_page_that_is_just_full_is_followed_by_another_look() -> None:
    before = len(documents.list_all(Snapshot.get_block_type_slug()))
    for name in THREE[:2]:
        examples.snapshot(name=name).save(name)
    assert len(documents.list_all(Snapshot.get_block_type_slug())) == before + 2


@pytest.mark.usefixtures("pages_of_two")
def test_more_than_anybody_has_are_refused_and_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST", 1)
    for name in THREE:
        examples.snapshot(name=name).save(name)
    with pytest.raises(PermanentError, match="more than 1 blocks of the type snapshot"):
        documents.list_all(Snapshot.get_block_type_slug())
    monkeypatch.undo()


def test_a_type_that_the_server_does_not_know_has_none() -> None:
    assert documents.list_all("no-such-type") == []
