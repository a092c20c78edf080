"""Access to a Cloudflare zone."""

from __future__ import annotations

from typing import Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from blocks.fields import Address, Domain, PemFile, Token, logo
from fleet.cloud.cloudflare import Cloudflare


class CloudflareCredentials(Block):
    """The token for a Cloudflare zone, and where its API is.

    Example:
        ```python
        from blocks.cloudflare import CloudflareCredentials

        credentials = CloudflareCredentials.load("BLOCK_NAME")
        print(credentials.client().read_zone())
        ```
    """

    _block_type_name: ClassVar[str | None] = "Cloudflare Credentials"
    _block_type_slug: ClassVar[str | None] = "cloudflare-credentials"
    _logo_url: ClassVar[Any] = logo()
    _documentation_url: ClassVar[Any] = HttpUrl(
        "https://developers.cloudflare.com/fundamentals/api/get-started/create-token/"
    )
    _description: ClassVar[str | None] = "Access to a Cloudflare zone: its DNS records."

    token: Token = Field(
        title="API token",
        description="A token that may read this one zone and edit its DNS records (Zone Read, DNS Edit).",
        examples=["v1.0-…"],
        min_length=1,
    )
    zone: Domain = Field(
        title="Zone",
        description="The zone in which services get their names, e.g. example.com.",
        examples=["example.com"],
    )
    api_url: Address = Field(
        "https://api.cloudflare.com/client/v4",
        title="API address",
        description="Where the API is; another address only for a sandbox.",
        examples=["https://api.cloudflare.com/client/v4"],
    )
    ca_file: PemFile = Field(
        None,
        title="Certificate authority",
        description="A PEM file on the worker's machine, when the API's certificate is not from a public authority.",
        examples=["/etc/deployer/ca.pem"],
    )
    service_url: str = Field(
        "https://{domain}",
        title="Address of a service",
        description="How a visitor reaches a domain of this zone; `{domain}` stands for it.",
        examples=["https://{domain}"],
        pattern=r"^https?://[^{}]*\{domain\}[^{}]*$",
    )

    def client(self) -> Cloudflare:
        """The zone's records; makes no call yet."""
        return Cloudflare(self.token.get_secret_value(), self.zone, self.api_url, self.ca_file)
