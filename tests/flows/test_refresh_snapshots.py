"""The list of snapshots in the run forms: what is ready today, and the last list while nobody answers."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prefect.client.orchestration import get_client

from blocks.environment import Environment
from blocks.snapshot import Snapshot as SnapshotBlock
from fleet import lineage, naming
from fleet.errors import TransientError
from flows.build_snapshot import build_snapshot
from flows.refresh_snapshots import refresh_snapshots
from tasks import mirrors
from tests.fakes.clouds import FakeDigitalOcean
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import OPEN, FakeDigitalOceanCredentials, Fleet

pytestmark = pytest.mark.engine


@pytest.fixture
def saved(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """The environment, saved as a block; what is offered goes at the end.

    A loaded block knows its credentials as DigitalOcean's own, and so this one is told where it is saved.
    """
    SnapshotBlock.of(fleet.snapshot).save("demo-base", overwrite=True)
    environment = fleet.environment(snapshot=SnapshotBlock.load("demo-base"))
    environment.save("demo-prod", overwrite=True)
    monkeypatch.setattr("tasks.mirrors.list_environments", lambda: [environment])
    yield environment
    with get_client(sync_client=True) as client:
        for slug in ("environment", "snapshot"):
            for document in client.read_block_documents_by_type(slug):
                client.delete_block_document(document.id)


def offered() -> set[str]:
    """What a run form's drop-down shows."""
    with get_client(sync_client=True) as client:
        return {str(one.name) for one in client.read_block_documents_by_type("snapshot")}


def test_what_is_ready_is_offered_and_what_is_gone_is_not(fleet: Fleet, saved: Environment) -> None:
    cloud, ours = fleet.cloud.snapshots, naming.snapshot_tags("custom")
    ready = cloud.add("ready", tags=ours | {naming.READY_TAG})
    cloud.add("half", tags=ours)
    bad = cloud.add("bad", tags=ours | {naming.REJECTED_TAG})
    cloud.describe(bad.id, lineage.write(lineage.Lineage(reason="port 22 is open")))
    cloud.add("theirs")
    refresh_snapshots()
    assert offered() == {"demo-base", "ready"}
    page = latest("snapshots")
    assert "| bad | rejected: port 22 is open |" in page
    assert "| half | unproven: not offered |" in page
    assert "| theirs | foreign: not made here, not offered |" in page
    assert "$0.14" in page, "2.4 GB at 6 cents"
    cloud.remove(ready.id)
    refresh_snapshots()
    refresh_snapshots()
    assert offered() == {"demo-base"}


def test_what_a_list_does_not_show_yet_is_still_offered(
    fleet: Fleet, saved: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fleet.cloud.snapshots, "read_all", list)
        refresh_snapshots()
    assert offered() == {"demo-base"}


def test_while_the_provider_is_down_the_last_list_stays_and_its_age_is_shown(fleet: Fleet, saved: Environment) -> None:
    refresh_snapshots()
    fleet.cloud.snapshots.all.clear()
    fleet.cloud.faults.fail("snapshots.read_all", TransientError("503 Service Unavailable"))
    with pytest.raises(TransientError, match="503 Service Unavailable"):
        refresh_snapshots()
    assert offered() == {"demo-base"}
    page = latest("snapshots")
    assert "**No answer** from https://fleet-" in page
    assert "seconds ago stays in the forms" in page


def test_a_build_shows_in_the_form_with_its_packages_and_becomes_the_default(fleet: Fleet, saved: Environment) -> None:
    base = cast(SnapshotBlock, SnapshotBlock.load("demo-base"))
    build_snapshot(saved, "shop-custom", "custom", base, str(fleet.context), make_default=True)
    made = cast(SnapshotBlock, SnapshotBlock.load("shop-custom"))
    assert made.packages == {"docker.io": "20.10.24", "nginx": "1.22.1"}
    assert made.parent == base.snapshot_id
    default = cast(Environment, Environment.load("demo-prod")).snapshot
    assert default is not None
    assert default.snapshot_id == made.snapshot_id
    build_snapshot(saved, "shop-custom", "custom", base, str(fleet.context))
    refresh_snapshots()
    kept = cast(SnapshotBlock, SnapshotBlock.load("shop-custom"))
    assert kept.packages == made.packages, "a later run and a later round do not forget them"


@pytest.fixture
def other(saved: Environment, monkeypatch: pytest.MonkeyPatch) -> FakeDigitalOcean:
    """Another account with an environment of its own, and a snapshot of the same name."""
    account = FakeDigitalOcean(first_snapshot=5001)
    account.account.team = "another-team"
    account.snapshots.add("demo-base", tags=naming.snapshot_tags("base") | {naming.READY_TAG})
    address = "https://another-account.invalid"
    monkeypatch.setitem(cast(Any, OPEN), address, SimpleNamespace(cloud=account))
    theirs = FakeDigitalOceanCredentials.model_validate({"token": "t", "api_url": address})
    second = saved.model_copy(update={"project": "shop", "digitalocean": theirs})
    monkeypatch.setattr("tasks.mirrors.list_environments", lambda: [second, saved])
    return account


def test_two_accounts_with_a_snapshot_of_one_name_have_a_block_each_and_keep_it(
    fleet: Fleet, saved: Environment, other: FakeDigitalOcean
) -> None:
    digits = naming.owner("another-team")
    for _ in range(2):
        refresh_snapshots()
        blocks = mirrors.documents()
        assert {name: one.account for name, one in blocks.items()} == {
            "demo-base": naming.owner(fleet.cloud.account.team),
            f"demo-base-{digits}": digits,
        }
        assert blocks["demo-base"].snapshot_id == fleet.snapshot.id, "environments refer to it"
    theirs = blocks[f"demo-base-{digits}"]
    for silent, left in ((other, fleet.cloud), (fleet.cloud, other)):
        silent.faults.fail("snapshots.read_all", TransientError("503 Service Unavailable"))
        with pytest.raises(TransientError):
            refresh_snapshots()
        assert {*mirrors.documents()} == {*blocks}, "while one account is silent, none gets the other's name"
        assert left.snapshots.all
    fleet.cloud.snapshots.all.clear()
    refresh_snapshots()
    assert {name: one.snapshot_id for name, one in mirrors.documents().items()} == {
        f"demo-base-{digits}": theirs.snapshot_id
    }


def test_the_default_is_the_snapshot_of_the_environments_own_account(
    fleet: Fleet, saved: Environment, other: FakeDigitalOcean
) -> None:
    refresh_snapshots()
    mine = next(one for one in other.snapshots.all.values() if one.name == "demo-base")
    mirrors.make_default(mine, saved)
    default = cast(Environment, Environment.load("demo-prod")).snapshot
    assert default is not None
    assert (default.snapshot_id, default.account) == (mine.id, naming.owner("another-team"))
