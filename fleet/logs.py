"""What of a service's log counts against it: the patterns to ignore, and how many errors make it degraded."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet import checks
from fleet.errors import InvalidInput

PATTERNS_LIMIT = 20
PATTERN_LIMIT = 200
_ESCAPE = r"\\([dDwWsS]|[^A-Za-z0-9\s])"
_CLASS = rf"\[\^?([A-Za-z0-9]-[A-Za-z0-9]|{_ESCAPE}|[^\\\[\]&~|^\x00-\x1f\x7f-])+\]"
_LETTER = rf"([^\\.\[\]()*+?|^${{}}\x00-\x1f\x7f]|{_ESCAPE}|\.|{_CLASS})[*+?]?"
_GROUP = rf"\(({_LETTER})+(\|({_LETTER})+)*\)[*+?]?"
_BRANCH = rf"\^?({_LETTER}|{_GROUP})+\$?"
PATTERN = rf"({_BRANCH})(\|({_BRANCH}))*"
"""A part of Python's regular expressions that can be matched without ever trying anything again."""


@dataclass(frozen=True)
class LogRules:
    """How a log is judged."""

    ignore: tuple[str, ...] = ()
    """An error whose first line matches any of these, anywhere in it, is none."""
    min_errors: int = 1
    """So many errors since the last check make the service degraded."""

    def __post_init__(self) -> None:
        checks.check_between("the number of errors that count", self.min_errors, 1, 10_000)
        checks.check_between("the number of patterns to ignore", len(self.ignore), 0, PATTERNS_LIMIT)
        for pattern in self.ignore:
            check_pattern(pattern)


def check_pattern(value: str) -> None:
    """Whether this is a pattern by which lines can be ignored.

    Raises:
        InvalidInput: it is too long, no regular expression of the kind that is allowed, or would ignore every line.
    """
    if len(value) > PATTERN_LIMIT or not re.fullmatch(PATTERN, value):
        raise InvalidInput(
            f"{value[:PATTERN_LIMIT]!r} cannot be a pattern to ignore.",
            hint=f"Use at most {PATTERN_LIMIT} letters of a regular expression: . \\d \\w \\s [a-z] * + ? | ( ) ^ $; "
            "groups lie side by side, there is no {3}, and a sign that means itself has a \\ before it.",
        )
    try:
        everything = re.compile(value).search("") is not None
    except re.error as error:
        raise InvalidInput(f"{value!r} is no regular expression: {error}.", hint="Mend it.") from None
    if everything:
        raise InvalidInput(
            f"{value!r} would ignore every error.", hint="Name something that must be in the line, e.g. timed out."
        )
