"""One service on the droplet: its containers by role, and how a half-done change is finished or undone.

A promotion or a rollback is a few renames and one switch of nginx, and the agent may be killed between any two. What is
being replaced is parked first and becomes the previous one last, so that a parked container says that a change was cut
off. Since only the switch moves requests, nginx's table says which container serves, and `settle` makes the names agree
with it before anything else happens to the service. Where nothing is routed, the names alone say how far a change came:
as long as nobody is current, the parked one has not been replaced.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent import wire
from agent.server import health, instances, symptoms, table
from agent.server.errors import Failure
from agent.server.ports import Engine, EngineError, Instance, Router, RouterError

log = logging.getLogger("agent")

RUN_SECONDS = 60
"""How long a change waits for the end of a scheduled container's run."""
LOG_LINES = 60
_POLL_SECONDS = 0.25
_CRASHES = 5
"""Restarts after which a container that never served is given up before its time is over."""


@dataclass(frozen=True)
class Slots:
    """The containers of one service by role."""

    current: Instance | None = None
    candidate: Instance | None = None
    previous: Instance | None = None
    parked: Instance | None = None
    """What is just being replaced."""
    kept: tuple[Instance, ...] = ()
    """Older releases, the newest first."""

    @property
    def all(self) -> tuple[Instance, ...]:
        """Those that exist, without those that are only kept."""
        return tuple(one for one in (self.current, self.candidate, self.previous, self.parked) if one)

    @property
    def older(self) -> tuple[Instance, ...]:
        """Those that can be gone back to: the previous one and those that are kept."""
        return (self.previous, *self.kept) if self.previous else self.kept


class Service:
    """What is done to one service at a time; the caller holds the service's lock.

    With a `page`, every route that it makes shows it; without one, routes show what the service's routes show already.
    """

    def __init__(self, engine: Engine, router: Router, name: str, page: wire.Maintenance | None = None) -> None:
        self.engine = engine
        self.router = router
        self.name = name
        self.page = page

    def slots(self) -> Slots:
        """The containers as Docker has them now."""
        every = self.engine.instances(self.name)
        found = {one.role: one for one in every}
        kept = sorted((one for one in every if one.role == "kept"), key=lambda one: one.release, reverse=True)
        current, candidate, previous = found.get("current"), found.get("candidate"), found.get("previous")
        return Slots(current, candidate, previous, found.get("parked"), tuple(kept))

    def settle(self) -> Slots:
        """The containers, after a change that was cut off has been undone (or, past its switch, finished)."""
        slots = self.slots()
        if slots.parked and slots.current is None:
            self._undone(slots.parked, [one for one in (slots.candidate, *slots.older) if one])
        elif slots.parked and slots.current:
            self._switched(slots.current, slots.parked)
        elif slots.candidate and not slots.current and slots.candidate.release == self._serving(slots.candidate):
            self._renamed(slots.candidate, "current")  # the service's first, routed and not yet named so
        else:
            return slots
        return self.finish()

    def finish(self) -> Slots:
        """The containers, after what was replaced has become the previous one; what was that before is kept."""
        slots = self.slots()
        if slots.parked is None:
            return slots
        if slots.previous:
            self.engine.rename(slots.previous, "kept")
        self.engine.rename(slots.parked, "previous")
        return self.slots()

    def rename(self, instance: Instance, role: wire.Role) -> Instance:
        """Give a container another role; the container as it is called then."""
        self.engine.rename(instance, role)
        return replace(instance, role=role)

    def with_page(self, page: wire.Maintenance | None) -> Service:
        """The same service, whose routes show this page as soon as they are made; None: nothing new."""
        return Service(self.engine, self.router, self.name, page or self.page)

    def route(self, current: Instance | None) -> bool:
        """Send the service's hosts to this container, or nowhere; says whether that changed anything.

        A service without any host needs no nginx, and does not mind if it is away. A maintenance page stays.
        """
        return self._switch(lambda now: table.with_current(now, self.name, current, self.page), current)

    def show(self, current: Instance | None, page: wire.Maintenance | None) -> bool:
        """The same, with exactly this page or with none."""
        return self._switch(lambda now: table.with_page(now, self.name, current, page), current)

    def _switch(self, change: Callable[[wire.Routes], wire.Routes], current: Instance | None) -> bool:
        try:
            changed = self.router.update(change)
        except RouterError:
            if any(one.hosts for one in self.slots().all):
                raise
            return False
        if changed:
            log.info(
                "routes switched", extra={"fields": {"service": self.name, "release": current and current.release}}
            )
        return changed

    def end(self, instance: Instance) -> None:
        """Stop a container: once its last request has ended, or within the time that it may take after SIGTERM."""
        if instance.hosts:
            self.drain(instance)
        grace = instances.STOP_SECONDS if instance.hosts else instance.drain_seconds
        self.engine.stop(instance.full_name, grace)

    def drain(self, instance: Instance) -> None:
        """Wait until the container answers no request any more, at most its own `drain_seconds`."""
        deadline, quiet = time.monotonic() + instance.drain_seconds, 0
        while quiet < 2 and time.monotonic() < deadline:
            try:
                busy = self.router.in_flight(instance.name, instance.release)
            except RouterError:
                busy = 1  # nobody can say: give the requests their whole time
            quiet = 0 if busy else quiet + 1
            time.sleep(_POLL_SECONDS / 2)

    def wait_run(self, instance: Instance) -> None:
        """Wait until a scheduled container's run has ended, at most RUN_SECONDS; of another kind nothing is awaited.

        Raises:
            Failure: 409 `busy`, it is still going on.
        """
        longest = min(instance.cron.timeout_seconds, RUN_SECONDS) if instance.cron else 0
        deadline = time.monotonic() + longest
        while instance.kind == "scheduled" and (now := self._again(instance)) and not now.stopped:
            if time.monotonic() > deadline:
                since = now.started_at.isoformat(timespec="seconds") if now.started_at else "some time"
                message = f"A run of {self.name} is going on since {since}."
                raise Failure(409, "busy", message, "Try again when it has ended, or stop it first.")
            time.sleep(_POLL_SECONDS)

    def prove(self, instance: Instance) -> None:
        """Wait until the container serves, twice in a row; a scheduled one has nothing to prove before its time.

        Raises:
            Failure: 422 `not_healthy` after the container's `start_seconds`, or once it has crashed again and again.
        """
        proofs, seen = 2 if instance.kind == "scheduled" else 0, "it did not start"
        past = symptoms.Past()
        deadline = time.monotonic() + _patience(instance)
        while proofs < 2:
            now = self._again(instance)
            if now is None:
                raise Failure(404, "not_found", f"{instance.full_name} was removed meanwhile.", "Deploy again.")
            past.note(now)
            answered, seen = health.probe(now) if now.running else (False, _state(now))
            proofs = proofs + 1 if answered else 0
            crashed = now.restarts - instance.restarts >= _CRASHES or now.status in {"exited", "dead"}
            if proofs < 2 and (time.monotonic() > deadline or (crashed and not answered)):
                raise self.not_healthy(now, seen, past)
            time.sleep(_POLL_SECONDS)

    def not_healthy(self, instance: Instance, seen: str, past: symptoms.Past | None = None) -> Failure:
        """The refusal of a container, with the last lines it wrote and all that may tell why.

        Args:
            instance: as it is now, before anybody stops it.
            seen: what was seen of it, in words.
            past: how it was before.
        """
        message = f"{instance.full_name} ({instance.release}) is not healthy: {seen}."
        hint = f"Read its log: GET /containers/{instance.name}/logs?role={instance.role}."
        found = symptoms.gather(self.engine, self.router, instance, past)
        return Failure(422, "not_healthy", message, hint, log=self._tail(instance), probe=seen).because(found)

    def not_started(self, instance: Instance, error: EngineError) -> Failure:
        """The refusal of a container that Docker could not begin."""
        return self.not_healthy(replace(instance, error=str(error)), f"Docker could not start it: {error}")

    def _tail(self, instance: Instance) -> str:
        try:
            stream = self.engine.logs(instance.full_name, tail=LOG_LINES)
            return "\n".join(entry.text[:500] for entry in stream) or "(it wrote nothing)"
        except EngineError as error:
            return f"(its log could not be read: {error})"

    def _again(self, instance: Instance) -> Instance | None:
        return next((one for one in self.engine.instances(self.name) if one.id == instance.id), None)

    def _serving(self, *among: Instance) -> str | None:
        """The release that nginx sends requests to; nginx is not asked when none of these has a host."""
        if not any(one.hosts for one in among):
            return None
        return next((route.release for route in self.router.read().routes if route.container == self.name), None)

    def _undone(self, parked: Instance, others: Sequence[Instance]) -> None:
        """Nobody is current: whoever requests reach already becomes it, else the parked one again."""
        serving = self._serving(parked, *others)
        if taking := next((one for one in others if one.release == serving), None):
            self._renamed(taking, "current")
        elif any(one.in_turn for one in (parked, *others)):
            self._begin_again(parked, [one for one in others if not one.stopped])
        else:
            self._renamed(parked, "current")

    def _begin_again(self, parked: Instance, others: Sequence[Instance]) -> None:
        """The parked one runs again, alone."""
        for one in others:
            self.end(one)
        if parked.kind != "scheduled":
            self.engine.start(parked.full_name)
        current = self._renamed(parked, "current")
        if current.hosts:
            self._route_when_proven(current)

    def _route_when_proven(self, current: Instance) -> None:
        try:
            self.prove(current)
        except Failure as failure:  # whoever starts or replaces it is told
            log.warning("it is back, and does not serve", extra={"fields": {"reason": str(failure)}})
        else:
            self.route(current)

    def _switched(self, current: Instance, parked: Instance) -> None:
        """All names were changed, nginx perhaps not: change it, or take the names back if the new one is dead."""
        if parked.release != self._serving(current, parked):
            return
        if current.running and health.probe(current)[0]:
            self.route(current)
            return
        self._renamed(current, "candidate")
        self._renamed(parked, "current")

    def _renamed(self, instance: Instance, role: wire.Role) -> Instance:
        log.warning("a change that was cut off is put right", extra={"fields": {"container": instance.full_name}})
        return self.rename(instance, role)


def _patience(instance: Instance) -> float:
    """Seconds within which a container must be proven; a worker's time of running well is not part of its start."""
    return instance.health.start_seconds + (instance.steady_seconds if instance.kind == "worker" else 0)


def _state(instance: Instance) -> str:
    what = f"exit code {instance.exit_code}, {instance.restarts} restart(s)"
    return f"it does not run: {instance.status}, {instance.error or what}"
