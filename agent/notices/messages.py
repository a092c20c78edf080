"""A message for people: some changes of one environment, as text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

FORMAT: Final = 1
LINES: Final = 20
"""Changes that one message tells in full; it says how many more there are."""
TEXT_LIMIT: Final = 500
"""Characters of a reason or a hint."""


@dataclass(frozen=True)
class Line:
    """One change: what was so and is so now, why, since when, and what to do."""

    subject: str
    was: str
    is_: str
    reason: str
    since: datetime
    hint: str = ""


@dataclass(frozen=True)
class Message:
    """What is said at one time of one environment."""

    environment: str
    at: datetime
    lines: tuple[Line, ...]
    teller: str
    """Who says it: the controller's machine or a droplet."""


def title(message: Message) -> str:
    """The message in a line."""
    first = message.lines[0]
    rest = f" and {len(message.lines) - 1} more" if len(message.lines) > 1 else ""
    return _line(f"{message.environment}: {first.subject} is {first.is_}{rest}", 200)


def text(message: Message) -> str:
    """The message for people: each change in two or three lines."""
    told = [_told(one) for one in message.lines[:LINES]]
    left = len(message.lines) - LINES
    more = [f"… and {left} more changes."] if left > 0 else []
    return "\n\n".join([title(message), *told, *more, f"Told by {message.teller}, {_stamp(message.at)}."])


def document(message: Message) -> dict[str, Any]:
    """The message for programs: what the generic webhook sends."""
    return {
        "format": FORMAT,
        "source": "deployer",
        "environment": message.environment,
        "at": message.at.isoformat(),
        "teller": message.teller,
        "title": title(message),
        "text": text(message),
        "more": max(len(message.lines) - LINES, 0),
        "changes": [
            {
                "subject": one.subject,
                "was": one.was,
                "is": one.is_,
                "reason": _line(one.reason),
                "since": one.since.isoformat(),
                "hint": _line(one.hint),
            }
            for one in message.lines[:LINES]
        ],
    }


def _told(one: Line) -> str:
    was = f" (was {one.was})" if one.was else ""
    lines = [f"{one.subject}: {one.is_}{was} since {_stamp(one.since)}", _line(one.reason)]
    return "\n".join([line for line in lines if line] + ([f"What to do: {_line(one.hint)}"] if one.hint else []))


def _line(value: str, limit: int = TEXT_LIMIT) -> str:
    """In one line without control characters, and not longer than that."""
    plain = "".join(letter if letter.isprintable() else " " for letter in value)
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
