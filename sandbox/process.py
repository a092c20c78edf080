"""The server as a detached process: started once, found again, ended by its own pid."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from ssl import create_default_context

import httpx
import psutil

from sandbox.errors import SandboxError
from sandbox.server import Options

START_SECONDS = 900.0
STOP_SECONDS = 120.0
_POLL_SECONDS = 0.2
_ANSWER_SECONDS = 3.0


class ServerProcess:
    """The background server of one state folder; its pid file names pid and start time, so a reused pid is not ours."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._state = options.state
        self._pid_file = self._state / "sandbox.pid"
        self._phase_file = self._state / "phase"
        self._log = self._state / "sandbox.log"

    def start(self) -> None:
        """Starts it unless it runs."""
        if self._find() is not None:
            return
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._phase_file.unlink(missing_ok=True)
        options = self._options
        command = [sys.executable, "-m", "sandbox", "serve", f"--state={options.state}", f"--port={options.port}"]
        with self._log.open("ab") as log:
            child = subprocess.Popen(
                [*command, f"--pace={options.pace}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        child.returncode = 0  # detached on purpose: without this its handle warns that it still runs
        self._pid_file.write_text(f"{child.pid} {psutil.Process(child.pid).create_time()}")

    def wait_ready(self, show: Callable[[str], None]) -> None:
        """Waits until it answers, showing what it does meanwhile; a SandboxError holds the end of its log."""
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._find() is None:
                raise SandboxError(f"The sandbox ended. The end of {self._log}:\n{self._tail()}", "Mend it and repeat.")
            if time.monotonic() > deadline:
                raise SandboxError("The sandbox does not answer.", f"Look into {self._log}.")
            if self._phase_file.exists():
                show(self._phase_file.read_text())
            time.sleep(_POLL_SECONDS)

    def answers(self) -> bool:
        """Whether this state's sandbox answers on its port, with its own certificate."""
        authority = self._state / "ca.pem"
        if self._find() is None or not authority.exists():
            return False
        trusted = create_default_context(cafile=str(authority))
        try:
            url = f"https://localhost:{self._options.port}/sandbox/status"
            return httpx.get(url, verify=trusted, timeout=_ANSWER_SECONDS, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """Ends it, by force after two minutes. May be repeated."""
        process = self._find()
        if process is not None:
            process.terminate()
            _, alive = psutil.wait_procs([process], timeout=STOP_SECONDS)
            for survivor in alive:
                survivor.kill()
        self._pid_file.unlink(missing_ok=True)

    def note(self, phase: str) -> None:
        """Called by the server: what it does now."""
        self._phase_file.write_text(phase)

    def _find(self) -> psutil.Process | None:
        try:
            pid, started = self._pid_file.read_text().split()
            process = psutil.Process(int(pid))
            same = process.create_time() == float(started) and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process if same else None

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
