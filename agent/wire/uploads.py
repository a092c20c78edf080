"""Uploads: what is too large for one breath, sent in pieces and used once it is whole."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.wire.base import Digest, Reply, Request, Variable

TAG = r"^[a-z0-9][a-z0-9._/-]{0,127}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$"
_COMPONENT = r"\.?[A-Za-z0-9_-][A-Za-z0-9._-]*"
DOCKERFILE = rf"^({_COMPONENT}/)*{_COMPONENT}$"
"""A path that stays inside the context."""


class Upload(Reply):
    """How much of an upload is on the droplet."""

    digest: Digest
    have: int
    """Bytes that need not be sent again."""
    complete: bool
    """All of it is here, and has this digest."""


class Build(Request):
    """How to build an uploaded context."""

    tag: Annotated[str, Field(pattern=TAG)]
    dockerfile: Annotated[str, Field(pattern=DOCKERFILE, max_length=255)] = "Dockerfile"
    secrets: dict[Variable, str] = Field(default_factory=dict, max_length=32, repr=False)
    """What `RUN --mount=type=secret,id=…` mounts, by id; in no layer, no history and no line of output."""
