"""Polling with a deadline, for what a cloud does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE_SECONDS = 30.0
EVERY_SECONDS = 0.1


def until(look: Callable[[], T], good: Callable[[T], bool]) -> T:
    """What `look` gives once it is `good`; fails with what was last seen after `DEADLINE_SECONDS`."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not good(seen := look()):
        assert time.monotonic() < end, f"in vain; last seen: {seen}"
        time.sleep(EVERY_SECONDS)
    return seen
