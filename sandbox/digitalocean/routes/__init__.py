"""The DigitalOcean v2 router: `app.include_router(router(world, token), prefix="/v2")`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from sandbox.digitalocean.errors import ApiError
from sandbox.digitalocean.gate import RateLimit, guarded
from sandbox.digitalocean.inventory import Inventory
from sandbox.digitalocean.lifecycle import Lifecycle
from sandbox.digitalocean.routes import account, actions, droplets, firewalls, images, tags, vpcs
from sandbox.machines.network import Block

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True)
class World:
    """What the routes work on."""

    inventory: Inventory
    lifecycle: Lifecycle
    block: Block


def router(world: World, token: str, *, limit: RateLimit | None = None) -> APIRouter:
    """The routes of DigitalOcean v2 for one account with one token; `limit` is 5,000 an hour, 250 a minute."""
    routes = APIRouter(route_class=guarded(token, limit or RateLimit()))
    account.add(routes, world.inventory)
    actions.add(routes, world.inventory, world.lifecycle)
    droplets.add(routes, world.inventory, world.lifecycle, world.block)
    images.add(routes, world.inventory, world.lifecycle)
    tags.add(routes, world.inventory, world.lifecycle)
    firewalls.add(routes, world.inventory, world.lifecycle)
    vpcs.add(routes, world.inventory)
    _unknown(routes)
    return routes


def _unknown(routes: APIRouter) -> None:
    @routes.api_route("/{path:path}", methods=_METHODS, include_in_schema=False)
    async def unknown(path: str, request: Request) -> Response:
        raise ApiError(501, "not_implemented", f"The sandbox has no route {request.method} /v2/{path}")
