"""Long-running processes of the embedded controller: started once, found again, ended by pid."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

STOP_DEADLINE = timedelta(seconds=20)


class ProcessFailed(Exception):
    """A process ended or did not become ready in time; the message holds the last lines of its log."""


@dataclass(frozen=True)
class Process:
    """A process with a pid file and a log; the pid file holds pid and start time, so a reused pid is not ours."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"

    def start(self, command: list[str], environment: dict[str, str], cwd: Path) -> bool:
        """Starts it detached unless it runs; says whether it did."""
        if self.find():
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(  # our own command, no shell
                command,
                env=environment,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        child.returncode = 0  # detached on purpose: without this its handle warns that it still runs
        self._file.write_text(f"{child.pid} {psutil.Process(child.pid).create_time()}")
        return True

    def find(self) -> psutil.Process | None:
        """The running process, if it is still the one that was started."""
        try:
            pid, started = self._file.read_text().split()
            process = psutil.Process(int(pid))
            same = process.create_time() == float(started) and process.status() != psutil.STATUS_ZOMBIE
            return process if same else None
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None

    def wait_ready(self, ready: Callable[[], bool], deadline: timedelta) -> None:
        """Polls until `ready()`.

        Raises:
            ProcessFailed: the process ended, or was not ready within the deadline.
        """
        end = time.monotonic() + deadline.total_seconds()
        while not ready():
            if not self.find():
                raise ProcessFailed(f"{self.name} ended. The end of {self.log}:\n{self.tail()}")
            if time.monotonic() > end:
                raise ProcessFailed(
                    f"{self.name} was not ready within {deadline}. The end of {self.log}:\n{self.tail()}"
                )
            time.sleep(0.2)

    def stop(self) -> bool:
        """Ends it and its children, by force after the deadline; says whether it ran."""
        process = self.find()
        if process is None:
            self._file.unlink(missing_ok=True)
            return False
        family = [process, *process.children(recursive=True)]
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=STOP_DEADLINE.total_seconds())
        for survivor in alive:
            survivor.kill()
        self._file.unlink(missing_ok=True)
        return True

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    @property
    def _file(self) -> Path:
        return self.folder / f"{self.name}.pid"
