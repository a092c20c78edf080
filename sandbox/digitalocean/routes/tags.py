"""Tags, and what carries them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from sandbox.digitalocean.droplets import checked_tags
from sandbox.digitalocean.errors import unprocessable
from sandbox.digitalocean.inventory import DROPLET, FIREWALL, SNAPSHOT, TAG, Inventory
from sandbox.digitalocean.lifecycle import Lifecycle
from sandbox.digitalocean.reply import answer, body, done, found, page

JSON = dict[str, Any]

_KINDS = {"droplet": DROPLET, "image": SNAPSHOT}
_UNPLAYED = ("volume", "volume_snapshot", "database")


def add(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    """Tags and tagging; both may change which firewall is attached where."""
    _tags(routes, inventory, lifecycle)
    _tagging(routes, inventory, lifecycle)


def _tags(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    @routes.get("/tags")
    async def list_tags(request: Request) -> Response:
        shown = [_view(inventory, request, tag["name"]) for tag in inventory.store.all(TAG)]
        return page(request, "tags", shown)

    @routes.post("/tags")
    async def create_tag(request: Request) -> Response:
        name = (await body(request)).get("name")
        if not name:
            raise unprocessable("Name can't be blank")
        tag = inventory.ensure_tag(checked_tags([name])[0])
        return answer("tag", _view(inventory, request, tag["name"]), 201)

    @routes.get("/tags/{name}")
    async def read_tag(name: str, request: Request) -> Response:
        tag = found(inventory.store.get(TAG, name.lower()))
        return answer("tag", _view(inventory, request, tag["name"]))

    @routes.delete("/tags/{name}")
    async def delete_tag(name: str) -> Response:
        found(inventory.store.get(TAG, name.lower()))
        for kind in (*_KINDS.values(), FIREWALL):
            for item in inventory.store.all(kind):
                _untag(inventory, kind, item, name)
        inventory.store.delete(TAG, name.lower())
        lifecycle.ways.apply_rules()
        return done()


def _tagging(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    @routes.post("/tags/{name}/resources")
    async def tag_resources(name: str, request: Request) -> Response:
        tag = found(inventory.store.get(TAG, name.lower()))["name"]
        for kind, item in _resources(inventory, await body(request)):
            if tag not in item["tags"]:
                inventory.change(kind, item["id"], tags=[*item["tags"], tag])
        lifecycle.ways.apply_rules()
        return done()

    @routes.delete("/tags/{name}/resources")
    async def untag_resources(name: str, request: Request) -> Response:
        found(inventory.store.get(TAG, name.lower()))
        for kind, item in _resources(inventory, await body(request)):
            _untag(inventory, kind, item, name)
        lifecycle.ways.apply_rules()
        return done()


def _resources(inventory: Inventory, request: JSON) -> list[tuple[str, JSON]]:
    """The documents that a request names, all of them or 422 or 404: of the kinds not played there are none."""
    named = request.get("resources")
    if not isinstance(named, list) or not named or not all(isinstance(item, dict) for item in named):
        raise unprocessable("resources must be a list of objects with resource_id and resource_type.")
    types = (*_KINDS, *_UNPLAYED)
    if not all(item.get("resource_type") in types for item in named):
        raise unprocessable(f"resource_type must be one of {', '.join(types)}.")
    pairs = [(_KINDS.get(item["resource_type"]), str(item.get("resource_id", ""))) for item in named]
    return [(str(kind), found(inventory.store.get(kind, id) if kind else None)) for kind, id in pairs]


def _untag(inventory: Inventory, kind: str, item: JSON, name: str) -> None:
    left = [tag for tag in item["tags"] if tag.lower() != name.lower()]
    if left != item["tags"]:
        inventory.change(kind, item["id"], tags=left)


def _view(inventory: Inventory, request: Request, name: str) -> JSON:
    """A tag with the number of its resources and the address of the last one."""
    base = f"{str(request.base_url).rstrip('/')}/v2"
    carriers = {
        f"{label}s": [f"{base}/{label}s/{item['id']}" for item in inventory.store.all(kind) if name in item["tags"]]
        for label, kind in _KINDS.items()
    }
    everything = [uri for uris in carriers.values() for uri in uris]
    counted = {label: _count(uris) for label, uris in carriers.items()}
    none = {f"{label}s": {"count": 0} for label in _UNPLAYED}
    return {"name": name, "resources": {**_count(everything), **counted, **none}}


def _count(uris: list[str]) -> JSON:
    return {"count": len(uris), "last_tagged_uri": uris[-1]} if uris else {"count": 0}
