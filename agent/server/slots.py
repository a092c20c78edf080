"""One service on the droplet: its three roles, and how a half-done change is finished or undone.

A promotion or a rollback is a few renames and one switch of nginx, and the agent may be killed between any two. Since
only the switch moves requests, nginx's table says which container serves, and `settle` makes the names agree with it
before anything else happens to the service.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from agent import wire
from agent.server import health, table
from agent.server.errors import Failure
from agent.server.ports import Engine, EngineError, Instance, Router, RouterError

log = logging.getLogger("agent")

STOP_SECONDS = 10
"""Between SIGTERM and SIGKILL."""
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

    @property
    def all(self) -> tuple[Instance, ...]:
        """Those that exist."""
        return tuple(one for one in (self.current, self.candidate, self.previous) if one)


class Service:
    """What is done to one service at a time; the caller holds the service's lock."""

    def __init__(self, engine: Engine, router: Router, name: str) -> None:
        self.engine = engine
        self.router = router
        self.name = name

    def slots(self) -> Slots:
        """The containers as Docker has them now."""
        found = {one.role: one for one in self.engine.instances(self.name)}
        return Slots(found.get("current"), found.get("candidate"), found.get("previous"))

    def settle(self) -> Slots:
        """The containers, after a change that was cut off has been undone (or, past its switch, finished)."""
        slots = self.slots()
        if slots.current is None and slots.previous:
            serving = self._serving()
            heirs = [one for one in (slots.candidate, slots.previous) if one and one.release == serving]
            return self._renamed((heirs or [slots.previous])[0], "current")
        if slots.current and slots.candidate and not slots.previous and self._serving() == slots.candidate.release:
            slots = self._renamed(slots.candidate, "previous")
        if slots.current and slots.previous and self._serving() == slots.previous.release:
            return self._switched(slots.current, slots.previous)
        return slots

    def route(self, current: Instance | None) -> bool:
        """Send the service's hosts to this container, or nowhere; says whether that changed anything."""
        changed = self.router.update(lambda now: table.with_current(now, self.name, current))
        if changed:
            log.info(
                "routes switched", extra={"fields": {"service": self.name, "release": current and current.release}}
            )
        return changed

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

    def prove(self, instance: Instance) -> None:
        """Wait until the container serves, twice in a row.

        Raises:
            Failure: 422 `not_healthy` after the container's `start_seconds`, or once it has crashed again and again.
        """
        deadline, proofs, seen = time.monotonic() + instance.health.start_seconds, 0, "it did not start"
        while proofs < 2:
            now = next((one for one in self.engine.instances(self.name) if one.id == instance.id), None)
            if now is None:
                raise Failure(404, "not_found", f"{instance.full_name} was removed meanwhile.", "Deploy again.")
            answered, seen = health.probe(now) if now.running else (False, _state(now))
            proofs = proofs + 1 if answered else 0
            crashed = now.restarts - instance.restarts >= _CRASHES or now.status in {"exited", "dead"}
            if proofs < 2 and (time.monotonic() > deadline or (crashed and not answered)):
                raise self.not_healthy(now, seen)
            time.sleep(_POLL_SECONDS)

    def not_healthy(self, instance: Instance, seen: str) -> Failure:
        """The refusal of a container, with the last lines it wrote."""
        message = f"{instance.full_name} ({instance.release}) is not healthy: {seen}."
        hint = f"Read its log: GET /containers/{instance.name}/logs?role={instance.role}."
        return Failure(422, "not_healthy", message, hint, log=self._tail(instance), probe=seen)

    def _tail(self, instance: Instance) -> str:
        try:
            stream = self.engine.logs(instance.full_name, tail=LOG_LINES)
            return "\n".join(entry.text[:500] for entry in stream) or "(it wrote nothing)"
        except EngineError as error:
            return f"(its log could not be read: {error})"

    def _serving(self) -> str | None:
        return next((route.release for route in self.router.read().routes if route.container == self.name), None)

    def _switched(self, current: Instance, previous: Instance) -> Slots:
        """All names were changed, but not nginx: change it, or take the names back if the new one is dead by now."""
        if current.running and health.probe(current)[0]:
            self.route(current)
            return self.slots()
        self._renamed(current, "candidate")
        return self._renamed(previous, "current")

    def _renamed(self, instance: Instance, role: wire.Role) -> Slots:
        log.warning("a change that was cut off is put right", extra={"fields": {"container": instance.full_name}})
        self.engine.rename(instance, role)
        return self.slots()


def _state(instance: Instance) -> str:
    what = f"exit code {instance.exit_code}, {instance.restarts} restart(s)"
    return f"it does not run: {instance.status}, {instance.error or what}"
