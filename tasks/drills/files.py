"""What drills keep on the controller's disk: the history, and notes of what is still to be undone.

Both are files in Prefect's folder and no part of its database: a lost database does not matter to them. A file is
replaced at once or not at all.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from prefect.settings import get_current_settings
from pydantic import TypeAdapter, ValidationError

from fleet.drills import Fault, Record, kept
from fleet.errors import PermanentError
from fleet.state import Firewall

MOST_RECORDS: Final = 500


@dataclass(frozen=True)
class Note:
    """A fault by the account's API that is made, and not undone yet."""

    environment: str
    fault: Fault
    droplet_id: int
    droplet_name: str
    until: datetime
    """By then its own run should have undone it."""
    wall: Firewall | None = None
    """The firewall as it was, where that is what was changed."""


def folder() -> Path:
    """Where they are."""
    return Path(get_current_settings().home) / "drills"


@dataclass(frozen=True)
class _Shelf:
    """A file with a list in it."""

    name: str
    path: Path = field(default_factory=lambda: folder())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else on this machine changes what is here meanwhile."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def load(self, adapter: TypeAdapter[Any]) -> list[Any]:
        """What it holds; nothing when it is not there, or cannot be read."""
        try:
            return list(adapter.validate_json((self.path / self.name).read_bytes()))
        except (FileNotFoundError, ValidationError):
            return []

    def save(self, adapter: TypeAdapter[Any], values: list[Any]) -> None:
        """It holds these."""
        draft = self.path / f".{self.name}.draft"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(adapter.dump_json(values))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / self.name)


class History:
    """The latest drills of this controller, `MOST_RECORDS` of them."""

    _adapter: Final = TypeAdapter(list[Record])

    def __init__(self) -> None:
        self._shelf = _Shelf("history.json")

    def read(self) -> list[Record]:
        """Oldest first."""
        return self._shelf.load(self._adapter)

    def add(self, record: Record) -> list[Record]:
        """With this one more; gives all."""
        with self._shelf.locked():
            records = kept([*self.read(), record], MOST_RECORDS)
            self._shelf.save(self._adapter, records)
        return records


class Notes:
    """What is still to be undone."""

    _adapter: Final = TypeAdapter(list[Note])

    def __init__(self) -> None:
        self._shelf = _Shelf("open.json")

    def read(self) -> list[Note]:
        """All of them."""
        return self._shelf.load(self._adapter)

    def write(self, note: Note) -> None:
        """One more, on the disk when this returns.

        Raises:
            PermanentError: there is one of the environment already, and one drill at a time is enough.
        """
        with self._shelf.locked():
            if other := next((one for one in self.read() if one.environment == note.environment), None):
                raise PermanentError(
                    f"Another drill is under way in {note.environment}: {other.fault} of {other.droplet_name}.",
                    hint="Wait for its end; `health-check` undoes one whose run was killed.",
                )
            self._shelf.save(self._adapter, [*self.read(), note])

    def remove(self, note: Note) -> None:
        """It is undone; one that is not there is fine."""
        with self._shelf.locked():
            self._shelf.save(self._adapter, [one for one in self.read() if one != note])
