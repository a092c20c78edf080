"""What people are told: changes, each once. Pure; who sends it and where the memory is kept is for others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

GOOD: Final = frozenset({"healthy", "over", "back"})
"""Words that end a trouble: told only of what was told before."""
SUBJECTS: Final = 1000
"""Troubles of an environment that are remembered; the oldest are forgotten first, and told again if they come back."""
WAITING: Final = 200
"""Changes of an environment that wait for a channel; the oldest are dropped first."""
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
class Memory:
    """What was told of one environment, and what could not be told yet."""

    told: Mapping[str, Told] = field(default_factory=lambda: MappingProxyType({}))
    waiting: tuple[Change, ...] = ()


Revision = Callable[[Memory], Memory]
"""What changes a memory."""


def note(memory: Memory, changes: Iterable[Change], now: datetime) -> Memory:
    """The memory with what is news among these changes waiting to be told; of each subject only the last one waits.

    No news is what was told already, and the end of a trouble that nobody was told of.
    """
    last = {one.key: one for one in (*memory.waiting, *changes)}
    told = {key: one for key, one in memory.told.items() if now - one.at < FORGOTTEN}
    waiting = tuple(one for key, one in last.items() if _is_news(one, told.get(key)))
    return Memory(told, waiting[-WAITING:])


def delivered(memory: Memory, sent: Iterable[Change], now: datetime) -> Memory:
    """The memory once these have been told; a trouble that is over is forgotten with that."""
    gone = set(sent)
    told = dict(memory.told)
    for one in gone:
        told.pop(one.key, None)
        if one.is_ not in GOOD:
            told[one.key] = Told(one.is_, now)
    kept = sorted(told.items(), key=lambda item: item[1].at)[-SUBJECTS:]
    return replace(memory, told=dict(kept), waiting=tuple(one for one in memory.waiting if one not in gone))


def _is_news(change: Change, told: Told | None) -> bool:
    return change.is_ not in GOOD if told is None else change.is_ != told.word
