"""The fleet in a table: what a person looks at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from tasks.health.findings import SEVERITY, SIGN
from tasks.health.history import History
from tasks.health.subjects import Subject

DROPLET, EDGE, ALL = "(the droplet)", "(through the edge)", "(all)"
"""Stand where a row has no container, and where it has no droplet."""


def rows(seen: Sequence[Subject], history: History, now: datetime) -> list[dict[str, str]]:
    """A row for each, in the order given."""
    return [_row(one, history.since(one.key), now) for one in seen]


def summary(seen: Sequence[Subject]) -> str:
    """The whole fleet in a line."""
    counts = Counter(one.verdict for one in seen)
    told = ", ".join(f"{counts[word]} {word}" for word in SEVERITY if counts[word]) or "no droplet yet"
    return f"# Fleet health: {told}"


def _row(one: Subject, since: datetime | None, now: datetime) -> dict[str, str]:
    return {
        "verdict": f"{SIGN[one.verdict]} {one.verdict}",
        "droplet": one.droplet or (EDGE if one.kind == "name" else ALL),
        "container": one.name or DROPLET,
        "reason": one.reason,
        "since": f"{since:%d %b %H:%M} UTC ({span(now - since)})" if since else "",
        "restarts": "" if one.restarts is None else str(one.restarts),
        "release": one.release,
        "age": span(now - one.began) if one.began else "",
        "agent": one.version,
        "answered": "" if one.seconds is None else f"{one.seconds * 1000:.0f} ms",
        "environment": one.environment,
    }


def span(length: timedelta) -> str:
    """A length of time for people, in its largest unit, rounded down: `3 d`, `2 h`, `5 min`, `12 s`."""
    seconds = max(0, int(length.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
