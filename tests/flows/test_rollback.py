"""The flow `rollback`, with real agents on fake droplets: the release before again, everywhere or nowhere."""

from __future__ import annotations

import pytest

from fleet.errors import HostsFailed, InvalidInput, TransientError
from flows.deploy import deploy
from flows.rollback import rollback
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, ZONE, Fleet

REPORT = "rollback-demo-prod-hello"


def deploy_twice(fleet: Fleet, replicas: int = 2) -> tuple[str, str]:
    """Two releases, one after the other."""
    deploy(fleet.service(replicas))
    old = fleet.machines[0].releases["current"]
    fleet.write("two")
    deploy(fleet.service(replicas))
    return old, fleet.machines[0].releases["current"]


def test_a_rollback_makes_the_release_before_serve_everywhere_without_a_build(fleet: Fleet) -> None:
    old, new = deploy_twice(fleet)
    records, built = dict(fleet.dns.all), fleet.changes.count("engine.build")
    rollback(fleet.service())
    assert [machine.releases for machine in fleet.machines] == [{"current": old, "previous": new}] * 2
    assert fleet.serving == {old}
    assert fleet.dns.all == records
    assert fleet.changes.count("engine.build") == built
    assert [one.status for one in fleet.machines[0].engine.instances()] == ["running", "exited"]
    report = latest(REPORT)
    assert f"✅ rolled back to {old}" in report
    assert f"go back to {old} on {fleet.machines[0].name}, from {new}" in report


def test_after_a_droplet_was_destroyed_by_hand_the_others_go_back_and_no_record_leads_to_it(fleet: Fleet) -> None:
    old, _ = deploy_twice(fleet)
    gone, stays = fleet.machines
    gone.close()
    fleet.droplets.all = {number: one for number, one in fleet.droplets.all.items() if one.name != gone.name}
    rollback(fleet.service())
    assert fleet.records == [(DOMAIN, stays.address)]
    assert fleet.serving == {old}


def test_a_cloud_that_fails_once_fails_no_rollback(fleet: Fleet) -> None:
    old, _ = deploy_twice(fleet, replicas=1)
    fleet.cloud.faults.fail("account.read_owner", TransientError("DigitalOcean answers 502."))
    rollback(fleet.service(replicas=1))
    assert fleet.serving == {old}


def test_a_second_rollback_is_refused_and_one_to_what_serves_changes_nothing(fleet: Fleet) -> None:
    old, new = deploy_twice(fleet, replicas=1)
    rollback(fleet.service(replicas=1))
    before = fleet.changes
    with pytest.raises(InvalidInput, match=f"The release before {old}, which serves, is {new}, a newer one"):
        rollback(fleet.service(replicas=1))
    rollback(fleet.service(replicas=1), release=old)
    assert fleet.changes == before
    assert "✅ nothing to do" in latest(REPORT)
    rollback(fleet.service(replicas=1), release=new)
    assert fleet.serving == {new}, "forward, when it is named"


def test_after_a_rollback_the_same_content_is_deployed_again_as_a_new_release(fleet: Fleet) -> None:
    _, new = deploy_twice(fleet, replicas=1)
    rollback(fleet.service(replicas=1))
    deploy(fleet.service(replicas=1))
    assert fleet.machines[0].releases["current"] > new
    assert "✅ deployed" in latest("deploy-demo-prod-hello")


def test_a_droplet_that_has_not_kept_it_is_named_and_nothing_changes(fleet: Fleet) -> None:
    old, new = deploy_twice(fleet, replicas=1)
    first = fleet.machines[0]
    deploy(fleet.service(replicas=2))
    fresh = next(machine for machine in fleet.machines if machine is not first)
    before = fleet.changes
    with pytest.raises(InvalidInput) as caught:
        rollback(fleet.service())
    assert f"{old} cannot serve everywhere, so nothing has been changed: {fresh.name} has {new} (current)." in str(
        caught.value
    )
    assert fleet.changes == before


def test_a_release_that_fails_on_one_droplet_comes_to_none(fleet: Fleet) -> None:
    old, new = deploy_twice(fleet)
    fleet.machines[1].engine.unstartable = {old}
    with pytest.raises(HostsFailed, match=f"Going back to {old} failed on 1 of 2 droplets"):
        rollback(fleet.service())
    assert fleet.serving == {new}
    assert [machine.releases["current"] for machine in fleet.machines] == [new, new]
    assert fleet.records == fleet.everywhere
    assert [one.status for one in fleet.machines[0].engine.instances()] == ["running", "exited"]
    assert "❌ failed: every droplet serves what it served before" in latest(REPORT)
    fleet.machines[1].engine.unstartable = set()
    rollback(fleet.service())
    assert fleet.serving == {old}


def test_a_name_that_does_not_answer_takes_every_droplet_forward_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, new = deploy_twice(fleet)
    visit = fleet.visit
    monkeypatch.setattr(fleet, "visit", lambda *_: [(503, "")])
    with pytest.raises(TransientError, match="answers 503"):
        rollback(fleet.service())
    monkeypatch.setattr(fleet, "visit", visit)
    assert fleet.serving == {new}


def test_records_follow_the_names_that_the_release_had(fleet: Fleet) -> None:
    other = f"hi.{ZONE}"
    deploy(fleet.service(replicas=1))
    old = fleet.machines[0].releases["current"]
    deploy(fleet.service(replicas=1, runs={"port": 8080, "domains": [other]}))
    assert [name for name, _ in fleet.records] == [other]
    rollback(fleet.service(replicas=1, runs={"port": 8080, "domains": [other]}))
    assert [name for name, _ in fleet.records] == [DOMAIN]
    assert fleet.serving == {old}
