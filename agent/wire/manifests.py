"""Manifests: what services were to be when they were deployed last, kept by the droplets for controllers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from agent.wire.base import Release, Reply, Request

Document = Annotated[str, Field(min_length=2, max_length=262_144)]
"""JSON that only controllers read; it holds no secret."""


class Manifest(Request):
    """What a controller leaves of a service with every droplet of the environment, once it serves."""

    release: Release
    """The release that was deployed with it: of two manifests of a service, the one with the later release counts."""
    written_at: datetime
    """By the controller's clock."""
    by: Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")]
    """The run and its machine, for people."""
    document: Document


class HeldManifest(Reply):
    """What a droplet has kept of a service."""

    name: str
    """The container's plain name."""
    release: str
    written_at: datetime
    by: str
    document: str


class Manifests(Reply):
    """All that a droplet has kept."""

    manifests: tuple[HeldManifest, ...]
