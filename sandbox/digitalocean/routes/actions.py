"""Actions: what is done with a droplet, and how far it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from sandbox.digitalocean.droplets import check_name
from sandbox.digitalocean.errors import ApiError, not_found, unprocessable
from sandbox.digitalocean.inventory import ACTION, SNAPSHOT, Inventory
from sandbox.digitalocean.lifecycle import Lifecycle
from sandbox.digitalocean.reply import answer, body, found, page, public

JSON = dict[str, Any]

_PLAIN = ("power_on", "power_off", "shutdown", "reboot", "power_cycle")
_NEED_POWER = ("shutdown", "reboot")
_BY_TAG = ("power_cycle", "power_on", "power_off", "shutdown", "snapshot")
_UNPLAYED_BY_TAG = ("enable_ipv6", "enable_backups", "disable_backups")
_UNPLAYED = (
    "enable_backups", "disable_backups", "change_backup_policy", "resize", "password_reset", "change_kernel",
    "enable_ipv6",
)  # fmt: skip


def add(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    """Droplet actions and the list of all."""
    _listed(routes, inventory)
    _started(routes, inventory, lifecycle)


def _listed(routes: APIRouter, inventory: Inventory) -> None:
    @routes.get("/actions")
    async def list_actions(request: Request) -> Response:
        return page(request, "actions", list(reversed(inventory.store.all(ACTION))))

    @routes.get("/actions/{action_id}")
    async def read_action(action_id: str) -> Response:
        return answer("action", public(found(inventory.store.get(ACTION, action_id))))

    @routes.get("/droplets/{droplet_id}/actions/{action_id}")
    async def read_droplet_action(droplet_id: str, action_id: str) -> Response:
        action = found(inventory.store.get(ACTION, action_id))
        if str(action["resource_id"]) != droplet_id:
            raise not_found()
        return answer("action", public(action))


def _started(routes: APIRouter, inventory: Inventory, lifecycle: Lifecycle) -> None:
    @routes.post("/droplets/{droplet_id}/actions")
    async def start_action(droplet_id: str, request: Request) -> Response:
        action = _start(inventory, inventory.droplet(droplet_id), await body(request))
        lifecycle.carry_out(action)
        return answer("action", public(action), 201)

    @routes.post("/droplets/actions")
    async def start_tagged(request: Request) -> Response:
        tag, wanted = request.query_params.get("tag_name"), await body(request)
        if not tag:
            raise ApiError(400, "bad_request", "tag_name is required.")
        if wanted.get("type") not in (*_BY_TAG, *_UNPLAYED_BY_TAG):
            raise unprocessable("The action type is not one of those that tagged droplets take.")
        started = []
        for droplet in inventory.droplets(tag=tag):
            started.append(_start(inventory, droplet, wanted))
            lifecycle.carry_out(started[-1])  # at once: a later droplet may refuse
        return answer("actions", [public(action) for action in started], 201)


def _start(inventory: Inventory, droplet: JSON, wanted: JSON) -> JSON:
    """Checks an action against the droplet and writes it down; 422 when it cannot be done."""
    type = wanted.get("type")
    if type in _UNPLAYED:
        raise ApiError(501, "not_implemented", f"The sandbox has no droplet action {type}.")
    if type in _NEED_POWER and droplet["status"] == "off":
        raise unprocessable("Droplet is currently powered off. Please power it on to run this event.")
    if type in _PLAIN:
        return inventory.start_action(droplet, str(type))
    if type == "snapshot":
        name = wanted.get("name") or f"{droplet['name']}-snapshot"
        return inventory.start_action(droplet, type, _name=str(name), _snapshot=inventory.new_id(SNAPSHOT))
    if type == "rename":
        return inventory.start_action(droplet, type, _name=check_name(wanted.get("name")))
    if type in ("rebuild", "restore"):
        return inventory.start_action(droplet, type, _image=_image(inventory, droplet, wanted))
    raise unprocessable("The action type is not valid.")


def _image(inventory: Inventory, droplet: JSON, wanted: JSON) -> JSON:
    try:
        image = inventory.image(wanted.get("image"))
    except ApiError as error:
        raise unprocessable("You specified an invalid image.") from error
    if wanted["type"] == "restore" and image.get("_droplet") != droplet["id"]:
        raise unprocessable("A droplet can be restored from an image of itself only.")
    if droplet["disk"] < image["min_disk_size"]:
        raise unprocessable("The image requires a larger disk than this droplet has.")
    return public(image)
