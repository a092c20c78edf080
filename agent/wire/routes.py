"""Routes: which container answers for a name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.wire.base import Host, Name, Release, Request


class Route(Request):
    """One name that nginx serves, and where it goes."""

    host: Host
    container: Name
    release: Release
    address: Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$")]
    port: Annotated[int, Field(ge=1, le=65535)]


class Routes(Request):
    """The whole routing table of a droplet; a host occurs once."""

    routes: Annotated[tuple[Route, ...], Field(max_length=1000)]
