"""The page about the last hours: a picture of who was how when, and the changes in words; pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from fleet.state import VerdictWord
from tasks.health.findings import SEVERITY, SIGN
from tasks.health.history import History, Past, Span
from tasks.health.plot import Window, draw
from tasks.health.table import span
from tasks.reports import table

SHOWN: Final = timedelta(hours=6)
MOST_ROWS: Final = 40
"""In the picture: those that were not well at some time come first."""
MOST_CHANGES: Final = 50
"""In words, the latest first."""


def page(history: History, now: datetime) -> str:
    """The whole page in markdown."""
    window = Window(now - SHOWN, now)
    pasts = sorted(history.pasts.values(), key=lambda past: (-_trouble(past, window), past.environment, past.title))
    picture = b64encode(draw(pasts[:MOST_ROWS], window).encode()).decode()
    parts = [
        f"# Fleet timeline: the last {span(SHOWN)} until {now:%d %b %H:%M} UTC",
        f"![who was how when](data:image/svg+xml;base64,{picture})",
        _rest(pasts),
        "Each bar is a time with one verdict, the taller the worse; where there is none, nobody looked.",
        "## Changes",
        _changes(history, window),
    ]
    return "\n\n".join(part for part in parts if part)


def _trouble(past: Past, window: Window) -> float:
    """How long it was not well, the worst counting most."""
    ended = (max(one.ended - max(one.begun, window.begin), timedelta(0)) for one in past.spans)
    weights = (SEVERITY[one.verdict] if one.ended >= window.begin else 0 for one in past.spans)
    return sum(weight * (length.total_seconds() + 60) for weight, length in zip(weights, ended, strict=True))


def _rest(pasts: list[Past]) -> str:
    left = pasts[MOST_ROWS:]
    bad = sum(any(one.verdict != "healthy" for one in past.spans) for past in left)
    return f"{len(left)} more are not in the picture, {bad} of them with some trouble." if left else ""


def _changes(history: History, window: Window) -> str:
    found = sorted(_found(history, window), key=lambda one: one[0].begun, reverse=True)
    if not found:
        return "None: everything stayed as it was."
    rows = [
        (
            f"{one.begun:%d %b %H:%M:%S}",
            past.environment,
            past.title,
            f"{_told(was)} → {_told(one.verdict)}",
            one.reason,
            _lasted(one, past),
        )
        for one, was, past in found[:MOST_CHANGES]
    ]
    told = table(["time (UTC)", "environment", "what", "change", "reason", "lasted"], rows)
    return f"{told}\n\n{len(found) - MOST_CHANGES} earlier ones are not shown." if len(found) > MOST_CHANGES else told


def _found(history: History, window: Window) -> Iterator[tuple[Span, VerdictWord | None, Past]]:
    """Each change in the window: the span that begins with it, the verdict before, and whose it is."""
    for past in history.pasts.values():
        was: VerdictWord | None = None
        for one in past.spans:
            news = one.verdict != was if was else one.verdict != "healthy"
            if news and one.begun >= window.begin:
                yield one, was, past
            was = one.verdict


def _lasted(one: Span, past: Past) -> str:
    length = "one round" if one.begun == one.ended else span(one.ended - one.begun)
    return f"{length} so far" if one is past.spans[-1] else length


def _told(word: VerdictWord | None) -> str:
    return f"{SIGN[word]} {word}" if word else "new"
