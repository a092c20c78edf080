"""When a scheduled container is due: one evaluator for what starts it and for what judges it.

Five fields as Debian's cron reads them, evaluated by `cronsim`, which accepts more than Debian does: hence the check in
front of it. Around a change of the clocks a time that does not exist comes due right after the gap, and one that exists
twice comes due once, unless the hour is `*`. All results are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from agent import wire

MOST: Final = 100
"""Times that one question gives at most; more of them due at once mean that the clock was set."""
LEAST_MARGIN: Final = timedelta(seconds=60)
MOST_MARGIN: Final = timedelta(hours=1)
_SAMPLE: Final = 25
_BEGINNING: Final = datetime(2024, 1, 1, tzinfo=UTC)
_TURN: Final = timedelta(hours=3)
"""More than a zone's clocks are ever set by: within it, a search by the wall clock may miss or repeat a time."""

_SPAN: Final = r"(\*(/\d{1,2})?|\d{1,2}(-\d{1,2}(/\d{1,2})?)?)"
_MONTH: Final = r"(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
_DAY: Final = r"(SUN|MON|TUE|WED|THU|FRI|SAT)"
_ITEMS: Final = (_SPAN, _SPAN, _SPAN, rf"({_SPAN}|{_MONTH}(-{_MONTH})?)", rf"({_SPAN}|{_DAY}(-{_DAY})?)")
_LINE: Final = re.compile(" ".join(f"{item}(,{item})*" for item in _ITEMS), re.IGNORECASE | re.ASCII)


def check(cron: wire.Cron) -> None:
    """Refuse what is no cron line of Debian's, never comes due, or names a zone that does not exist.

    Raises:
        ValueError: with the reason.
    """
    if not _LINE.fullmatch(cron.expression):
        raise ValueError("it is not five fields of numbers, ranges, steps, lists, or names of months and days")
    if next_due(cron, datetime.now(UTC)) is None:
        raise ValueError("it does not come due within 50 years")


def due(cron: wire.Cron, since: datetime, now: datetime) -> tuple[datetime, ...]:
    """The times after `since`, up to and with `now`, oldest first; at most the last MOST.

    A clock that was set back gives none, until it passes `since` again.
    """
    found = takewhile(lambda time: time > since, _walk(cron, now, back=True))
    return tuple(reversed(list(islice(found, MOST))))


def last_due(cron: wire.Cron, now: datetime) -> datetime | None:
    """The latest time up to and with `now`; None: there was none within 50 years."""
    return next(_walk(cron, now, back=True), None)


def next_due(cron: wire.Cron, now: datetime) -> datetime | None:
    """The first time after `now`."""
    return next(_walk(cron, now), None)


@lru_cache(maxsize=256)
def margin(cron: wire.Cron) -> timedelta:
    """How late a start may be: a tenth of the shortest time between two, at least a minute and at most an hour."""
    times = list(islice(_walk(cron, _BEGINNING), _SAMPLE))
    shortest = min((later - one for one, later in pairwise(times)), default=MOST_MARGIN * 10)
    return min(max(shortest / 10, LEAST_MARGIN), MOST_MARGIN)


def _walk(cron: wire.Cron, start: datetime, *, back: bool = False) -> Iterator[datetime]:
    """The times after `start`, or, backwards, those up to it; from far enough away that no turn of clocks matters.

    Raises ValueError for a line or a zone that cannot be read.
    """
    try:
        away = (start + _TURN if back else start - _TURN).astimezone(ZoneInfo(cron.zone))
        times = CronSim(cron.expression, away, reverse=back)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"{cron.zone} is not a time zone") from error
    except CronSimError as error:
        raise ValueError(f"it never comes due ({error})") from error
    last: datetime | None = None
    for local in times:
        time = local.astimezone(UTC)
        if time != last and (time <= start if back else time > start):
            yield time
        last = time
