"""Peers: the tcp services of an environment, and where every droplet reaches each of them."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from agent.wire.base import Name, Reply, Request

PEER_PORT: Final = 9998
"""Where the droplets of an environment reach each other, by mutual TLS; the name asked for says which service."""
PEER_LIMIT: Final = 500
TAKEN_PORTS: Final = frozenset({80, 443, PEER_PORT, 9999})
"""Ports that programs of the droplet itself have on every address; no tcp service can be offered there."""
TAKEN_NAMES: Final = frozenset({"localhost"})
"""Names that mean something else in every container."""
SERVICE = r"^[a-z][a-z0-9-]{0,38}$"


class Peer(Request):
    """A tcp service: its name, the address that containers connect to, and the droplet where it runs."""

    service: Annotated[str, Field(pattern=SERVICE)]
    container: Name
    virtual: IPv4Address
    """The address that stands for the service on every droplet, as long as the service exists."""
    port: Annotated[int, Field(ge=1, le=65535)]
    droplet: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    address: IPv4Address
    """Where that droplet is reached inside the VPC."""

    @model_validator(mode="after")
    def _can_be_offered(self) -> Self:
        if self.container.rpartition("_")[2] != self.service:
            raise ValueError("the container belongs to another service")
        if self.port in TAKEN_PORTS:
            raise ValueError("a droplet uses this port for itself")
        if self.service in TAKEN_NAMES:
            raise ValueError("this name means something else in every container")
        if not self.address.is_private:
            raise ValueError("the droplet's address is not one inside a VPC")
        return self


class PeerList(Request):
    """All tcp services of an environment, each once, in the order of their names."""

    peers: Annotated[tuple[Peer, ...], Field(max_length=PEER_LIMIT)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for what, values in (("service", self._services), ("virtual address", [one.virtual for one in self.peers])):
            if len(set(values)) < len(values):
                raise ValueError(f"a {what} occurs twice")
        if self._services != sorted(self._services):
            raise ValueError("the services are not in the order of their names")
        return self

    @property
    def _services(self) -> list[str]:
        return [one.service for one in self.peers]

    @property
    def digest(self) -> str:
        """What stands for exactly this list."""
        return hashlib.sha256(PeerList(peers=self.peers).model_dump_json().encode()).hexdigest()


class Peers(PeerList):
    """The whole table for a droplet, with what proves that droplets belong to the same environment."""

    secret: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    """See `agent.keys.peer_secret`."""
    replaces: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The digest of the table that the caller has seen there: another one is not overwritten. None: whatever it is."""


class PeerTable(Reply):
    """The table that a droplet has; never the secret."""

    peers: tuple[Peer, ...] = ()
    digest: str
    applied: bool
    """The droplet's proxy uses this table, and the addresses of the containers that run now."""
    changed: bool = False
    """Whether the call changed anything."""
