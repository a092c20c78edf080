"""What an outsider would see of a fleet of fakes, read from memory: no call is made, so none is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.server.ports import Instance
from fleet import naming
from fleet.state import Droplet, Record
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine


@dataclass(frozen=True)
class Place:
    """A droplet of ours that is there, and its machine."""

    droplet: Droplet
    machine: Machine

    def containers(self, service: str) -> dict[str, Instance]:
        """The service's containers by role."""
        found = self.machine.engine._found.values()
        return {one.role: one for one in found if naming.service_of(one.name) == service}

    def serves(self, host: str) -> str | None:
        """The release that a visitor of the name gets here, with a good answer; None when there is none."""
        engine = self.machine.engine
        for route in self.machine.router.table.routes:
            if route.host == host:
                found = (one for one in engine._found.values() if one.address == route.address)
                return next((one.release for one in found if one.id in engine._listeners), None)
        return None

    @property
    def given_up(self) -> set[str | None]:
        """The services that are still to go from here, None for all of them."""
        return {one.service for one in naming.tombstones(self.droplet.tags).values()}

    def misses(self, service: str) -> bool:
        """Whether nobody expects the service here: it does not answer, and was given up."""
        return not self.machine.answers and bool(self.given_up & {None, service})


def places(fleet: Fleet) -> list[Place]:
    """All that are there, in the order of their names."""
    mine = [one for one in fleet.droplets.all.values() if one.name in fleet.droplets.machines]
    return [Place(one, fleet.droplets.machines[one.name]) for one in sorted(mine, key=lambda one: one.name)]


def records(fleet: Fleet, service: str | None = None) -> list[Record]:
    """The records that were made here, for one service or for all."""
    return [one for one in fleet.dns.all.values() if (found := _service(one)) and service in (None, found)]


def leads(fleet: Fleet, service: str) -> set[tuple[str, str]]:
    """Names and addresses of a service's records."""
    return {(one.name, one.content) for one in records(fleet, service)}


def current(fleet: Fleet, service: str) -> dict[str, str]:
    """The current release on each droplet where it is expected."""
    found = ((one.droplet.name, one.containers(service).get("current")) for one in expected(fleet, service))
    return {name: seen.release for name, seen in found if seen}


def expected(fleet: Fleet, service: str) -> Iterator[Place]:
    """Where a service counts."""
    return (one for one in places(fleet) if not one.misses(service))


def _service(record: Record) -> str | None:
    tag, _, rest = record.comment.partition(" ")
    return rest.split(" ")[1].rpartition("/")[2] if tag == naming.TAG else None
