"""How the latest calls to a provider went: what tells an incident of its own from the trouble of one droplet."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Final

LENGTH: Final = 10


class Tally:
    """The last ten calls of this process, the newest last; any thread may call."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._failed: deque[bool] = deque(maxlen=LENGTH)

    def note(self, failed: bool) -> None:
        """One more call; it has failed when the provider answered 5xx, or not at all."""
        with self._lock:
            self._failed.append(failed)

    def take(self) -> tuple[bool, ...]:
        """Whether each of them failed, oldest first; they are forgotten here with that."""
        with self._lock:
            found = tuple(self._failed)
            self._failed.clear()
        return found
