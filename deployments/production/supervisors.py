"""Who keeps the parts running: systemd on a machine that has it, else plain processes that this program finds again."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import psutil

from deployments.processes import Process, ProcessFailed
from deployments.production import units
from deployments.production.parts import Part, folder
from deployments.production.settings import ProductionSettings
from deployments.settings import ROOT

COMMAND_DEADLINE = 60
"""Seconds that one `systemctl` may take, beside what it waits for."""


class Supervisor(Protocol):
    """Starts and ends parts; all of it may be repeated."""

    @property
    def user(self) -> str | None:
        """Who runs all parts but the gateway; none: whoever runs this."""

    def start(self, part: Part) -> bool:
        """Starts it unless it runs; says whether it did."""

    def stop(self, part: Part) -> bool:
        """Ends it, and waits for it; says whether it ran. A worker first sees its runs to their end."""

    def reload(self, part: Part) -> None:
        """Has a part that runs read its files again, by a SIGHUP."""

    def runs(self, part: Part) -> bool:
        """Whether it runs."""

    def tail(self, part: Part) -> str:
        """The last lines that it wrote."""


def of_this_machine(settings: ProductionSettings) -> Supervisor:
    """systemd where it runs this machine."""
    return Systemd() if Path("/run/systemd/system").exists() else Processes(settings)


class Systemd:
    """Units of the machine; `units.py` renders them."""

    user: str | None = units.USER

    def start(self, part: Part) -> bool:
        """Starts the unit."""
        started = not self.runs(part)
        self._ask(units.START, "start", f"{part.name}.service")
        return started

    def stop(self, part: Part) -> bool:
        """Stops the unit, however long its runs take, up to an hour."""
        ran = self.runs(part)
        self._ask(units.LONGEST_RUN if part.ends_alone else units.STOP, "stop", f"{part.name}.service")
        return ran

    def reload(self, part: Part) -> None:
        """Sends the unit's first process a SIGHUP."""
        self._ask(0, "kill", "--signal=HUP", "--kill-who=main", f"{part.name}.service")

    def runs(self, part: Part) -> bool:
        """Whether the unit is active."""
        command = ["systemctl", "is-active", "--quiet", f"{part.name}.service"]
        return subprocess.run(command, timeout=COMMAND_DEADLINE, check=False).returncode == 0

    def tail(self, part: Part) -> str:
        """From the journal."""
        command = ["journalctl", "--unit", f"{part.name}.service", "--lines", "20", "--no-pager", "--output", "cat"]
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_DEADLINE, check=False).stdout

    def adopt(self) -> None:
        """Makes systemd read the units again, and start them at boot."""
        self._ask(0, "daemon-reload")
        self._ask(0, "enable", "--quiet", units.TARGET)

    @staticmethod
    def _ask(seconds: int, *words: str) -> None:
        command = ["systemctl", *words]
        deadline = seconds + COMMAND_DEADLINE
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline, check=False)
        if done.returncode:
            raise ProcessFailed(f"`{' '.join(command)}` failed: {done.stderr.strip()}")


@dataclass(frozen=True)
class Processes:
    """Processes with pid files and logs in the state folder, for a machine without systemd; nobody restarts them."""

    settings: ProductionSettings
    user: str | None = None

    def start(self, part: Part) -> bool:
        """Starts the process."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return self.process(part).start(list(part.command), {**clean, **part.values, **part.secrets}, ROOT)

    def stop(self, part: Part) -> bool:
        """Ends the process, by force after the deadline."""
        if part.ends_alone and (found := self.process(part).find()):
            found.terminate()
            with suppress(psutil.TimeoutExpired):
                found.wait(timedelta(seconds=units.LONGEST_RUN).total_seconds())
            self.process(part).stop()
            return True
        return self.process(part).stop()

    def reload(self, part: Part) -> None:
        """Sends the process a SIGHUP."""
        if found := self.process(part).find():
            found.send_signal(signal.SIGHUP)

    def runs(self, part: Part) -> bool:
        """Whether the process is there."""
        return self.process(part).find() is not None

    def tail(self, part: Part) -> str:
        """From its log."""
        return self.process(part).tail()

    def process(self, part: Part) -> Process:
        """The process of a part."""
        return Process(part.name, folder(self.settings) / "parts")
