"""An undeploy with one of three droplets off: pending, then finished by itself, and nothing of ours is left."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.lab import ZONE, Lab, reference, schedule
from tests.e2e.scenes import addresses, change_service, deploy, disturb, eventually, ours, sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

STRANGER = "a-strangers"


@pytest.fixture(scope="module")
def strangers(lab: Lab) -> dict[str, Any]:
    """A droplet, a firewall and a record that somebody else made in the same account and zone; their ids."""
    dns = lab.dns()
    droplet = {"name": STRANGER, "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
    rules = [{"protocol": "tcp", "ports": "80", "sources": {"addresses": ["0.0.0.0/0"]}}]
    fields = {"type": "A", "name": f"strange.{ZONE}", "content": "192.0.2.9", "ttl": 1, "proxied": True}
    with sandbox(lab, "digitalocean") as client:
        made = client.post("/v2/droplets", json=droplet).json()["droplet"]
        client.post("/v2/firewalls", json={"name": STRANGER, "inbound_rules": rules}).raise_for_status()
    return {
        "droplet": made["id"],
        "record": dns.sdk.dns.records.create(zone_id=dns.zone_id, comment="by hand", **fields).id,
    }


def test_an_undeploy_with_one_of_three_droplets_off_is_finished_by_itself(lab: Lab, strangers: dict[str, Any]) -> None:
    change_service(replicas=3)
    deploy(lab)
    off = lab.droplet(ours(lab)[-1])
    disturb(lab, off.id, power="off")
    run = lab.run("undeploy", service=reference("service", "hello"), destroy_empty=True)
    report = lab.artifact(run.id)
    assert run.completed, run.log
    assert "pending: 1" in report
    assert off.name in report
    assert addresses(lab) == set()
    assert ours(lab) == [off.name]
    schedule("finish-undeploys", active=True)
    disturb(lab, off.id, power="on")
    eventually(lambda: not ours(lab), "the scheduled flow finishes it", 240, every=2.0)
    with sandbox(lab, "digitalocean") as client:
        assert [one["name"] for one in client.get("/v2/firewalls").json()["firewalls"]] == [STRANGER]
        assert [one["id"] for one in client.get("/v2/droplets").json()["droplets"]] == [strangers["droplet"]]
    dns = lab.dns()
    assert strangers["record"] in [one.id for one in dns.read_records()]
    assert not [one for one in dns.read_records() if one.comment.startswith("deployer ")]
