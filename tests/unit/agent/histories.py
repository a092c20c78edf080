"""A droplet in memory on which one service is changed, and what must hold of it at every moment."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from agent import wire
from agent.server import containers, keeping, maintenance, rollout
from agent.server.errors import Failure
from agent.server.ports import Instance
from agent.server.slots import Service
from tests.fakes.engine import FakeEngine
from tests.fakes.router import Crashes, FakeRouter, Killed
from tests.unit.agent.builders import HOST, KINDS, NAME, release, spec

BAD = release(3)
"""This release never starts."""
PAGE = wire.Maintenance(message="Back soon")


KEEP = 2
"""How many older releases stay when a service is retired here."""
EFFECTS = frozenset(f"engine.{verb}" for verb in ("create", "start", "stop", "restart", "rename", "remove"))
"""The calls that change Docker; nginx has one."""


@dataclass(frozen=True)
class Change:
    """One call of the agent, and the release that it names."""

    verb: str
    number: int = 1
    failed: int = 0
    """Of a change that is taken back: the release that failed."""

    def __str__(self) -> str:
        return f"{self.verb} {self.number}"


WEB = {"web", "web with a volume"}
Shapes = tuple[str, ...]
"""The kinds that the releases of a service have, in turn: release 1 the first one, release 2 the second, and so on."""


class Scene:
    """An engine, a router, and a service; `broken` has every rule that was broken at any moment.

    Args:
        kinds: what kind of service each release is.
    """

    def __init__(self, kinds: Shapes = ("web",)) -> None:
        self.kinds = kinds
        self.crashes = Crashes()
        self.engine, self.router = FakeEngine(self.crashes), FakeRouter(self.crashes)
        self.image = self.engine.add_image(b"app").id
        self.engine.crashing.add(BAD)
        self.engine.head_start = timedelta(minutes=1)
        self.broken: list[str] = []
        self.may_stop_serving = False
        self.under_maintenance = False
        """Whether it was begun, and nothing has ended it since."""
        self._served = False
        self.crashes.watch = self._look

    def close(self) -> None:
        """End it."""
        self.crashes.watch = lambda: None
        self.engine.close()

    def run(self, change: Change) -> str:
        """Carry it out in an agent that has just started; `changed`, `same`, or the code of the refusal."""
        self.may_stop_serving = change.verb in {"stop", "remove", "begin", "end"}
        self.under_maintenance = self.under_maintenance and change.verb not in {"end", "remove"}
        service = Service(self.engine, self.router, NAME)
        try:
            changed = CALLS[change.verb](service, change, self.spec(change.number))
        except Failure as failure:
            return failure.problem.code
        self.under_maintenance = self.under_maintenance or (change.verb == "begin" and set(self.kinds) <= WEB)
        return "changed" if changed else "same"

    def spec(self, number: int) -> wire.ContainerSpec:
        """What a release runs."""
        return spec(number, self.image, **KINDS[self.kinds[number % len(self.kinds)]])

    def run_and_die(self, change: Change, at: int, *, done: bool) -> bool:
        """The same, but the agent dies at its `at`th call; whether it came that far."""
        self.crashes.at(at, done=done)
        try:
            self.run(change)
        except Killed:
            return True
        finally:
            self.crashes.disarm()
        return False

    def moving(self) -> list[Change]:
        """What would send requests to another container now."""
        verbs = {"candidate": "promote", "previous": "rollback", "kept": "rollback"}
        found = [one for one in self.engine.instances() if one.role in verbs]
        return [Change(verbs[one.role], number(one.release)) for one in found]

    def undoing(self) -> list[Change]:
        """What a run would ask whose release, the present one, has failed."""
        present = self.roles.get("current")
        return [Change("take back", one.number, number(present)) for one in self.moving() if present]

    def sensible(self) -> list[Change]:
        """What a controller might ask now."""
        again = [
            Change(verb, number(self.roles["current"])) for verb in ("promote", "rollback") if "current" in self.roles
        ]
        others = (
            "stop",
            "retire",
            "retire",
            "retire",
            "start",
            "restart",
            "remove",
            "remove_candidate",
            "begin",
            "end",
        )
        return [
            *self.moving(),
            *self.undoing(),
            *again,
            *(Change("prepare", one) for one in range(1, 6)),
            *map(Change, (*others, "begin", "end")),
        ]

    def settle(self) -> None:
        """What the next call does first."""
        self.may_stop_serving = False
        Service(self.engine, self.router, NAME).settle()

    @property
    def roles(self) -> dict[str, str]:
        """The release of each role; each that is kept has one of its own, like `kept-20261124t000001-abcdef`."""
        return {role_of(one): one.release for one in self.engine.instances()}

    @property
    def serving(self) -> str | None:
        """The release that visitors are sent to; nobody is during maintenance."""
        return next((one.release for one in self.router.table.routes if one.host == HOST and not one.maintenance), None)

    @property
    def page(self) -> wire.Maintenance | None:
        """The page that visitors get instead."""
        return next((route.maintenance for route in self.router.table.routes if route.host == HOST), None)

    @property
    def alive(self) -> tuple[str, ...]:
        """The releases that run."""
        return tuple(one.release for one in self.engine._found.values() if one.running)

    @property
    def state(self) -> tuple[dict[str, tuple[str, str]], str | None, wire.Maintenance | None]:
        """Roles with releases and whether they run, who serves, and which page is shown instead."""
        return {role_of(one): (one.release, one.status) for one in self.engine.instances()}, self.serving, self.page

    def _look(self) -> None:
        found = list(self.engine._found.values())
        taken = [name for name, times in Counter(one.full_name for one in found).items() if times > 1]
        if taken:
            self.broken.append(f"{taken} exist twice")
        routes = [one for one in self.router.table.routes if not one.maintenance]
        if self.under_maintenance and self.page is None:
            self.broken.append("visitors do not get the page any more")
        for route in routes:
            if not any(one.release == route.release and one.address == route.address for one in found):
                self.broken.append(f"{route.release} is routed, and is not here")
            elif not _answers(route):
                self.broken.append(f"{route.release} is routed, and does not answer")
        rolling = not any(one.in_turn for one in found)
        if self._served and not routes and rolling and not self.may_stop_serving:
            self.broken.append("nobody serves any more")
        self._served = bool(routes)
        running = [one for one in found if one.running]
        if len(running) > 1 and any(one.stops_first for one in running):
            self.broken.append(f"{[one.full_name for one in running]} run at the same time")


def number(release: str) -> int:
    """Which one it is; the inverse of `builders.release`."""
    return int(release[9:15])


def role_of(one: Instance) -> str:
    """What a container is on its droplet, and for a kept one which."""
    return f"kept-{one.release}" if one.role == "kept" else one.role


def _answers(route: wire.Route) -> bool:
    try:
        with closing(socket.create_connection((route.address, route.port), 1)):
            return True
    except OSError:
        return False


CALLS: dict[str, Callable[[Service, Change, wire.ContainerSpec], bool]] = {
    "prepare": lambda service, _, wanted: rollout.prepare(service, wanted),
    "promote": lambda service, change, _: rollout.promote(service, release(change.number)),
    "rollback": lambda service, change, _: rollout.roll_back(service, release(change.number)),
    "take back": lambda service, change, _: keeping.roll_back(
        service, wire.Rollback(release=release(change.number), failed=release(change.failed))
    ),
    "stop": lambda service, *_: containers.stop(service, wire.Stop()),
    "retire": lambda service, *_: keeping.retire(service, wire.Retire(keep=KEEP)),
    "start": lambda service, *_: containers.start(service),
    "restart": lambda service, *_: containers.restart(service),
    "remove": lambda service, *_: containers.remove(service),
    "begin": lambda service, *_: maintenance.begin(service, PAGE),
    "end": lambda service, *_: maintenance.end(service),
    "remove_candidate": lambda service, *_: containers.remove_candidate(service),
}
