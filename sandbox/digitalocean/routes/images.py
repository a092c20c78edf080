"""Images and snapshots: two views of the same things."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from sandbox.digitalocean import catalog
from sandbox.digitalocean.errors import ApiError, not_found, unprocessable
from sandbox.digitalocean.inventory import DROPLET, SNAPSHOT, Inventory
from sandbox.digitalocean.lifecycle import Lifecycle
from sandbox.digitalocean.reply import answer, body, done, found, page, public
from sandbox.digitalocean.snapshots import as_snapshot

JSON = dict[str, Any]

DISTRIBUTIONS = (
    "Arch Linux", "CentOS", "CoreOS", "Debian", "Fedora", "Fedora Atomic", "FreeBSD", "Gentoo", "openSUSE", "RancherOS",
    "Rocky Linux", "Ubuntu", "Unknown",
)  # fmt: skip


def add(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    """`/images` and `/snapshots`."""
    _snapshots(routes, inventory, lifecycle)
    _images(routes, inventory, lifecycle)


def _snapshots(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    @routes.get("/snapshots")
    async def list_snapshots(request: Request) -> Response:
        wanted = request.query_params.get("resource_type", "droplet")
        if wanted not in ("droplet", "volume"):
            raise unprocessable("resource_type must be droplet or volume.")
        kept = inventory.store.all(SNAPSHOT) if wanted == "droplet" else []
        return page(request, "snapshots", [as_snapshot(item) for item in kept])

    @routes.get("/snapshots/{snapshot_id}")
    async def read_snapshot(snapshot_id: str) -> Response:
        _refuse_distribution(snapshot_id)
        return answer("snapshot", as_snapshot(inventory.snapshot(snapshot_id)))

    @routes.delete("/snapshots/{snapshot_id}")
    async def delete_snapshot(snapshot_id: str) -> Response:
        _refuse_distribution(snapshot_id)
        _forget(inventory, lifecycle, snapshot_id)
        return done()


def _images(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    @routes.get("/images")
    async def list_images(request: Request) -> Response:
        return page(request, "images", _select(inventory, request))

    @routes.get("/images/{reference}")
    async def read_image(reference: str) -> Response:
        return answer("image", public(inventory.image(reference)))

    @routes.put("/images/{image_id}")
    async def update_image(image_id: str, request: Request) -> Response:
        inventory.snapshot(image_id)
        wanted = await body(request)
        fields = {key: wanted[key] for key in ("name", "description", "distribution") if key in wanted}
        if not all(isinstance(value, str) for value in fields.values()):
            raise unprocessable("name, description and distribution must be text.")
        if fields.get("distribution", "Unknown") not in DISTRIBUTIONS:
            fields["distribution"] = "Unknown"
        return answer("image", public(found(inventory.change(SNAPSHOT, image_id, **fields))))

    @routes.delete("/images/{image_id}")
    async def delete_image(image_id: str) -> Response:
        if _is_distribution(image_id):
            raise ApiError(403, "forbidden", "You do not have access for the attempted action.")
        _forget(inventory, lifecycle, image_id)
        return done()


def _is_distribution(id: str) -> bool:
    return any(str(item["id"]) == id for item in catalog.distributions())


def _refuse_distribution(id: str) -> None:
    """400 for an image that is there and no snapshot."""
    if _is_distribution(id):
        raise ApiError(400, "bad_request", "the resource is not a snapshot")


def _select(inventory: Inventory, request: Request) -> list[JSON]:
    query = request.query_params
    mine = inventory.store.all(SNAPSHOT)
    images = mine if query.get("private", "").lower() == "true" else [*catalog.distributions(), *mine]
    if query.get("type") == "distribution":
        images = [item for item in images if item["public"]]
    if query.get("type") == "application":
        images = []
    tag = query.get("tag_name")
    return [item for item in images if tag is None or tag in item["tags"]]


def _forget(inventory: Inventory, lifecycle: Lifecycle, id: str) -> None:
    """Takes a snapshot out of the account at once, its disk in the background."""
    snapshot = inventory.store.get(SNAPSHOT, id)
    if snapshot is None:
        raise not_found()
    inventory.store.delete(SNAPSHOT, id)
    source = inventory.droplet_or_none(snapshot["_droplet"])
    if source is not None:
        left = [item for item in source["snapshot_ids"] if item != snapshot["id"]]
        inventory.change(DROPLET, source["id"], snapshot_ids=left)
    lifecycle.forget_snapshot(snapshot["id"])
