"""The agent's application: the routes, inside out: framework, gate, authentication, access log."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import ASGIApp

import agent
from agent.server import errors
from agent.server.auth import Authentication
from agent.server.context import Context
from agent.server.cursors import Cursors
from agent.server.drills import Drills
from agent.server.images import Images
from agent.server.leases import Leases
from agent.server.limits import AccessLog, Gate
from agent.server.manifests import Manifests
from agent.server.own_key import OwnKey
from agent.server.pauses import Pauses
from agent.server.peers import Peers, peers_of
from agent.server.ports import Engine, Router
from agent.server.routes import (
    containers,
    drills,
    enrol,
    examination,
    images,
    inventory,
    key,
    leases,
    manifests,
    node,
    origin,
    pauses,
    peers,
    routing,
    upgrades,
    uploads,
    vigil,
)
from agent.server.settings import Settings
from agent.server.upgrades import Upgrades
from agent.server.uploads import Uploads
from agent.server.vigil import Vigil
from agent.server.watchdog import Watchdog
from agent.server.work import Work


def create_app(
    settings: Settings,
    engine: Engine,
    router: Router,
    stop: Callable[[], None] = lambda: None,
    table: Peers | None = None,
    watch: Callable[[Watchdog], None] = lambda watchdog: None,
    keep: Callable[[Vigil], None] = lambda vigil: None,
) -> ASGIApp:
    """The application of one droplet: only `/ping` and `/enrol` until it has its secret, then everything else.

    `watch` is given the watchdog that belongs to it, and `keep` the vigil, to start them.
    """
    context = create_context(settings, engine, router, stop, table)
    if settings.enrolled:
        watch(context.watchdog)
        keep(context.vigil)
    return guarded(create_api(context), settings)


def create_context(
    settings: Settings, engine: Engine, router: Router, stop: Callable[[], None], table: Peers | None
) -> Context:
    """What the routes of an agent that just starts share."""
    other_version = Upgrades(settings)
    work = Work(settings.limits.lock_seconds)
    leases = Leases(settings.state / "leases.json", closed=other_version.closed)
    images = Images(engine, settings)
    return Context(
        settings=settings,
        engine=engine,
        router=router,
        work=work,
        leases=leases,
        images=images,
        uploads=Uploads(settings.uploads, settings.limits.archive_bytes, images.room),
        cursors=Cursors(settings.state / "cursors.json"),
        peers=table or peers_of(settings, engine),
        upgrades=other_version,
        watchdog=Watchdog(settings.state / "watchdog.json", engine, leases, work.busy),
        drills=Drills(settings),
        vigil=Vigil(settings.droplet, settings.state, settings.sealed_under),
        pauses=Pauses(settings.state / "pauses.json"),
        own_key=OwnKey(settings),
        manifests=Manifests(settings.state / "manifests"),
        stop=stop,
    )


def create_api(context: Context) -> FastAPI:
    """The routes, with nothing around them that would keep anybody out."""
    app = FastAPI(title="Deployer node agent", version=agent.__version__, docs_url=None, redoc_url=None)
    parts = (
        node,
        containers,
        leases,
        images,
        routing,
        origin,
        peers,
        pauses,
        manifests,
        inventory,
        upgrades,
        uploads,
        examination,
        vigil,
        drills,
        key,
    )
    for part in parts if context.settings.enrolled else (enrol,):
        app.include_router(part.routes(context))
    errors.install(app)
    app.add_api_route("/ping", context.ping, summary="Alive, and which version; needs no key")
    return app


def guarded(api: ASGIApp, settings: Settings) -> ASGIApp:
    """The routes behind their gate, authentication and access log."""
    return AccessLog(Authentication(Gate(api, settings.limits), settings))
