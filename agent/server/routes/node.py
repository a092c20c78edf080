"""The droplet as a whole, and the health of one container."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path as File
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime

import agent
from agent import wire
from agent.runs import Runs
from agent.server import containers, facts, health, jobs, seal, symptoms, vitals
from agent.server.context import Context
from agent.server.errors import Failure
from agent.server.ports import EngineDown, EngineError, Instance, RouterError, full_name
from agent.server.reading import Reader

Observer = Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
ContainerName = Annotated[str, Path(pattern=wire.NAME, max_length=128)]
Clock = Annotated[AwareDatetime | None, Query(description="What time it is where the call comes from")]
_DOCKER_FILES: Final = File("/var/lib/docker")


@dataclass(frozen=True)
class _Look:
    """One observer's look: who, and how far its clock is behind ours."""

    observer: str
    skew: timedelta | None


def routes(context: Context) -> APIRouter:
    """`/node`, `/{container_name}/health`, `/restart` and `/seal`."""
    router = APIRouter()

    @router.get("/node", summary="Docker, nginx, disk, memory, load, clock, and all containers with verdicts")
    async def node(observer: Observer = "anonymous", clock: Clock = None) -> wire.Node:
        if observer == wire.HEALTH_ROUND:
            await context.work.call(context.vigil.round)
        return await _looked_at(context, _look(observer, clock))

    @router.get("/{container_name}/health", summary="The health rule, for one container")
    async def container_health(
        container_name: ContainerName,
        observer: Observer = "anonymous",
        role: wire.Slot = "current",
        clock: Clock = None,
        why: bool = False,
    ) -> wire.Verdict:
        return await _container(context, container_name, role, _look(observer, clock), why)

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


def _look(observer: str, clock: datetime | None) -> _Look:
    return _Look(observer, None if clock is None else datetime.now(UTC) - clock)


async def _looked_at(context: Context, look: _Look) -> wire.Node:
    docker, nginx = await asyncio.gather(context.work.call(_docker, context), context.work.call(_nginx, context))
    answers = docker.verdict == "healthy"  # one that hangs is asked nothing more: each call would wait in vain
    found = await context.work.call(_found, context) if answers else ()
    verdicts = await _verdicts(context, found, look)
    described = await context.work.call(
        containers.describe, found, context.router, lambda one: verdicts[one.id], context.watchdog.told
    )
    await context.work.call(context.cursors.save)
    judged = await context.work.call(_vitals, context, look)
    keeps = await context.work.call(_keeps, context) if answers else None
    return _node(context, docker, nginx, judged, described, keeps)


async def _container(context: Context, name: str, role: wire.Slot, look: _Look, why: bool) -> wire.Verdict:
    try:
        await context.work.call(context.engine.version)  # whether it hangs is known sooner by this
        found = await context.work.call(context.engine.instances, name)
    except EngineDown as error:
        return health.unknown(str(error))
    instance = next((one for one in found if one.role == role), None)
    if instance is None:
        message = f"There is no {full_name(name, role)} on this droplet."
        raise Failure(404, "not_found", message, "GET /containers lists what is here.")
    verdict = await context.work.call(_told, context, instance, found, look, why)
    await context.work.call(context.cursors.save)
    return verdict


async def _verdicts(context: Context, found: tuple[Instance, ...], look: _Look) -> dict[str, wire.Verdict]:
    """All at once, so that a droplet full of dead containers takes no longer than its slowest probe."""
    looks = [context.work.call(_told, context, one, found, look) for one in found]
    return {one.id: verdict for one, verdict in zip(found, await asyncio.gather(*looks), strict=True)}


def _told(
    context: Context, instance: Instance, found: tuple[Instance, ...], look: _Look, why: bool = False
) -> wire.Verdict:
    """The verdict; with its symptoms where something is wrong that nobody meant, or where they are asked for."""
    verdict = _judge(context, instance, found, look)
    if not why and (verdict.verdict != "unhealthy" or not _is_telling(context, instance)):
        return verdict
    return verdict.model_copy(update={"symptoms": symptoms.gather(context.engine, context.router, instance)})


def _is_telling(context: Context, instance: Instance) -> bool:
    """Whether how it is says anything of why: not of a run that did not begin, nor of what was stopped on purpose."""
    ran_well = instance.kind == "scheduled" and not instance.exit_code
    return instance.role == "current" and not ran_well and not context.watchdog.rests(instance)


def _judge(context: Context, instance: Instance, found: tuple[Instance, ...], look: _Look) -> wire.Verdict:
    if instance.kind == "scheduled" and instance.role == "current":
        return jobs.look(context.engine, instance, Runs(context.settings.state), look.skew or timedelta(0))
    reader = Reader(context.engine, context.cursors, look.observer, datetime.now(UTC))
    same = [one for one in found if one.name == instance.name]
    return health.look(reader, instance, same, context.watchdog.ran(instance))


def _vitals(context: Context, look: _Look) -> dict[str, wire.Verdict]:
    memory = facts.memory()
    return vitals.judge(
        vitals.Vitals(
            at=datetime.now(UTC),
            disks=facts.rooms((("the system", context.settings.state), ("containers", _DOCKER_FILES))),
            memory=vitals.Room(memory.total, memory.free),
            certificate=facts.certificate(context.settings.certificate),
            skew=look.skew,
            synchronised=facts.synchronised(),
        )
    )


def _docker(context: Context) -> wire.Verdict:
    try:
        version = context.engine.version()
    except EngineError as error:
        return _verdict("unhealthy", f"Docker does not answer: {error}")
    return _verdict("healthy", f"Docker {version} answers", version=version)


def _found(context: Context) -> tuple[Instance, ...]:
    """All containers; none when Docker has stopped answering meanwhile."""
    try:
        found = context.engine.instances()
    except EngineError:
        return ()
    context.cursors.keep({one.id for one in found}, {one.name for one in found})
    return found


def _nginx(context: Context) -> wire.Verdict:
    try:
        good, reason = context.router.check()
    except RouterError as error:
        good, reason = False, str(error)
    return _verdict("healthy" if good else "unhealthy", reason or "nginx answers and has its table")


def _verdict(word: wire.VerdictWord, reason: str, **evidence: str) -> wire.Verdict:
    return wire.Verdict(verdict=word, reason=reason, checked_at=datetime.now(UTC), evidence=evidence)


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
    judged: dict[str, wire.Verdict],
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
        vitals=judged,
        containers=found,
        agent_seconds=context.watchdog.age(),
        leases=context.leases.held().leases,
        pauses=context.pauses.held(),
        keeps=keeps,
    )
