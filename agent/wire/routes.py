"""Routes: which container answers for a name, and the page that is shown instead during maintenance."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.wire.base import Host, Name, Release, Request


class Maintenance(Request):
    """What visitors get instead of the service: a 503 with `Retry-After` and a small page."""

    retry_after_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    """When a program that asked may ask again."""
    message: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=300)] = ""
    """Plain text for the page, on one line; empty: the page's own words."""


class Route(Request):
    """One name that nginx serves, and where it goes."""

    host: Host
    container: Name
    release: Release
    address: Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$")]
    port: Annotated[int, Field(ge=1, le=65535)]
    maintenance: Maintenance | None = None
    """None: requests go to the container; otherwise none does, and visitors get the page."""


class Routes(Request):
    """The whole routing table of a droplet; a host occurs once."""

    routes: Annotated[tuple[Route, ...], Field(max_length=1000)]
