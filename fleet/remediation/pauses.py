"""Pausing and resuming: what a person says goes before anything that is decided."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fleet.errors import InvalidInput
from fleet.remediation.state import Pause


def pause(pauses: Iterable[Pause], new: Pause) -> tuple[Pause, ...]:
    """The pauses with a new one, which takes the place of an earlier one of the same.

    Raises:
        InvalidInput: it names nothing, or ends before it begins.
    """
    if (new.scope == "everything") != (not new.name):
        raise InvalidInput(
            "A pause is of everything, of one service or of one droplet.",
            hint="Give --service with a container's name, or --droplet with a droplet's, or neither.",
        )
    if new.until and new.since and new.until <= new.since:
        raise InvalidInput("The pause would be over before it begins.", hint="Give a time to come, or none.")
    return (*(one for one in pauses if not _same(one, new)), new)


def resume(pauses: Iterable[Pause], ended: Pause) -> tuple[Pause, ...]:
    """The pauses without that of the same thing; the others stay."""
    return tuple(one for one in pauses if not _same(one, ended))


def in_force(pauses: Iterable[Pause], now: datetime) -> tuple[Pause, ...]:
    """Those that are not over."""
    return tuple(one for one in pauses if one.until is None or one.until > now)


def _same(one: Pause, other: Pause) -> bool:
    return (one.scope, one.name) == (other.scope, other.name)
