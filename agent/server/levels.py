"""Which lines of a log say that something went wrong.

What a line declares goes before what it mentions: a JSON line, a logfmt line or a klog line that names its level is
never searched for words, and an access-log line is never an error. Without a declared level, an upper-case level near
the start, a level in brackets, or the head of a stack trace counts. A word such as "error" in running text
does not ("0 errors", "error_page"), nor does stderr as such: many programs log everything there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LONGEST = 4096
_HEAD = 48
_BAD = frozenset({"error", "err", "critical", "crit", "fatal", "panic", "alert", "emerg", "emergency", "severe"})
_LEVEL_KEYS = ("level", "severity", "levelname", "log_level", "loglevel", "lvl", "severity_text")
_SYSLOG = re.compile(r"^<(\d{1,3})>")
_KLOG = re.compile(r"^([IWEF])\d{4} \d\d:\d\d:\d\d")
_ACCESS = re.compile(
    r'"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) \S{1,2048} HTTP/\d(?:\.\d)?" [1-5]\d\d\b'
)
"""With the status after it: nginx's error log names the request too."""
_LOGFMT = re.compile(r'(?:^|\s)(?:level|lvl|severity)="?([A-Za-z]+)"?(?=\s|$)')
_TOKEN = re.compile(r"(?<![A-Za-z0-9_.-])(ERROR|CRITICAL|FATAL|PANIC|SEVERE|ALERT|EMERG)(?![A-Za-z0-9_=-])")
_CALMER = re.compile(r"(?<![A-Za-z0-9_.-])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING)(?![A-Za-z0-9_=-])")
_BRACKET = re.compile(
    r"\[ {0,8}(?:(error|crit|critical|fatal|panic|alert|emerg)|trace|debug|info|notice|warn|warning) {0,8}\]",
    re.IGNORECASE,
)
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(
    r"^(?:(?:\+ Exception Group )?Traceback \(most recent call last\):|panic: |fatal error: |Caused by: "
    r"|Unhandled \w*[Ee]xception|Exception in thread |Error: |thread '[^']{1,80}' (?:\(\d+\) )?panicked at "
    r"|(?:Uncaught )?(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?::|$)|(?:error|fatal): )"
)
_CONTINUATION = re.compile(r"^(?:\s|Caused by: |\.\.\. \d+ more|> File \")")
_CHAINED = ("During handling of the above exception, another", "The above exception was the direct cause of")
_FRAME = re.compile(r"^\s+(?:at |\.\.\. \d+ more)")


def is_error(line: str) -> bool:
    """Whether this line, on its own, reports an error."""
    text = _plain(line).strip()
    if text.startswith("{"):
        declared = _json_level(text)
        if declared is not None:
            return declared
    if match := _SYSLOG.match(text):
        return int(match[1]) & 7 <= 3
    if match := _KLOG.match(text):
        return match[1] in "EF"
    if _ACCESS.search(text):
        return False
    if match := _LOGFMT.search(text):
        return match[1].lower() in _BAD
    return _words(text)


def errors(lines: Iterable[str]) -> Iterator[str]:
    """The lines that begin an error; the stack trace that follows one, with its causes and last line, is part of it."""
    known = list(lines)
    return (known[number] for number in beginnings(known))


def beginnings(lines: Iterable[str]) -> Iterator[int]:
    """The same by their places among the lines."""
    group = _Group()
    for number, (line, following) in enumerate(pairwise(chain(lines, [""]))):
        if group.begins(_plain(line), following):
            yield number


class _Group:
    """Which lines belong to the error before them."""

    def __init__(self) -> None:
        self._after = self._trace = self._chained = self._logged = False

    def begins(self, line: str, following: str) -> bool:
        """Whether an error begins with this line; they come in their order, each with the next one."""
        logged, self._logged = self._logged, False
        if self._after and (not line or _CONTINUATION.match(line)):
            return False
        if self._chained and not line:
            return False
        starts, opens = is_error(line), line.startswith(_TRACEBACK)
        ends = self._trace and not opens and bool(_EXCEPTION.match(line))
        part = ends or (opens and (self._after or self._chained)) or (logged and _traced(line, following))
        self._chained = line.startswith(_CHAINED) or (ends and not following)
        self._after, self._trace = starts and not ends, opens
        self._logged = starts and not line.startswith("{") and not _EXCEPTION.match(line)
        return starts and not part


def _traced(line: str, following: str) -> bool:
    """Whether it is the head of a trace, which a logger writes right below its own line."""
    return bool(_EXCEPTION.match(line) and _FRAME.match(following))


def _plain(line: str) -> str:
    return _ANSI.sub("", line[:_LONGEST])


def _words(text: str) -> bool:
    head = text[:_HEAD]
    if bracket := _BRACKET.search(head):
        return bracket[1] is not None
    token, calmer = _TOKEN.search(head), _CALMER.search(head)
    if token:
        return calmer is None or token.start() < calmer.start()
    if calmer:
        return False
    return bool(_EXCEPTION.match(text))


def _json_level(text: str) -> bool | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):  # some nest as deep as the line is long
        return None
    if not isinstance(document, dict):
        return None
    number = document.get("severity_number")
    if isinstance(number, int):
        return number >= 17  # OpenTelemetry: 17 to 20 are errors, above is fatal
    for key in _LEVEL_KEYS:
        value = document.get(key)
        if isinstance(value, str):
            return value.lower() in _BAD
        if isinstance(value, int):
            return value >= 50  # pino and bunyan
    return None
