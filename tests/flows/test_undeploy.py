"""The flow `undeploy`, with real agents on fake droplets: what goes, what stays, and the proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleet import naming
from fleet.errors import HostsFailed, InvalidInput, PermanentError
from fleet.state import Droplet, Firewall
from flows.deploy import deploy
from flows.undeploy import undeploy
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, ZONE, Fleet
from tests.flows.undeploying import REPORT, deployed, everything_gone, foreign_droplet, shop, stones


def test_an_undeploy_of_one_droplet_leaves_the_others_record_and_one_of_somebody_else(fleet: Fleet) -> None:
    deploy(fleet.service())
    stray = fleet.add_stray_record()
    gone, stays = fleet.machines
    before = stays.ids
    undeploy(fleet.service(), droplet=gone.name)
    assert fleet.records == sorted([(DOMAIN, stays.address), (DOMAIN, stray.content)])
    assert stays.ids == before
    assert stays.router.get(DOMAIN)[0] == 200
    assert gone.releases == {}
    assert gone.router.get(DOMAIN)[0] == 421
    assert len(fleet.droplets.all) == 2, "the droplets stay"
    assert f"A record {DOMAIN} to {stray.content}: it was not made here" in latest(REPORT)


def test_an_undeploy_takes_records_before_routes_and_routes_before_containers(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    machine = fleet.machines[0]
    seen: list[tuple[bool, bool, bool]] = []
    machine.engine.crashes.watch = machine.router.crashes.watch = lambda: seen.append(
        (bool(fleet.dns.all), bool(machine.router.table.routes), bool(machine.engine._found))
    )
    undeploy(fleet.service())
    stages = list(dict.fromkeys(seen))
    assert stages == [(True, True, True), (False, True, True), (False, False, True), (False, False, False)]


def test_an_undeploy_twice_changes_nothing_more(fleet: Fleet) -> None:
    deploy(fleet.service())
    undeploy(fleet.service())
    assert fleet.records == []
    assert [machine.releases for machine in fleet.machines] == [{}, {}]
    before = fleet.changes
    undeploy(fleet.service())
    assert fleet.changes == before
    assert "Nothing was there: nothing was changed." in latest(REPORT)


def test_the_report_proves_of_each_thing_that_it_is_gone(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    machine = fleet.machines[0]
    name, release = machine.engine.instances()[0].name, machine.releases["current"]
    undeploy(fleet.service())
    report = latest(REPORT)
    assert "**✅ nothing is left**" in report
    record = f"| A record | {DOMAIN} | {machine.address} | deployer {name[:6]} demo/prod/hello {machine.name} |"
    assert f"{record} gone | Cloudflare lists no such record |" in report
    assert f"| route | {DOMAIN} | {machine.name} | {name} | gone | nginx on the droplet has no such route |" in report
    container = f"| container | {name} | {machine.name} | current {release} |"
    assert f"{container} gone | Docker on the droplet has no such container |" in report


def test_an_undeploy_of_a_droplet_that_is_not_there_changes_nothing(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    before = fleet.changes
    with pytest.raises(InvalidInput, match=f"Its droplets: {fleet.machines[0].name}. Choose one of them."):
        undeploy(fleet.service(), droplet="demo-prod-nothere")
    assert fleet.changes == before


def test_an_undeploy_needs_a_service_or_an_environment_that_belong_together(fleet: Fleet) -> None:
    with pytest.raises(InvalidInput, match="Choose a service, or an environment"):
        undeploy()
    with pytest.raises(InvalidInput, match="hello belongs to demo-prod, not to demo-other"):
        undeploy(fleet.service(), fleet.environment(name="other"))
    assert fleet.changes == []


def test_a_route_without_a_container_goes_too(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    machine = fleet.machines[0]
    machine.engine.remove(machine.engine.instances()[0].full_name)
    undeploy(fleet.service())
    assert machine.router.table.routes == ()
    assert "| route |" in latest(REPORT)


def test_an_empty_droplet_is_destroyed_when_asked_and_with_the_last_one_firewall_and_tags_go(fleet: Fleet) -> None:
    deploy(fleet.service())
    undeploy(fleet.service(), destroy_empty=True)
    everything_gone(fleet)
    report = latest(REPORT)
    assert "DigitalOcean answers 404" in report
    assert "DigitalOcean lists no such firewall" in report
    before = fleet.changes
    undeploy(fleet.service(), destroy_empty=True)
    assert fleet.changes == before


def test_one_droplet_of_two_is_destroyed_when_asked_and_its_absence_is_the_proof(fleet: Fleet) -> None:
    gone, stays = deployed(fleet)
    undeploy(fleet.service(), droplet=gone.name, destroy_empty=True)
    assert [one.name for one in fleet.droplets.all.values()] == [stays.name]
    assert fleet.records == [(DOMAIN, stays.address)]
    assert "**✅ nothing is left**" in latest(REPORT)
    assert list(fleet.cloud.firewalls.all) == ["deployer-demo.prod"]


def test_a_droplet_with_another_service_is_not_empty_and_the_environment_stays(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    deploy(shop(fleet))
    machine = fleet.machines[0]
    assert len(machine.engine.instances()) == 2
    undeploy(fleet.service(), destroy_empty=True)
    assert [one.name.rpartition("_")[2] for one in machine.engine.instances()] == ["shop"]
    assert fleet.records == [(f"shop.{ZONE}", machine.address)]
    assert list(fleet.cloud.firewalls.all) == ["deployer-demo.prod"]
    assert f"droplet {machine.name}: {machine.engine.instances()[0].name} is there" in latest(REPORT)


def test_an_environment_goes_with_all_its_services(fleet: Fleet) -> None:
    deploy(fleet.service())
    deploy(shop(fleet))
    undeploy(environment=fleet.environment(), destroy_empty=True)
    everything_gone(fleet)
    assert "**✅ nothing is left**" in latest("undeploy-demo-prod")


def test_all_services_leave_one_droplet(fleet: Fleet) -> None:
    deploy(fleet.service())
    deploy(shop(fleet))
    gone = next(machine for machine in fleet.machines if len(machine.engine.instances()) == 2)
    stays = next(machine for machine in fleet.machines if machine is not gone)
    undeploy(environment=fleet.environment(), droplet=gone.name)
    assert gone.engine.instances() == ()
    assert fleet.records == [(DOMAIN, stays.address)]
    assert len(fleet.droplets.all) == 2


def test_a_volume_stays_and_keeps_its_droplet_unless_it_is_named(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    machine = fleet.machines[0]
    name = machine.engine.instances()[0].name
    machine.engine.volumes[f"{name}_data"] = name
    undeploy(fleet.service(), destroy_empty=True)
    assert list(machine.engine.volumes) == [f"{name}_data"]
    assert len(fleet.droplets.all) == 1
    assert f"droplet {machine.name}: it holds the volumes {name}_data" in latest(REPORT)
    undeploy(fleet.service(), destroy_empty=True, remove_volumes=["data"])
    assert f"| volume | {name}_data | {machine.name} |" in latest(REPORT)
    everything_gone(fleet)


def test_a_silent_droplet_loses_its_traffic_at_once_and_is_pending(fleet: Fleet) -> None:
    deploy(fleet.service())
    silent, well = fleet.machines
    silent.silence()
    undeploy(fleet.service())
    assert fleet.records == []
    assert well.releases == {}
    assert set(silent.releases) == {"current"}, "nobody could tell it"
    assert [stone.service for stone in stones(fleet, silent)] == ["hello"]
    report = latest(REPORT)
    assert f"**⏳ pending: 1 ({silent.name}); all else is gone**" in report
    assert "`finish-undeploys` goes on once they answer." in report
    before = fleet.changes
    undeploy(fleet.service())
    assert fleet.changes == before, "the tombstone is there already"


def test_a_droplet_that_falls_silent_in_the_midst_of_an_undeploy_is_pending_too(fleet: Fleet) -> None:
    deploy(fleet.service())
    silent, well = fleet.machines
    remove = fleet.dns.remove

    def fall_silent(record_id: str) -> None:
        remove(record_id)
        silent.silence()

    fleet.dns.remove = fall_silent  # type: ignore[method-assign]  # a droplet dies at a moment of our choice
    undeploy(fleet.service())
    assert well.releases == {}
    assert [stone.service for stone in stones(fleet, silent)] == ["hello"]
    assert f"pending: 1 ({silent.name})" in latest(REPORT)


def test_a_silent_droplet_is_not_destroyed_but_its_wish_is_kept(fleet: Fleet) -> None:
    deploy(fleet.service())
    silent, _ = fleet.machines
    silent.silence()
    undeploy(fleet.service(), destroy_empty=True)
    assert [droplet.name for droplet in fleet.droplets.all.values()] == [silent.name]
    assert [stone.destroy for stone in stones(fleet, silent)] == [True]
    assert list(fleet.cloud.firewalls.all) == ["deployer-demo.prod"], "a droplet needs it still"


def test_after_an_undeploy_from_a_silent_droplet_the_service_can_be_deployed_elsewhere(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    silent = fleet.machines[0]
    silent.silence()
    undeploy(fleet.service(), droplet=silent.name)
    deploy(fleet.service(replicas=1))
    fresh = next(machine for machine in fleet.machines if machine is not silent)
    assert fleet.records == [(DOMAIN, fresh.address)]
    assert len(stones(fleet, silent)) == 1


def test_what_is_not_gone_fails_the_run_and_is_named(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    machine = fleet.machines[0]
    name = machine.engine.instances()[0].name
    machine.engine.remove = lambda full_name, keep_secrets=False: None  # type: ignore[method-assign]  # it says yes
    with pytest.raises(PermanentError, match=f"something is left behind:\n  container {name} from {machine.name}"):
        undeploy(fleet.service())
    assert "❌ something is left behind" in latest(REPORT)


def test_one_droplet_that_refuses_keeps_none_of_the_others_from_being_cleared(fleet: Fleet) -> None:
    deploy(fleet.service())
    ill, well = fleet.machines
    ill.router.refusing = "its disk is full"
    with pytest.raises(PermanentError, match=f"(?s)route {DOMAIN} from {ill.name}.*its disk is full"):
        undeploy(fleet.service())
    assert well.releases == {}
    assert fleet.records == []
    ill.router.refusing = ""
    undeploy(fleet.service())
    assert ill.releases == {}


def test_records_that_cannot_be_removed_stop_the_undeploy_before_anything_else(fleet: Fleet) -> None:
    deploy(fleet.service())
    fleet.dns.faults.fail("dns.remove", *[PermanentError("the zone is locked")] * 2)
    with pytest.raises(HostsFailed, match="the zone is locked"):
        undeploy(fleet.service())
    assert [set(machine.releases) for machine in fleet.machines] == [{"current"}] * 2


def test_a_foreign_droplet_with_our_tag_is_left_alone_and_refused_where_it_is_in_the_way(fleet: Fleet) -> None:
    deploy(fleet.service())
    theirs = foreign_droplet(fleet)
    before = fleet.changes
    with pytest.raises(
        PermanentError, match=f"{theirs.name} carries the tag deployer:demo:prod, but was not made here"
    ):
        undeploy(fleet.service(), destroy_empty=True)
    with pytest.raises(InvalidInput, match=f"{theirs.name} was not made here, and is left alone"):
        undeploy(fleet.service(), droplet=theirs.name)
    with pytest.raises(InvalidInput, match="Take the tag off it in the control panel"):
        deploy(fleet.service())
    assert fleet.changes == before
    undeploy(fleet.service())
    assert fleet.droplets.all[theirs.id] == theirs
    assert f"droplet {theirs.name}: it was not made here" in latest(REPORT)
    fleet.droplets.all[theirs.id] = without_tag = replace(theirs, tags=frozenset())
    undeploy(fleet.service(), destroy_empty=True)
    assert list(fleet.droplets.all.values()) == [without_tag]


def test_a_foreign_firewall_of_our_name_is_left_alone_and_refuses_a_deploy(fleet: Fleet) -> None:
    theirs = Firewall("theirs", "deployer-demo.prod", (), ("web",))
    fleet.cloud.firewalls.all[theirs.name] = theirs
    with pytest.raises(PermanentError, match="is not ours, and was left alone"):
        deploy(fleet.service(replicas=1))
    undeploy(environment=fleet.environment(), destroy_empty=True)
    assert list(fleet.cloud.firewalls.all.values()) == [theirs]
    assert "firewall deployer-demo.prod: it was not made here" in latest("undeploy-demo-prod")


def test_a_strangers_container_survives_keeps_its_droplet_and_refuses_a_deploy_to_its_name(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    machine = fleet.machines[0]
    name = machine.engine.instances()[0].name
    machine.engine.foreign = {"postgres"}
    undeploy(fleet.service(), destroy_empty=True)
    assert machine.engine.foreign == {"postgres"}
    assert len(fleet.droplets.all) == 1
    assert "containers are there that were not made here: postgres" in latest(REPORT)
    machine.engine.foreign = {name}
    with pytest.raises(HostsFailed, match=f"{name} is there, and was not made by this agent"):
        deploy(fleet.service(replicas=1))
    assert machine.engine.foreign == {name}
    assert machine.releases == {}
    assert fleet.records == []


def test_a_foreign_record_of_our_name_survives_an_undeploy_and_refuses_a_deploy(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    stray = fleet.add_stray_record()
    theirs = fleet.dns.add(DOMAIN, "198.51.100.8", "deployer ffffff demo/prod/hello demo-prod-000000")
    undeploy(environment=fleet.environment(), destroy_empty=True)
    assert set(fleet.dns.all.values()) == {stray, theirs}
    with pytest.raises(InvalidInput, match="Delete it in Cloudflare"):
        deploy(fleet.service(replicas=1))
    assert set(fleet.dns.all.values()) == {stray, theirs}


def test_a_new_empty_droplet_that_another_deploy_may_be_making_is_kept(fleet: Fleet) -> None:
    deployed(fleet)
    young: Droplet = replace(
        next(iter(fleet.droplets.all.values())), created_at=datetime.now(UTC) - timedelta(minutes=1)
    )
    fleet.droplets.all[young.id] = young
    undeploy(fleet.service(), droplet=young.name)
    undeploy(fleet.service(), destroy_empty=True)
    assert list(fleet.droplets.all.values()) == [young]
    assert "it is new: a deploy may be just making it" in latest(REPORT)
    assert naming.is_our_droplet(young.tags)
