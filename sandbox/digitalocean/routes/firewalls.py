"""Cloud firewalls: rules, and the droplets and tags they are attached to."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, Request, Response

from sandbox.digitalocean.errors import ApiError, unprocessable
from sandbox.digitalocean.firewall_rules import applies
from sandbox.digitalocean.inventory import DROPLET, FIREWALL, TAG, Inventory
from sandbox.digitalocean.lifecycle import Lifecycle
from sandbox.digitalocean.reply import answer, body, done, found, now, page, public

JSON = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.\-]+")
_PORTS = re.compile(r"0|all|\d{1,5}(-\d{1,5})?")
_SIDES = {"inbound_rules": "sources", "outbound_rules": "destinations"}
_ENDS = ("addresses", "droplet_ids", "load_balancer_uids", "kubernetes_ids", "tags")


def add(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    """`/firewalls` with its rules, droplets and tags."""
    _whole(routes, inventory, lifecycle)
    _parts(routes, inventory, lifecycle)


def _whole(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    store = inventory.store

    @routes.get("/firewalls")
    async def list_firewalls(request: Request) -> Response:
        return page(request, "firewalls", store.all(FIREWALL))

    @routes.post("/firewalls")
    async def create_firewall(request: Request) -> Response:
        fields = _fields(inventory, await body(request))
        _unique(inventory, fields["name"], None)
        firewall = {"id": str(uuid.uuid4()), "created_at": now(), **fields}
        return answer("firewall", _changed(inventory, lifecycle, firewall, None), 202)

    @routes.get("/firewalls/{firewall_id}")
    async def read_firewall(firewall_id: str) -> Response:
        return answer("firewall", public(found(store.get(FIREWALL, firewall_id))))

    @routes.put("/firewalls/{firewall_id}")
    async def replace_firewall(firewall_id: str, request: Request) -> Response:
        before = found(store.get(FIREWALL, firewall_id))
        fields = _fields(inventory, await body(request))
        _unique(inventory, fields["name"], firewall_id)
        return answer("firewall", _changed(inventory, lifecycle, {**before, **fields}, before))

    @routes.delete("/firewalls/{firewall_id}")
    async def delete_firewall(firewall_id: str) -> Response:
        found(store.get(FIREWALL, firewall_id))
        store.delete(FIREWALL, firewall_id)
        lifecycle.ways.apply_rules()
        return done()


def _parts(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    """Adding to and taking from a firewall: three lists with the same two verbs."""

    def part(path: str, keys: Iterable[str], change: Callable[[JSON, JSON, bool], JSON]) -> None:
        async def handle(firewall_id: str, request: Request) -> Response:
            before, wanted = found(inventory.store.get(FIREWALL, firewall_id)), await body(request)
            _require(wanted, *keys)
            fields = change(before, wanted, request.method == "POST")
            _changed(inventory, lifecycle, {**before, **fields}, before)
            return done()

        routes.add_api_route(f"/firewalls/{{firewall_id}}/{path}", handle, methods=["POST", "DELETE"])

    part("droplets", ["droplet_ids"], lambda before, wanted, adds: _droplets(inventory, before, wanted, adds))
    part("tags", ["tags"], lambda before, wanted, adds: _tags(inventory, before, wanted, adds))
    part("rules", _SIDES, lambda before, wanted, adds: _rules(inventory, before, wanted, adds))


def _require(wanted: JSON, *keys: str) -> None:
    """422 for a request that names nothing to add or take."""
    if not any(wanted.get(key) for key in keys):
        raise unprocessable(f"{' or '.join(keys)} must name at least one")


def _droplets(inventory: Inventory, before: JSON, wanted: JSON, adds: bool) -> JSON:
    ids = _droplet_ids(inventory, wanted.get("droplet_ids")) if adds else wanted.get("droplet_ids") or []
    return {"droplet_ids": _with(before["droplet_ids"], ids, adds)}


def _tags(inventory: Inventory, before: JSON, wanted: JSON, adds: bool) -> JSON:
    return {"tags": _with(before["tags"], _existing_tags(inventory, wanted.get("tags")), adds)}


def _rules(inventory: Inventory, before: JSON, wanted: JSON, adds: bool) -> JSON:
    return {key: _with(before[key], _checked_rules(inventory, wanted, key), adds) for key in _SIDES}


def _with(present: list[Any], named: list[Any], adds: bool) -> list[Any]:
    """A list with these added or taken away."""
    if adds:
        return [*present, *(item for item in named if item not in present)]
    return [item for item in present if item not in named]


def _changed(inventory: Inventory, lifecycle: Lifecycle, firewall: JSON, before: JSON | None) -> JSON:
    """Stores a firewall that waits to take effect; until then the rules from before hold."""
    old = before if before is None or before["status"] == "succeeded" else before.get("_before")
    touched = [item for item in inventory.droplets() if applies(firewall, item)]
    firewall = {
        **firewall,
        "status": "waiting",
        "pending_changes": [{"droplet_id": item["id"], "removing": False, "status": "waiting"} for item in touched],
        "_before": old and public(old),
    }
    inventory.store.put(FIREWALL, firewall["id"], firewall)
    lifecycle.settle(firewall["id"])
    return public(firewall)


def _fields(inventory: Inventory, request: JSON) -> JSON:
    name = request.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise unprocessable("name may only contain alphanumeric characters, dashes, and periods")
    _require(request, *_SIDES)
    return {
        "name": name,
        **{key: _checked_rules(inventory, request, key) for key in _SIDES},
        "droplet_ids": _droplet_ids(inventory, request.get("droplet_ids")),
        "tags": _existing_tags(inventory, request.get("tags")),
    }


def _unique(inventory: Inventory, name: str, own: str | None) -> None:
    if any(item["name"] == name and item["id"] != own for item in inventory.store.all(FIREWALL)):
        raise ApiError(409, "conflict", "duplicate name")


def _droplet_ids(inventory: Inventory, ids: Any) -> list[int]:
    for id in ids or []:
        if inventory.store.get(DROPLET, id) is None:
            raise unprocessable(f"droplet {id} does not exist")
    return list(ids or [])


def _existing_tags(inventory: Inventory, tags: Any) -> list[str]:
    """Tag names that exist: a firewall makes none."""
    for tag in tags or []:
        if inventory.store.get(TAG, str(tag).lower()) is None:
            raise unprocessable(f"tag {tag} does not exist")
    return list(tags or [])


def _checked_rules(inventory: Inventory, request: JSON, key: str) -> list[JSON]:
    rules = request.get(key) or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise unprocessable(f"{key} must be a list of rules")
    return [_rule(inventory, rule, _SIDES[key]) for rule in rules]


def _rule(inventory: Inventory, rule: JSON, side: str) -> JSON:
    protocol, ports, ends = rule.get("protocol"), rule.get("ports"), rule.get(side) or {}
    if protocol not in ("tcp", "udp", "icmp"):
        raise unprocessable("protocol must be tcp, udp or icmp")
    if protocol != "icmp" and not (isinstance(ports, str) and _valid_ports(ports)):
        raise unprocessable(f"ports {ports} must be a port from 1 to 65535, a range of them, or all")
    if not any(ends.get(key) for key in _ENDS):
        raise unprocessable(f"{side} must name at least one address, droplet, load balancer or tag")
    for address in ends.get("addresses") or []:
        _check_address(address)
    _existing_tags(inventory, ends.get("tags"))
    # `0` is how the API says `all`.
    shown = "0" if ports == "all" or protocol == "icmp" else ports
    return {"protocol": protocol, "ports": shown, side: {key: ends[key] for key in _ENDS if ends.get(key)}}


def _valid_ports(ports: str) -> bool:
    if not _PORTS.fullmatch(ports):
        return False
    numbers = [int(number) for number in ports.split("-")] if ports not in ("0", "all") else [1]
    return all(1 <= number <= 65535 for number in numbers) and numbers == sorted(numbers)


def _check_address(address: Any) -> None:
    try:
        ipaddress.ip_network(str(address), strict=False)
    except ValueError as error:
        raise unprocessable(f"{address} is not an IP address or a network") from error
