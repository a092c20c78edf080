"""Droplets whose place another one has taken: off, no part of any environment, kept for a day, then destroyed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from fleet import naming
from fleet.state import Droplet

TAG: Final = f"{naming.TAG}-retired"
"""On each of them; with the time in a second tag."""
KEPT: Final = timedelta(days=1)
_STAMP: Final = "%Y%m%dt%H%M%S"


def tags(now: datetime) -> tuple[str, str]:
    """The two tags of a droplet that is retired now."""
    return TAG, f"{TAG}:{now.astimezone(UTC):{_STAMP}}"


def retired_at(marks: Iterable[str]) -> datetime | None:
    """When a droplet with these tags was retired, in UTC; None: it was not, or nobody can say when."""
    for mark in marks:
        word, _, stamp = mark.partition(":")
        if word == TAG and stamp:
            try:
                return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
            except ValueError:
                return None
    return None


def due(droplets: Iterable[Droplet], now: datetime) -> list[Droplet]:
    """Those that may be destroyed: ours, off, and retired long enough ago.

    One that somebody has switched on again is being looked at, and stays; so does one that tells no time.
    """
    return [one for one in droplets if _is_due(one, now)]


def _is_due(one: Droplet, now: datetime) -> bool:
    since = retired_at(one.tags)
    ours = naming.is_our_droplet(one.tags) and TAG in one.tags
    return ours and one.status == "off" and since is not None and now - since > KEPT
