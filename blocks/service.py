"""What runs."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field, HttpUrl

from blocks.environment import Environment
from blocks.fields import Command, LogPatterns, Word, logo
from blocks.images import (
    BuildFromArchive,
    BuildFromFolder,
    BuildFromGit,
    ImageFromController,
    ImageFromRegistry,
    ServiceImage,
)
from blocks.kinds import ScheduledService, ServiceKind, TcpService, Volume, WebService, WorkerService
from fleet import spec
from fleet.errors import InvalidInput

GIT_TOKEN: Final = "image.token"  # noqa: S105 - a name
"""What stands for the token of a private repository where secrets are named."""

REGISTRY_PASSWORD: Final = "image.password"  # noqa: S105 - a name
"""The same for the password of a private registry."""

__all__ = [
    "GIT_TOKEN",
    "REGISTRY_PASSWORD",
    "BuildFromArchive",
    "BuildFromFolder",
    "BuildFromGit",
    "ImageFromController",
    "ImageFromRegistry",
    "ScheduledService",
    "Service",
    "TcpService",
    "Volume",
    "WebService",
    "WorkerService",
]


class Service(Block):
    """One thing to run in an environment.

    Example:
        ```python
        from blocks.service import Service

        service = Service.load("BLOCK_NAME")
        print(service.spec())
        ```
    """

    _block_type_name: ClassVar[str | None] = "Service"
    _block_type_slug: ClassVar[str | None] = "service"
    _logo_url: ClassVar[Any] = logo()
    _documentation_url: ClassVar[Any] = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")
    _description: ClassVar[str | None] = "One thing to run: its image, how it runs, its volumes, limits and secrets."

    name: Word = Field(
        title="Service name",
        description="Part of the container's name: lower-case letters, digits and dashes, e.g. hello.",
        examples=["hello"],
    )
    environment: Environment = Field(title="Environment", description="Where it runs.")
    image: ServiceImage = Field(title="Image", description="Where its image comes from.")
    runs: ServiceKind = Field(
        title="What runs",
        description="A web service with domains, a TCP port for the other services, a worker, or a scheduled run.",
    )
    replicas: int = Field(1, title="Replicas", description="On how many droplets it runs.", ge=1, le=100)
    variables: dict[str, str] = Field(
        default_factory=dict,
        title="Environment variables",
        description='Names and values that are no secret, as JSON: {"LANG": "C"}.',
        examples=[{"LANG": "C"}],
    )
    secrets: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        title="Secrets",
        description='As JSON: {"API_KEY": "…"}. Each becomes the file /run/secrets/NAME in the container; never an '
        "environment variable. Where there is none the form shows ********; write {} there, and it can be saved.",
    )
    missing_secrets: list[str] = Field(
        default_factory=list,
        title="Secrets to fill in",
        description="Names that the service had when `adopt` found it, whose values nobody could read back. Until each "
        "is filled in above, or taken off this list, a deploy is refused.",
        examples=[["API_KEY"]],
        max_length=101,
    )
    volumes: list[Volume] = Field(
        default_factory=list,
        title="Volumes",
        description="Data that outlives every release; a service that has any stays on one droplet.",
        max_length=20,
    )
    volumes_may_go: bool = Field(
        default=False,
        title="Volumes may be lost",
        description="On: its volumes hold nothing that is missed, such as a cache, and do not keep a dead droplet from "
        "being replaced.",
    )
    command: Command = Field(
        default_factory=list,
        title="Command",
        description="Words to run instead of the image's own command; no shell reads them.",
        examples=[["python3", "-m", "shop.worker"]],
    )
    memory_mib: int = Field(256, title="Memory (MiB)", description="What the container may use.", ge=16, le=1_048_576)
    cpus: float = Field(1.0, title="CPUs", description="What the container may use.", ge=0.01, le=256)
    drain_seconds: int = Field(
        30, title="Time to drain (s)", description="How long the old release may finish its requests.", ge=1, le=600
    )

    ignore_errors: LogPatterns = Field(
        default_factory=list,
        title="Errors to ignore",
        description="Regular expressions; an error in its log whose first line matches one does not count.",
        examples=[[r"client \d+ timed out"]],
    )
    min_errors: int = Field(
        1,
        title="Errors that count",
        description="So many errors in its log since the last check make the service degraded.",
        ge=1,
        le=10_000,
    )
    keep_releases: int = Field(
        5,
        title="Releases kept",
        description="How many older releases its droplets keep, to be gone back to in seconds and without a build.",
        ge=1,
        le=20,
    )
    on_another_base: Literal["warn", "rebuild"] = Field(
        "warn",
        title="On another base",
        description="When a roll brings an image that is built on local/base to droplets with another base: `warn` "
        "says so, `rebuild` deploys the service once the roll is done.",
    )

    soak_minutes: int = Field(
        0,
        title="Time to soak (min)",
        description="How long after each deploy its errors, its answers' times and its restarts are compared with the "
        "release before, which serves again by itself when it does worse; 0: not at all.",
        ge=0,
        le=1440,
    )

    def secret_names(self) -> list[str]:
        """The names of its secrets, those that are still to be filled in among them; never a value."""
        return sorted({*self.secrets.get_secret_value(), *self._image_secrets(), *self.missing()})

    def missing(self) -> list[str]:
        """Names of secrets that are still to be filled in, since nobody could read them back."""
        return sorted(set(self.missing_secrets) - {*self.secrets.get_secret_value(), *self._image_secrets()})

    def _image_secrets(self) -> list[str]:
        """What stands for the credential that is filled in with its image."""
        match self.image:
            case BuildFromGit(token=token) if token:
                return [GIT_TOKEN]
            case ImageFromRegistry(password=password) if password:
                return [REGISTRY_PASSWORD]
            case _:
                return []

    def check_complete(self) -> None:
        """Whether everything is filled in that it had before the controller was lost.

        Raises:
            InvalidInput: a secret is missing; the message names each.
        """
        if missing := self.missing():
            raise InvalidInput(
                f"{self.name}: these secrets are missing, as they could not be read back: {', '.join(missing)}.",
                hint="Fill them in in the Service block; those that it does not need any more, take off the list "
                "'Secrets to fill in'. Nothing has been changed.",
            )

    def spec(self) -> spec.ServiceSpec:
        """The service as plans know it.

        Raises:
            fleet.errors.InvalidInput: a value cannot work; the message says what to write instead.
        """
        wanted = spec.ServiceSpec(
            name=self.name,
            source=self.image.source(),
            runs=self.runs.runs(),
            replicas=self.replicas,
            health=self.runs.health(),
            variables=dict(self.variables),
            secrets={name: str(value) for name, value in self.secrets.get_secret_value().items()},
            memory_mib=self.memory_mib,
            cpus=self.cpus,
            drain_seconds=self.drain_seconds,
            volumes=tuple(spec.Volume(one.name, one.path) for one in self.volumes),
            command=tuple(self.command),
            keep_releases=self.keep_releases,
            log=spec.LogRules(tuple(self.ignore_errors), self.min_errors),
        )
        spec.check_in_zone(wanted, self.environment.cloudflare.zone)
        return wanted
