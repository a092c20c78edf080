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

    def takes_turns(self, host: str) -> bool:
        """Whether the name is that of a service of which no two releases may run here."""
        return any(host in one.hosts and one.stops_first for one in self.machine.engine._found.values())

    def runs(self, service: str) -> bool:
        """Whether what is current runs."""
        found = self.containers(service).get("current")
        return found is not None and found.running

    def pages(self, service: str) -> set[bool]:
        """Whether its names show a maintenance page: one answer, unless it shows for some of them only."""
        routes = self.machine.router.table.routes
        return {one.maintenance is not None for one in routes if naming.service_of(one.container) == service}

    def holds(self, service: str) -> bool:
        """Whether data of the service is here."""
        return service in {naming.service_of(owner) for owner in self.machine.engine.volumes.values()}

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


def running(fleet: Fleet) -> dict[str, list[str]]:
    """What runs of each service, by name of container and droplet, but for what is to go from where it is."""
    found: dict[str, list[str]] = {}
    for place in places(fleet):
        for one in place.machine.engine._found.values():
            service = naming.service_of(one.name)
            if one.running and not place.given_up & {None, service}:
                found.setdefault(service, []).append(f"{one.full_name} on {place.droplet.name}")
    return found


def expected(fleet: Fleet, service: str) -> Iterator[Place]:
    """Where a service counts."""
    return (one for one in places(fleet) if not one.misses(service))


def _service(record: Record) -> str | None:
    tag, _, rest = record.comment.partition(" ")
    return rest.split(" ")[1].rpartition("/")[2] if tag == naming.TAG else None
