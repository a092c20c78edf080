"""The droplet heals its containers without any controller: it looks every ten seconds, and restarts within a budget.

Only current containers that are not scheduled are looked at. A service whose lease somebody holds is left alone, and so
is one that was stopped on purpose; for a restart the watchdog takes the lease itself. What it has spent is on the disk
before it is used, so that neither its own end nor a reboot makes a budget whole. `restarts` decides.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from agent import wire
from agent.server import health, instances, restarts
from agent.server.errors import Failure
from agent.server.leases import Leases, Moment, moment
from agent.server.ports import Engine, EngineError, Instance
from agent.server.restarts import Record, Word
from agent.server.secret_files import write_private

SECONDS: Final = 10.0
RING: Final = 60
"""Looks that are remembered of each container."""
TOLD: Final = 12
"""Looks that `/node` tells of."""
STALE: Final = 180.0
"""Seconds without a sign of the watchdog, after which the agent counts as hung."""
LEASE_SECONDS: Final = 60
HOLDER: Final = "watchdog"
_PROBES: Final = 8
log = logging.getLogger("agent")


@dataclass(frozen=True)
class _Kept:
    """What the file holds."""

    boot: str
    records: dict[str, Record]


_FILE: Final = TypeAdapter(_Kept)


@dataclass
class _Sight:
    """What is known of a container since the agent started."""

    started_at: datetime | None = None
    since: float = 0.0
    """When the watchdog first saw that start."""
    ring: deque[tuple[float, Word]] = field(default_factory=lambda: deque(maxlen=RING))


class Watchdog:
    """Looks at the containers of one droplet; `run` is for a thread of its own, the rest for any.

    Args:
        path: where budgets are kept.
        engine: Docker.
        leases: who may change what.
        busy: whether a change of a service is going on all the same, under a lease that has run out.
        clock: the time, for tests.
        jitter: a number between 0 and 1, for tests.
    """

    def __init__(
        self,
        path: Path,
        engine: Engine,
        leases: Leases,
        busy: Callable[[str], bool] = lambda name: False,
        clock: Callable[[], Moment] = moment,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._path, self._engine, self._leases, self._busy = path, engine, leases, busy
        self._clock, self._jitter = clock, jitter
        self._lock = threading.Lock()
        self._sights: dict[str, _Sight] = {}
        self._records = self._read()
        self._sign = self._began = clock().elapsed
        self._ended = threading.Event()

    def run(self, seconds: float = SECONDS) -> None:
        """Look again and again, until `end`."""
        while not self._ended.wait(seconds):
            try:
                self.round()
            except (EngineError, Failure, OSError) as error:
                log.warning("the watchdog could not look, or could not act", extra={"fields": {"reason": str(error)}})
            self._sign = self._clock().elapsed  # Docker away is no reason to end the agent

    def end(self) -> None:
        """No further round."""
        self._ended.set()

    def alive(self) -> bool:
        """Whether it has looked, or tried to, in the last three minutes."""
        return self._clock().elapsed - self._sign < STALE

    def age(self) -> float:
        """Seconds since it was made, and the agent with it."""
        return self._clock().elapsed - self._began

    def round(self) -> None:
        """Look at every container once, and restart what has to be.

        Raises:
            EngineError: Docker does not say what is there; then nothing was done.
        """
        every = self._engine.instances()
        self._forget({one.id for one in every})
        held = {one.service for one in self._leases.held().leases}
        found = [one for one in every if _watched(one) and one.name not in held]
        with ThreadPoolExecutor(_PROBES, "watchdog") as pool:
            words = list(pool.map(self._sighted, found))
        for instance, word in zip(found, words, strict=True):
            self._judge(instance, word)
            self._sign = self._clock().elapsed

    def rest(self, name: str) -> None:
        """The service's current container is to be stopped: on purpose, so that it stays so.

        Raises:
            Failure: 507 `disk`, that could not be written; nothing has been stopped.
        """
        for one in self._engine.instances(name):
            if one.role == "current" and one.kind != "scheduled":
                try:
                    self._keep(one.id, replace(self._record(one.id), resting=True))
                except OSError as error:
                    message = f"That {name} is to rest could not be written: {error}"
                    raise Failure(507, "disk", message, "Is the droplet's disk full? Nothing was stopped.") from error

    def rests(self, instance: Instance) -> bool:
        """Whether a container was stopped on purpose."""
        return self._record(instance.id).resting

    def told(self, instance: Instance) -> wire.Watch | None:
        """What it has seen and done of a container; None: nothing."""
        with self._lock:
            sight, record = self._sights.get(instance.id), self._records.get(instance.id, Record())
        if sight is None:
            return None
        now = self._clock().elapsed
        looks = list(sight.ring)[-TOLD:]
        return wire.Watch(
            looks=tuple(wire.Look(seconds_ago=round(now - at, 1), saw=word) for at, word in looks),
            restarts=len([at for at in record.restarts if now - at < restarts.WINDOW]),
            held=record.held,
            resting=record.resting,
        )

    def ran(self, instance: Instance) -> float:
        """For how many seconds it has seen a container run since its last start; 0: it has not looked yet."""
        with self._lock:
            sight = self._sights.get(instance.id)
        known = sight is not None and sight.started_at == instance.started_at
        return self._clock().elapsed - sight.since if sight and known else 0.0

    def _sighted(self, instance: Instance) -> Word:
        """One look, and a sign that it ended: many slow ones make a long round, and no hung agent."""
        word = self._look(instance)
        self._sign = self._clock().elapsed
        return word

    def _look(self, instance: Instance) -> Word:
        if instance.stopped:
            return "ended"
        now, sight = self._clock().elapsed, self._sights.setdefault(instance.id, _Sight())
        if sight.started_at != instance.started_at:
            sight.started_at, sight.since = instance.started_at, now
        if instance.running and health.probe(instance, ran=now - sight.since)[0]:
            return "healthy"
        grace = instance.health.start_seconds + (instance.steady_seconds if instance.kind == "worker" else 0)
        return "starting" if instance.running and now - sight.since < grace else "unhealthy"

    def _judge(self, instance: Instance, word: Word) -> None:
        now = self._clock().elapsed
        self._sights.setdefault(instance.id, _Sight()).ring.append((now, word))
        before = self._record(instance.id)
        after = restarts.seen(before, word, now)
        self._note(instance.id, before, after)
        match restarts.decide(after, word, now, self._jitter()):
            case "restart":
                self._restart(instance, after)
            case "hold":
                self._keep(instance.id, replace(after, held=True))
                fields = {"container": instance.full_name, "restarts": len(after.restarts)}
                log.error("it is held: restarts did not help", extra={"fields": fields})
            case _:
                pass

    def _restart(self, instance: Instance, record: Record) -> None:
        """Under the service's lease; whoever takes it first goes first."""
        try:
            lease = self._leases.take(instance.name, wire.LeaseRequest(holder=HOLDER, seconds=LEASE_SECONDS))
        except Failure as failure:
            log.info("no restart now", extra={"fields": {"container": instance.full_name, "reason": str(failure)}})
            return
        try:
            if not self._busy(instance.name) and self._unchanged(instance):
                self._keep(instance.id, restarts.spend(record, self._clock().elapsed))
                self._begin(instance)
        except (EngineError, OSError) as error:
            log.error("no restart", extra={"fields": {"container": instance.full_name, "reason": str(error)}})
        finally:
            self._leases.free(instance.name, lease.fencing)

    def _unchanged(self, instance: Instance) -> bool:
        """Whether it is still what was looked at, now that nobody else may change it."""
        now = next((one for one in self._engine.instances(instance.name) if one.id == instance.id), None)
        facts = (instance.role, instance.status, instance.started_at)
        return now is not None and (now.role, now.status, now.started_at) == facts

    def _begin(self, instance: Instance) -> None:
        log.warning("restarting", extra={"fields": {"container": instance.full_name, "release": instance.release}})
        if instance.stopped:
            self._engine.start(instance.full_name)
        else:
            self._engine.restart(instance.full_name, instances.STOP_SECONDS)

    def _record(self, id: str) -> Record:
        with self._lock:
            return self._records.get(id, Record())

    def _note(self, id: str, before: Record, after: Record) -> None:
        """Keep what was seen; only what must outlive the agent goes to the disk."""
        if _lasting(before) != _lasting(after):
            self._keep(id, after)
            return
        with self._lock:
            self._records[id] = after

    def _keep(self, id: str, record: Record) -> None:
        with self._lock:
            records = {**self._records, id: record}
            lasting = {key: one for key, one in records.items() if _lasting(one) != _lasting(Record())}
            write_private(self._path, _FILE.dump_json(_Kept(self._clock().boot, lasting)))
            self._records = records

    def _forget(self, there: set[str]) -> None:
        with self._lock:
            self._records = {id: one for id, one in self._records.items() if id in there}
            self._sights = {id: one for id, one in self._sights.items() if id in there}

    def _read(self) -> dict[str, Record]:
        """The file; one that cannot be read has the budgets whole, and is told."""
        try:
            kept = _FILE.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValidationError as error:
            log.error("the watchdog's file cannot be read", extra={"fields": {"errors": error.error_count()}})
            return {}
        if kept.boot == self._clock().boot:
            return {id: replace(one, failures=0, good_since=None) for id, one in kept.records.items()}
        return {id: restarts.after_boot(one) for id, one in kept.records.items()}


def _watched(instance: Instance) -> bool:
    return instance.role == "current" and instance.kind != "scheduled" and instance.status != "paused"


def _lasting(record: Record) -> tuple[object, ...]:
    return record.restarts, record.held, record.resting
