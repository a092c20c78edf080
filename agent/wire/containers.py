"""Containers: what one release runs, and what a droplet has."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from agent.wire.base import CRON, IGNORE, Digest, Host, Kind, Release, Reply, Request, Role, Slot, Variable, VerdictWord
from agent.wire.routes import Maintenance
from agent.wire.symptoms import Symptoms


class Health(Request):
    """How to tell that a container serves."""

    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$", max_length=512)] | None = None
    """GET this path; a status of 200 to 399 is healthy. None: a TCP connection is enough."""
    start_seconds: Annotated[int, Field(ge=1, le=600)] = 60
    """How long a candidate may take to become healthy."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """How long one probe may take."""


class Cron(Request):
    """When a scheduled container starts."""

    expression: Annotated[str, Field(pattern=CRON, max_length=256)]
    """Five fields, as Debian's cron reads them."""
    zone: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+/-]{1,64}$")] = "UTC"
    overlap: bool = False
    """Whether a run may start while the one before it is still going; otherwise that start is skipped and recorded."""
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800)] = 1800
    """A run that takes longer is stopped."""
    ok_codes: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], Field(min_length=1, max_length=20)] = (0,)
    """A run that ends with one of these exit codes has done well."""
    failure_tolerance: Annotated[int, Field(ge=1, le=100)] = 1
    """So many failed runs one after the other make it unhealthy; fewer only degraded. A run that is missed counts at
    once."""


class LogRules(Request):
    """What of a container's log counts against it."""

    ignore: Annotated[tuple[Annotated[str, Field(pattern=IGNORE, max_length=200)], ...], Field(max_length=20)] = ()
    """An error whose first line matches any of these, anywhere in it, is none."""
    min_errors: Annotated[int, Field(ge=1, le=10_000)] = 1
    """So many errors since an observer's last check make it degraded."""


class Volume(Request):
    """A named volume of the service, which outlives every container of it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,38}$")]
    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]{1,255}$")]
    """Where the container finds it."""


class ContainerSpec(Request):
    """What one release of a service runs on a droplet."""

    release: Release
    image: Digest
    """The image's id (the digest of its configuration), which must already be on the droplet."""
    kind: Kind = "web"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Where a `web` or `tcp` container listens; the other kinds have none."""
    hosts: Annotated[tuple[Host, ...], Field(max_length=20)] = ()
    """Names that nginx routes to a `web` container."""
    exclusive: bool = False
    """A `worker` of which no two may ever run: the old one stops before the new one starts."""
    steady_seconds: Annotated[int, Field(ge=1, le=600)] = 5
    """How long a container without a port must have run without a restart to count as healthy."""
    cron: Cron | None = None
    """For a `scheduled` container, and only there."""
    volumes: Annotated[tuple[Volume, ...], Field(max_length=20)] = ()
    command: Annotated[tuple[Annotated[str, Field(max_length=4096)], ...], Field(max_length=100)] = ()
    """What runs instead of the image's own command; never passed through a shell."""
    health: Health = Health()
    log: LogRules = LogRules()
    environment: Annotated[dict[Variable, str], Field(max_length=200, default_factory=dict)]
    secrets: Annotated[dict[Variable, str], Field(max_length=100, default_factory=dict)]
    """Each becomes the file `/run/secrets/{name}` on a tmpfs; never an environment variable."""
    memory_mib: Annotated[int, Field(ge=16, le=1_048_576)] = 512
    cpus: Annotated[float, Field(gt=0, le=256)] = 1.0
    drain_seconds: Annotated[int, Field(ge=1, le=600)] = 30
    """How long requests in flight may take to end before the old container is stopped all the same."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if (self.port is not None) != (self.kind in ("web", "tcp")):
            raise ValueError("a web or tcp container has a port, and no other kind does")
        if bool(self.hosts) != (self.kind == "web"):
            raise ValueError("a web container has hosts, and no other kind does")
        if (self.cron is not None) != (self.kind == "scheduled"):
            raise ValueError("a scheduled container has a cron, and no other kind does")
        return self

    @property
    def stops_first(self) -> bool:
        """Whether the old container must have ended before the new one may start."""
        return self.kind == "tcp" or bool(self.volumes) or (self.kind == "worker" and self.exclusive)


class Verdict(Reply):
    """What a judgement found, with its reason and evidence; unknown never causes an action."""

    verdict: VerdictWord
    reason: str
    checked_at: datetime
    evidence: dict[str, str] = Field(default_factory=dict)
    symptoms: Symptoms | None = None
    """Of a current container that is unhealthy, or wherever they were asked for."""


class Look(Reply):
    """What the droplet's watchdog saw at one time; an age, because a droplet's clock may be wrong."""

    seconds_ago: float
    saw: str
    """`healthy`, `unhealthy`, `starting` or `ended`."""


class Watch(Reply):
    """What the droplet's watchdog has seen of a container and done about it."""

    looks: tuple[Look, ...]
    """The latest, oldest first."""
    restarts: int
    """Its own restarts in the last half hour."""
    held: bool
    """Its budget of restarts is spent, and they did not help."""
    resting: bool
    """It was stopped on purpose, and is not started by itself."""


class Container(Reply):
    """A managed container as the droplet has it."""

    name: str
    """The plain name, without the role's suffix."""
    role: Role
    kind: Kind = "web"
    release: str
    image: str
    status: str
    """Docker's word: created, running, restarting, exited, paused, dead."""
    started_at: datetime | None
    restarts: int
    hosts: tuple[str, ...] = ()
    port: int | None = None
    address: str | None = None
    """Where it listens on the droplet's own container network; fixed for the container's life."""
    memory_mib: int = 0
    """What it may use."""
    requests_in_flight: int = 0
    requests_total: int = 0
    requests_errors: int = 0
    """Answers of 500 and above."""
    requests_seconds: float = 0.0
    """How long all answers together took."""
    maintenance: bool = False
    """Whether visitors get the maintenance page instead of what it answers."""
    verdict: Verdict | None = None
    watch: Watch | None = None
    """Only in the answer of `/node`."""


class Containers(Reply):
    """All managed containers of the droplet."""

    containers: tuple[Container, ...]


class Promote(Request):
    """Which release to make current."""

    release: Release
    maintenance: Maintenance | None = None
    """The page that its names show from their first moment on; None: what they show already, if they do."""


class Rollback(Request):
    """Which release to go back to, of those that the droplet has kept; and, where a change is taken back, how it was.

    What served until now becomes the previous one, unless it is told otherwise.
    """

    release: Release
    failed: Release | None = None
    """What is taken back: it is stopped and stays as a candidate, so that nobody goes back to it. None: nothing."""
    previous: Release | None = None
    """Which of the kept releases is to be the previous one afterwards; None: as it comes."""
    maintenance: Maintenance | None = None
    """As for a promotion."""


class Retire(Request):
    """How many older releases stay on the droplet, the previous one among them."""

    keep: Annotated[int, Field(ge=1, le=20)] = 5


class Stop(Request):
    """Which container to stop, once its last request has ended."""

    role: Slot = "current"
    release: Release | None = None
    """Only when the role has this release; None: whatever release it has."""


class Changed(Reply):
    """What a changing call did: `changed` is false when everything was as asked already."""

    changed: bool
    containers: tuple[Container, ...]
    """All containers of the named service after the call."""
