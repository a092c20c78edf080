"""What a killed build has left costs money: people are told of it, and the next round removes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prefect import flow

from blocks.environment import Environment
from blocks.notifications import Notifications
from fleet import benches, naming
from fleet.errors import PermanentError
from flows.finish_undeploys import finish_undeploys
from tasks import benches as sweeping
from tests.fakes.receiver import Receiver
from tests.fakes.router import Killed
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.test_build_snapshot import NAME, build, kill_at, nothing_is_left

HOUR = timedelta(hours=1)
READ = sweeping.read_building
"""As it is: the tests beside it have it say what they like."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


@pytest.fixture(autouse=True)
def building(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The snapshots that runs build now."""
    names: set[str] = set()
    monkeypatch.setattr("tasks.notebooks.folder", lambda: tmp_path / "notebooks")
    monkeypatch.setattr(sweeping, "read_building", lambda: frozenset(names))
    return names


@pytest.fixture
def environment(fleet: Fleet, receiver: Receiver) -> Environment:
    return fleet.environment(notifications=Notifications.model_validate({"webhook_url": receiver.url()}))


def told(receiver: Receiver) -> list[str]:
    """What people were told, in a word for each change."""
    return [change["is"] for body in receiver.bodies for change in body["changes"]]


def killed(fleet: Fleet) -> None:
    """A build dies while its bench is there."""
    changes = kill_at(fleet, 10_000)
    build(fleet)
    number = changes.index("droplets.ensure") + 2
    for one in list(fleet.cloud.snapshots.all.values()):
        if one.name == NAME:
            fleet.cloud.snapshots.remove(one.id)
    kill_at(fleet, number)
    with pytest.raises(Killed):
        build(fleet)
    kill_at(fleet, 10_000)
    assert len(fleet.droplets.all) == 1


def age(fleet: Fleet, ago: timedelta) -> None:
    """Every droplet was made so long ago."""
    now = fleet.droplets.clock() + timedelta(days=1)
    fleet.droplets.all |= {id: replace(one, created_at=now - ago) for id, one in fleet.droplets.all.items()}


def test_what_a_killed_build_left_is_told_in_one_round_and_gone_after_the_next(
    fleet: Fleet, environment: Environment, receiver: Receiver
) -> None:
    killed(fleet)
    finish_undeploys(environment)
    assert told(receiver) == ["left over"]
    assert f"the workbench of demo-prod:{NAME}" in receiver.bodies[0]["title"]
    assert len(fleet.droplets.all) == 1
    finish_undeploys(environment)
    assert told(receiver) == ["left over", "over"]
    assert nothing_is_left(fleet)
    before = fleet.changes
    finish_undeploys(environment)
    assert fleet.changes == before


def test_a_bench_that_may_be_at_work_is_left_alone(
    fleet: Fleet, environment: Environment, receiver: Receiver, building: set[str]
) -> None:
    killed(fleet)
    building.add(NAME)
    finish_undeploys(environment)
    building.clear()
    age(fleet, 2 * HOUR)
    finish_undeploys(environment)
    assert (told(receiver), len(fleet.droplets.all)) == ([], 1)
    age(fleet, 4 * HOUR)
    finish_undeploys(environment)
    building.add(NAME)
    finish_undeploys(environment)
    assert (told(receiver), len(fleet.droplets.all)) == (["left over"], 1)


def test_a_bench_that_was_kept_on_request_stays(fleet: Fleet, environment: Environment, receiver: Receiver) -> None:
    fleet.cloud.faults.fail("droplets.snapshot", PermanentError("no room"))
    with pytest.raises(PermanentError, match="no room"):
        build(fleet, keep_failed=True)
    assert [benches.KEPT_TAG in one.tags for one in fleet.droplets.all.values()] == [True]
    for _ in range(3):
        finish_undeploys(environment)
    assert (told(receiver), len(fleet.droplets.all)) == ([], 1)


@pytest.mark.parametrize(
    "tags",
    [
        {naming.BAKE_TAG, "deployer-bake:demo-prod:shop"},
        {naming.TAG, "op:abc", naming.BAKE_TAG, "deployer-bake:demo-production:shop"},
        {naming.TAG, "op:abc", "deployer:demo:prod"},
    ],
    ids=["a stranger's", "another environment's", "one that serves"],
)
def test_no_other_droplet_is_ever_one(fleet: Fleet, tags: set[str]) -> None:
    killed(fleet)
    (one,) = fleet.droplets.all.values()
    other = replace(one, tags=frozenset(tags))
    now = one.created_at + 4 * HOUR
    assert [left.droplets for left in benches.left_over([one, other], "demo-prod", (), now)] == [(one,)]


@flow(name="build-snapshot")
def build_of(name: str) -> frozenset[str]:
    """Stands for a build that runs, and says what is being built meanwhile."""
    return READ.fn()


@pytest.mark.engine
def test_what_a_run_builds_is_known_while_it_runs_and_not_afterwards(prefect: None) -> None:
    assert build_of("shop") == {"shop"}
    assert READ.fn() == frozenset()
