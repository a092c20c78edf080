"""What runs: the tabs of the field `runs`, and what goes with any of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from blocks.fields import CronLine, Domains, MountPath, TimeZone, UrlPath, Word, choose, without_kind
from fleet import spec

FORM = ConfigDict(extra="forbid", json_schema_extra=without_kind)

Port = Annotated[int, Field(ge=1, le=65535, title="Port")]
ExitCode = Annotated[int, Field(ge=0, le=255)]
StartSeconds = Annotated[
    int,
    Field(
        title="Time to start (s)",
        description="How long a release may take to become healthy.",
        ge=1,
        le=600,
        examples=[60],
    ),
]
TimeoutSeconds = Annotated[
    float,
    Field(title="Time to answer (s)", description="How long one health request may take.", ge=0.1, le=60, examples=[2]),
]


class WebService(BaseModel):
    """An HTTP port behind a domain."""

    model_config = ConfigDict(title="Web", **FORM)

    kind: Literal["web"] = "web"
    port: Port = Field(description="Where the container listens for HTTP.", examples=[8080])
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
    start_seconds: StartSeconds = 60
    timeout_seconds: TimeoutSeconds = 2.0

    def runs(self) -> spec.Web:
        """As plans know it."""
        return spec.Web(self.port, tuple(self.domains))

    def health(self) -> spec.Health:
        """How to tell that it serves."""
        return spec.Health(self.health_path, self.start_seconds, self.timeout_seconds)


class TcpService(BaseModel):
    """A port that the environment's other services reach by the service's name, and nobody from outside."""

    model_config = ConfigDict(title="TCP", **FORM)

    kind: Literal["tcp"] = "tcp"
    port: Port = Field(
        description="Where the container listens; it is healthy when it accepts a connection.", examples=[6379]
    )
    start_seconds: StartSeconds = 60
    timeout_seconds: TimeoutSeconds = 2.0

    def runs(self) -> spec.Tcp:
        """As plans know it."""
        return spec.Tcp(self.port)

    def health(self) -> spec.Health:
        """How to tell that it serves."""
        return spec.Health(None, self.start_seconds, self.timeout_seconds)


class WorkerService(BaseModel):
    """A process without a port."""

    model_config = ConfigDict(title="Worker", **FORM)

    kind: Literal["worker"] = "worker"
    exclusive: bool = Field(
        False,
        title="Exclusive",
        description="No two may ever run: the old one stops before the new one starts.",
        examples=[False],
    )
    steady_seconds: int = Field(
        5,
        title="Time to be steady (s)",
        description="How long it must have run without a restart to count as healthy.",
        ge=1,
        le=300,
        examples=[5],
    )

    def runs(self) -> spec.Worker:
        """As plans know it."""
        return spec.Worker(self.exclusive, self.steady_seconds)

    def health(self) -> spec.Health:
        """How to tell that it works: there is nothing to ask."""
        return spec.Health()


class ScheduledService(BaseModel):
    """A process that a cron line starts, and that ends by itself."""

    model_config = ConfigDict(title="Scheduled", **FORM)

    kind: Literal["scheduled"] = "scheduled"
    cron: CronLine = Field(
        title="Cron line",
        description="Minute, hour, day of month, month and day of week, e.g. 30 4 * * 1-5.",
        examples=["30 4 * * 1-5"],
    )
    zone: TimeZone = Field(
        "UTC", title="Time zone", description="Whose clock the line means, e.g. Europe/Berlin.", examples=["UTC"]
    )
    overlap: bool = Field(
        False,
        title="May overlap",
        description="Whether a run may start while the one before it still goes on; else that start is skipped.",
        examples=[False],
    )
    run_seconds: int = Field(
        1800,
        title="Longest run (s)",
        description="A run that takes longer is stopped.",
        ge=1,
        le=604_800,
        examples=[1800],
    )
    ok_codes: list[ExitCode] = Field(
        default=[0],
        title="Good exit codes",
        description="A run that ends with one of these has done well.",
        min_length=1,
        max_length=20,
        examples=[[0]],
    )
    failure_tolerance: int = Field(
        1,
        title="Failures that count",
        description="So many failed runs one after the other make it unhealthy; fewer only degraded.",
        ge=1,
        le=100,
        examples=[1],
    )

    def runs(self) -> spec.Scheduled:
        """As plans know it."""
        codes, tolerance = tuple(self.ok_codes), self.failure_tolerance
        return spec.Scheduled(self.cron, self.zone, self.overlap, self.run_seconds, codes, tolerance)

    def health(self) -> spec.Health:
        """How to tell that it works: its runs are judged against its line."""
        return spec.Health()


class Volume(BaseModel):
    """A named volume: it outlives every release, and keeps the service on its droplet."""

    model_config = ConfigDict(title="Volume", extra="forbid")

    name: Word = Field(
        title="Volume name",
        description="Lower-case letters, digits and dashes; with another name it is another, empty volume.",
        examples=["data"],
    )
    path: MountPath = Field(title="Path", description="Where the container finds it.", examples=["/data"])


ServiceKind = Annotated[
    WebService | TcpService | WorkerService | ScheduledService,
    choose(WebService, TcpService, WorkerService, ScheduledService),
]
"""A tab for each."""
