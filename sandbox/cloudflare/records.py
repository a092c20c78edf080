"""DNS records: what Cloudflare accepts, what it makes of it, and what it refuses.

Everything here is pure: it takes the records of a zone by id and returns new ones.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from typing import Any

from sandbox.cloudflare.errors import CloudflareError, invalid, no_such_record
from sandbox.cloudflare.zones import now

JSON = dict[str, Any]
Records = dict[str, JSON]

PROXIABLE = ("A", "AAAA", "CNAME")
TYPES = (*PROXIABLE, "MX", "NS", "TXT")
SETTABLE: tuple[str, ...] = ("name", "type", "content", "ttl", "proxied", "comment", "tags", "settings", "priority")
COMMENT_LENGTH = 100
BATCH_SIZE = 200
RECORDS_IN_A_ZONE = 200

_SETTINGS = ("ipv4_only", "ipv6_only", "flatten_cname")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NOT_REACHABLE = [ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")]


def create(records: Records, zone: str, fields: JSON) -> tuple[Records, JSON]:
    """Adds a record; the zone's name is appended to a name outside of it, as Cloudflare does."""
    if len(records) >= RECORDS_IN_A_ZONE:
        raise invalid(81045, "Record quota exceeded.")
    moment = now()
    record = {"id": secrets.token_hex(16), **_normal(zone, fields), "created_on": moment, "modified_on": moment}
    _date_comment(record, {})
    _refuse_conflicts(records, record)
    return {**records, record["id"]: record}, record


def replace(records: Records, zone: str, record_id: str, fields: JSON) -> tuple[Records, JSON]:
    """PUT: what the new fields leave out (comment, proxied, tags) is gone."""
    old = find(records, record_id)
    record = {"id": record_id, **_normal(zone, fields), "created_on": old["created_on"], "modified_on": now()}
    _date_comment(record, old)
    _refuse_conflicts(records, record)
    return {**records, record_id: record}, record


def edit(records: Records, zone: str, record_id: str, fields: JSON) -> tuple[Records, JSON]:
    """PATCH: only the fields given change."""
    old = find(records, record_id)
    kept = {key: old[key] for key in SETTABLE if key in old}
    return replace(records, zone, record_id, {**kept, **fields})


def remove(records: Records, record_id: str) -> tuple[Records, JSON]:
    """Takes a record away; one that is not there is refused."""
    record = find(records, record_id)
    return {key: value for key, value in records.items() if key != record_id}, record


def find(records: Records, record_id: str) -> JSON:
    """One record by its id."""
    if record_id not in records:
        raise no_such_record()
    return records[record_id]


def batch(records: Records, zone: str, operations: JSON) -> tuple[Records, JSON]:
    """All of a batch, in Cloudflare's order: deletes, patches, puts, posts. The first refusal refuses it whole."""
    lists = {key: _operations(operations, key) for key in ("deletes", "patches", "puts", "posts")}
    if sum(map(len, lists.values())) > BATCH_SIZE:
        raise invalid(9207, f"Request body is invalid: a batch may hold {BATCH_SIZE} records.")
    done: JSON = {key: [] for key in lists}
    for key, entries in lists.items():
        for entry in entries:
            records, record = _one(records, zone, key, entry)
            done[key].append(record)
    return records, done


def _operations(operations: JSON, key: str) -> list[JSON]:
    entries = operations.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise invalid(9207, f"Request body is invalid: {key} must be a list of objects.")
    return entries


def _one(records: Records, zone: str, key: str, entry: JSON) -> tuple[Records, JSON]:
    record_id = str(entry.get("id", ""))
    if key == "deletes":
        return remove(records, record_id)
    if key == "patches":
        return edit(records, zone, record_id, entry)
    if key == "puts":
        return replace(records, zone, record_id, entry)
    return create(records, zone, entry)


def _normal(zone: str, fields: JSON) -> JSON:
    """The record that Cloudflare makes of what was sent."""
    kind = fields.get("type")
    if kind not in TYPES:
        raise invalid(9000, f"Invalid or missing DNS record type; this zone takes {', '.join(TYPES)}.")
    proxied = _flag(fields.get("proxied"))
    if proxied and kind not in PROXIABLE:
        raise invalid(9004, "This record type cannot be proxied.")
    record: JSON = {
        "name": full_name(fields.get("name"), zone),
        "type": kind,
        "content": _content(kind, fields.get("content"), proxied),
        "proxiable": kind in PROXIABLE,
        "proxied": proxied,
        "ttl": _ttl(fields.get("ttl", 1), proxied),
        "settings": _settings(fields.get("settings")),
        "meta": {},
        "comment": _comment(fields.get("comment")),
        "tags": _tags(fields.get("tags")),
    }
    if kind == "CNAME" and record["content"] == record["name"]:
        raise invalid(9007, "Content for CNAME record is invalid: it is the record's own name.")
    if kind == "MX":
        record["priority"] = _priority(fields.get("priority"))
    return record


def full_name(name: Any, zone: str) -> str:
    """A name as Cloudflare stores it: lower case, complete, `@` for the zone itself."""
    if not isinstance(name, str) or not name:
        raise invalid(9000, "DNS name is invalid.")
    plain = name.lower().rstrip(".")
    if plain in ("@", zone):
        return zone
    full = plain if plain.endswith(f".{zone}") else f"{plain}.{zone}"
    labels = full.split(".")
    rest = labels[1:] if labels[0] == "*" else labels
    if len(full) > 253 or not all(_LABEL.fullmatch(label) for label in rest):
        raise invalid(9000, "DNS name is invalid.")
    return full


def _content(kind: str, content: Any, proxied: bool) -> str:
    if not isinstance(content, str) or not content:
        raise invalid(9005, f"Content for {kind} record is missing.")
    if kind in ("A", "AAAA"):
        return _address(kind, content, proxied)
    if kind == "TXT":
        return content
    target = content.lower().rstrip(".")
    if not all(_LABEL.fullmatch(label) for label in target.split(".")):
        raise invalid(9007 if kind == "CNAME" else 9009, f"Content for {kind} record is invalid.")
    return target


def _address(kind: str, content: str, proxied: bool) -> str:
    family, code, version = (ipaddress.IPv4Address, 9005, 4) if kind == "A" else (ipaddress.IPv6Address, 9006, 6)
    try:
        address = family(content)
    except ValueError as error:
        article = "A" if kind == "A" else "AAAA"
        raise invalid(code, f"Content for {article} record must be a valid IPv{version} address.") from error
    if proxied and any(address in network for network in _NOT_REACHABLE):
        raise invalid(9003, f"Target {content} is not allowed for a proxied record.")
    return str(address)


def _ttl(ttl: Any, proxied: bool) -> int:
    """Seconds, or 1 for automatic; a proxied record is always automatic."""
    number = ttl if isinstance(ttl, int | float) and not isinstance(ttl, bool) and ttl == int(ttl) else 0
    if number != 1 and not 60 <= number <= 86400:
        raise invalid(9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
    return 1 if proxied else int(number)


def _flag(value: Any) -> bool:
    if value not in (None, True, False):
        raise invalid(9207, "Request body is invalid: proxied must be a boolean.")
    return bool(value)


def _date_comment(record: JSON, old: JSON) -> None:
    """When the comment was last changed; a record without one has no such date."""
    if record["comment"] and record["comment"] == old.get("comment"):
        record["comment_modified_on"] = old.get("comment_modified_on", old["modified_on"])
    elif record["comment"]:
        record["comment_modified_on"] = record["modified_on"]


def _settings(settings: Any) -> JSON:
    """Switches of one record; the sandbox keeps them, and nothing acts on them."""
    wanted = settings or {}
    if not isinstance(wanted, dict) or not all(value in (None, True, False) for value in wanted.values()):
        raise invalid(9207, "Request body is invalid: settings must be an object of booleans.")
    return {key: bool(wanted[key]) for key in _SETTINGS if wanted.get(key) is not None}


def _comment(comment: Any) -> str | None:
    if comment is not None and not isinstance(comment, str):
        raise invalid(9207, "Request body is invalid: comment must be a string.")
    if comment and len(comment) > COMMENT_LENGTH:
        raise invalid(
            1004, f"DNS Validation Error: the comment has {len(comment)} characters, the most is {COMMENT_LENGTH}."
        )
    return comment or None


def _tags(tags: Any) -> list[str]:
    """Tags belong to paid plans; this zone's plan is the free one."""
    if tags:
        raise invalid(9300, f"DNS record has {len(tags)} tags, exceeding the quota of 0.")
    return []


def _priority(priority: Any) -> int:
    whole = isinstance(priority, int | float) and not isinstance(priority, bool) and priority == int(priority)
    if not whole or not 0 <= priority <= 65535:
        raise invalid(9101, "A priority from 0 to 65535 is required for this record.")
    return int(priority)


def _refuse_conflicts(records: Records, record: JSON) -> None:
    for other in records.values():
        if other["id"] == record["id"] or other["name"] != record["name"]:
            continue
        if (other["type"], other["content"]) == (record["type"], record["content"]):
            raise CloudflareError(400, 81058, "An identical record already exists.")
        if "CNAME" in (other["type"], record["type"]):
            raise CloudflareError(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
