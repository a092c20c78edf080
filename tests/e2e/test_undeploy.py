"""A service off one droplet, then off all: what goes, and what stays."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from fleet.state import Record
from tests.e2e.lab import DOMAIN, ZONE, Lab, reference

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

FOREIGN = "192.0.2.7"
EDGE = "127.76.0.1"


@pytest.fixture(scope="module")
def foreign(lab: Lab) -> Record:
    """A record that somebody else made in the same zone."""
    dns = lab.dns()
    fields = {"type": "A", "name": f"foreign.{ZONE}", "content": FOREIGN, "ttl": 1, "proxied": True}
    made = dns.sdk.dns.records.create(zone_id=dns.zone_id, comment="by hand", **fields)
    return next(one for one in dns.read_records(name=f"foreign.{ZONE}") if one.id == made.id)


def undeploy(lab: Lab, droplet: str | None = None) -> str:
    parameters: dict[str, Any] = {"service": reference("service", "hello")}
    run = lab.run("undeploy", **parameters, **({"droplet": droplet} if droplet else {}))
    assert run.completed, run.log
    return lab.artifact(run.id)


def addresses(lab: Lab) -> set[str]:
    return {record.content for record in lab.dns().read_records(name=DOMAIN)}


def test_one_container_goes_and_the_other_hosts_serve_on(lab: Lab, foreign: Record) -> None:
    gone, stays = (lab.droplet(name) for name in lab.droplets())
    report = undeploy(lab, gone.name)
    assert "nothing is left" in report
    assert addresses(lab) == {stays.public_address}
    assert lab.dns().read_records(name=foreign.name) == [foreign]
    with httpx.Client(transport=httpx.HTTPTransport(local_address=EDGE)) as edge:
        assert edge.get(f"http://{gone.public_address}/", headers={"Host": DOMAIN}).status_code == 421
    assert b"hello" not in lab.machine(gone.name).exec_run(["docker", "ps", "--all", "--format={{.Names}}"]).output
    assert lab.droplets() == [stays.name]


def test_undeploying_it_again_changes_nothing(lab: Lab) -> None:
    everything = [droplet.name for droplet in lab.cloud().droplets.read_tagged("deployer")]
    gone = next(name for name in everything if name not in lab.droplets())
    before = lab.dns().read_records()
    assert "Nothing was there: nothing was changed" in undeploy(lab, gone)
    assert lab.dns().read_records() == before


def test_an_unknown_droplet_is_refused_with_those_that_there_are(lab: Lab) -> None:
    run = lab.run("undeploy", service=reference("service", "hello"), droplet="lab-prod-000000")
    assert not run.completed
    assert re.search(r"has no droplet 'lab-prod-000000'. Its droplets: lab-prod-", run.log)


def test_the_whole_service_goes_without_a_trace(lab: Lab, foreign: Record) -> None:
    undeploy(lab)
    assert addresses(lab) == set()
    assert lab.dns().read_records() == [foreign]
    for droplet in lab.cloud().droplets.read_tagged("deployer"):
        names = lab.machine(droplet.name).exec_run(["docker", "ps", "--all", "--format={{.Names}}"]).output
        assert names == b""
