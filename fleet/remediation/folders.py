"""What remediation keeps on the controller's disk: its memory, the pauses, and the records of its decisions.

All of it works without Prefect. A file is replaced at once or not at all, and what cannot be read stops everything: a
budget that was forgotten would be spent twice.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fleet.errors import PermanentError
from fleet.remediation import documents, limits
from fleet.remediation.observations import Calls
from fleet.remediation.records import Records
from fleet.remediation.rounds import Memory
from fleet.remediation.state import Pause


@dataclass(frozen=True, slots=True)
class _KeptMemory:
    memory: Memory
    format: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class _KeptPauses:
    pauses: tuple[Pause, ...] = ()
    format: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class _KeptCalls:
    failed: tuple[bool, ...] = ()
    format: Literal[1] = 1


class Folder:
    """A folder of remediation's own, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = Records(path / "decisions")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else on this machine reads or writes what is here meanwhile; waits until that is so."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read_memory(self) -> Memory:
        """What is remembered; nothing when there was no round yet.

        Raises:
            PermanentError: the file cannot be read: nothing may be done, as nobody knows what was done already.
        """
        path = self.path / "memory.json"
        try:
            return documents.load(_KeptMemory, path.read_bytes()).memory if path.exists() else Memory()
        except ValueError as error:
            raise PermanentError(
                f"{path} cannot be read, so nothing is done by itself: {error}",
                hint="Bring back a copy, or move it away: budgets, holds and a suspension then begin anew.",
            ) from error

    def write_memory(self, memory: Memory) -> None:
        """Remembers; on the disk when this returns."""
        self._replace("memory.json", documents.dump(_KeptMemory(memory)))

    def note_calls(self, failed: Iterable[bool]) -> Calls:
        """Adds how the latest calls to the provider went, and gives the last `limits.INCIDENT[1]` of all rounds.

        A file that cannot be read begins anew: it only says whether the provider has an incident.
        """
        path = self.path / "calls.json"
        try:
            known = documents.load(_KeptCalls, path.read_bytes()).failed if path.exists() else ()
        except ValueError:
            known = ()
        kept = (*known, *failed)[-limits.INCIDENT[1] :]
        self._replace("calls.json", documents.dump(_KeptCalls(kept)))
        return Calls(sum(kept), len(kept))

    def read_pauses(self) -> tuple[Pause, ...]:
        """What is paused. When that cannot be read, everything is."""
        path = self.path / "pauses.json"
        try:
            return documents.load(_KeptPauses, path.read_bytes()).pauses if path.exists() else ()
        except ValueError:
            return (Pause("everything", by="deployer", why=f"{path} cannot be read; pause or resume writes it anew"),)

    def read_foreign(self) -> tuple[Pause, ...]:
        """The pauses of other controllers, as the last round heard of them; none where they cannot be read."""
        path = self.path / "foreign.json"
        try:
            return documents.load(_KeptPauses, path.read_bytes()).pauses if path.exists() else ()
        except ValueError:
            return ()

    def write_foreign(self, pauses: tuple[Pause, ...]) -> None:
        """Remembers what other controllers have paused; unchanged, nothing is written."""
        if pauses != self.read_foreign():
            self._replace("foreign.json", documents.dump(_KeptPauses(pauses)))

    def identity(self) -> str:
        """Twelve digits that stand for this controller, made at the first call; the folder is locked by the caller."""
        path = self.path / "controller"
        if not path.exists():
            self._replace("controller", secrets.token_hex(6))
        return path.read_text().strip()

    def write_pauses(self, pauses: tuple[Pause, ...]) -> None:
        """Pauses these, and nothing else."""
        self._replace("pauses.json", documents.dump(_KeptPauses(pauses)))

    def _replace(self, name: str, text: str) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path / f".{name}.draft"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / name)
        directory = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
