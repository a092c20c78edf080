"""Which droplets get another key, and which have only to be finished. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from fleet import key_tags
from fleet.errors import InvalidInput
from fleet.state import Droplet

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class KeySeen:
    """The key of one droplet, as the droplet and its tags tell of it."""

    droplet: Droplet
    number: int = 0
    current: bool = True
    """Whether it derives from the present token, and not from the one before."""
    turning: bool = False
    """A turn has begun, and nobody has confirmed it yet."""
    since: datetime = NEVER
    error: str = ""
    """Why nothing is known of it."""

    @property
    def tidy(self) -> bool:
        """Whether nothing is left of a turn."""
        return not self.turning and key_tags.key_numbers(self.droplet.tags) == (self.number,)


@dataclass(frozen=True)
class Turning:
    """What is to be done to one droplet."""

    seen: KeySeen
    goal: int
    """The number that its key is to have, from the present token; one turn may be under way to it already."""

    def __str__(self) -> str:
        """For people."""
        if self.goal == self.seen.number:
            return f"key {self.goal}, whose turn is to be finished"
        why = "" if self.seen.current else ", which derives from the former token"
        return f"key {self.seen.number}{why} → key {self.goal}"


@dataclass(frozen=True)
class RotationPlan:
    """What is to be done, in this order."""

    first: tuple[Turning, ...]
    """The droplet that goes first, alone. Empty: there is nothing to do."""
    rest: tuple[Turning, ...]
    done: tuple[KeySeen, ...]
    """Those whose key is young, and stays."""
    silent: tuple[KeySeen, ...]
    """Those of which nothing is known; nothing is done to them."""

    @property
    def at_rest(self) -> bool:
        """Whether every droplet that answers has a key that stays."""
        return not self.first

    def lines(self) -> Sequence[str]:
        """The plan for people, a droplet a line."""
        return [
            *(f"{one.seen.droplet.name}: {one}, first" for one in self.first),
            *(f"{one.seen.droplet.name}: {one}" for one in self.rest),
            *(f"{one.droplet.name}: key {one.number} stays, of {one.since:%Y-%m-%d %H:%M} UTC" for one in self.done),
            *(f"{one.droplet.name}: pending: {one.error}" for one in self.silent),
        ]


def plan_rotation(seen: Iterable[KeySeen], names: Sequence[str], older_than: timedelta, now: datetime) -> RotationPlan:
    """One droplet first, then the rest; what was begun is finished, and comes first.

    Args:
        seen: all droplets of the environment.
        names: those that are meant; empty: all.
        older_than: a key from the present token that is younger stays.
        now: the time.

    Raises:
        InvalidInput: a name is no droplet of the environment.
    """
    every = {one.droplet.name: one for one in seen}
    if strange := sorted(set(names) - set(every)):
        known = ", ".join(sorted(every)) or "none"
        raise InvalidInput(f"The environment has no droplet {', '.join(strange)}.", hint=f"It has: {known}.")
    meant = [one for name, one in sorted(every.items()) if not names or name in names]
    known_ones = [one for one in meant if not one.error]
    turns = [Turning(one, _goal(one, older_than, now)) for one in known_ones]
    due = sorted((one for one in turns if not _stays(one)), key=lambda one: one.seen.tidy)
    return RotationPlan(
        first=tuple(due[:1]),
        rest=tuple(due[1:]),
        done=tuple(one.seen for one in turns if _stays(one)),
        silent=tuple(one for one in meant if one.error),
    )


def _goal(seen: KeySeen, older_than: timedelta, now: datetime) -> int:
    old = not seen.current or now - seen.since >= older_than
    return seen.number + 1 if old else seen.number


def _stays(turning: Turning) -> bool:
    return turning.goal == turning.seen.number and turning.seen.tidy
