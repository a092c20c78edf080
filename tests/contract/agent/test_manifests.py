"""Manifests of services, held by an agent: kept under the lease, told to every controller, gone with the service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from agent.server.errors import Failure
from agent.server.manifests import MOST, Manifests
from tests.contract.agent.serving import Droplet, droplet
from tests.unit.agent.builders import NAME, OTHER, release

AT = datetime(2026, 11, 24, tzinfo=UTC)


def manifest(number: int, document: str = '{"name": "web"}') -> wire.Manifest:
    """What was left with release `number`."""
    return wire.Manifest(release=release(number), written_at=AT, by="deploy web on a laptop", document=document)


def told(found: wire.Manifests) -> dict[str, str]:
    """The releases of the manifests, by service."""
    return {one.name: one.release for one in found.manifests}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    with droplet(tmp_path) as running:
        yield running


def test_a_manifest_is_kept_as_it_was_left_and_the_next_takes_its_place(lab: Droplet) -> None:
    with lab.client(OTHER) as client:
        client.keep_manifest(OTHER, manifest(1))
    with lab.client() as client:
        for _ in range(2):
            assert told(client.keep_manifest(NAME, manifest(1))) == {NAME: release(1), OTHER: release(1)}
        assert told(client.keep_manifest(NAME, manifest(2))) == {NAME: release(2), OTHER: release(1)}
        (_, kept) = client.manifests().manifests
        assert wire.Manifest(**kept.model_dump(exclude={"name"})) == manifest(2)


def test_without_the_lease_nothing_is_kept_and_nothing_forgotten(lab: Droplet) -> None:
    with lab.client() as client:
        client.keep_manifest(NAME, manifest(1))
    with lab.keyed() as http:
        bare = AgentClient(http)
        with pytest.raises(AgentProblem) as kept:
            bare.keep_manifest(NAME, manifest(2))
        with pytest.raises(AgentProblem) as forgotten:
            bare.forget_manifest(NAME)
        assert {one.value.problem.code for one in (kept, forgotten)} == {"lease_required"}
        assert told(bare.manifests()) == {NAME: release(1)}


def test_it_goes_with_the_service_and_by_itself_and_a_second_time_nothing_happens(lab: Droplet) -> None:
    lab.deploy(1)
    with lab.client() as client:
        client.keep_manifest(NAME, manifest(1))
        assert client.remove(NAME).changed
        assert told(client.manifests()) == {}
        assert not client.remove(NAME).changed
        client.keep_manifest(NAME, manifest(1))
        for _ in range(2):
            assert told(client.forget_manifest(NAME)) == {}


def test_manifests_outlive_the_agent_and_one_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    Manifests(tmp_path).keep(NAME, manifest(1))
    Manifests(tmp_path).keep(OTHER, manifest(1))
    (tmp_path / f"{OTHER}.json").write_text("{")
    assert [one.name for one in Manifests(tmp_path).read_all()] == [NAME]


def test_there_is_an_end_to_manifests(tmp_path: Path) -> None:
    held = Manifests(tmp_path)
    for number in range(MOST):
        held.keep(f"9fe5e6_demo_prod_s{number}", manifest(1))
    with pytest.raises(Failure, match="manifests are kept here"):
        held.keep(NAME, manifest(1))
    held.keep("9fe5e6_demo_prod_s1", manifest(2))
    assert len(held.read_all()) == MOST


def test_on_a_full_disk_the_one_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Manifests(tmp_path)
    held.keep(NAME, manifest(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agent.server.manifests.write_private", full)
    with pytest.raises(Failure, match="could not be written") as caught:
        held.keep(NAME, manifest(2))
    assert caught.value.problem.code == "disk"
    assert [one.release for one in held.read_all()] == [release(1)]
