"""What the tests of undeploys share."""

from __future__ import annotations

from dataclasses import replace

from blocks.service import Service
from fleet import naming
from fleet.state import Droplet
from flows.deploy import deploy
from tasks import leftovers
from tests.contract.sandbox.cloudflare.serving import until
from tests.flows.fleet_of_fakes import ZONE, Fleet
from tests.flows.machines import Machine

WAIT = 20.0
REPORT = "undeploy-demo-prod-hello"


def deployed(fleet: Fleet) -> list[Machine]:
    """The service on two droplets."""
    deploy(fleet.service())
    return fleet.machines


def shop(fleet: Fleet) -> Service:
    """Another service, on one droplet."""
    return fleet.service(1, name="shop", runs={"port": 8080, "domains": [f"shop.{ZONE}"], "start_seconds": 5})


def foreign_droplet(fleet: Fleet) -> Droplet:
    """A droplet that somebody tagged with our environment's tag by hand."""
    one = next(iter(fleet.droplets.all.values()))
    tags = naming.droplet_tags(fleet.environment().spec())
    theirs = replace(one, id=9000, name="theirs", tags=tags, public_address="198.51.100.77")
    fleet.droplets.all[theirs.id] = theirs
    return theirs


def stones(fleet: Fleet, machine: Machine) -> list[naming.Tombstone]:
    """The tombstones on a machine's droplet."""
    found = next(one for one in fleet.droplets.all.values() if one.name == machine.name)
    return list(naming.tombstones(found.tags).values())


def awake(fleet: Fleet, machine: Machine) -> None:
    """The machine answers again."""
    if not machine.answers:
        machine.wake()
    droplet = next(one for one in fleet.droplets.all.values() if one.name == machine.name)
    until(lambda: leftovers.ask(droplet, fleet.environment()).error is None, "the agent is back", WAIT)


def everything_gone(fleet: Fleet) -> None:
    """No droplet, record, firewall or tag of ours is left; the snapshot and its tags stay."""
    assert fleet.droplets.all == {}
    assert fleet.dns.all == {}
    assert fleet.cloud.firewalls.all == {}
    assert set(fleet.cloud.tags.all) == set(fleet.snapshot.tags)
