"""One sandbox starts at a time on a machine: two would choose the same addresses, and make the same image twice."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import SandboxError

DEADLINE_SECONDS = 900.0
_POLL_SECONDS = 0.2


def cache() -> Path:
    """Where sandboxes of this user keep what they share, such as Debian's root file system."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "deployer-sandbox"


@contextmanager
def turn(say: Callable[[str], None], folder: Path | None = None, deadline: float = DEADLINE_SECONDS) -> Iterator[None]:
    """Held while the block runs; the kernel frees it when the process ends, however it does.

    Raises SandboxError when another sandbox is still starting after the deadline, in seconds.
    """
    path = (folder or cache()) / "starting.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        _wait(file.fileno(), say, time.monotonic() + deadline)
        yield


def _wait(file: int, say: Callable[[str], None], end: float) -> None:
    told = False
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise SandboxError("Another sandbox is still starting.", "See its log, or end it.") from None
            if not told:
                say("Waiting for another sandbox that is just starting")
                told = True
            time.sleep(_POLL_SECONDS)
