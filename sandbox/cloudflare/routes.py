"""The Cloudflare v4 router: `app.include_router(router(store, token), prefix="/client/v4")`."""

from __future__ import annotations

import hashlib
from typing import Any

from fastapi import APIRouter, Request, Response

from sandbox.cloudflare import origin_ca, origin_pulls, records, zones
from sandbox.cloudflare.envelope import RateLimit, answer, body, page
from sandbox.cloudflare.errors import CloudflareError, invalid
from sandbox.cloudflare.gate import guarded, token_id
from sandbox.cloudflare.query import select_records, select_zones
from sandbox.store import Store

EDGE_RANGES = ("127.76.0.0/24",)  # where the sandbox's edge connects from

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def router(store: Store, token: str, *, limit: RateLimit | None = None) -> APIRouter:
    """The routes of Cloudflare v4 for one account with one API token; `limit` is 1,200 calls in 300 s by default."""
    routes = APIRouter(route_class=guarded(token, limit or RateLimit()))
    _account_routes(routes, store, token)
    _zone_routes(routes, store)
    origin_pulls.add_routes(routes, store)
    _record_routes(routes, store)
    _record_changes(routes, store)
    _unknown_route(routes)
    return routes


def _account_routes(routes: APIRouter, store: Store, token: str) -> None:
    @routes.get("/user/tokens/verify")
    async def verify_token() -> Response:
        return answer({"id": token_id(token), "status": "active"})

    @routes.get("/ips")
    async def list_ranges(request: Request) -> Response:
        etag = hashlib.md5("".join(EDGE_RANGES).encode(), usedforsecurity=False).hexdigest()
        ranges = {"ipv4_cidrs": list(EDGE_RANGES), "ipv6_cidrs": []}
        if request.query_params.get("networks") == "jdcloud":
            ranges["jdcloud_cidrs"] = []
        return answer({**ranges, "etag": etag})

    @routes.post("/certificates")
    async def create_certificate(request: Request) -> Response:
        return answer(origin_ca.issue(store, body(await request.body())))

    @routes.get("/certificates/{certificate_id}")
    async def read_certificate(certificate_id: str) -> Response:
        return answer(origin_ca.read(store, certificate_id))


def _zone_routes(routes: APIRouter, store: Store) -> None:
    @routes.get("/zones")
    async def list_zones(request: Request) -> Response:
        query = request.query_params
        return page(select_zones(zones.all_zones(store), query), query, default=20, most=50)

    @routes.get("/zones/{zone_id}")
    async def read_zone(zone_id: str) -> Response:
        return answer(zones.read_zone(store, zone_id))

    @routes.get("/zones/{zone_id}/settings/ssl")
    async def read_ssl(zone_id: str) -> Response:
        return answer(zones.read_ssl(store, zone_id))

    @routes.patch("/zones/{zone_id}/settings/ssl")
    async def write_ssl(zone_id: str, request: Request) -> Response:
        zones.read_zone(store, zone_id)
        value = body(await request.body()).get("value")
        if value not in zones.SSL_MODES:
            raise invalid(1007, "Invalid value for zone setting ssl")
        return answer(zones.write_ssl(store, zone_id, str(value)))


def _record_routes(routes: APIRouter, store: Store) -> None:
    @routes.get("/zones/{zone_id}/dns_records")
    async def list_records(zone_id: str, request: Request) -> Response:
        query = request.query_params
        found = select_records(list(zones.read_records(store, zone_id).values()), query)
        return page(found, query, default=100, most=5_000_000)

    @routes.post("/zones/{zone_id}/dns_records")
    async def create_record(zone_id: str, request: Request) -> Response:
        zone = zones.read_zone(store, zone_id)["name"]
        fields = body(await request.body())
        return _kept(store, zone_id, records.create(zones.read_records(store, zone_id), zone, fields))

    @routes.post("/zones/{zone_id}/dns_records/batch")
    async def batch_records(zone_id: str, request: Request) -> Response:
        zone = zones.read_zone(store, zone_id)["name"]
        operations = body(await request.body())
        return _kept(store, zone_id, records.batch(zones.read_records(store, zone_id), zone, operations))

    @routes.get("/zones/{zone_id}/dns_records/{record_id}")
    async def read_record(zone_id: str, record_id: str) -> Response:
        return answer(records.find(zones.read_records(store, zone_id), record_id))


def _record_changes(routes: APIRouter, store: Store) -> None:
    @routes.put("/zones/{zone_id}/dns_records/{record_id}")
    async def replace_record(zone_id: str, record_id: str, request: Request) -> Response:
        zone = zones.read_zone(store, zone_id)["name"]
        fields = body(await request.body())
        return _kept(store, zone_id, records.replace(zones.read_records(store, zone_id), zone, record_id, fields))

    @routes.patch("/zones/{zone_id}/dns_records/{record_id}")
    async def edit_record(zone_id: str, record_id: str, request: Request) -> Response:
        zone = zones.read_zone(store, zone_id)["name"]
        fields = body(await request.body())
        return _kept(store, zone_id, records.edit(zones.read_records(store, zone_id), zone, record_id, fields))

    @routes.delete("/zones/{zone_id}/dns_records/{record_id}")
    async def remove_record(zone_id: str, record_id: str) -> Response:
        left, _ = records.remove(zones.read_records(store, zone_id), record_id)
        return _kept(store, zone_id, (left, {"id": record_id}))


def _kept(store: Store, zone_id: str, change: tuple[records.Records, dict[str, Any]]) -> Response:
    """Writes what a change left behind. No handler awaits between its read and this, so none overwrites another."""
    left, result = change
    zones.write_records(store, zone_id, left)
    return answer(result)


def _unknown_route(routes: APIRouter) -> None:
    @routes.api_route("/{path:path}", methods=_METHODS, include_in_schema=False)
    async def unknown(path: str, request: Request) -> Response:
        raise CloudflareError(501, 7000, f"The sandbox has no route {request.method} /client/v4/{path}")
