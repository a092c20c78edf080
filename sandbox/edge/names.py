"""From a Host header to the addresses that DNS holds for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.cloudflare.origin_pulls import shown
from sandbox.cloudflare.zones import all_zones, read_records, read_ssl
from sandbox.edge.pages import Failure
from sandbox.store import Store

JSON = dict[str, Any]
LOCAL = ".localhost"  # browsers resolve every name below it to this machine
_CNAME_HOPS = 8


@dataclass(frozen=True)
class Site:
    """A name that the edge serves: its A records' addresses and how to speak with them."""

    name: str
    addresses: tuple[str, ...]
    ssl: str
    pulls: str = ""
    """Key and certificate that the edge shows to origins (PEM); empty: none."""


def real_name(host: str) -> str:
    """The name that a Host header means: without the port and without `.localhost`."""
    name = host.rsplit(":", 1)[0] if ":" in host else host
    return name.lower().rstrip(".").removesuffix(LOCAL)


def find_site(store: Store, name: str) -> Site:
    """The site of a name; raises Cloudflare's 530 (1001 or 1016) where DNS has no proxied address for it."""
    zone = zone_of(store, name)
    if zone is None:
        raise Failure(530, 1001, f"{name} is in no zone of this sandbox.")
    records = _at(list(read_records(store, zone["id"]).values()), name)
    if not records:
        raise Failure(530, 1016, f"{name} has no address (A) record in the zone {zone['name']}.")
    if not any(record["proxied"] for record in records):
        raise Failure(530, 1001, f"The records of {name} are not proxied: the edge does not serve them.")
    addresses = tuple(record["content"] for record in records)
    return Site(name, addresses, read_ssl(store, zone["id"])["value"], shown(store, zone["id"]))


def zone_of(store: Store, name: str) -> JSON | None:
    """The zone that a name lies in, the longest one if there are several."""
    zones = [zone for zone in all_zones(store) if name == zone["name"] or name.endswith(f".{zone['name']}")]
    return max(zones, key=lambda zone: len(zone["name"]), default=None)


def _at(records: list[JSON], name: str) -> list[JSON]:
    """The A records that answer for a name: its own, a wildcard's, or those that a CNAME leads to."""
    for _ in range(_CNAME_HOPS):
        here = _named(records, name) or _named(records, f"*.{name.partition('.')[2]}")
        alias = next((record for record in here if record["type"] == "CNAME"), None)
        if alias is None:
            return [record for record in here if record["type"] == "A"]
        name = alias["content"]
    return []


def _named(records: list[JSON], name: str) -> list[JSON]:
    return [record for record in records if record["name"] == name and record["type"] in ("A", "CNAME")]
