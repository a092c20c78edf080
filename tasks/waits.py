"""Waiting for something to become so, with a deadline that is always said."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from fleet.errors import TransientError

T = TypeVar("T")


class Overdue(TransientError):
    """What was waited for did not come within the deadline."""


def wait_for(what: str, look: Callable[[], T | None], deadline: timedelta, every: timedelta) -> T:
    """Looks again and again until `look` gives something.

    Raises:
        Overdue: it did not within the deadline; the message says what was waited for and how long.
    """
    end = time.monotonic() + deadline.total_seconds()
    while (found := look()) is None:
        if time.monotonic() + every.total_seconds() > end:
            raise Overdue(f"Waited {deadline.total_seconds():.0f} s for {what}, in vain.")
        time.sleep(every.total_seconds())
    return found
