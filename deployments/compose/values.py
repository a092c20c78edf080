"""Values as Compose writes them: variables in braces, env files, sizes, times, words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-?+])(?P<rest>[^}]*))?\}|(?P<broken>))"
)
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([bkmg]?)(i?b)?", re.IGNORECASE)
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h)")
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_SECRET_WORDS = {
    "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "SECRETS", "TOKEN", "APIKEY", "CREDENTIAL", "CREDENTIALS", "KEY",
}  # fmt: skip
"""Words of a name, between its underscores, that say that the value is one."""


class Unfit(ValueError):
    """A value that means nothing here; the message says why."""


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """The text with `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `${NAME:+other}` filled in.

    Raises:
        Unfit: a variable has no value, or the braces are not in order.
    """

    def fill(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        if match["broken"] is not None:
            raise Unfit("a $ that begins no variable; write $$ for the sign itself")
        name, operator, rest = match["plain"] or match["name"], match["operator"] or "", match["rest"] or ""
        value = variables.get(name)
        there = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return rest if there else ""
        if there:
            return value or ""
        if operator.endswith("-"):
            return rest
        raise Unfit(rest or f"{name} has no value: put it into .env or the environment, or write ${{{name}:-default}}")

    return _VARIABLE.sub(fill, text)


def env_file(text: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What an env file sets. Values in single quotes are taken as they are; in others variables are filled in.

    Raises:
        Unfit: a line is none of `NAME=value`, `export NAME=value`, a comment.
    """
    found: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
            raise Unfit(f"line {number} is not NAME=value")
        found[name.strip()] = _unquoted(value.strip(), {**variables, **found}, number)
    return found


def _unquoted(value: str, variables: Mapping[str, str], number: int) -> str:
    quote = value[:1] if value[:1] in ("'", '"') else ""
    if not quote:
        return interpolate(re.split(r"(?:^|\s)#", value, maxsplit=1)[0].rstrip(), variables)
    end = value.find(quote, 1)
    if end < 0:
        raise Unfit(f"line {number} opens a quote and does not close it")
    inner = value[1:end]
    return inner if quote == "'" else interpolate(inner.replace("\\n", "\n"), variables)


def mebibytes(value: Any) -> int:
    """A size (`512m`, `1.5gb`, bytes) in MiB, rounded up.

    Raises:
        Unfit: it is none.
    """
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise Unfit(f"{value!r} is no size, e.g. 512m")
    return math.ceil(float(match[1]) * _UNITS[match[2].lower()] / (1 << 20))


def seconds(value: Any) -> float:
    """A time (`90s`, `1m30s`) in seconds.

    Raises:
        Unfit: it is none.
    """
    text = str(value).strip()
    if not text or _TIME.sub("", text):
        raise Unfit(f"{value!r} is no time, e.g. 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in _TIME.findall(text))


def text(value: Any) -> str:
    """A value of a variable as a container sees it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_secret(name: str, value: str) -> bool:
    """Whether a variable's name says that its value is a secret, or the value is an address with a password in it."""
    return bool(set(name.upper().split("_")) & _SECRET_WORDS) or bool(_PASSWORD_IN_URL.search(value))
