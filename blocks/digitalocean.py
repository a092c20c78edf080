"""Access to a DigitalOcean team."""

from __future__ import annotations

from typing import Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr

from agent import keys
from blocks.fields import Address, OptionalToken, PemFile, Token, logo
from fleet.cloud.digitalocean import DigitalOcean


class DigitalOceanCredentials(Block):
    """The token of a DigitalOcean team, and where its API is.

    Example:
        ```python
        from blocks.digitalocean import DigitalOceanCredentials

        credentials = DigitalOceanCredentials.load("BLOCK_NAME")
        print(credentials.client().account.read_owner())
        ```
    """

    _block_type_name: ClassVar[str | None] = "DigitalOcean Credentials"
    _block_type_slug: ClassVar[str | None] = "digitalocean-credentials"
    _logo_url: ClassVar[Any] = logo()
    _documentation_url: ClassVar[Any] = HttpUrl(
        "https://docs.digitalocean.com/reference/api/create-personal-access-token/"
    )
    _description: ClassVar[str | None] = "Access to a DigitalOcean team: droplets, snapshots, firewalls, tags."

    token: Token = Field(
        title="API token",
        description="A token that may read and write droplets, snapshots, images, firewalls, tags and SSH keys. "
        "The droplets' own keys derive from it: replace it by `python -m deployments rotate-tokens`.",
        examples=["dop_v1_…"],
        min_length=1,
    )
    former_token: OptionalToken = Field(
        default=SecretStr(""),
        title="Former token",
        description="The token before, while droplets still answer to keys from it; rotate-keys takes it out.",
    )
    seed: OptionalToken = Field(
        default=SecretStr(""),
        title="Seed",
        description="What releases are named by and droplets know each other by, so that both outlive a token. Empty: "
        "it follows from the token.",
    )
    api_url: Address = Field(
        "https://api.digitalocean.com",
        title="API address",
        description="Where the API is; another address only for a sandbox.",
        examples=["https://api.digitalocean.com"],
    )
    ca_file: PemFile = Field(
        None,
        title="Certificate authority",
        description="A PEM file on the worker's machine, when the API's certificate is not from a public authority.",
        examples=["/etc/deployer/ca.pem"],
    )

    def ring(self, numbers: tuple[int, ...]) -> keys.Ring:
        """What may open a droplet whose keys have these numbers."""
        return keys.Ring(self.token.get_secret_value(), self.former_token.get_secret_value(), numbers)

    def seed_value(self) -> str:
        """The seed, from the token unless it is kept."""
        return self.seed.get_secret_value() or keys.seed(self.token.get_secret_value())

    def client(self) -> DigitalOcean:
        """The account's droplets, snapshots, firewalls and keys; makes no call yet."""
        return DigitalOcean(self.token.get_secret_value(), self.api_url, self.ca_file)
