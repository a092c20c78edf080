"""A droplet for the guard: versions are folders, commands leave what the real ones would, and waiting is quick."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from agent.guard import Droplet, Failed, Paths

LINES = "Traceback: it is broken"
TICK_SECONDS = 0.005
"""What a wait takes, however long it would be."""
BAKED = {"wheel": f"sha256:{'0' * 64}", "dependencies": f"sha256:{'1' * 64}"}


def place(folder: Path) -> Paths:
    """A droplet with the version of its snapshot."""
    paths = Paths(
        folder / "opt/deployer", folder / "opt/versions", folder / "state/upgrade", folder / "run", folder / "droplet"
    )
    baked = paths.versions / "baked"
    baked.mkdir(parents=True)
    (baked / "agent.json").write_text(json.dumps(BAKED))
    paths.folder.mkdir(parents=True, exist_ok=True)
    paths.link.symlink_to(baked)
    return paths


class FakeDroplet(Droplet):
    """`ill` versions crash at every start, `mute` ones run and do not answer; `killed_at` ends the guard there."""

    def __init__(self, paths: Paths, restart: Callable[[], None] = lambda: None) -> None:
        super().__init__(paths)
        self.commands: list[str] = []
        self.ill: set[str] = set()
        self.mute: set[str] = set()
        self.failing = self.killed_at = ""
        self.now, self.sleep = self._now, self._sleep
        self._restart, self._seconds, self._starts = restart, 0.0, 0

    @property
    def used(self) -> str:
        """The version that `/opt/deployer` leads to."""
        return self._paths.link.resolve().name

    def run(self, *command: str) -> str:
        """What the command would have done."""
        self.commands.append(words := " ".join(command))
        if self.killed_at and self.killed_at in words:
            raise KeyboardInterrupt
        if self.failing and self.failing in words:
            raise Failed(f"`{self.failing}` failed")
        match command:
            case ("python3", "-m", "venv", *_, folder):
                Path(folder).mkdir(parents=True)
            case ("cp", "--archive", source, folder):
                shutil.copytree(source, folder)
            case (python, "-c", _):
                return f"{Path(python).parents[1].name.split('-')[0]}\n"
            case ("systemctl", "--no-block", "restart", *_):
                self._restart()
            case ("journalctl", *_):
                return LINES
            case _:
                assert "install" in command, f"the guard ran {words}"
        return ""

    def version(self) -> str:
        """The version of the agent that answers."""
        if self.used in self.ill | self.mute:
            raise ConnectionRefusedError("nobody listens")
        return self.used.split("-")[0]

    def crashes(self) -> int:
        """How often systemd had to start it again: at every look once more, if it is ill."""
        self._starts += self.used in self.ill
        return self._starts

    def _now(self) -> float:
        return self._seconds

    def _sleep(self, seconds: float) -> None:
        self._seconds += seconds
        time.sleep(TICK_SECONDS)
