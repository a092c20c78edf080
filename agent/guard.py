"""Puts another version of the agent in the place of the one that runs, and takes it back unless it proves itself.

It stands alone: systemd runs this very file with the system's Python, from where the base snapshot put it, so that it
needs neither of the two versions. Each has a folder of its own; `/opt/deployer` is a link to the one that is used.

    guard.py upgrade   install what the agent received, switch, watch, and wait for the controller's word
    guard.py settle    take back what an `upgrade` that was cut off has left
    guard.py boot      the same before the agent starts: nothing is restarted, or waited for

The order and how far it has come are in one file, which the agent writes first and reads ever after.
Of its phases `trial` means that the new version runs and has yet to answer, `proven` that it answers and the controller
has yet to confirm it, `returned` that the old one runs again, `failed` that the new one was never switched to.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROOF_SECONDS: Final = 60.0
"""How long the new version may take to answer."""
STEADY_SECONDS: Final = 5.0
"""For how long it has to answer without a break."""
CONFIRM_SECONDS: Final = 300.0
"""How long the controller may take to confirm it; one that it cannot reach is of no use."""
MOST_CRASHES: Final = 5
COMMAND_SECONDS: Final = 240.0
ANSWER_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.5
PORT: Final = 9999
UNITS: Final = ("deployer-agent.service", "deployer-cron.service")
_MEMBER: Final = re.compile(r"(wheels/)?[A-Za-z0-9_.+-]+")


class Failed(Exception):
    """A step went wrong; the message says which, and shows what it printed."""


@dataclass(frozen=True)
class Paths:
    """Where everything is."""

    link: Path = Path("/opt/deployer")
    versions: Path = Path("/opt/deployer-versions")
    folder: Path = Path("/var/lib/deployer/upgrade")
    """What the agent received, the state, and the controller's word."""
    run: Path = Path("/run/deployer")
    droplet: Path = Path("/etc/deployer/droplet")

    @property
    def state(self) -> Path:
        """How far an upgrade has come."""
        return self.folder / "state.json"


class Droplet:
    """The droplet that the guard runs on."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.now: Callable[[], float] = time.monotonic
        self.sleep: Callable[[float], None] = time.sleep

    def run(self, *command: str) -> str:
        """What a command printed; raises Failed when it fails, or takes too long."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"`{command[0]}` did not end within {COMMAND_SECONDS:.0f} s") from error
        if done.returncode:
            lines = " / ".join((done.stdout + done.stderr).strip().splitlines()[-5:])
            raise Failed(f"`{' '.join(command)[:200]}` failed with exit code {done.returncode}: {lines}")
        return done.stdout

    def version(self) -> str:
        """The version of the agent that answers; raises OSError when none does, or another certificate is shown."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self._paths.run / "agent.pem")
        connection = _Local(self._paths.droplet.read_text().strip(), context)
        try:
            connection.request("GET", "/ping")
            return str(json.loads(connection.getresponse().read())["version"])
        except (http.client.HTTPException, ValueError, KeyError) as error:
            raise OSError(f"it answers strangely: {error}") from error
        finally:
            connection.close()

    def crashes(self) -> int:
        """How often systemd had to start the agent again."""
        return int(self.run("systemctl", "show", "--property=NRestarts", "--value", UNITS[0]).strip() or 0)


class _Local(http.client.HTTPConnection):
    """A connection to this machine's agent, whose certificate names the droplet."""

    def __init__(self, name: str, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", PORT, timeout=ANSWER_SECONDS)
        self._name, self._context = name, context

    def connect(self) -> None:
        """Opens it; called by the first request."""
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name)


class Guard:
    """One upgrade."""

    def __init__(self, system: Droplet, paths: Paths) -> None:
        self._system, self._paths = system, paths
        self._state: dict[str, Any] = {}

    def upgrade(self) -> None:
        """Carry out what was ordered; ends with the new version confirmed, or with the old one in its place."""
        self._read()
        if self._state.get("phase") != "ordered":
            return
        try:
            fresh = self._install()
        except (Failed, OSError, tarfile.TarError, KeyError, ValueError) as error:
            self._discard(f"it could not be installed: {error}")
            return
        self._write(phase="trial", previous=self._paths.link.resolve().name, fresh=fresh.name)
        self._switch(fresh)
        if reason := self._try():
            self._take_back(reason)
            return
        self._write(phase="proven")
        if not self._until(self._confirmed, CONFIRM_SECONDS):
            self._take_back(f"no controller confirmed it within {CONFIRM_SECONDS:.0f} s")
            return
        self._write(phase="upgraded")
        self._tidy()

    def settle(self, restart: bool = True) -> None:
        """Take back what is neither confirmed nor taken back; without one, nothing happens."""
        self._read()
        phase = self._state.get("phase")
        if phase in ("trial", "proven"):
            self._take_back("the upgrade was cut off", restart)
        elif phase in ("ordered", "installing"):
            self._discard("the upgrade was cut off before it switched")

    def _install(self) -> Path:
        """The new version's folder, complete."""
        self._write(phase="installing")
        work = self._unpack()
        folder = self._paths.versions / f"{self._state['version']}-{self._state['wheel'][7:19]}"
        if folder == self._paths.link.resolve():
            raise Failed("it is what runs already")
        shutil.rmtree(folder, ignore_errors=True)
        if self._state["whole"]:
            self._system.run("python3", "-m", "venv", "--without-pip", str(folder))
        else:
            self._system.run("cp", "--archive", f"{self._paths.link.resolve()}/.", str(folder))
        python = str(folder / "bin" / "python")
        self._system.run(
            python, f"{next(work.glob('wheels/pip-*.whl'))}/pip", "--isolated", "--disable-pip-version-check",
            "install", "--no-index", "--no-cache-dir", "--no-deps", "--force-reinstall", "--require-hashes",
            f"--find-links={work / 'wheels'}", f"--requirement={work / 'requirements.txt'}",
        )  # fmt: skip
        said = self._system.run(python, "-c", "import agent.server.app; print(agent.__version__)").strip()
        if said != self._state["version"]:
            raise Failed(f"it calls itself {said}, not {self._state['version']}")
        shutil.copy(work / "agent.json", folder / "agent.json")
        shutil.rmtree(work)
        return folder

    def _unpack(self) -> Path:
        """What the controller sent, if it is what was ordered: flat files, and nothing that could leave the folder."""
        bundle, work = self._paths.folder / "bundle.tar", self._paths.folder / "work"
        if f"sha256:{hashlib.sha256(bundle.read_bytes()).hexdigest()}" != self._state["bundle"]:
            raise Failed("the archive is not the one that was ordered")
        shutil.rmtree(work, ignore_errors=True)
        (work / "wheels").mkdir(parents=True)
        with tarfile.open(bundle) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is None or not _MEMBER.fullmatch(member.name):
                    raise Failed(f"the archive holds {member.name!r}")
                (work / member.name).write_bytes(content.read())
        bundle.unlink()
        return work

    def _try(self) -> str:
        """Why the new version is no good; empty when it is."""
        self._system.run("systemctl", "--no-block", "restart", *UNITS)
        began = good_since = self._system.now()
        before, last = self._system.crashes(), "nothing yet"
        while (now := self._system.now()) - began < PROOF_SECONDS:
            try:
                answer = self._system.version()
                last = f"version {answer}"
                good_since = good_since if answer == self._state["version"] else now
            except OSError as error:
                last, good_since = str(error), now
            if now - good_since >= STEADY_SECONDS:
                return ""
            before = min(before, crashes := self._system.crashes())
            if crashes - before >= MOST_CRASHES:
                return f"it crashed {crashes - before} times in {now - began:.0f} s"
            self._system.sleep(POLL_SECONDS)
        return f"it did not answer well within {PROOF_SECONDS:.0f} s; last seen: {last}"

    def _take_back(self, reason: str, restart: bool = True) -> None:
        """The old version is used again; the new one is gone, its last lines are kept."""
        log = self._last_lines()
        self._switch(self._paths.versions / self._state["previous"])
        if restart:
            self._system.run("systemctl", "--no-block", "restart", *UNITS)
            if not self._until(self._answers, PROOF_SECONDS):
                reason += "; the old version does not answer either"
        self._write(phase="returned", reason=reason, log=log)
        self._tidy()

    def _last_lines(self) -> str:
        """What the agent wrote at the end; evidence, and no reason to stay with a bad version."""
        with contextlib.suppress(Failed):
            return self._system.run("journalctl", "--unit", UNITS[0], "--lines=20", "--output=cat", "--no-pager")
        return ""

    def _discard(self, reason: str) -> None:
        """Nothing was switched, and nothing will be."""
        self._write(phase="failed", reason=reason)
        self._tidy()

    def _switch(self, folder: Path) -> None:
        """Which version is used, in one step."""
        fresh = self._paths.link.with_name(f"{self._paths.link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(folder)
        fresh.replace(self._paths.link)

    def _tidy(self) -> None:
        """Only the version that is used stays."""
        used = self._paths.link.resolve()
        for folder in self._paths.versions.iterdir():
            if folder != used:
                shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self._paths.folder / "work", ignore_errors=True)
        for name in ("bundle.tar", "confirmed"):
            (self._paths.folder / name).unlink(missing_ok=True)

    def _confirmed(self) -> bool:
        marker = self._paths.folder / "confirmed"
        return marker.exists() and marker.read_text() == self._state["wheel"]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self._system.version())
        return False

    def _until(self, look: Callable[[], bool], seconds: float) -> bool:
        end = self._system.now() + seconds
        while not look():
            if self._system.now() > end:
                return False
            self._system.sleep(POLL_SECONDS)
        return True

    def _read(self) -> None:
        self._state = json.loads(self._paths.state.read_text()) if self._paths.state.exists() else {}

    def _write(self, **changes: Any) -> None:
        self._state |= changes
        draft = self._paths.state.with_name("state.new")
        draft.write_text(json.dumps(self._state))
        draft.replace(self._paths.state)
        sys.stdout.write(" ".join(str(changes[name]) for name in ("phase", "reason") if name in changes) + "\n")
        sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """The exit code: 0 when the droplet has an agent that it may keep, 2 for a command that does not exist."""
    paths = Paths()
    guard = Guard(Droplet(paths), paths)
    if arguments not in (["upgrade"], ["settle"], ["boot"]):
        return 2
    if arguments == ["upgrade"]:
        guard.upgrade()
    else:
        guard.settle(restart=arguments == ["settle"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
