"""What all messages share: versions, names, patterns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

API_VERSION = 1
"""Raised with an incompatible change; a client refuses an agent two or more versions away."""

PORT = 9999
KEY_HEADER = "X-Agent-Key"
FENCING_HEADER = "X-Fencing"
"""The fencing number of the caller's lease, on every call that changes a service."""
NAME = r"^[0-9a-f]{6}(_[a-z][a-z0-9-]{0,38}){3}$"
"""A managed container's name: `{owner}_{project}_{environment}_{service}`."""
RELEASE = r"^[0-9]{8}t[0-9]{6}-[0-9a-f]{6}$"
"""A release's id: UTC time, then six hex digits; it sorts by time."""
HOST = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$"
CRON = r"^[0-9*,/A-Za-z-]+( [0-9*,/A-Za-z-]+){4}$"
"""Five fields; what they may hold is for the evaluator to say."""
_ESCAPE = r"\\([dDwWsS]|[^A-Za-z0-9\s])"
_CLASS = rf"\[\^?([A-Za-z0-9]-[A-Za-z0-9]|{_ESCAPE}|[^\\\[\]&~|^\x00-\x1f\x7f-])+\]"
_LETTER = rf"([^\\.\[\]()*+?|^${{}}\x00-\x1f\x7f]|{_ESCAPE}|\.|{_CLASS})[*+?]?"
_GROUP = rf"\(({_LETTER})+(\|({_LETTER})+)*\)[*+?]?"
_BRANCH = rf"\^?({_LETTER}|{_GROUP})+\$?"
IGNORE = rf"^({_BRANCH})(\|({_BRANCH}))*$"
"""A part of Python's regular expressions: letters, `.`, `\\d \\w \\s`, classes, `* + ?`, `|`, flat groups, anchors."""
DIGEST = r"^sha256:[0-9a-f]{64}$"

Name = Annotated[str, Field(pattern=NAME, max_length=128)]
Release = Annotated[str, Field(pattern=RELEASE)]
Host = Annotated[str, Field(pattern=HOST, max_length=253)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
Digest = Annotated[str, Field(pattern=DIGEST)]
Kind = Literal["web", "tcp", "worker", "scheduled"]
VerdictWord = Literal["healthy", "degraded", "unhealthy", "unknown"]
Slot = Literal["current", "candidate", "previous"]
"""A role that one container of a service has at most."""
Role = Literal["current", "candidate", "previous", "kept", "parked"]
"""All of them: any number of older releases are kept, and what is just being replaced is parked meanwhile."""


class Request(BaseModel):
    """A body that the controller sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reply(BaseModel):
    """A body that the agent sends."""

    model_config = ConfigDict(frozen=True, extra="ignore")
