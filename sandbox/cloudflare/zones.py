"""Zones and their DNS records as they lie in the store.

All records of a zone are one document, so that a batch is written whole or not at all.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from sandbox.cloudflare.errors import no_such_zone
from sandbox.store import Store

JSON = dict[str, Any]

ZONE = "cloudflare_zone"
RECORDS = "cloudflare_records"
DEFAULT_ZONE = "example.test"
SSL_MODES = ("off", "flexible", "full", "strict")


def seed(store: Store) -> None:
    """Makes sure that the zone `example.test` exists. May be repeated."""
    add_zone(store, DEFAULT_ZONE)


def add_zone(store: Store, name: str) -> JSON:
    """The zone of that name, made active at once when it is new."""
    if (existing := find_zone(store, name)) is not None:
        return existing
    zone = _zone(_identifier("zone", name), name)
    store.put(RECORDS, zone["id"], {"records": {}})
    store.put(ZONE, zone["id"], {"zone": zone, "ssl": {"value": "full", "modified_on": zone["created_on"]}})
    return zone


def all_zones(store: Store) -> list[JSON]:
    """Every zone, by name."""
    return sorted((document["zone"] for document in store.all(ZONE)), key=lambda zone: str(zone["name"]))


def find_zone(store: Store, name: str) -> JSON | None:
    """The zone with exactly this name."""
    return next((zone for zone in all_zones(store) if zone["name"] == name), None)


def read_zone(store: Store, zone_id: str) -> JSON:
    """One zone by its id; an unknown id is Cloudflare's 7003."""
    document = store.get(ZONE, zone_id)
    if document is None:
        raise no_such_zone(zone_id)
    zone: JSON = document["zone"]
    return zone


def read_ssl(store: Store, zone_id: str) -> JSON:
    """The zone setting `ssl`: how the edge speaks with origins."""
    read_zone(store, zone_id)
    document = store.get(ZONE, zone_id) or {}
    return {"id": "ssl", "editable": True, **document["ssl"]}


def write_ssl(store: Store, zone_id: str, value: str) -> JSON:
    """Sets the zone setting `ssl` to one of SSL_MODES."""
    zone = read_zone(store, zone_id)
    store.put(ZONE, zone_id, {"zone": zone, "ssl": {"value": value, "modified_on": now()}})
    return read_ssl(store, zone_id)


def read_records(store: Store, zone_id: str) -> dict[str, JSON]:
    """All DNS records of a zone by their ids, oldest first."""
    read_zone(store, zone_id)
    records: dict[str, JSON] = (store.get(RECORDS, zone_id) or {"records": {}})["records"]
    return records


def write_records(store: Store, zone_id: str, records: dict[str, JSON]) -> None:
    """Replaces all DNS records of a zone in one step."""
    store.put(RECORDS, zone_id, {"records": records})


def now() -> str:
    """This moment as Cloudflare writes it: UTC with microseconds and `Z`."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _identifier(kind: str, name: str) -> str:
    """32 hex digits that stay the same for a name, so that a new sandbox has the same zone ids."""
    return hashlib.sha256(f"sandbox:{kind}:{name}".encode()).hexdigest()[:32]


def _zone(zone_id: str, name: str) -> JSON:
    created = now()
    return {
        "id": zone_id,
        "name": name,
        "status": "active",
        "paused": False,
        "type": "full",
        "development_mode": 0,
        "name_servers": ["ada.ns.sandbox.test", "bob.ns.sandbox.test"],
        "original_name_servers": [],
        "original_registrar": None,
        "original_dnshost": None,
        "created_on": created,
        "modified_on": created,
        "activated_on": created,
        "meta": {"step": 2, "custom_certificate_quota": 0, "page_rule_quota": 3, "phishing_detected": False},
        "owner": {"id": _identifier("owner", "sandbox"), "type": "user", "name": "Sandbox"},
        "account": {"id": _identifier("account", "sandbox"), "name": "Sandbox"},
        "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:read", "#ssl:edit"],
        "plan": _plan(),
    }


def _plan() -> JSON:
    return {
        "id": _identifier("plan", "free"),
        "name": "Free Website",
        "price": 0,
        "currency": "USD",
        "frequency": "",
        "is_subscribed": False,
        "can_subscribe": False,
        "legacy_id": "free",
        "legacy_discount": False,
        "externally_managed": False,
    }
