"""What people are told: changes, each once. Pure; who sends it and where the memory is kept is for others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

GOOD: Final = frozenset({"healthy", "over", "back"})
"""Words that end a trouble: told only of what was told before."""
SUBJECTS: Final = 1000
"""Troubles of an environment that are remembered; the oldest are forgotten first, and told again if they come back."""
WAITING: Final = 200
"""Changes of an environment that wait for a channel; the oldest are dropped first."""
OFTEN: Final = 4
"""As many messages about a subject within `WINDOW` are enough: it flaps."""
WINDOW: Final = timedelta(minutes=30)
CALM: Final = timedelta(minutes=10)
"""For as long something that flaps has to be the same before the next message about it."""
FORGOTTEN: Final = timedelta(days=30)
"""A trouble of which nothing was heard for so long is forgotten: what it was about is gone."""


@dataclass(frozen=True)
class Change:
    """Something is otherwise than it was.

    `since` has a zone. `event` is empty for what is so until it changes again; for what only happened it is the name
    of that very happening, which is told once.
    """

    subject: str
    was: str
    is_: str
    reason: str
    since: datetime
    hint: str = ""
    event: str = ""

    @property
    def key(self) -> str:
        """What it is remembered by."""
        return f"{self.subject}|{self.event}" if self.event else self.subject


@dataclass(frozen=True)
class Told:
    """What was last said of a subject."""

    word: str
    at: datetime


@dataclass(frozen=True)
class Waiting:
    """A change that nobody was told of yet, and when it came to be so."""

    change: Change
    noted: datetime


@dataclass(frozen=True)
class Memory:
    """What was told of one environment, and what could not be told yet."""

    told: Mapping[str, Told] = field(default_factory=lambda: MappingProxyType({}))
    waiting: tuple[Waiting, ...] = ()
    recent: Mapping[str, tuple[datetime, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """When something was told of a subject, within the last half hour."""


Revision = Callable[[Memory], Memory]
"""What changes a memory."""


def note(memory: Memory, changes: Iterable[Change], now: datetime) -> Memory:
    """The memory with what is news among these changes waiting to be told; of each subject only the last one waits.

    No news is what was told already, and the end of a trouble that nobody was told of.
    """
    last = {one.change.key: one for one in memory.waiting}
    for change in changes:
        known = last.pop(change.key, None)
        same = known is not None and known.change.is_ == change.is_
        last[change.key] = Waiting(change, known.noted if known and same else now)
    told = {key: one for key, one in memory.told.items() if now - one.at < FORGOTTEN}
    waiting = tuple(one for key, one in last.items() if _is_news(one.change, told.get(key)))
    recent = {key: kept for key, times in memory.recent.items() if (kept := tuple(_within(times, now)))}
    return Memory(told, waiting[-WAITING:], recent)


def due(memory: Memory, now: datetime) -> tuple[Change, ...]:
    """What is to be told now. A subject that changes often is told of once it has been the same for a while."""
    return tuple(one.change for one in memory.waiting if _is_due(one, memory.recent.get(one.change.key, ()), now))


def often(memory: Memory, change: Change) -> bool:
    """Whether this is the last that is told of a subject before it has to be the same for a while."""
    return len(memory.recent.get(change.key, ())) >= OFTEN - 1


def delivered(memory: Memory, sent: Iterable[Change], now: datetime) -> Memory:
    """The memory once these have been told; a trouble that is over is forgotten with that."""
    gone = set(sent)
    told, recent = dict(memory.told), dict(memory.recent)
    for one in gone:
        told.pop(one.key, None)
        if one.is_ not in GOOD:
            told[one.key] = Told(one.is_, now)
        recent[one.key] = (*recent.get(one.key, ()), now)
    kept = sorted(told.items(), key=lambda item: item[1].at)[-SUBJECTS:]
    newest = sorted(recent.items(), key=lambda item: item[1][-1])[-SUBJECTS:]
    return Memory(dict(kept), tuple(one for one in memory.waiting if one.change not in gone), dict(newest))


def _is_news(change: Change, told: Told | None) -> bool:
    return change.is_ not in GOOD if told is None else change.is_ != told.word


def _is_due(one: Waiting, times: tuple[datetime, ...], now: datetime) -> bool:
    return len(list(_within(times, now))) < OFTEN or now - one.noted >= CALM


def _within(times: Iterable[datetime], now: datetime) -> Iterable[datetime]:
    return (one for one in times if now - one < WINDOW)
