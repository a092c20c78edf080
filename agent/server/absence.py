"""When a droplet says that no health round comes any more: pure.

A droplet that has never seen a round waits for none. Of those that have, one speaks: that with the lowest name, after
five minutes. Each of the others has its turn a minute after the one before, and then speaks only when none of those
before it is there any more. Whoever spoke says so, too, when a round comes again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from agent.server.leases import Moment

PATIENCE: Final = 300.0
"""Seconds without a round, after which the first droplet speaks."""
TURN: Final = 60.0
"""Seconds by which each further droplet speaks later."""
START: Final = 120.0
"""Seconds after its start for which an agent waits: while it was away, no round could come."""
KEPT: Final = 86_400.0
"""Seconds for which a message is kept that no channel takes."""

Said = Literal["nothing", "me", "another"]


@dataclass(frozen=True)
class Owed:
    """Something that is to be said and was not taken by any channel yet."""

    what: Literal["absent", "back"]
    since: datetime
    """When the last round before the absence came."""
    at: datetime
    """When it was decided to say it."""


@dataclass(frozen=True)
class Record:
    """What is remembered of the rounds, on the disk."""

    last: Moment | None = None
    """The last round."""
    said: Said = "nothing"
    """Who has said of this absence what is to be said."""
    owed: tuple[Owed, ...] = ()


def silence(record: Record, now: Moment) -> float:
    """Seconds since the last round, at least 0. By the clock that counts, or by the other one across a boot."""
    if record.last is None:
        return 0.0
    if record.last.boot == now.boot:
        return now.elapsed - record.last.elapsed
    return max((now.utc - record.last.utc).total_seconds(), 0.0)


def came(record: Record, now: Moment) -> Record:
    """The record after a round. What was never heard of the absence before it is not said any more."""
    heard = record.said == "me" and record.last is not None and not any(one.what == "absent" for one in record.owed)
    back = (Owed("back", record.last.utc, now.utc),) if heard and record.last else ()
    rest = tuple(one for one in record.owed if one.what == "back")
    return Record(now, "nothing", (*rest, *back))


def is_turn(record: Record, rank: int, now: Moment, started: float) -> bool:
    """Whether it is for this droplet, before which `rank` others have their turn, to look whether it has to speak.

    Args:
        record: what is remembered.
        rank: how many droplets speak before this one.
        now: the time.
        started: when the agent started, in seconds since the boot.
    """
    if record.last is None or record.said != "nothing" or now.elapsed - started < START:
        return False
    return silence(record, now) >= PATIENCE + rank * TURN


def speak(record: Record, now: Moment) -> Record:
    """The record once this droplet has decided to say it."""
    since = record.last.utc if record.last else now.utc
    return replace(record, said="me", owed=(*record.owed, Owed("absent", since, now.utc)))


def be_silent(record: Record) -> Record:
    """The record once another droplet is known to be there, which has said it."""
    return replace(record, said="another")


def paid(record: Record, one: Owed) -> Record:
    """The record once a message was taken, or given up."""
    return replace(record, owed=tuple(other for other in record.owed if other != one))


def is_stale(one: Owed, now: Moment) -> bool:
    """Whether a message is too old to be worth saying."""
    return (now.utc - one.at).total_seconds() > KEPT
