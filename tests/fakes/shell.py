"""A fresh Debian at the other end of SSH that takes every step of a bake; its connection can break."""

from __future__ import annotations

from typing import Any

import agent
from fleet.errors import TransientError

ANSWERS = {
    "uname --machine": "x86_64",
    "cloud-init status": "status: done",
    "systemctl is-active": "active",
    "docker version": "20.10.24",
    "uname --kernel-release": "6.1",
}
FILES = {"/etc/os-release": 'ID=debian\nVERSION_ID="12"\n', "/etc/machine-id": "0123456789abcdef0123456789abcdef\n"}


class FakeShell:
    """The methods of `tasks.bake.shell.Shell`; `lines` has what was logged."""

    address = "192.0.2.10"

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._cuts: dict[str, int] = {}

    def cut(self, word: str, times: int) -> None:
        """Breaks the connection during the next commands that have this word."""
        self._cuts[word] = times

    def log(self, line: str) -> None:
        """One line of progress."""
        self.lines.append(line)

    def run(self, *command: str, **_: Any) -> str:
        """What a command prints."""
        words = " ".join(command)
        for cut, times in self._cuts.items():
            if cut in command and times:
                self._cuts[cut] -= 1
                raise TransientError(f"{self.address}: the connection broke during `{words}`.")
        if command[-1].endswith("print(agent.__version__)"):
            return agent.__version__
        return next((said for start, said in ANSWERS.items() if words.startswith(start)), "")

    def read(self, path: str) -> str | None:
        """The text of a file."""
        return FILES.get(path)

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Takes it."""

    def __enter__(self) -> FakeShell:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""
