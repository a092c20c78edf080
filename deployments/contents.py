"""What a backup holds of a controller: values that JSON can carry, without any id of the server that they came from."""

from __future__ import annotations

import gzip
import io
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fleet.errors import InvalidInput

LARGEST: Final = 256 << 20
"""Bytes that a backup may unfold to."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Reference(_Part):
    """A block document, by what people call it."""

    kind: str
    """The slug of its type."""
    name: str

    def __str__(self) -> str:
        """In a word."""
        return f"{self.kind}/{self.name}"


class Document(_Part):
    """A block document with its secrets; the documents that it refers to are named, and come before it."""

    at: Reference
    data: dict[str, Any] = Field(repr=False)
    refers: dict[str, Reference] = Field(default_factory=dict)
    """By field."""


class Variable(_Part):
    """A variable of the server."""

    name: str
    value: Any = Field(repr=False)
    tags: tuple[str, ...] = ()


class Schedule(_Part):
    """When a deployment runs by itself."""

    schedule: dict[str, Any]
    """Prefect's own words for it."""
    active: bool
    parameters: dict[str, Any] = Field(default_factory=dict)
    max_scheduled_runs: int | None = None
    slug: str | None = None


class Deployment(_Part):
    """What people decide about a deployment; what it runs comes with the code."""

    flow: str
    name: str
    paused: bool
    schedules: tuple[Schedule, ...] = ()


class Contents(_Part):
    """All of it."""

    format: Literal[1] = 1
    made_at: datetime
    project: str = ""
    """Whose controller it was, for people."""
    documents: tuple[Document, ...] = ()
    variables: tuple[Variable, ...] = ()
    deployments: tuple[Deployment, ...] = ()


def pack(contents: Contents) -> bytes:
    """The contents as bytes."""
    return gzip.compress(contents.model_dump_json().encode(), mtime=0)


def unpack(packed: bytes) -> Contents:
    """The contents that were packed.

    Raises:
        InvalidInput: they are of a later version, or far too large.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        whole = file.read(LARGEST + 1)
    if len(whole) > LARGEST:
        raise InvalidInput("The backup unfolds to more than any controller has.", hint="Is it the right file?")
    try:
        return Contents.model_validate_json(whole)
    except ValidationError as error:
        raise InvalidInput(
            f"The backup cannot be read by this version: {error.error_count()} of its values do not fit.",
            hint="Restore it with the version that wrote it, or a later one.",
        ) from error
