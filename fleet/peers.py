"""Peers by name: which tcp services there are, where each runs, and the address that stands for it. Pure functions.

No file and no database holds the table: every droplet of the environment has a copy, and what they have is read before
a new one is made. So it outlives the controller, and two controllers come to the same one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from fleet import naming
from fleet.errors import InvalidInput, PermanentError
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet

NETWORK: Final = IPv4Network("198.18.0.0/15")
"""Set apart for tests of networks (RFC 2544), so in use in no VPC and nowhere in the internet."""
LIMIT: Final = 500
"""Tcp services of one environment."""
TAKEN_PORTS: Final = frozenset({80, 443, 9998, 9999})
TAKEN_NAMES: Final = frozenset({"localhost"})


@dataclass(frozen=True)
class Peer:
    """A tcp service: the address that containers connect to, and where it runs."""

    service: str
    container: str
    virtual: IPv4Address
    port: int
    droplet: str
    address: IPv4Address
    """Of that droplet, inside the VPC."""


@dataclass(frozen=True)
class Serving:
    """A current container of a tcp service."""

    container: str
    release: str
    port: int


@dataclass(frozen=True)
class Sighting:
    """What one droplet runs, and the table that it has. `silent`: it did not say, so nothing about it changes."""

    droplet: Droplet
    serving: tuple[Serving, ...] = ()
    table: tuple[Peer, ...] = ()
    digest: str = ""
    """What stands for its table, in the agent's words."""
    applied: bool = True
    silent: bool = False


def check_offered(service: str, port: int) -> None:
    """Whether a tcp service of this name and port can be reached by its name.

    Raises:
        InvalidInput: it cannot; the message says what to write instead.
    """
    if port in TAKEN_PORTS:
        taken = ", ".join(str(one) for one in sorted(TAKEN_PORTS))
        raise InvalidInput(
            f"{service} cannot be reached on port {port}: each droplet uses {taken} for itself.",
            hint="Let it listen on another port.",
        )
    if service in TAKEN_NAMES:
        raise InvalidInput(
            f"A tcp service cannot be called {service}: that name means something else in every container.",
            hint="Choose another name.",
        )


def environment_word(spec: EnvironmentSpec) -> str:
    """What the secret of an environment is derived for; the slash keeps `a-b` `c` apart from `a` `b-c`."""
    return f"{spec.project}/{spec.name}"


def plan_peers(sightings: Sequence[Sighting]) -> tuple[Peer, ...]:
    """The table that every droplet should have, in the order of the services' names.

    A service is where its newest current container is. What a silent droplet ran when it was last heard of stays in
    the table; what runs nowhere leaves it.

    Raises:
        PermanentError: a droplet that runs one has no address inside the VPC, or there are too many.
    """
    places = _places(sightings)
    if len(places) > LIMIT:
        raise PermanentError(f"There are {len(places)} tcp services; {LIMIT} can be reached by name.")
    addresses = assign([one for seen in sightings for one in seen.table], places)
    return tuple(
        Peer(service, one.container, addresses[service], one.port, where, address)
        for service, (one, where, address) in sorted(places.items())
    )


def without(sightings: Sequence[Sighting], leaving: Collection[str]) -> list[Sighting]:
    """The same, as if these droplets did not run what others run as well."""
    elsewhere = {one.container for seen in sightings if seen.droplet.name not in leaving for one in seen.serving}
    return [
        replace(seen, serving=tuple(one for one in seen.serving if one.container not in elsewhere))
        if seen.droplet.name in leaving
        else seen
        for seen in sightings
    ]


def assign(known: Iterable[Peer], services: Iterable[str]) -> dict[str, IPv4Address]:
    """An address for each service: the one that it has, or else a free one, looked for from a hash of its name on.

    Where droplets disagree, the address that most of them know wins, then the lower one.
    """
    wanted = sorted(services)
    votes = Counter((one.service, one.virtual) for one in known if one.virtual in NETWORK)
    found: dict[str, IPv4Address] = {}
    for (service, address), _ in sorted(votes.items(), key=lambda vote: (-vote[1], vote[0])):
        if service in wanted and service not in found and address not in found.values():
            found[service] = address
    for service in wanted:
        if service not in found:
            found[service] = _free(service, set(found.values()))
    return found


def outdated(sightings: Iterable[Sighting], table: Sequence[Peer]) -> list[Sighting]:
    """The droplets that could be asked, and have another table or do not use theirs."""
    return [one for one in sightings if not one.silent and (one.table != tuple(table) or not one.applied)]


_Place = tuple[Serving, str, IPv4Address]


def _places(sightings: Sequence[Sighting]) -> dict[str, _Place]:
    silent = {one.droplet.name for one in sightings if one.silent}
    found: dict[str, _Place] = {}
    for seen in sightings:
        for peer in seen.table:
            if peer.droplet in silent:
                place = Serving(peer.container, "", peer.port), peer.droplet, peer.address
                found.setdefault(peer.service, place)
    for seen in sorted(sightings, key=lambda one: one.droplet.name):
        for one in seen.serving:
            service = naming.service_of(one.container)
            if service not in found or one.release > found[service][0].release:
                found[service] = one, seen.droplet.name, _address(seen.droplet)
    return found


def _address(droplet: Droplet) -> IPv4Address:
    if not droplet.private_address:
        raise PermanentError(
            f"{droplet.name} has no address inside a VPC, so no other droplet can reach its tcp services.",
            hint="Make it anew in a VPC.",
        )
    return IPv4Address(droplet.private_address)


def _free(service: str, taken: set[IPv4Address]) -> IPv4Address:
    """The first and the last address of the network are left out, as everywhere."""
    usable = NETWORK.num_addresses - 2
    start = int.from_bytes(hashlib.sha256(service.encode()).digest()[:8], "big")
    candidates = (NETWORK[1 + (start + step) % usable] for step in range(usable))
    return next(address for address in candidates if address not in taken)
