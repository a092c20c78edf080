"""When the droplet restarts a container by itself: pure, in seconds since the boot, and never because of log text.

A container that has ended is started at the next look; one that runs and does not do its work must fail three times in
a row. Two restarts in half an hour are the budget: then it is held, and a person is told once. Ten good minutes, or
another container, begin anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

FALL: Final = 3
"""Failures in a row, after which a container that runs is restarted."""
RESTARTS: Final = 2
WINDOW: Final = 1800.0
PAUSE: Final = 15.0
"""Seconds between two restarts, and up to a quarter more."""
GOOD: Final = 600.0
"""Seconds of health after which the budget is whole again."""

Word = Literal["healthy", "unhealthy", "starting", "ended"]
Action = Literal["none", "restart", "hold"]


@dataclass(frozen=True)
class Record:
    """What is remembered of one container."""

    restarts: tuple[float, ...] = ()
    """When it was restarted here, in seconds since the boot."""
    held: bool = False
    """Its budget is spent, and somebody was told."""
    resting: bool = False
    """It was stopped on purpose."""
    failures: int = 0
    good_since: float | None = None


def seen(record: Record, word: Word, now: float) -> Record:
    """The record after one more look; a look at a container that still starts says nothing."""
    if word == "starting":
        return record
    if word != "healthy":
        return replace(record, failures=record.failures + 1, good_since=None)
    since = now if record.good_since is None else record.good_since
    if now - since >= GOOD:
        return Record(good_since=since)
    return replace(record, failures=0, good_since=since, resting=False)


def decide(record: Record, word: Word, now: float, jitter: float) -> Action:
    """What to do after that look.

    Args:
        record: as `seen` gave it.
        word: what was seen.
        now: seconds since the boot.
        jitter: between 0 and 1, how much of the additional quarter to wait.
    """
    due = word == "ended" or (word == "unhealthy" and record.failures >= FALL)
    if not due or record.held or record.resting:
        return "none"
    recent = [at for at in record.restarts if now - at < WINDOW]
    if len(recent) >= RESTARTS:
        return "hold"
    waits = bool(recent) and now - recent[-1] < PAUSE * (1 + jitter / 4)
    return "none" if waits else "restart"


def spend(record: Record, now: float) -> Record:
    """The record with one restart more, before it is carried out."""
    recent = (*(at for at in record.restarts if now - at < WINDOW), now)
    return replace(record, restarts=recent, failures=0, good_since=None)


def after_boot(record: Record) -> Record:
    """The record in another boot: as long ago as the boot itself, which is never too long."""
    return replace(record, restarts=tuple(0.0 for _ in record.restarts), failures=0, good_since=None)
