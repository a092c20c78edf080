"""Droplets: create, list, read, destroy."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from sandbox.digitalocean.droplets import create
from sandbox.digitalocean.errors import ApiError
from sandbox.digitalocean.firewall_rules import applies
from sandbox.digitalocean.inventory import ACTION, FIREWALL, SNAPSHOT, TAG, Inventory
from sandbox.digitalocean.lifecycle import Lifecycle
from sandbox.digitalocean.reply import answer, body, destroyed, found, page, public
from sandbox.digitalocean.snapshots import as_droplet_snapshot
from sandbox.machines.network import Block

JSON = dict[str, Any]


def add(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle, block: Block) -> None:
    """Everything about droplets but their actions."""
    _changes(routes, inventory, lifecycle, block)
    _reads(routes, inventory)


def _changes(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle, block: Block) -> None:
    @routes.post("/droplets")
    async def create_droplets(request: Request) -> Response:
        wanted = await body(request)
        made = create(inventory, block, wanted)
        actions = [inventory.start_action(droplet, "create") for droplet in made]
        for action in actions:
            lifecycle.carry_out(action)
        links = [_action_link(request, action) for action in actions]
        several = "names" in wanted
        shown = [public(droplet) for droplet in made]
        reply = {"droplets": shown} if several else {"droplet": shown[0]}
        return JSONResponse({**reply, "links": {"actions": links}}, 202)

    @routes.delete("/droplets/{droplet_id}")
    async def destroy_droplet(droplet_id: str) -> Response:
        lifecycle.destroy(inventory.droplet(droplet_id))
        return destroyed()

    @routes.delete("/droplets")
    async def destroy_tagged(request: Request) -> Response:
        tag = request.query_params.get("tag_name")
        if not tag:
            raise ApiError(400, "bad_request", "tag_name is required.")
        found(inventory.store.get(TAG, tag.lower()))
        for droplet in inventory.droplets(tag=tag):
            lifecycle.destroy(droplet)
        return destroyed()


def _reads(routes: APIRouter, inventory: Inventory) -> None:
    @routes.get("/droplets")
    async def list_droplets(request: Request) -> Response:
        return page(request, "droplets", _select(inventory, request))

    @routes.get("/droplets/{droplet_id}")
    async def read_droplet(droplet_id: str) -> Response:
        return answer("droplet", public(inventory.droplet(droplet_id)))

    @routes.get("/droplets/{droplet_id}/snapshots")
    async def list_snapshots(droplet_id: str, request: Request) -> Response:
        ids = inventory.droplet(droplet_id)["snapshot_ids"]
        taken = [as_droplet_snapshot(item) for item in inventory.store.all(SNAPSHOT) if item["id"] in ids]
        return page(request, "snapshots", taken)

    @routes.get("/droplets/{droplet_id}/firewalls")
    async def list_firewalls(droplet_id: str, request: Request) -> Response:
        droplet = inventory.droplet(droplet_id)
        attached = [item for item in inventory.store.all(FIREWALL) if applies(item, droplet)]
        return page(request, "firewalls", attached)

    @routes.get("/droplets/{droplet_id}/actions")
    async def list_actions(droplet_id: str, request: Request) -> Response:
        droplet = inventory.droplet(droplet_id)
        actions = [item for item in reversed(inventory.store.all(ACTION)) if item["resource_id"] == droplet["id"]]
        return page(request, "actions", actions)


def _select(inventory: Inventory, request: Request) -> list[JSON]:
    """The droplets that a list asks for; those with a GPU, of which there are none, by `type`."""
    tag, name, type = (request.query_params.get(key) for key in ("tag_name", "name", "type"))
    if tag and (name or type):
        raise ApiError(400, "bad_request", "tag_name cannot be used together with name or type.")
    if type not in (None, "droplets", "gpus"):
        raise ApiError(400, "bad_request", "type must be droplets or gpus.")
    return [] if type == "gpus" else inventory.droplets(tag=tag, name=name)


def _action_link(request: Request, action: JSON) -> JSON:
    href = f"{str(request.base_url).rstrip('/')}/v2/actions/{action['id']}"
    return {"id": action["id"], "rel": action["type"], "href": href}
