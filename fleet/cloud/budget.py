"""A client-side budget of calls, shared by all adapters of one process: politer than being refused."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import Lock
from typing import NamedTuple

from fleet.errors import RateLimited

PATIENCE_SECONDS = 5.0
"""A call that is free again within this is waited for here; a longer wait is the caller's affair."""
RESERVE = 0.05
"""The share of the provider's own allowance that is left to others who use the same token."""


class Window(NamedTuple):
    """So many calls in so many seconds."""

    calls: int
    seconds: float


class Budget:
    """Calls that this process may make to one provider, over one or several windows of time.

    `clock` gives seconds, `now` gives seconds since 1970 (providers speak of resets in these), `sleep` waits.
    """

    def __init__(
        self,
        provider: str,
        *windows: Window,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._provider, self._clock, self._now, self._sleep = provider, clock, now, sleep
        self._spent = [(window, deque[float]()) for window in windows]
        self._closed_until = 0.0
        self._lock = Lock()

    def spend(self) -> None:
        """Counts one call, after a short wait when that is enough.

        Raises:
            RateLimited: the budget is spent; `retry_after` says when a call is free again.
        """
        deadline = self._clock() + PATIENCE_SECONDS
        while wait := self._take():
            if self._clock() + wait > deadline:
                raise RateLimited(f"The budget of calls to {self._provider} is spent.", retry_after=wait)
            self._sleep(wait)

    def heed(self, headers: Mapping[str, str]) -> None:
        """Takes note of what a reply's `ratelimit-*` headers say is left, and stops before nothing is."""
        limit, left, reset = (_number(headers.get(f"ratelimit-{name}")) for name in ("limit", "remaining", "reset"))
        if limit and left is not None and reset and left < limit * RESERVE:
            with self._lock:
                self._closed_until = self._clock() + max(reset - self._now(), 0.0)

    def _take(self) -> float:
        """Counts a call and gives 0, or gives the seconds until one is free."""
        with self._lock:
            now = self._clock()
            wait = max([self._closed_until - now, *(_wait(spent, window, now) for window, spent in self._spent)])
            if wait <= 0:
                for _, spent in self._spent:
                    spent.append(now)
            return max(wait, 0.0)


def _wait(spent: deque[float], window: Window, now: float) -> float:
    while spent and spent[0] <= now - window.seconds:
        spent.popleft()
    return spent[0] + window.seconds - now if len(spent) >= window.calls else 0.0


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None
