"""Containers: listed, read, prepared, promoted, stopped, removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from agent import wire
from agent.runs import KEPT, Runs
from agent.server import containers, keeping, maintenance, recreation, rollout
from agent.server.context import Context
from agent.server.errors import Failure
from agent.server.flowing import Flowing
from agent.server.ports import LogEntry, full_name
from agent.server.routes.leases import Fencing
from agent.server.slots import Service

Name = Annotated[str, Path(pattern=wire.NAME, max_length=128)]
Tail = Annotated[int, Query(ge=1, le=5000)]
Limit = Annotated[int, Query(ge=1, le=KEPT)]
VolumeName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,38}$")]
LONGEST_LINE = 16_384


def routes(context: Context) -> APIRouter:
    """Everything under `/containers`."""
    router = APIRouter(prefix="/containers")
    _reading(router, context)
    _switching(router, context)
    _changing(router, context)
    _maintenance(router, context)
    return router


def _reading(router: APIRouter, context: Context) -> None:
    @router.get("", summary="All managed containers of the droplet")
    async def list_containers() -> wire.Containers:
        found = await context.work.call(context.engine.instances)
        return wire.Containers(containers=await context.work.call(containers.describe, found, context.router))

    @router.get("/{name}/logs", summary="The end of a container's log; with follow as JSON lines", response_model=None)
    async def logs(
        name: Name,
        tail: Tail = 200,
        since: datetime | None = None,
        follow: bool = False,
        role: wire.Slot | None = None,
    ) -> wire.Logs | Response:
        target = await context.work.call(_log_of, context, name, role)
        if not follow:
            return await context.work.call(_tail, context, target, tail, since)
        return Flowing(context.work, _follow(context, target, tail, since), media_type="application/x-ndjson")

    @router.get("/{name}/runs", summary="The latest runs of a scheduled container, newest first")
    async def runs(name: Name, limit: Limit = 100) -> wire.JobRuns:
        return wire.JobRuns(runs=await context.work.call(Runs(context.settings.state).read, name, limit))


def _switching(router: APIRouter, context: Context) -> None:
    change = context.change

    @router.put("/{name}/candidate", summary="Start a release beside the current one and wait until it is healthy")
    async def prepare(name: Name, body: wire.ContainerSpec, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, partial(rollout.prepare, spec=body))

    @router.post("/{name}/promote", summary="Make the candidate current and switch nginx to it")
    async def promote(name: Name, body: wire.Promote, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, partial(rollout.promote, release=body.release, page=body.maintenance))

    @router.post("/{name}/rollback", summary="Make a release that was kept current again")
    async def rollback(name: Name, body: wire.Rollback, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, partial(keeping.roll_back, wanted=body))

    @router.post("/{name}/retire", summary="Stop the older releases, and let go of those that are too many")
    async def retire(name: Name, body: wire.Retire, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, partial(keeping.retire, wanted=body))


def _stop(context: Context, service: Service, wanted: wire.Stop) -> bool:
    if wanted.role == "current":
        context.watchdog.rest(service.name)  # before it ends, so that it stays so
    return containers.stop(service, wanted)


def _changing(router: APIRouter, context: Context) -> None:
    change = context.change

    @router.post("/{name}/stop", summary="Stop one role once its last request has ended")
    async def stop(name: Name, body: wire.Stop, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, partial(_stop, context, wanted=body))

    @router.post("/{name}/start", summary="Start the current container and route to it")
    async def start(name: Name, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, containers.start)

    @router.post("/{name}/restart", summary="Restart the current container and wait until it is healthy")
    async def restart(name: Name, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, containers.restart)

    @router.post("/{name}/recreate", summary="Make the current container anew, of the same release")
    async def recreate(name: Name, body: wire.ContainerSpec, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, partial(recreation.recreate, spec=body))

    @router.delete("/{name}", summary="Take the service off the droplet: routes, drain, containers, secrets")
    async def remove(name: Name, fencing: Fencing = None) -> wire.Changed:
        runs, manifests = Runs(context.settings.state), context.manifests
        return await change(name, fencing, partial(containers.remove, runs=runs, manifests=manifests))

    @router.delete("/{name}/volumes/{volume}", summary="Remove a named volume and its data; nothing else ever does")
    async def remove_volume(name: Name, volume: VolumeName, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, partial(containers.remove_volume, volume=volume))

    @router.delete("/{name}/candidate", summary="Remove the candidate")
    async def remove_candidate(name: Name, fencing: Fencing = None) -> wire.Changed:
        return await change(name, fencing, containers.remove_candidate)


def _maintenance(router: APIRouter, context: Context) -> None:
    @router.put("/{name}/maintenance", summary="Show visitors a page instead of the service; nothing stops")
    async def begin(name: Name, body: wire.Maintenance, fencing: Fencing = None) -> wire.Changed:
        return await context.change(name, fencing, partial(maintenance.begin, page=body))

    @router.delete("/{name}/maintenance", summary="Show visitors the service again")
    async def end(name: Name, fencing: Fencing = None) -> wire.Changed:
        return await context.change(name, fencing, maintenance.end)


def _log_of(context: Context, name: str, role: wire.Slot | None) -> str:
    """The container whose log is meant: of the role asked for, or else the current one, or what there is."""
    order: tuple[wire.Slot, ...] = (role,) if role else ("current", "candidate", "previous")
    found = {one.role for one in context.engine.instances(name)}
    for wanted in order:
        if wanted in found:
            return full_name(name, wanted)
    raise Failure(404, "not_found", f"There is no {full_name(name, order[0])} here.", "See GET /containers.")


def _tail(context: Context, target: str, tail: int, since: datetime | None) -> wire.Logs:
    with closing(context.engine.logs(target, tail=tail, since=since)) as stream:
        lines = tuple(_line(entry) for entry in stream)
    return wire.Logs(lines=lines, truncated=len(lines) >= tail)


async def _follow(context: Context, target: str, tail: int, since: datetime | None) -> AsyncIterator[bytes]:
    """A line of ASCII for each line of the log: some readers take U+2028 and its like for the end of one."""
    stream = await context.work.call(context.engine.logs, target, tail=tail, since=since, follow=True)
    async for entry in context.work.pump(stream):
        yield _line(entry).model_dump_json(ensure_ascii=True).encode() + b"\n"


def _line(entry: LogEntry) -> wire.LogLine:
    stream: Literal["stdout", "stderr"] = "stderr" if entry.stream == "stderr" else "stdout"
    return wire.LogLine(at=entry.at, stream=stream, text=entry.text[:LONGEST_LINE])
