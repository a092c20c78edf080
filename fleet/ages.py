"""Times as people say them: an age, or a time of the calendar."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fleet.errors import InvalidInput

_AGE = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_moment(text: str, now: datetime) -> datetime:
    """The time that somebody means by `10m` or by `2026-11-24T02:15`; one without a zone is of this machine's.

    Args:
        text: an age in seconds, minutes, hours or days (90s, 10m, 2h, 1d), or a time in ISO 8601.
        now: what an age is counted from.

    Raises:
        InvalidInput: it is neither.
    """
    try:
        if match := _AGE.fullmatch(text):
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text!r} is neither an age nor a time.", hint="Write an age like 10m, or a time like 2026-11-24T02:15."
        ) from None
