"""Who was how when: spans of one verdict each, and what has changed since the round before; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from fleet.state import VerdictWord
from tasks.health.subjects import Subject

KEPT: Final = timedelta(hours=24)
GAP: Final = timedelta(minutes=5)
"""Rounds further apart than this leave a hole: nobody looked in between."""
MOST_SPANS: Final = 200
"""Of one subject; one that changes with every round keeps three hours."""
ALL_SPANS: Final = 20_000
"""Of all together: with many subjects, each may have fewer, at least `FEWEST_SPANS`."""
FEWEST_SPANS: Final = 10
MOST_SUBJECTS: Final = 2000
REASON_LIMIT: Final = 200
"""Characters."""
_EVENTS: Final = UUID("6f0c1f0e-5a52-4f0e-8c39-0a8d2c6d7f11")


@dataclass(frozen=True)
class Span:
    """From its first look to its last one it had one verdict, in all rounds between."""

    verdict: VerdictWord
    reason: str
    """The first one; it may read differently in later rounds."""
    begun: datetime
    ended: datetime


@dataclass(frozen=True)
class Past:
    """What is known of one subject, oldest first."""

    title: str
    environment: str
    spans: tuple[Span, ...] = ()
    since: datetime | None = None
    """Since when it has had the verdict of its last span; holes, and spans that are forgotten, do not matter."""

    def after(self, one: Subject, now: datetime, most: int = MOST_SPANS) -> Past:
        """With what a round found; at most so many spans."""
        last = self.spans[-1] if self.spans else None
        if last and last.verdict == one.verdict and now - last.ended <= GAP:
            spans = (*self.spans[:-1], replace(last, ended=now))
        else:
            spans = (*self.spans, Span(one.verdict, one.reason[:REASON_LIMIT], now, now))
        since = self.since if last and last.verdict == one.verdict else now
        return Past(one.title, one.environment, _recent(spans, now)[-most:], since)


@dataclass(frozen=True)
class Change:
    """A subject has another verdict than in the round before, or is seen for the first time and not well."""

    subject: Subject
    was: VerdictWord | None
    """None: it was never seen before."""
    at: datetime
    since: datetime | None
    """Since when it had been as it was."""

    @property
    def id(self) -> UUID:
        """The same however often the change is told: a round that is killed is repeated by the next one."""
        before = f"{self.since:%Y%m%dT%H%M%S.%f}" if self.since else f"{self.at:%Y%m%d}"
        return uuid5(_EVENTS, f"{self.subject.key} {before} {self.subject.verdict}")


@dataclass(frozen=True)
class History:
    """The last `KEPT` of all subjects, by key; bounded in subjects and in spans."""

    pasts: Mapping[str, Past] = field(default_factory=dict)

    def since(self, key: str) -> datetime | None:
        """Since when a subject is as it is."""
        return self.pasts[key].since if key in self.pasts else None

    def follow(self, seen: Iterable[Subject], now: datetime) -> tuple[History, tuple[Change, ...]]:
        """The history with a round, and what is news in it; the same round again changes nothing and is no news."""
        followed = [one for one in seen if one.is_followed]
        changes = tuple(change for one in followed if (change := self._change(one, now)))
        blank = {one.key: Past(one.title, one.environment) for one in followed}
        pasts = {**blank, **self.pasts}
        most = max(FEWEST_SPANS, min(MOST_SPANS, ALL_SPANS // max(len(pasts), 1)))
        pasts |= {one.key: pasts[one.key].after(one, now, most) for one in followed}
        fresh = {key: past for key, past in pasts.items() if now - past.spans[-1].ended <= KEPT}
        newest = sorted(fresh, key=lambda key: fresh[key].spans[-1].ended, reverse=True)[:MOST_SUBJECTS]
        return History({key: fresh[key] for key in sorted(newest)}), changes

    def _change(self, one: Subject, now: datetime) -> Change | None:
        past = self.pasts.get(one.key)
        if past is None:
            return None if one.verdict == "healthy" else Change(one, None, now, None)
        was = past.spans[-1].verdict
        return None if was == one.verdict else Change(one, was, now, past.since)


def _recent(spans: tuple[Span, ...], now: datetime) -> tuple[Span, ...]:
    return tuple(one for one in spans if now - one.ended <= KEPT)
