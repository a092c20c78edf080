"""The account, its SSH keys, and what DigitalOcean offers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from typing import Any

from fastapi import APIRouter, Request, Response

from sandbox.digitalocean import catalog
from sandbox.digitalocean.errors import not_found, unprocessable
from sandbox.digitalocean.inventory import ACCOUNT, KEY, Inventory
from sandbox.digitalocean.reply import answer, body, done, found, page

JSON = dict[str, Any]


def add(routes: APIRouter, inventory: Inventory) -> None:
    """Account, regions, sizes, keys."""
    _offers(routes, inventory)
    _keys(routes, inventory)

    @routes.get("/account")
    async def read_account() -> Response:
        return answer("account", _account(inventory))


def _offers(routes: APIRouter, inventory: Inventory) -> None:
    @routes.get("/regions")
    async def list_regions(request: Request) -> Response:
        return page(request, "regions", catalog.regions())

    @routes.get("/sizes")
    async def list_sizes(request: Request) -> Response:
        return page(request, "sizes", catalog.sizes())


def _keys(routes: APIRouter, inventory: Inventory) -> None:
    store = inventory.store

    @routes.get("/account/keys")
    async def list_keys(request: Request) -> Response:
        return page(request, "ssh_keys", store.all(KEY))

    @routes.post("/account/keys")
    async def create_key(request: Request) -> Response:
        key = _new_key(inventory, await body(request))
        return answer("ssh_key", key, 201)

    @routes.get("/account/keys/{name}")
    async def read_key(name: str) -> Response:
        return answer("ssh_key", _key(inventory, name))

    @routes.put("/account/keys/{name}")
    async def rename_key(name: str, request: Request) -> Response:
        wanted = (await body(request)).get("name")
        if not wanted or not isinstance(wanted, str):
            raise unprocessable("Name can't be blank")
        return answer("ssh_key", found(inventory.change(KEY, _key(inventory, name)["id"], name=wanted)))

    @routes.delete("/account/keys/{name}")
    async def delete_key(name: str) -> Response:
        store.delete(KEY, _key(inventory, name)["id"])
        return done()


def _account(inventory: Inventory) -> JSON:
    """The account; its ids are made once and stay."""
    ids = inventory.store.get(ACCOUNT, "ids")
    if ids is None:
        ids = {"user": str(uuid.uuid4()), "team": str(uuid.uuid4())}
        inventory.store.put(ACCOUNT, "ids", ids)
    return {
        "droplet_limit": 25,
        "floating_ip_limit": 3,
        "reserved_ip_limit": 3,
        "volume_limit": 10,
        "email": "sandbox@example.test",
        "name": "Sandbox",
        "uuid": ids["user"],
        "email_verified": True,
        "status": "active",
        "status_message": "",
        "team": {"uuid": ids["team"], "name": "Sandbox Team"},
    }


def _new_key(inventory: Inventory, request: JSON) -> JSON:
    name, public = request.get("name"), request.get("public_key")
    if not name or not isinstance(name, str):
        raise unprocessable("Name can't be blank")
    fingerprint = _fingerprint(public)
    if any(key["fingerprint"] == fingerprint for key in inventory.store.all(KEY)):
        raise unprocessable("SSH Key is already in use on your account")
    key: JSON = {"id": inventory.new_id(KEY), "fingerprint": fingerprint, "public_key": str(public), "name": name}
    inventory.store.put(KEY, key["id"], key)
    return key


def _key(inventory: Inventory, name: str) -> JSON:
    """A key by its number or its fingerprint, or 404."""
    for key in inventory.store.all(KEY):
        if name in (str(key["id"]), key["fingerprint"]):
            return key
    raise not_found()


def _fingerprint(public: Any) -> str:
    """The MD5 of the key's bytes, in pairs of digits, as DigitalOcean shows it."""
    parts = public.split() if isinstance(public, str) else []
    try:
        raw = base64.b64decode(parts[1], validate=True)
    except (IndexError, binascii.Error):
        raw = b""
    if not parts or parts[0].encode() not in raw[:64]:
        raise unprocessable("Key invalid, key should be of the format `[type] [key] [comment]`")
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return ":".join(digest[index : index + 2] for index in range(0, len(digest), 2))
