"""The flow `deploy`, with real agents on fake droplets: what it leaves behind when all goes well."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from agent import keys
from blocks.service import Service
from fleet.errors import TransientError
from flows.deploy import deploy
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, Fleet


def test_a_deploy_to_two_droplets_ends_with_two_records_on_the_new_release_and_keeps_the_previous(
    fleet: Fleet,
) -> None:
    deploy(fleet.service())
    first = [machine.releases for machine in fleet.machines]
    fleet.write("two")
    deploy(fleet.service())
    second = [machine.releases for machine in fleet.machines]
    assert fleet.records == fleet.everywhere
    assert len(fleet.records) == 2
    assert [machine.starts for machine in fleet.machines] == [2, 2], "each was enrolled once"
    assert first[0] == first[1]
    assert second == [{"current": second[0]["current"], "previous": one["current"]} for one in first]
    assert second[0]["current"] > first[0]["current"]
    assert [status for status, _ in fleet.visit(DOMAIN)] == [200, 200]
    assert fleet.serving == {second[0]["current"]}
    assert [one.status for machine in fleet.machines for one in machine.engine.instances()] == ["running", "exited"] * 2


def test_deploying_the_same_again_changes_nothing(fleet: Fleet) -> None:
    deploy(fleet.service())
    before = [(machine.name, machine.ids, machine.releases) for machine in fleet.machines]
    records, firewalls = dict(fleet.dns.all), dict(fleet.cloud.firewalls.all)
    starts = [call for call in fleet.changes if call in ("engine.create", "engine.start", "engine.stop")]
    deploy(fleet.service())
    assert [(machine.name, machine.ids, machine.releases) for machine in fleet.machines] == before
    assert fleet.dns.all == records
    assert fleet.cloud.firewalls.all == firewalls
    assert len(fleet.droplets.requests) == 2
    assert [call for call in fleet.changes if call in ("engine.create", "engine.start", "engine.stop")] == starts
    assert "✅ nothing to do: every droplet serves this release already" in latest("deploy-demo-prod-hello")


def test_with_nothing_to_do_only_the_image_is_built(fleet: Fleet) -> None:
    deploy(fleet.service())
    before = fleet.changes
    deploy(fleet.service())
    assert Counter(fleet.changes) - Counter(before) == Counter(["engine.build"])


def test_a_record_that_somebody_deleted_comes_back_although_the_release_is_the_same(fleet: Fleet) -> None:
    deploy(fleet.service())
    ids = [machine.ids for machine in fleet.machines]
    fleet.dns.all.popitem()
    deploy(fleet.service())
    assert fleet.records == fleet.everywhere
    assert [machine.ids for machine in fleet.machines] == ids
    assert "✅ unchanged" in latest("deploy-demo-prod-hello")


def test_a_firewall_that_somebody_changed_is_mended(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    (name, wall), *_ = fleet.cloud.firewalls.all.items()
    fleet.cloud.firewalls.all[name] = replace(wall, inbound=wall.inbound[1:])
    deploy(fleet.service(replicas=1))
    assert fleet.cloud.firewalls.all[name].inbound == wall.inbound


def test_one_more_replica_leaves_those_that_serve_and_makes_one_droplet(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    ids = fleet.machines[0].ids
    name = fleet.machines[0].name
    deploy(fleet.service(replicas=2))
    assert len(fleet.droplets.requests) == 2
    assert fleet.droplets.machines[name].ids == ids
    assert fleet.records == fleet.everywhere
    assert len(fleet.serving) == 1


def test_a_secret_reaches_the_container_and_neither_the_report_nor_the_user_data(fleet: Fleet) -> None:
    service: Service = fleet.service(replicas=1, secrets={"PASSWORD": "hunter2"})
    deploy(service)
    assert [*fleet.machines[0].engine.secrets.values()] == [{"PASSWORD": "hunter2"}]
    report = latest("deploy-demo-prod-hello")
    assert "✅ deployed" in report
    assert fleet.machines[0].name in report
    assert "hunter2" not in report + fleet.droplets.requests[0].user_data
    assert "dop_v1_x" not in report + fleet.droplets.requests[0].user_data


def test_no_droplet_holds_a_token_of_a_provider_or_the_secret_of_another(fleet: Fleet) -> None:
    deploy(fleet.service(secrets={"PASSWORD": "hunter2"}))
    held = {
        machine.name: b"".join(path.read_bytes() for path in machine.folder.rglob("*") if path.is_file())
        for machine in fleet.machines
    }
    for name, content in held.items():
        own = keys.droplet_secret("dop_v1_x", name).encode()
        assert [other for other, files in held.items() if own in files] == [name]
        assert [token for token in (b"dop_v1_x", b"cf-x", b"hunter2") if token in content] == []


def test_a_lost_reply_to_the_creation_of_a_droplet_makes_no_second_droplet(fleet: Fleet) -> None:
    fleet.cloud.faults.fail("droplets.ensure", TransientError("no reply"), lost_reply=True)
    deploy(fleet.service(replicas=1))
    assert fleet.cloud.faults.calls.count("droplets.ensure") == 2
    assert len(fleet.droplets.requests) == len(fleet.droplets.all) == 1
    assert fleet.records == fleet.everywhere


def test_records_of_hosts_that_are_gone_are_removed_at_the_end(fleet: Fleet) -> None:
    owner = fleet.cloud.account.read_owner()
    gone = fleet.dns.add(DOMAIN, "198.51.100.7", f"deployer {owner} demo/prod/hello demo-prod-000000")
    other = fleet.dns.add(f"shop.{fleet.dns.zone}", "198.51.100.7", f"deployer {owner} demo/prod/shop demo-prod-000000")
    deploy(fleet.service(replicas=1))
    assert gone.id not in fleet.dns.all
    assert other.id in fleet.dns.all
    assert len(fleet.dns.all) == 2


def test_a_new_droplet_with_the_address_of_one_that_is_gone_keeps_its_record(fleet: Fleet) -> None:
    owner, address = fleet.cloud.account.read_owner(), fleet.droplets.next_address
    fleet.dns.add(DOMAIN, address, f"deployer {owner} demo/prod/hello demo-prod-000000")
    deploy(fleet.service(replicas=1))
    assert fleet.records == [(DOMAIN, address)] == fleet.everywhere
