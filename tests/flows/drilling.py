"""Droplets that fail on purpose: systemd and the product's own injection, played on a fleet of fakes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.server import drills, injection
from agent.server.drills import Drills
from agent.server.injection import FAULTS, Place
from tasks.drills import watching
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine


class Systemd:
    """Carries drills out on the machines of a fleet; `table` has what was shown last, row by row.

    `later` has what happens by itself, each with the seconds after which it does.
    """

    def __init__(self, fleet: Fleet, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.fleet, self.done = fleet, list[str]()
        self.down: set[str] = set()
        """Machines whose nginx does not run."""
        self.table: list[dict[str, Any]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.on_sleep: Callable[[], None] = lambda: None
        visit = fleet.visit
        self._lane: Any = vars(watching)["time"]
        patch.setattr(fleet, "visit", lambda host, path="/": self._visit(visit(host, path), host))
        patch.setattr(Drills, "_start", lambda one: self._start(one))
        patch.setattr(Drills, "end", lambda one: self._end(one))
        patch.setattr("tasks.drills.files.folder", lambda: folder / "drills")
        patch.setattr("tasks.drills.report.create_table_artifact", self._show)
        patch.setattr("tasks.drills.watching.time", self)
        self.now = 0.0

    def monotonic(self) -> float:
        """Stands in for the module `time` of whoever watches."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time goes by; what is due happens."""
        self.now += seconds
        self._lane.sleep(seconds)
        self.on_sleep()
        due = [call for at, call in self.later if at <= self.now]
        self.later = [(at, call) for at, call in self.later if at > self.now]
        for call in due:
            call()

    def sleep_long(self, time: timedelta) -> None:
        """A while in which nobody looks."""
        self._lane.sleep(time.total_seconds())

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Something happens by itself."""
        self.later.append((self.now + seconds, call))

    def machine(self, one: Drills) -> Machine:
        """Whose drills these are."""
        return next(machine for machine in self.fleet.machines if machine.folder / "run" == one._run)

    def _start(self, one: Drills) -> None:
        machine = self.machine(one)
        place = self._place(machine)
        order = injection._order(place)
        FAULTS[order.fault].inject(order, place)
        injection._tell(place, "running" if FAULTS[order.fault].undo else "over")

    def _end(self, one: Drills) -> Any:
        if one.read().phase in drills.UNDER_WAY:
            place = self._place(self.machine(one))
            injection._undo(injection._order(place), place)
            injection._tell(place, "over")
        return one.read()

    def _place(self, machine: Machine) -> Place:
        state = machine.folder / "state"
        return Place(machine.folder / "run", state, lambda *words: self._command(machine, words))

    def _command(self, machine: Machine, words: tuple[str, ...]) -> None:
        self.done.append(" ".join(words))
        match words:
            case ("docker", "kill", name):
                machine.engine.exit(name, 137)
                self.after(10, lambda: machine.engine.start(name))  # as the watchdog does
            case ("systemctl", "stop", "nginx.service"):
                self.down.add(machine.address)
            case ("systemctl", "start", "nginx.service"):
                self.down.discard(machine.address)
            case ("systemctl", "kill", signal, *_) if signal != "--signal=SIGCONT":
                machine.silence()
                self.after(20 if "STOP" in signal else 1, machine.wake)
            case _:
                pass

    def _visit(self, found: list[tuple[int, str]], host: str) -> list[tuple[int, str]]:
        return [(521, "nginx is down")] if self.down else found

    def _show(self, table: list[dict[str, Any]], key: str, description: str) -> None:
        assert key == "drills"
        assert description.startswith("# ")
        self.table = table
