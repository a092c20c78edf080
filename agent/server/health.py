"""The health rule: connect to the port, and ask the path if there is one; then look for errors in the log.

Of a worker, which has no port, it asks that it has run for a while without a restart. `jobs` judges scheduled ones.
`judge` is pure: what was observed goes in, a verdict comes out. `look` and `probe` observe.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent import wire
from agent.server import visits
from agent.server.ports import Instance
from agent.server.reading import Found, Reader


@dataclass(frozen=True)
class Observation:
    """What is known of one container at one time."""

    at: datetime
    role: wire.Role = "current"
    status: str | None = "running"
    """Docker's word; None: Docker did not answer."""
    exit_code: int = 0
    error: str = ""
    answered: bool = False
    answer: str = ""
    """What the probe saw, in words."""
    log: Found = field(default_factory=Found)
    """What the log had."""
    min_errors: int = 1
    """So many errors count."""
    note: str = ""
    """What could not be looked at."""
    waits: bool = False
    """It is not started before its turn."""


def judge(seen: Observation) -> wire.Verdict:
    """The verdict on an observation. A stopped older release is as it should be; a stopped candidate failed."""
    word, reason = _judge(seen)
    evidence = {"probe": seen.answer, "docker": seen.error, **seen.log.evidence(seen.note)}
    return wire.Verdict(
        verdict=word,
        reason=reason,
        checked_at=seen.at,
        evidence={key: value for key, value in evidence.items() if value},
    )


def _judge(seen: Observation) -> tuple[wire.VerdictWord, str]:
    if seen.status is None:
        return "unknown", f"Docker does not answer: {seen.note}"
    if seen.status != "running":
        return _not_running(seen)
    if not seen.answered:
        return "unhealthy", seen.answer
    if seen.log.errors >= seen.min_errors:
        return "degraded", f"{seen.answer}, but {seen.log.errors} error(s) in the log since the last check"
    return "healthy", seen.answer


def _not_running(seen: Observation) -> tuple[wire.VerdictWord, str]:
    if seen.role in ("previous", "kept") and (seen.status == "exited" or seen.waits):
        return "healthy", "stopped, and kept for a rollback"
    if seen.role == "candidate" and seen.waits:
        return "healthy", "made, and not started before it takes the place of the current one"
    why = f" ({seen.error})" if seen.error else f" with exit code {seen.exit_code}" if seen.status == "exited" else ""
    return "unhealthy", f"it does not run: {seen.status}{why}"


def look(
    reader: Reader, instance: Instance, containers: Sequence[Instance] | None = None, ran: float = 0.0
) -> wire.Verdict:
    """Probe a container and read its log since this observer's last check.

    Args:
        reader: who looks, and when.
        instance: the container.
        containers: all of the service, so that what one that was current before wrote at its end is told too.
        ran: for how many seconds it was seen running, by a clock that nobody sets.
    """
    if not instance.running:
        return judge(_at_rest(instance, reader))
    answered, answer = probe(instance, reader.now, ran)
    found = reader.since_last(instance)
    if instance.role == "current" and containers is not None:
        found += reader.ends(instance, containers)
    least = instance.log.min_errors
    return judge(Observation(reader.now, instance.role, answered=answered, answer=answer, log=found, min_errors=least))


def _at_rest(instance: Instance, reader: Reader) -> Observation:
    """One that does not run; of one that should, the last words are evidence."""
    waits = instance.in_turn and instance.status == "created" and not instance.error
    should = instance.role in ("current", "candidate") and instance.status != "created"
    return Observation(
        reader.now,
        instance.role,
        instance.status,
        instance.exit_code,
        instance.error,
        log=reader.since_last(instance) if should else Found(),
        note="not probed",
        waits=waits,
    )


def unknown(reason: str) -> wire.Verdict:
    """The verdict when Docker does not answer."""
    return judge(Observation(datetime.now(UTC), status=None, note=reason))


def probe(instance: Instance, now: datetime | None = None, ran: float = 0.0) -> tuple[bool, str]:
    """Whether a running container does what its kind is for, and what was seen.

    A web or tcp container answers at its port, within its own probe timeout; a worker has run for a while without a
    restart; of a scheduled one there is nothing to prove before its time.
    """
    if instance.kind == "scheduled":
        return True, "it starts at its times"
    if instance.port is None:
        return _steady(instance, now or datetime.now(UTC), ran)
    return _answers(instance, instance.port)


def _steady(instance: Instance, now: datetime, seen: float) -> tuple[bool, str]:
    """By Docker's times, which are wrong for a while after the clock was set, or by how long it was seen running."""
    ran = (now - instance.started_at).total_seconds() if instance.started_at and instance.running else 0.0
    if ran < 0:
        return True, "it runs; the clock was set back since it started"
    ran = max(ran, seen if instance.running else 0.0)
    times = f", after {instance.restarts} restart(s)" if instance.restarts else ""
    if ran >= instance.steady_seconds:
        return True, f"it has run for more than {instance.steady_seconds} s{times}"
    return False, f"it has run for {ran:.1f} s only{times}; {instance.steady_seconds} s are wanted"


def _answers(instance: Instance, port: int) -> tuple[bool, str]:
    where = f"{instance.address}:{port}"
    timeout, path = instance.health.timeout_seconds, instance.health.path
    try:
        if path is None or instance.kind != "web":
            with closing(socket.create_connection((instance.address, port), timeout)):
                return True, f"{where} accepts connections"
        status = visits.status(instance.address, port, path, {"Host": _host(instance)}, timeout)
    except (OSError, http.client.HTTPException) as error:
        return False, f"{where} does not answer within {timeout:g} s: {error or type(error).__name__}"
    return 200 <= status < 400, f"GET {path} at {where} answered {status}"


def _host(instance: Instance) -> str:
    return instance.hosts[0] if instance.hosts else "localhost"
