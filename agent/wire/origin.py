"""The droplet as the edge's origin: the certificate that nginx shows it, and the one that it asks the edge for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from agent.wire.base import Reply, Request

OriginName = Annotated[
    str,
    Field(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$", max_length=255),
]
Pem = Annotated[str, Field(min_length=1, max_length=65_536, pattern=r"^[A-Za-z0-9+/=\- \r\n]*$")]


class OriginRequest(Request):
    """Asks for a signing request for these names; a wildcard stands for one label."""

    names: Annotated[tuple[OriginName, ...], Field(min_length=1, max_length=50)]


class SigningRequest(Reply):
    """A signing request (PEM) by the droplet's own key, which never leaves it."""

    csr: str


class OriginCertificate(Request):
    """What nginx is to show, and whom it is to admit."""

    certificate: Pem | None = None
    """Of the droplet's own key; None: the one that is shown stays."""
    pulls: Pem
    """The authority of the certificates that the edge shows when it pulls."""
    required: bool = False
    """Whether whoever shows no such certificate is refused."""


class Origin(Reply):
    """What nginx shows and demands."""

    names: tuple[str, ...]
    expires_at: datetime
    signed: bool
    """Whether another signed it than the droplet itself."""
    pulls: str
    """Fingerprint (SHA-256, hex) of the authority of the edge's certificates; empty: none is known."""
    required: bool
    asks: bool
    """Whether this droplet's nginx asks for certificates at all; those of older base snapshots do not."""
