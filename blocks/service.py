"""What runs."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from blocks.environment import Environment
from blocks.fields import Domains, FileInFolder, Folder, Reference, UrlPath, Word, logo, without_kind
from fleet import spec


class BuildFromFolder(BaseModel):
    """An image built from a folder on the worker's machine."""

    model_config = ConfigDict(title="Build from a folder", extra="forbid", json_schema_extra=without_kind)

    kind: Literal["build"] = "build"
    context: Folder = Field(
        title="Folder",
        description="Absolute path of the build context on the machine that runs the worker.",
        examples=["/srv/shop"],
    )
    dockerfile: FileInFolder = Field(
        "Dockerfile",
        title="Dockerfile",
        description="Its path inside the folder; it may say FROM local/base:latest.",
        examples=["Dockerfile"],
    )

    def source(self) -> spec.BuildSource:
        """As plans know it."""
        return spec.BuildSource(self.context, self.dockerfile)


class ImageFromRegistry(BaseModel):
    """An image pulled by the first droplet."""

    model_config = ConfigDict(title="Image from a registry", extra="forbid", json_schema_extra=without_kind)

    kind: Literal["image"] = "image"
    reference: Reference = Field(
        title="Image",
        description="Name and tag, or better a digest.",
        examples=["ghcr.io/acme/shop:1.4.2"],
    )

    def source(self) -> spec.ImageSource:
        """As plans know it."""
        return spec.ImageSource(self.reference)


class WebService(BaseModel):
    """An HTTP port behind a domain."""

    model_config = ConfigDict(title="Web", extra="forbid", json_schema_extra=without_kind)

    kind: Literal["web"] = "web"
    port: int = Field(
        title="Port", description="Where the container listens for HTTP.", ge=1, le=65535, examples=[8080]
    )
    domains: Domains = Field(
        title="Domains",
        description="Full names inside the environment's zone, e.g. shop.example.com.",
        examples=[["shop.example.com"]],
        min_length=1,
        max_length=20,
    )
    health_path: UrlPath = Field(
        None,
        title="Health path",
        description="A GET of it must answer 200 to 399; empty: accepting a connection is enough.",
        examples=["/health"],
    )
    start_seconds: int = Field(
        60,
        title="Time to start (s)",
        description="How long a release may take to become healthy.",
        ge=1,
        le=600,
        examples=[60],
    )
    timeout_seconds: float = Field(
        2.0,
        title="Time to answer (s)",
        description="How long one health request may take.",
        ge=0.1,
        le=60,
        examples=[2],
    )


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
    _description: ClassVar[str | None] = "One thing to run: its image, its port and domains, its limits and secrets."

    name: Word = Field(
        title="Service name",
        description="Part of the container's name: lower-case letters, digits and dashes, e.g. hello.",
        examples=["hello"],
    )
    environment: Environment = Field(title="Environment", description="Where it runs.")
    image: BuildFromFolder | ImageFromRegistry = Field(title="Image", description="Where its image comes from.")
    runs: WebService = Field(title="What runs", description="How it is reached.")
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
        "environment variable.",
    )
    memory_mib: int = Field(256, title="Memory (MiB)", description="What the container may use.", ge=16, le=1_048_576)
    cpus: float = Field(1.0, title="CPUs", description="What the container may use.", ge=0.01, le=256)
    drain_seconds: int = Field(
        30, title="Time to drain (s)", description="How long the old release may finish its requests.", ge=1, le=600
    )

    def spec(self) -> spec.ServiceSpec:
        """The service as plans know it.

        Raises:
            fleet.errors.InvalidInput: a value cannot work; the message says what to write instead.
        """
        wanted = spec.ServiceSpec(
            name=self.name,
            source=self.image.source(),
            runs=spec.Web(self.runs.port, tuple(self.runs.domains)),
            replicas=self.replicas,
            health=spec.Health(self.runs.health_path, self.runs.start_seconds, self.runs.timeout_seconds),
            variables=dict(self.variables),
            secrets={name: str(value) for name, value in self.secrets.get_secret_value().items()},
            memory_mib=self.memory_mib,
            cpus=self.cpus,
            drain_seconds=self.drain_seconds,
        )
        spec.check_in_zone(wanted, self.environment.cloudflare.zone)
        return wanted
