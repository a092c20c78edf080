"""Log lines without what looks like a credential: what is kept for months must not hold one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleet.remediation.evidence import LOG_LINES

LINE_LIMIT = 500
"""Characters of a line that are kept."""
HIDDEN = "[redacted]"
_SECRETS = (
    re.compile(r"(?i)(?P<kept>\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?)(?P<gone>[^\s\"',;]+)"),
    re.compile(
        r"(?i)(?P<kept>[\w.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)"
        r"[\w.-]*[\"']?\s*[:=]\s*[\"']?)(?P<gone>(?!\[redacted)[^\s\"'&,;}\]]+)"
    ),
    re.compile(r"(?P<kept>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)(?P<gone>[^\s@]+)(?=@)"),
    re.compile(
        r"(?P<kept>)(?P<gone>\b(?:dop_v1_[0-9a-f]+|eyJ[\w-]+\.[\w-]+\.[\w-]*|AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,}))"
    ),
    re.compile(r"(?P<kept>)(?P<gone>-----BEGIN [A-Z ]*PRIVATE KEY-----.*)"),
)


def redact(line: str) -> str:
    """The line, at most `LINE_LIMIT` characters of it, without what looks like a credential."""
    line = line[: 4 * LINE_LIMIT]  # what is cut off below would be looked at for long
    for pattern in _SECRETS:
        line = pattern.sub(rf"\g<kept>{HIDDEN}", line)
    return line if len(line) <= LINE_LIMIT else f"{line[:LINE_LIMIT]}…"


def last_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """The last lines of a log, at most `LOG_LINES`, each redacted."""
    return tuple(redact(line) for line in [*lines][-LOG_LINES:])
