"""A Dockerfile, read before anything is built: what may not be in it, and whether it needs BuildKit.

For both ends: the controller refuses at its door, and the agent does not rely on that.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from typing import Final

BYTES_LIMIT: Final = 128 << 10
LINES_LIMIT: Final = 5000
FRONTEND: Final = re.compile(r"(docker\.io/)?docker/dockerfile(:1(\.\d+){0,2})?(@sha256:[0-9a-f]{64})?")
"""What `# syntax=` may name: a frontend is a program that gets to see the whole build, secrets and all."""
HARMLESS: Final = {"network": frozenset({"none", "default"}), "security": frozenset({"sandbox"})}
"""Flags of RUN that open a way out of the build, and the values with which they do not."""
_COMMENT: Final = re.compile(r"\s*(#|//)")
_SYNTAX: Final = re.compile(r"^\s*(?:#|//)\s*syntax\s*=\s*(\S*)", re.IGNORECASE)
_ESCAPE: Final = re.compile(r"^\s*#\s*escape\s*=\s*(\S)", re.IGNORECASE)
_RUN: Final = re.compile(r"^\s*(?:ONBUILD\s+)*RUN\s+(?=-)", re.IGNORECASE)


class Refused(ValueError):
    """It holds what no build here may do; the message is the end of a sentence that begins with its name."""


def check(text: str) -> None:
    """Whether it may be built.

    Raises:
        Refused: it is too large, has a foreign frontend, or leaves the build's own network or sandbox.
    """
    if len(text) > BYTES_LIMIT or text.count("\n") > LINES_LIMIT:
        raise Refused(f"is larger than {BYTES_LIMIT >> 10} KiB or longer than {LINES_LIMIT} lines")
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        raise Refused("begins like JSON, not like a Dockerfile")
    for line in _preamble(text):
        found = _SYNTAX.match(line)
        if found and not FRONTEND.fullmatch(found[1]):
            raise Refused(f"names the frontend {found[1]!r} (# syntax=), and only docker/dockerfile:1 may be named")
    for name, value in _run_flags(text):
        if value not in HARMLESS.get(name, {value}):
            allowed = " or ".join(sorted(HARMLESS[name]))
            raise Refused(f"says RUN --{name}={value}, and a build may say {allowed} there")


def needs_buildkit(text: str) -> bool:
    """Whether only BuildKit builds it: it mounts something, such as a secret, for the time of a RUN."""
    return any(name == "mount" for name, _ in _run_flags(text))


def secrets(text: str) -> frozenset[str]:
    """The ids of the secrets that it mounts."""
    options = (dict(_pairs(value)) for name, value in _run_flags(text) if name == "mount")
    mounted = (one for one in options if one.get("type") == "secret")
    return frozenset(one.get("id") or (one.get("target") or "").rpartition("/")[2] for one in mounted)


def _pairs(value: str) -> Iterator[tuple[str, str]]:
    for part in value.split(","):
        key, _, given = part.partition("=")
        yield {"src": "id", "source": "id", "dst": "target"}.get(key.strip(), key.strip()), given


def _preamble(text: str) -> Iterator[str]:
    """The comments before the first instruction, among which directives are."""
    lines = text.lstrip("\ufeff").splitlines()
    return itertools.takewhile(lambda line: not line.strip() or _COMMENT.match(line), lines)


def _run_flags(text: str) -> Iterator[tuple[str, str]]:
    """Flags of everything that may be a RUN, wherever in the text it begins: a heredoc can hide none."""
    escape = next((found[1] for line in _preamble(text) if (found := _ESCAPE.match(line))), "\\")
    lines = text.lstrip("\ufeff").splitlines()
    for number in range(len(lines)):
        instruction = _joined(lines[number:], escape)
        if found := _RUN.match(instruction):
            yield from _flags(instruction[found.end() :], escape)


def _joined(lines: list[str], escape: str) -> str:
    """One instruction, with what its line is continued by; comments and empty lines in between do not count."""
    parts: list[str] = []
    for line in lines:
        if parts and (not line.strip() or _COMMENT.match(line)):
            continue
        bare = line.rstrip()
        parts.append(bare.removesuffix(escape))
        if not bare.endswith(escape):
            break
    return "".join(parts)


def _flags(rest: str, escape: str) -> Iterator[tuple[str, str]]:
    words = shlex.shlex(rest, posix=True)
    words.whitespace_split, words.commenters, words.escape = True, "", escape
    try:
        for word in words:
            if not word.startswith("--"):
                return
            name, _, value = word[2:].partition("=")
            yield name, value
    except ValueError:
        return  # an unbalanced quote, which is the command's own
