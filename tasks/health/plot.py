"""A timeline as one SVG picture, drawn by hand: it reads on dark and on light, and without colours; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Final

from fleet.state import VerdictWord
from tasks.health.history import Past, Span

WIDTH: Final = 1100
LEFT: Final = 330
"""Where time begins; the names are left of it."""
RIGHT: Final = WIDTH - 20
TOP: Final = 62
ROW: Final = 22
COLOUR: Final[dict[VerdictWord, str]] = {
    "healthy": "#2da44e",
    "degraded": "#d4a017",
    "unknown": "#8c959f",
    "unhealthy": "#cf222e",
}
HEIGHT: Final[dict[VerdictWord, int]] = {"healthy": 4, "unknown": 8, "degraded": 11, "unhealthy": 16}
"""The worse, the taller: whoever cannot tell the colours sees it too."""
LONGEST_NAME: Final = 46
"""Characters; of a longer name the middle is left out."""
_STYLE: Final = 'font-family="ui-sans-serif, system-ui, sans-serif" font-size="12" fill="#1f2328"'


@dataclass(frozen=True)
class Window:
    """The time that a picture shows."""

    begin: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        """Where a time is, within the picture."""
        part = (at - self.begin) / (self.end - self.begin)
        return LEFT + (RIGHT - LEFT) * min(max(part, 0.0), 1.0)


def draw(pasts: Sequence[Past], window: Window) -> str:
    """A row for each, in the order given; where nobody looked there is nothing."""
    height = TOP + ROW * max(len(pasts), 1) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff" stroke="#d0d7de"/>',
        f"<g {_STYLE}>",
        *_legend(),
        *_ticks(window, height),
    ]
    for row, past in enumerate(pasts):
        parts += _row(past, TOP + ROW * row, window)
    return "".join([*parts, "</g></svg>"])


def _legend() -> list[str]:
    parts, x = [], 20
    for word, colour in COLOUR.items():
        parts.append(_bar(x, 18, 14, word))
        parts.append(f'<text x="{x + 20}" y="22" fill="{colour}" font-weight="600">{word}</text>')
        x += 106
    return parts


def _ticks(window: Window, height: int) -> list[str]:
    """A line at every full hour (UTC)."""
    parts = []
    at = window.begin.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while at <= window.end:
        x = window.x(at)
        parts.append(f'<path d="M{x:.1f} {TOP - 6}V{height - 8}" stroke="#d8dee4"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle" fill="#57606a">{at:%H:%M}</text>')
        at += timedelta(hours=1)
    return parts


def _row(past: Past, y: int, window: Window) -> list[str]:
    name = f'<text x="20" y="{y + 15}">{escape(_short(past.title))}</text>'
    shown = [one for one in past.spans if one.ended >= window.begin]
    return [name, *(_span(one, y + ROW // 2, window) for one in shown)]


def _span(one: Span, middle: int, window: Window) -> str:
    """A round stands for the minute that it is of, so that one alone is seen too."""
    begin, end = window.x(one.begun), window.x(one.ended + timedelta(minutes=1))
    return _bar(begin, middle, max(end - begin, 1.0), one.verdict)


def _bar(x: float, middle: int, width: float, word: VerdictWord) -> str:
    tall = HEIGHT[word]
    return f'<rect x="{x:.1f}" y="{middle - tall / 2:.1f}" width="{width:.1f}" height="{tall}" fill="{COLOUR[word]}"/>'


def _short(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    half = (LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
