"""After a deploy: whether the new release does worse than the one before, which then serves again. Pure.

nginx counts the requests of each release, the answers of 500 and above, and how long they took; Docker counts restarts.
A difference counts only where chance is no explanation, so that ten requests decide nothing: shares of errors are
compared by their Wilson intervals, three standard deviations wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import sqrt
from typing import Final, Literal

from fleet import naming

REQUESTS: Final = 100
"""A release that has had fewer is not judged by its errors."""
TIMED_REQUESTS: Final = 500
"""A release that has had fewer is not judged, nor compared with, by how long its answers take."""
WORSE: Final = 0.01
"""The share of errors by which a release has to be worse than the one before, at least."""
ALONE: Final = 0.05
"""The share of errors above which a release is bad where there is no other to compare it with."""
SLOWER: Final = 2.0
"""How many times as long as before the answers of a release have to take, on average, to be too slow."""
SLOWER_SECONDS: Final = 0.1
"""And by how much longer, at least."""
RESTARTS: Final = 2
"""As often a container restarts within its soak that is no good."""
LATE: Final = timedelta(minutes=30)
"""A release that is older than its soak and this when it is first seen is not soaked any more: it has long served."""
AGAIN: Final = timedelta(minutes=10)
"""After which a rollback that did not come about is tried again."""
TRIES: Final = 3
_Z: Final = 3.0

Word = Literal["soaking", "passed", "bad", "back", "given up", "not soaked"]


@dataclass(frozen=True)
class Traffic:
    """What was counted for a release on all droplets together."""

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0

    def __add__(self, other: Traffic) -> Traffic:
        """Both together."""
        return Traffic(self.requests + other.requests, self.errors + other.errors, self.seconds + other.seconds)

    @property
    def share(self) -> float:
        """Of its answers, how many are errors: 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def mean(self) -> float:
        """Seconds that an answer takes, on average."""
        return self.seconds / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        """For people."""
        return f"{self.requests} requests, {100 * self.share:.2f} % errors, {1000 * self.mean:.0f} ms on average"


@dataclass(frozen=True)
class Sight:
    """A service as its droplets that answer have it at one time."""

    releases: frozenset[str]
    """Those that serve."""
    before: frozenset[str]
    """The previous ones."""
    traffic: Mapping[str, Traffic]
    """By release."""
    restarts: int = 0
    """Of that current container that restarted most often."""
    silent: int = 0
    """Droplets of the environment that did not answer."""


@dataclass(frozen=True)
class Soak:
    """How it stands with the last deploy of a service."""

    release: str
    before: str
    since: datetime
    """When it was first seen to serve."""
    word: Word = "soaking"
    why: str = ""
    tries: int = 0
    """Rollbacks that were begun."""
    tried: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.word not in ("soaking", "bad")


@dataclass(frozen=True)
class Step:
    """What became of a soak, and whether the fleet is to go back now."""

    soak: Soak | None
    roll_back: bool = False


def advance(known: Soak | None, sight: Sight, minutes: int, now: datetime) -> Step:
    """The soak of a service after one more look; None while there is nothing to say.

    While droplets serve different releases, a deploy or a rollback is going on or was cut off: nothing is judged then.
    """
    bad = known if known is not None and known.word == "bad" else None
    if bad is not None and bad.release in sight.releases:
        return _again(bad, now)
    if len(sight.releases) != 1:
        return Step(known)
    release = min(sight.releases)
    if bad is not None and release == bad.before:
        return Step(replace(bad, word="back", why=f"{bad.why}; {release} serves again"))
    if known is None or known.release != release:
        known = _begun(release, sight, minutes, now)
    return _soaked(known, sight, minutes, now) if known.word == "soaking" else Step(known)


def faults(new: Traffic, before: Traffic, restarts: int) -> tuple[str, ...]:
    """What is wrong with a release, in words; nothing where it is no worse, or too little is known."""
    found = (_errors(new, before), _slowness(new, before))
    restarted = f"a container restarted {restarts} times" if restarts >= RESTARTS else ""
    return tuple(one for one in (*found, restarted) if one)


def total(traffic: Iterable[Traffic]) -> Traffic:
    """All of it together."""
    return sum(traffic, Traffic())


def _begun(release: str, sight: Sight, minutes: int, now: datetime) -> Soak:
    older = sorted(one for one in sight.before if one < release)
    soak = Soak(release, older[-1] if older else "", now)
    if len(sight.before) != 1 or not older:
        return replace(soak, word="not soaked", why="there is no release before it on every droplet")
    if now - naming.released_at(release) > timedelta(minutes=minutes) + LATE:
        return replace(soak, word="not soaked", why="it has served for long")
    return soak


def _soaked(soak: Soak, sight: Sight, minutes: int, now: datetime) -> Step:
    new, before = (sight.traffic.get(one, Traffic()) for one in (soak.release, soak.before))
    if found := faults(new, before, sight.restarts):
        return _again(replace(soak, word="bad", why="; ".join(found)), now)
    if now - soak.since < timedelta(minutes=minutes):
        return Step(soak)
    told = f"{new}; before: {before}"
    scarce = "too few requests to compare: " if new.requests < REQUESTS else ""
    return Step(replace(soak, word="passed", why=f"{scarce}{told}"))


def _again(soak: Soak, now: datetime) -> Step:
    """A rollback, unless one was begun a moment ago, or enough of them were."""
    if soak.tried is not None and now - soak.tried < AGAIN:
        return Step(soak)
    if soak.tries >= TRIES:
        return Step(replace(soak, word="given up", why=f"{soak.why}; {TRIES} rollbacks did not come about"))
    return Step(replace(soak, tries=soak.tries + 1, tried=now), roll_back=True)


def _errors(new: Traffic, before: Traffic) -> str:
    if new.requests < REQUESTS:
        return ""
    low, _ = _interval(new)
    told = f"{100 * new.share:.1f} % of {new.requests} answers are errors"
    if before.requests < REQUESTS:
        return f"{told}, and there is too little to compare with" if low > ALONE else ""
    _, high = _interval(before)
    worse = low > high and new.share >= before.share + WORSE
    return f"{told}; before: {100 * before.share:.1f} % of {before.requests}" if worse else ""


def _slowness(new: Traffic, before: Traffic) -> str:
    if min(new.requests, before.requests) < TIMED_REQUESTS:
        return ""
    slow = new.mean >= SLOWER * before.mean and new.mean >= before.mean + SLOWER_SECONDS
    return f"an answer takes {new.mean:.2f} s on average; before: {before.mean:.2f} s" if slow else ""


def _interval(traffic: Traffic) -> tuple[float, float]:
    """Between which shares of errors the true one is, all but certainly (Wilson's score interval)."""
    n, share = traffic.requests, traffic.share
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return middle - half, middle + half
