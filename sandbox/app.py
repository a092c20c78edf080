"""The sandbox as one ASGI app: DigitalOcean under /v2, Cloudflare under /client/v4, the control route, the faults."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import control
from sandbox.cloudflare import routes as cloudflare_routes
from sandbox.digitalocean.gate import RateLimit
from sandbox.digitalocean.routes import World
from sandbox.digitalocean.routes import router as digitalocean_router
from sandbox.faults import Faults, FaultyApp


def make_app(
    world: World, tokens: dict[str, str], status: dict[str, Any], *, limit: RateLimit | None = None
) -> ASGIApp:
    """The whole app. `tokens` has digitalocean, cloudflare and control; `status` is what `/sandbox/status` shows."""
    app = FastAPI(title="Deployer sandbox", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    faults = Faults()
    app.include_router(digitalocean_router(world, tokens["digitalocean"], limit=limit), prefix="/v2")
    app.include_router(cloudflare_routes.router(world.inventory.store, tokens["cloudflare"]), prefix="/client/v4")
    app.include_router(control.router(faults, world.lifecycle, tokens["control"], status), prefix="/sandbox")

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def unknown(path: str, request: Request) -> Response:
        message = f"The sandbox has no route {request.method} /{path}"
        return JSONResponse({"id": "not_implemented", "message": message}, 501)

    return without_final_slash(FaultyApp(app, faults))


def without_final_slash(app: ASGIApp) -> ASGIApp:
    """`/v2/droplets/` means `/v2/droplets`, as it does on DigitalOcean: some clients write it so."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > 1:
            scope = {**scope, "path": scope["path"].rstrip("/")}
        await app(scope, receive, send)

    return call
