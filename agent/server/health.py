"""The health rule: connect to the port, and ask the path if there is one; then look for errors in the log.

Of a worker, which has no port, it asks that it has run for a while without a restart. `jobs` judges scheduled ones.
`judge` is pure: what was observed goes in, a verdict comes out. `look` and `probe` observe.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from agent import wire
from agent.server import levels
from agent.server.ports import Engine, EngineError, Instance

OBSERVERS: Final = 64
MOST_LINES: Final = 2000
FIRST_LOOK: Final = timedelta(minutes=10)
"""How far back an observer's first check reads."""


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
    errors: int = 0
    sample: str = ""
    """The first error of the log."""
    note: str = ""
    """What could not be looked at."""
    waits: bool = False
    """It is not started before its turn."""


def judge(seen: Observation) -> wire.Verdict:
    """The verdict on an observation. A stopped older release is as it should be; a stopped candidate failed."""
    word, reason = _judge(seen)
    evidence = {"probe": seen.answer, "log": seen.sample, "note": seen.note, "docker": seen.error}
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
    if seen.errors:
        return "degraded", f"{seen.answer}, but {seen.errors} error(s) in the log since the last check"
    return "healthy", seen.answer


def _not_running(seen: Observation) -> tuple[wire.VerdictWord, str]:
    if seen.role in ("previous", "kept") and (seen.status == "exited" or seen.waits):
        return "healthy", "stopped, and kept for a rollback"
    if seen.role == "candidate" and seen.waits:
        return "healthy", "made, and not started before it takes the place of the current one"
    why = f" ({seen.error})" if seen.error else f" with exit code {seen.exit_code}" if seen.status == "exited" else ""
    return "unhealthy", f"it does not run: {seen.status}{why}"


def look(engine: Engine, instance: Instance, cursors: Cursors, observer: str) -> wire.Verdict:
    """Probe a container and read its log since this observer's last check."""
    now = datetime.now(UTC)
    if not instance.running:
        facts = Observation(now, instance.role, instance.status, instance.exit_code, instance.error, note="not probed")
        return judge(replace(facts, waits=instance.in_turn and instance.status == "created" and not instance.error))
    answered, answer = probe(instance)
    found, note = _errors(engine, instance, cursors, observer)
    return judge(
        Observation(
            now,
            instance.role,
            answered=answered,
            answer=answer,
            errors=len(found),
            sample=found[0][:500] if found else "",
            note=note,
        )
    )


def unknown(reason: str) -> wire.Verdict:
    """The verdict when Docker does not answer."""
    return judge(Observation(datetime.now(UTC), status=None, note=reason))


def probe(instance: Instance, now: datetime | None = None) -> tuple[bool, str]:
    """Whether a running container does what its kind is for, and what was seen.

    A web or tcp container answers at its port, within its own probe timeout; a worker has run for a while without a
    restart; of a scheduled one there is nothing to prove before its time.
    """
    if instance.kind == "scheduled":
        return True, "it starts at its times"
    if instance.port is None:
        return _steady(instance, now or datetime.now(UTC))
    return _answers(instance, instance.port)


def _steady(instance: Instance, now: datetime) -> tuple[bool, str]:
    ran = (now - instance.started_at).total_seconds() if instance.started_at and instance.running else 0.0
    if ran < 0:
        return True, "it runs; the clock was set back since it started"
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
        with closing(http.client.HTTPConnection(instance.address, port, timeout=timeout)) as connection:
            connection.request("GET", path, headers={"User-Agent": "deployer-agent", "Host": _host(instance)})
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return False, f"{where} does not answer within {timeout:g} s: {error or type(error).__name__}"
    return 200 <= status < 400, f"GET {path} at {where} answered {status}"


def _host(instance: Instance) -> str:
    return instance.hosts[0] if instance.hosts else "localhost"


def _errors(engine: Engine, instance: Instance, cursors: Cursors, observer: str) -> tuple[list[str], str]:
    """The errors that this observer has not seen; a log that cannot be read leaves a note, not a clean bill."""
    since = cursors.get(observer, instance.id) or max(
        datetime.now(UTC) - FIRST_LOOK, instance.started_at or datetime.min.replace(tzinfo=UTC)
    )
    try:
        stream = engine.logs(instance.full_name, tail=MOST_LINES, since=since)
        with closing(stream):
            entries = [entry for entry in stream if entry.at > since]
    except EngineError as error:
        return [], f"the log could not be read: {error}"
    if entries:
        cursors.put(observer, instance.id, entries[-1].at)
    note = f"more than {MOST_LINES} lines since the last check; only the last were read"
    return list(levels.errors(entry.text for entry in entries)), note if len(entries) >= MOST_LINES else ""


class Cursors:
    """How far each observer has read each container's log. Holds the latest 64 observers; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, dict[str, datetime]] = OrderedDict()

    def get(self, observer: str, container: str) -> datetime | None:
        """The time of the last line that the observer was told of."""
        with self._lock:
            return self._seen.get(observer, {}).get(container)

    def put(self, observer: str, container: str, at: datetime) -> None:
        """Remember it; never backwards, when two checks of one observer overlap."""
        with self._lock:
            known = self._seen.setdefault(observer, {})
            known[container] = max(at, known.get(container, at))
            self._seen.move_to_end(observer)
            if len(self._seen) > OBSERVERS:
                self._seen.popitem(last=False)

    def keep(self, containers: set[str]) -> None:
        """Forget containers that are gone."""
        with self._lock:
            for known in self._seen.values():
                for gone in known.keys() - containers:
                    del known[gone]
