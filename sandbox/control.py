"""The control route `/sandbox`, which is no part of the two APIs: state, and the faults of calls and droplets."""

from __future__ import annotations

import hmac
from typing import Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from sandbox.digitalocean.errors import ApiError
from sandbox.digitalocean.lifecycle import Lifecycle
from sandbox.errors import SandboxError
from sandbox.faults import Fault, Faults


class CallFault(BaseModel):
    """A fault of API calls; see `sandbox.faults.Fault`."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="Path with `*` for anything, for example /v2/droplets/*", pattern="^/")
    method: str = Field(default="*", pattern="^([A-Z]+|[*])$")
    status: int | None = Field(default=None, ge=400, le=599)
    delay: float = Field(default=0, ge=0, le=600, description="Seconds")
    retry_after: int | None = Field(default=None, ge=0, description="Seconds, in the header of the answer")
    lose_reply: bool = False
    stale: bool = False
    times: int | None = Field(default=1, ge=1, description="How often; null until it is removed")


class DropletFault(BaseModel):
    """What is wrong with a droplet; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    power: Literal["on", "off"] | None = None
    pause: bool | None = Field(default=None, description="Every process frozen")
    cut: bool | None = Field(default=None, description="No packet comes or goes")
    latency: float | None = Field(default=None, ge=0, le=60, description="Seconds, each way")
    fill_mib: int | None = Field(default=None, ge=0, description="Size of a file on its disk; 0 takes it away")


def router(faults: Faults, lifecycle: Lifecycle, token: str, status: dict[str, Any]) -> APIRouter:
    """The control routes; all but `/status` need the control token."""
    routes = APIRouter()

    @routes.get("/status")
    async def read_status() -> dict[str, Any]:
        return status

    guarded = APIRouter(dependencies=[Depends(_guard(token))])
    _calls(guarded, faults)
    _droplets(guarded, lifecycle)
    routes.include_router(guarded)
    return routes


def _calls(routes: APIRouter, faults: Faults) -> None:
    @routes.get("/faults")
    async def list_faults() -> list[dict[str, object]]:
        return faults.as_list()

    @routes.post("/faults", status_code=201)
    async def add_fault(fault: CallFault) -> dict[str, int]:
        return {"id": faults.add(Fault(**fault.model_dump())).id}

    @routes.delete("/faults", status_code=204)
    async def remove_faults() -> None:
        faults.remove()

    @routes.delete("/faults/{fault_id}", status_code=204)
    async def remove_fault(fault_id: int) -> None:
        faults.remove(fault_id)


def _droplets(routes: APIRouter, lifecycle: Lifecycle) -> None:
    @routes.post("/droplets/{droplet_id}/faults")
    async def disturb_droplet(droplet_id: int, fault: DropletFault) -> dict[str, Any]:
        try:
            lifecycle.inventory.droplet(droplet_id)
            return await lifecycle.disturb(droplet_id, fault.model_dump(exclude_none=True))
        except ApiError as error:
            raise HTTPException(404, f"There is no droplet {droplet_id}.") from error
        except SandboxError as error:
            raise HTTPException(409, str(error)) from error


def _guard(token: str) -> Any:
    async def check(request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise HTTPException(401, "The control token is missing or wrong: see tokens.json in the sandbox's state.")

    return check
