"""The history on the controller's disk: one small file, replaced at once or not at all.

It is no evidence and no state that anything depends on: when it is lost, the timeline begins anew.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from prefect.settings import get_current_settings
from pydantic import TypeAdapter

from tasks.health.history import History
from tasks.waits import wait_for

LOCK_DEADLINE: Final = timedelta(seconds=20)
"""Another round has the file for far less than a second."""
POLL: Final = timedelta(milliseconds=50)


@dataclass(frozen=True)
class _Kept:
    history: History
    format: Literal[1] = 1


_ADAPTER: Final = TypeAdapter(_Kept)


def folder() -> Path:
    """Where the file is: beside Prefect's own, in the state of this controller."""
    return Path(get_current_settings().home) / "health"


@contextmanager
def locked() -> Iterator[None]:
    """No other round on this machine reads or writes the history meanwhile.

    Raises:
        TransientError: another one has had it for `LOCK_DEADLINE`.
    """
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(folder() / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        wait_for("another health check on this machine", lambda: _lock(file.fileno()), LOCK_DEADLINE, POLL)
        yield


def _lock(file: int) -> bool | None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return True


def read() -> History:
    """What is known so far; nothing where there is no file, or none that can be read."""
    try:
        return _ADAPTER.validate_json((folder() / "history.json").read_bytes()).history
    except (FileNotFoundError, ValueError):
        return History()


def write(history: History) -> None:
    """Keeps it in place of what was there."""
    draft = folder() / ".history.draft"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(_ADAPTER.dump_json(_Kept(history)))
    draft.replace(folder() / "history.json")
