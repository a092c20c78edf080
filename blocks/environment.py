"""Where services run."""

from __future__ import annotations

from typing import Any, ClassVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr

from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.fields import Networks, SecretUrl, Word, logo
from blocks.notifications import Notifications
from blocks.snapshot import Snapshot
from fleet import naming
from fleet.origins import Mode
from fleet.spec import EnvironmentSpec


class Environment(Block):
    """A project's `prod`, `staging` …: region, size, zone, credentials.

    Example:
        ```python
        from blocks.environment import Environment

        environment = Environment.load("BLOCK_NAME")
        print(environment.spec())
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # it may be a secret

    _block_type_name: ClassVar[str | None] = "Environment"
    _block_type_slug: ClassVar[str | None] = "environment"
    _logo_url: ClassVar[Any] = logo()
    _documentation_url: ClassVar[Any] = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")
    _description: ClassVar[str | None] = "Where services run: project, region, size, snapshot, zone, credentials."

    project: Word = Field(
        title="Project",
        description="What the services belong to: lower-case letters, digits and dashes, e.g. shop.",
        examples=["shop"],
    )
    name: Word = Field(
        title="Environment name",
        description="Which of the project's environments: lower-case letters, digits and dashes, e.g. prod.",
        examples=["prod"],
    )
    region: str = Field(
        title="Region", description="Where droplets are made, e.g. fra1.", examples=["fra1"], pattern=r"^[a-z]{3}[0-9]$"
    )
    size: str = Field(
        "s-1vcpu-1gb",
        title="Default size",
        description="How large new droplets are, by DigitalOcean's name.",
        examples=["s-1vcpu-1gb"],
        min_length=1,
    )
    snapshot: Snapshot | None = Field(
        None, title="Default snapshot", description="What new droplets are made from, unless a run says otherwise."
    )
    digitalocean: DigitalOceanCredentials = Field(
        title="DigitalOcean Credentials", description="The team that the droplets belong to."
    )
    cloudflare: CloudflareCredentials = Field(
        title="Cloudflare Credentials", description="The zone that the services' names are in."
    )
    controller_addresses: Networks = Field(
        title="Controller addresses",
        description="Addresses (CIDR) of the machines that run workers, e.g. 203.0.113.7/32: the only ones that reach "
        "the agents.",
        examples=[["203.0.113.7/32"]],
        min_length=1,
        max_length=50,
    )

    origin: Mode = Field(
        default="full",
        title="Edge and droplets",
        description="full: what goes between them is encrypted, and droplets sign their own certificates. strict: each "
        "proves itself to the other as well, by certificates that `secure-origins` sees to, and droplets answer the "
        "edge of this zone alone; its token needs Zone Settings Edit and SSL and Certificates Edit.",
    )
    production: bool = Field(
        default=True,
        title="Production",
        description="On: no drill is done here, unless its run says that it is to be done all the same.",
    )
    approval: bool = Field(
        default=False,
        title="Ask for approval",
        description="On: a deploy shows its plan and waits until a person approves it in the run's page.",
    )
    approval_minutes: int = Field(
        default=60,
        title="Time to approve (min)",
        description="How long a deploy waits for an answer before it ends without having changed anything.",
        ge=1,
        le=1440,
    )

    replaceable: bool = Field(
        default=False,
        title="Replace dead droplets",
        description="On: a droplet that is dead, and stays so, gives way to a new one without anybody being asked. "
        "Never where data would be lost with it.",
    )
    proof_seconds: int = Field(
        default=60,
        title="Proof of a new droplet (s)",
        description="How long everything on a droplet that replaces a dead one must have been well before visitors "
        "come to it.",
        ge=0,
        le=600,
    )

    lease_seconds: int = Field(
        default=60,
        title="Lease (s)",
        description="How long a run that was killed keeps others from its service. Longer than the network between "
        "worker and droplets is ever away.",
        ge=10,
        le=600,
    )

    notifications: Notifications | None = Field(
        default=None,
        title="Notifications",
        description="Where people are told of changes. Its droplets use it too, to say that no health round comes any "
        "more.",
    )
    heartbeat_url: SecretUrl = Field(
        default=SecretStr(""),
        title="Heartbeat address",
        description="Asked (GET) after each completed health round, so that a service of yours can notice when none "
        "is. Empty: nothing is.",
        examples=["https://hc-ping.com/…"],
    )

    def spec(self, snapshot: Snapshot | None = None) -> EnvironmentSpec:
        """The environment as plans know it; `snapshot` takes the place of the default one.

        Raises:
            fleet.errors.InvalidInput: the values do not work together; the message says what to write instead.
        """
        chosen = snapshot or self.snapshot
        return EnvironmentSpec(
            project=self.project,
            name=self.name,
            region=self.region,
            size=self.size,
            zone=self.cloudflare.zone,
            snapshot=chosen.snapshot_id if chosen else None,
            controller_addresses=tuple(self.controller_addresses),
        )

    def title(self) -> str:
        """The environment in one word: `demo-prod`."""
        return naming.environment(self.spec())

    def url(self, domain: str) -> str:
        """Where a visitor finds a domain."""
        return self.cloudflare.service_url.replace("{domain}", domain)
