"""The droplet as a whole, and the health of one container."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query

import agent
from agent import wire
from agent.runs import Runs
from agent.server import containers, facts, health, jobs, seal, symptoms
from agent.server.context import Context
from agent.server.errors import Failure
from agent.server.ports import EngineDown, EngineError, Instance, RouterError, full_name

Observer = Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
ContainerName = Annotated[str, Path(pattern=wire.NAME, max_length=128)]


def routes(context: Context) -> APIRouter:
    """`/node`, `/{container_name}/health`, `/restart` and `/seal`."""
    router = APIRouter()

    @router.get("/node", summary="Docker, nginx, disk, memory, load, clock, and all containers with verdicts")
    async def node(observer: Observer = "anonymous") -> wire.Node:
        if observer == wire.HEALTH_ROUND:
            await context.work.call(context.vigil.round)
        docker, nginx = await asyncio.gather(context.work.call(_docker, context), context.work.call(_nginx, context))
        found: tuple[Instance, ...] = ()
        with contextlib.suppress(EngineError):  # then Docker's own verdict says so
            found = await context.work.call(context.engine.instances)
        context.cursors.keep({one.id for one in found})
        verdicts = await _verdicts(context, found, observer)
        described = await context.work.call(
            containers.describe, found, context.router, lambda one: verdicts[one.id], context.watchdog.told
        )
        keeps = await context.work.call(_keeps, context)
        return _node(context, docker, nginx, described, keeps)

    @router.get("/{container_name}/health", summary="The health rule, for one container")
    async def container_health(
        container_name: ContainerName,
        observer: Observer = "anonymous",
        role: wire.Slot = "current",
        why: bool = False,
    ) -> wire.Verdict:
        try:
            found = await context.work.call(context.engine.instances, container_name)
        except EngineDown as error:
            return health.unknown(str(error))
        instance = next((one for one in found if one.role == role), None)
        if instance is None:
            message = f"There is no {full_name(container_name, role)} on this droplet."
            raise Failure(404, "not_found", message, "GET /containers lists what is here.")
        return await context.work.call(_told, context, instance, observer, why)

    @router.post("/restart", summary="The agent ends, and systemd starts it anew; containers do not notice")
    async def restart_agent() -> wire.Ping:
        context.stop()
        return context.ping()

    @router.post("/seal", summary="Forget everything that a snapshot must not carry; the agent ends with it")
    async def seal_droplet() -> wire.Ping:
        await context.work.call(seal.seal, context.settings)
        context.stop()
        return context.ping()

    return router


async def _verdicts(context: Context, found: tuple[Instance, ...], observer: str) -> dict[str, wire.Verdict]:
    """All at once, so that a droplet full of dead containers takes no longer than its slowest probe."""
    looks = [context.work.call(_told, context, one, observer) for one in found]
    return {one.id: verdict for one, verdict in zip(found, await asyncio.gather(*looks), strict=True)}


def _told(context: Context, instance: Instance, observer: str, why: bool = False) -> wire.Verdict:
    """The verdict; with its symptoms where something is wrong that nobody meant, or where they are asked for."""
    verdict = _look(context, instance, observer)
    if not why and (verdict.verdict != "unhealthy" or not _is_telling(context, instance)):
        return verdict
    return verdict.model_copy(update={"symptoms": symptoms.gather(context.engine, context.router, instance)})


def _is_telling(context: Context, instance: Instance) -> bool:
    """Whether how it is says anything of why: not of a run that did not begin, nor of what was stopped on purpose."""
    ran_well = instance.kind == "scheduled" and not instance.exit_code
    return instance.role == "current" and not ran_well and not context.watchdog.rests(instance)


def _look(context: Context, instance: Instance, observer: str) -> wire.Verdict:
    if instance.kind == "scheduled" and instance.role == "current":
        return jobs.look(context.engine, instance, Runs(context.settings.state))
    return health.look(context.engine, instance, context.cursors, observer)


def _docker(context: Context) -> wire.Verdict:
    try:
        version = context.engine.version()
    except EngineError as error:
        return _verdict("unhealthy", f"Docker does not answer: {error}")
    return _verdict("healthy", f"Docker {version} answers")


def _nginx(context: Context) -> wire.Verdict:
    try:
        good, reason = context.router.check()
    except RouterError as error:
        good, reason = False, str(error)
    return _verdict("healthy" if good else "unhealthy", reason or "nginx answers and has its table")


def _verdict(word: wire.VerdictWord, reason: str) -> wire.Verdict:
    return wire.Verdict(verdict=word, reason=reason, checked_at=datetime.now(UTC))


def _keeps(context: Context) -> tuple[str, ...] | None:
    """What would be lost with the droplet."""
    try:
        return (*context.engine.volume_names(), *context.engine.strangers())
    except EngineError:
        return None


def _node(
    context: Context,
    docker: wire.Verdict,
    nginx: wire.Verdict,
    found: tuple[wire.Container, ...],
    keeps: tuple[str, ...] | None,
) -> wire.Node:
    return wire.Node(
        droplet=context.settings.droplet,
        version=agent.__version__,
        api=wire.API_VERSION,
        now=datetime.now(UTC),
        booted_at=facts.booted_at(),
        docker=docker,
        nginx=nginx,
        disk=facts.disk(context.settings.state),
        memory=facts.memory(),
        load=facts.load(),
        agent_rss=facts.resident_bytes(),
        containers=found,
        agent_seconds=context.watchdog.age(),
        leases=context.leases.held().leases,
        pauses=context.pauses.held(),
        keeps=keeps,
    )
