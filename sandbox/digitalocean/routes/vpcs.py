"""VPCs: DigitalOcean's bookkeeping of private networks. In the sandbox all droplets share one."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from fastapi import APIRouter, Request, Response

from sandbox.digitalocean import catalog
from sandbox.digitalocean.errors import ApiError, unprocessable
from sandbox.digitalocean.inventory import VPC, Inventory
from sandbox.digitalocean.reply import answer, body, done, found, page

JSON = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9\-.]+")
_DESCRIPTION_LENGTH = 255
_PRIVATE = [ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


def add(routes: APIRouter, inventory: Inventory) -> None:
    """`/vpcs`."""
    _reads(routes, inventory)
    _changes(routes, inventory)


def _reads(routes: APIRouter, inventory: Inventory) -> None:
    @routes.get("/vpcs")
    async def list_vpcs(request: Request) -> Response:
        return page(request, "vpcs", inventory.store.all(VPC))

    @routes.get("/vpcs/{vpc_id}")
    async def read_vpc(vpc_id: str) -> Response:
        return answer("vpc", found(inventory.store.get(VPC, vpc_id)))

    @routes.get("/vpcs/{vpc_id}/members")
    async def list_members(vpc_id: str, request: Request) -> Response:
        found(inventory.store.get(VPC, vpc_id))
        type = request.query_params.get("resource_type", "droplet")
        inside = [item for item in inventory.droplets() if item["vpc_uuid"] == vpc_id and type == "droplet"]
        return page(request, "members", [_member(item) for item in inside])


def _changes(routes: APIRouter, inventory: Inventory) -> None:
    @routes.post("/vpcs")
    async def create_vpc(request: Request) -> Response:
        return answer("vpc", _create(inventory, await body(request)), 201)

    @routes.put("/vpcs/{vpc_id}")
    @routes.patch("/vpcs/{vpc_id}")
    async def update_vpc(vpc_id: str, request: Request) -> Response:
        vpc, wanted = found(inventory.store.get(VPC, vpc_id)), await body(request)
        if request.method == "PUT" and "name" not in wanted:
            raise unprocessable("Name can't be blank")
        fields = _changes_of(inventory, vpc, wanted)
        if fields.get("default"):
            _take_default(inventory, vpc["region"])
        return answer("vpc", found(inventory.change(VPC, vpc_id, **fields)))

    @routes.delete("/vpcs/{vpc_id}")
    async def delete_vpc(vpc_id: str) -> Response:
        vpc = found(inventory.store.get(VPC, vpc_id))
        if vpc["default"]:
            raise ApiError(403, "forbidden", "Can not delete default VPCs.")
        if any(item["vpc_uuid"] == vpc_id for item in inventory.droplets()):
            raise ApiError(403, "forbidden", "Can not delete VPC with members.")
        inventory.store.delete(VPC, vpc_id)
        return done()


def _create(inventory: Inventory, request: JSON) -> JSON:
    name, region = _name(inventory, request.get("name"), None), request.get("region")
    if catalog.region(region) is None:
        raise unprocessable("The region is not valid.")
    # The first VPC of a region is its default.
    first = not any(vpc["region"] == region for vpc in inventory.store.all(VPC))
    text, ip_range = _description(request.get("description") or ""), _range(inventory, request.get("ip_range"))
    return inventory.new_vpc(name, str(region), text, default=first, ip_range=ip_range)


def _changes_of(inventory: Inventory, vpc: JSON, wanted: JSON) -> JSON:
    """What a request changes of a VPC; a default stays one until another takes its place."""
    fields: JSON = {key: wanted[key] for key in ("name", "description", "default") if key in wanted}
    if "name" in fields:
        _name(inventory, fields["name"], vpc["id"])
    if "description" in fields:
        _description(fields["description"])
    if "default" in fields and fields["default"] not in (True, vpc["default"]):
        raise unprocessable("The default of a region cannot be unset; make another VPC the default.")
    return fields


def _name(inventory: Inventory, name: Any, own: str | None) -> str:
    """A name that no other VPC has, or 422 or 409."""
    if not name or not isinstance(name, str):
        raise unprocessable("Name can't be blank")
    if not _NAME.fullmatch(name):
        raise unprocessable("Name may only contain alphanumeric characters, dashes, and periods")
    if any(vpc["name"] == name and vpc["id"] != own for vpc in inventory.store.all(VPC)):
        raise ApiError(409, "conflict", "A VPC with this name already exists.")
    return name


def _description(text: Any) -> str:
    if not isinstance(text, str) or len(text) > _DESCRIPTION_LENGTH:
        raise unprocessable(f"Description must be text of {_DESCRIPTION_LENGTH} characters at most.")
    return text


def _range(inventory: Inventory, text: Any) -> str | None:
    """A private range that touches no other VPC's, or 422."""
    if text is None:
        return None
    try:
        network = ipaddress.IPv4Network(str(text))
    except ValueError as error:
        raise unprocessable("The IP range is not valid.") from error
    if not any(network.subnet_of(private) for private in _PRIVATE) or not 16 <= network.prefixlen <= 28:
        raise unprocessable("The IP range must be private and of a size from /28 to /16.")
    if any(network.overlaps(ipaddress.IPv4Network(vpc["ip_range"])) for vpc in inventory.store.all(VPC)):
        raise unprocessable("The IP range overlaps with another VPC's.")
    return str(network)


def _take_default(inventory: Inventory, region: str) -> None:
    for vpc in inventory.store.all(VPC):
        if vpc["region"] == region and vpc["default"]:
            inventory.change(VPC, vpc["id"], default=False)


def _member(droplet: JSON) -> JSON:
    return {"urn": f"do:droplet:{droplet['id']}", "name": droplet["name"], "created_at": droplet["created_at"]}
