"""The flow `finish-undeploys`: what was left pending on droplets that did not answer, once they answer again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from fleet.errors import PermanentError, TransientError
from flows.deploy import deploy
from flows.finish_undeploys import finish_undeploys
from flows.undeploy import undeploy
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, Fleet
from tests.flows.machines import Machine
from tests.flows.undeploying import awake, deployed, everything_gone, shop, stones

REPORT = "finish-undeploys-demo-prod"


@contextmanager
def away(fleet: Fleet, machine: Machine) -> Iterator[None]:
    """A machine does not answer while the block lasts."""
    machine.silence()
    yield
    awake(fleet, machine)


def test_a_droplet_that_answers_again_is_cleaned_with_proof_and_loses_its_tombstone(fleet: Fleet) -> None:
    gone, _, other = *deployed(fleet), fleet.add_stray_record()
    release = gone.releases["current"]
    with away(fleet, gone):
        undeploy(fleet.service())
        finish_undeploys(fleet.environment())
        assert len(stones(fleet, gone)) == 1, "it is silent still"
        assert f"**⏳ pending: 1 ({gone.name}); all else is gone**" in latest(REPORT)
    finish_undeploys(fleet.environment())
    assert gone.releases == {}
    assert gone.router.table.routes == ()
    assert stones(fleet, gone) == []
    assert fleet.dns.all == {other.id: other}
    report = latest(REPORT)
    assert "**✅ nothing is left**" in report
    assert f"| {gone.name} | current {release} | gone | Docker on the droplet has no such container |" in report
    assert not [tag for tag in fleet.cloud.tags.all if "tombstone" in tag]


def test_without_a_tombstone_no_agent_is_asked_and_nothing_is_changed(fleet: Fleet) -> None:
    machine = deployed(fleet)[0]
    before, looks = fleet.changes, list(machine.engine.crashes.calls)
    finish_undeploys(fleet.environment())
    assert fleet.changes == before
    assert machine.engine.crashes.calls == looks


def test_a_cloud_that_fails_once_puts_nothing_off(fleet: Fleet) -> None:
    gone, _ = deployed(fleet)
    with away(fleet, gone):
        undeploy(fleet.service())
    fleet.cloud.faults.fail("account.read_owner", TransientError("DigitalOcean answers 502."))
    finish_undeploys(fleet.environment())
    assert (gone.releases, stones(fleet, gone)) == ({}, [])


def test_finishing_twice_changes_nothing_more(fleet: Fleet) -> None:
    gone, _ = deployed(fleet)
    with away(fleet, gone):
        undeploy(fleet.service())
    finish_undeploys(fleet.environment())
    before = fleet.changes
    finish_undeploys(fleet.environment())
    assert fleet.changes == before


def test_the_last_droplet_is_destroyed_with_the_environment_when_that_was_asked(fleet: Fleet) -> None:
    gone, _ = deployed(fleet)
    with away(fleet, gone):
        undeploy(fleet.service(), destroy_empty=True)
        assert len(fleet.droplets.all) == 1
    finish_undeploys(fleet.environment())
    everything_gone(fleet)
    assert "DigitalOcean answers 404" in latest(REPORT)


def test_a_droplet_that_is_gone_takes_its_tombstone_along(fleet: Fleet) -> None:
    gone, _ = deployed(fleet)
    gone.silence()
    undeploy(fleet.service())
    found = next(one for one in fleet.droplets.all.values() if one.name == gone.name)
    stale = fleet.droplets.read_tagged
    fleet.droplets.read_tagged = lambda tag: list({*stale(tag), found})  # type: ignore[method-assign]  # a list that lags
    fleet.droplets.remove(found.id)
    finish_undeploys(fleet.environment())
    undeploy(fleet.service())
    assert "Nothing was there: nothing was changed." in latest("undeploy-demo-prod-hello")


def test_a_service_that_was_deployed_again_is_not_undone(fleet: Fleet) -> None:
    gone, _ = deployed(fleet)
    with away(fleet, gone):
        undeploy(fleet.service())
    fleet.write("two")
    deploy(fleet.service())
    assert stones(fleet, gone) == [], "the deploy has cleared it"
    before = gone.ids
    finish_undeploys(fleet.environment())
    assert gone.ids == before
    assert fleet.records == fleet.everywhere


def test_a_release_that_is_newer_than_a_tombstone_stays_also_when_nobody_cleared_it(fleet: Fleet) -> None:
    gone, _ = deployed(fleet)
    with away(fleet, gone):
        undeploy(fleet.service())
    number, found = next((number, one) for number, one in fleet.droplets.all.items() if one.name == gone.name)
    stone = stones(fleet, gone)[0]
    older = replace(stone, since=stone.since - timedelta(days=1))
    tags = {tag for tag in found.tags if "tombstone" not in tag} | {
        f"deployer-tombstone:hello:{older.since:%Y%m%dt%H%M%S}"
    }
    fleet.droplets.all[number] = replace(found, tags=frozenset(tags))
    finish_undeploys(fleet.environment())
    assert set(gone.releases) == {"current"}
    assert stones(fleet, gone) == []
    assert "was deployed since" in latest(REPORT)


def test_of_an_environment_that_is_pending_a_deploy_takes_back_its_own_service_only(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    deploy(shop(fleet))
    machine = fleet.machines[0]
    with away(fleet, machine):
        undeploy(environment=fleet.environment())
        assert [stone.service for stone in stones(fleet, machine)] == [None]
    deploy(fleet.service(replicas=1))
    assert [stone.service for stone in stones(fleet, machine)] == ["shop"]
    finish_undeploys(fleet.environment())
    assert [one.name.rpartition("_")[2] for one in machine.engine.instances()] == ["hello"]
    assert fleet.records == [(DOMAIN, machine.address)]


def test_what_cannot_be_finished_fails_the_run_and_keeps_its_tombstone(fleet: Fleet) -> None:
    gone, _ = deployed(fleet)
    with away(fleet, gone):
        undeploy(fleet.service())
    gone.router.refusing = "its disk is full"
    with pytest.raises(PermanentError, match=f"(?s)demo-prod: Pending undeploys.*{gone.name}: .*its disk is full"):
        finish_undeploys(fleet.environment())
    assert len(stones(fleet, gone)) == 1
    gone.router.refusing = ""
    finish_undeploys(fleet.environment())
    assert gone.releases == {}
