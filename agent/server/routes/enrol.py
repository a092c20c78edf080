"""The first contact: the controller hands the droplet its secret, under the boot secret, once."""

from __future__ import annotations

import threading

from fastapi import APIRouter

from agent import wire
from agent.server.context import Context
from agent.server.errors import Failure
from agent.server.secret_files import write_private


def routes(context: Context) -> APIRouter:
    """`POST /enrol`, for as long as the droplet has no secret of its own."""
    router = APIRouter()
    once = threading.Lock()

    @router.post("/enrol", summary="Take the droplet's secret; the agent comes back under it")
    def enrol(body: wire.Enrol) -> wire.Ping:
        settings = context.settings
        with once:
            if settings.secret_file.exists():
                raise Failure(409, "conflict", f"{settings.droplet} is enrolled.", "Use the droplet's own key.")
            write_private(settings.secret_file, body.secret.encode())
            settings.boot_file.unlink(missing_ok=True)
        context.stop()
        return context.ping()

    return router
