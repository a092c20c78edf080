"""What there is to know of a container that does not serve: looked at while it is as it failed, and never judged here.

Every look is bounded, and one that fails leaves its fact out: who asks wants what there is, not an error.
"""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from agent import wire
from agent.server import facts, visits
from agent.server.ports import Engine, EngineError, Instance, Router, RouterError

ASK_SECONDS: Final = 1.0
LOG_LINES: Final = 40
LINE_LENGTH: Final = 500
MOST_VARIABLES: Final = 300
PLACE: Final = Path("/var/lib/docker")
"""Images and containers are on the disk that this is on."""

KILLED: Final = 137

Refusal = Literal["refused", "timeout", "reset", "unreachable", "closed"]


@dataclass
class Past:
    """What was seen of a container while it was waited for, and what a restart makes Docker forget."""

    kills: int | None = field(default_factory=facts.memory_kills)
    """What the kernel had killed for want of memory when the wait began: not every Docker tells of it."""
    ended: Instance | None = None
    """As it was when it was last seen not to run."""

    def note(self, now: Instance) -> None:
        """One more look at it."""
        if not now.running:
            self.ended = now

    @property
    def killed(self) -> bool:
        """Whether the kernel has killed anything since, and what ended is such a thing."""
        kills = facts.memory_kills()
        return bool(self.ended and self.ended.exit_code == KILLED and kills and kills > (self.kills or 0))


def gather(engine: Engine, router: Router, instance: Instance, past: Past | None = None) -> wire.Symptoms:
    """All of it; takes 4 s at most beside Docker's own time.

    Args:
        engine: Docker.
        router: nginx, which is asked only for a container that it may lead to.
        instance: the container as Docker has it now.
        past: how it was before; None: nobody has looked.
    """
    past = past or Past()
    last = instance if not instance.running else past.ended
    image, machine = _architectures(engine, instance.image)
    return wire.Symptoms(
        status=instance.status,
        exit_code=last.exit_code if last and last.started_at else None,
        oom=instance.oom or (last is not None and last.oom) or past.killed,
        docker_error=instance.error[:LINE_LENGTH],
        restarts=instance.restarts,
        ran_seconds=_ran(instance),
        start_seconds=instance.health.start_seconds,
        port=instance.port,
        listening=facts.listening(instance.pid) if instance.running and instance.pid else None,
        asks=_asks(router, instance),
        log=_log(engine, instance),
        variables=instance.variables[:MOST_VARIABLES],
        room=facts.room(PLACE),
        image_architecture=image,
        machine_architecture=machine,
    )


def _architectures(engine: Engine, image: str) -> tuple[str, str]:
    try:
        return engine.architectures(image)
    except EngineError:
        return "", ""


def _ran(instance: Instance) -> float | None:
    if instance.started_at is None:
        return None
    until = datetime.now(UTC) if instance.running else instance.ended_at
    return max((until - instance.started_at).total_seconds(), 0.0) if until else None


def _log(engine: Engine, instance: Instance) -> tuple[str, ...]:
    try:
        with closing(engine.logs(instance.full_name, tail=LOG_LINES)) as stream:
            return tuple(entry.text[:LINE_LENGTH] for entry in stream)
    except EngineError:
        return ()


def _asks(router: Router, instance: Instance) -> tuple[wire.Ask, ...]:
    """As itself and as nobody in particular, at its port; and, for the one that serves, through nginx."""
    if not instance.running or instance.port is None:
        return ()
    if instance.kind != "web":
        return (_knock(instance.address, instance.port),)
    path, names = instance.health.path or "/", instance.hosts[:1]
    found = [_ask(instance.address, instance.port, path, name) for name in (*names, "")]
    if instance.role == "current":
        found += [_through(router, name, path) for name in names]
    return tuple(found)


def _knock(address: str, port: int) -> wire.Ask:
    try:
        with closing(socket.create_connection((address, port), ASK_SECONDS)):
            return wire.Ask(vantage="container")
    except OSError as error:
        return wire.Ask(vantage="container", error=_refusal(error))


def _ask(address: str, port: int, path: str, host: str) -> wire.Ask:
    began = time.monotonic()
    status, refusal = None, None
    try:
        status = visits.status(address, port, path, {"Host": host} if host else {}, ASK_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        refusal = _refusal(error)
    took = round(time.monotonic() - began, 3)
    return wire.Ask(vantage="container", status=status, error=refusal, host=host, path=path, seconds=took)


def _through(router: Router, host: str, path: str) -> wire.Ask:
    try:
        return wire.Ask(vantage="nginx", status=router.status(host, path), host=host, path=path)
    except RouterError:
        return wire.Ask(vantage="nginx", error="refused", host=host, path=path)


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "reset"
    return "unreachable" if isinstance(error, OSError) else "closed"
