"""The node protocol: every request and reply that crosses port 9999, and nothing else.

Server and client both import this module, and the controller sees no other part of the protocol. Requests
refuse fields they do not know (a misspelt option must not be ignored); replies ignore them, so that a client
one version older keeps working. All times are UTC with a zone, all sizes bytes unless the name says MiB.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

API_VERSION = 1
"""Raised with an incompatible change; a client refuses an agent two or more versions away."""

PORT = 9999
KEY_HEADER = "X-Agent-Key"
NAME = r"^[0-9a-f]{6}(_[a-z][a-z0-9-]{0,38}){3}$"
"""A managed container's name: `{owner}_{project}_{environment}_{service}`."""
RELEASE = r"^[0-9]{8}t[0-9]{6}-[0-9a-f]{6}$"
"""A release's id: UTC time, then six hex digits; it sorts by time."""
HOST = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$"
DIGEST = r"^sha256:[0-9a-f]{64}$"

Name = Annotated[str, Field(pattern=NAME, max_length=128)]
Release = Annotated[str, Field(pattern=RELEASE)]
Host = Annotated[str, Field(pattern=HOST, max_length=253)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
Digest = Annotated[str, Field(pattern=DIGEST)]
VerdictWord = Literal["healthy", "degraded", "unhealthy", "unknown"]
Role = Literal["current", "candidate", "previous"]


class Request(BaseModel):
    """A body that the controller sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reply(BaseModel):
    """A body that the agent sends."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Problem(Reply):
    """The one error envelope: what happened, and what to do next."""

    code: str
    """A word for programs, e.g. `not_found`, `unauthorized`, `conflict`, `not_healthy`, `too_large`, `busy`."""
    message: str
    hint: str
    details: dict[str, str] = {}
    """More evidence by name, e.g. `log`: the last lines of a candidate that was refused."""


class Ping(Reply):
    """Alive; answered without a key."""

    ok: bool
    version: str
    api: int


class Enrol(Request):
    """Hands the droplet its secret; accepted once, under the boot key only."""

    secret: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Health(Request):
    """How to tell that a container serves."""

    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$", max_length=512)] | None = None
    """GET this path; a status of 200 to 399 is healthy. None: a TCP connection is enough."""
    start_seconds: Annotated[int, Field(ge=1, le=600)] = 60
    """How long a candidate may take to become healthy."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """How long one probe may take."""


class ContainerSpec(Request):
    """What one release of a service runs on a droplet."""

    release: Release
    image: Digest
    """The image's id (the digest of its configuration), which must already be on the droplet."""
    port: Annotated[int, Field(ge=1, le=65535)]
    hosts: Annotated[tuple[Host, ...], Field(max_length=20)]
    """Names that nginx routes to this container."""
    health: Health = Health()
    environment: Annotated[dict[Variable, str], Field(max_length=200)] = {}
    secrets: Annotated[dict[Variable, str], Field(max_length=100)] = {}
    """Each becomes the file `/run/secrets/{name}` on a tmpfs; never an environment variable."""
    memory_mib: Annotated[int, Field(ge=16, le=1_048_576)] = 512
    cpus: Annotated[float, Field(gt=0, le=256)] = 1.0
    drain_seconds: Annotated[int, Field(ge=1, le=600)] = 30
    """How long requests in flight may take to end before the old container is stopped all the same."""


class Verdict(Reply):
    """What a judgement found, with its reason and evidence; unknown never causes an action."""

    verdict: VerdictWord
    reason: str
    checked_at: datetime
    evidence: dict[str, str] = {}


class Container(Reply):
    """A managed container as the droplet has it."""

    name: str
    """The plain name, without the role's suffix."""
    role: Role
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
    requests_in_flight: int = 0
    requests_total: int = 0
    verdict: Verdict | None = None


class Containers(Reply):
    containers: tuple[Container, ...]


class Promote(Request):
    release: Release


class Changed(Reply):
    """What a changing call did: `changed` is false when everything was as asked already."""

    changed: bool
    containers: tuple[Container, ...]
    """All roles of the named service after the call."""


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


class ImageQuery(Request):
    image: Digest
    layers: Annotated[tuple[Digest, ...], Field(max_length=512)]
    """The image's diff ids, lowest first."""


class ImageMissing(Reply):
    present: bool
    """The whole image is here already."""
    missing: tuple[str, ...]
    """Diff ids that a partial archive must carry: all above the longest chain that the droplet has."""


class ImageSave(Request):
    image: Digest
    omit: Annotated[tuple[Digest, ...], Field(max_length=512)] = ()
    """Layers (diff ids) to leave out of the archive."""


class Image(Reply):
    """An image on the droplet."""

    id: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]
    size: int


class Disk(Reply):
    total: int
    free: int


class Node(Reply):
    """All a health sweep wants to know of a droplet, in one call."""

    droplet: str
    version: str
    api: int
    now: datetime
    booted_at: datetime
    docker: Verdict
    nginx: Verdict
    disk: Disk
    memory: Disk
    load: tuple[float, float, float]
    agent_rss: int
    containers: tuple[Container, ...]


class LogLine(Reply):
    """One line of a container's log; a follow stream sends them as JSON lines."""

    at: datetime
    stream: Literal["stdout", "stderr"]
    text: str


class Logs(Reply):
    lines: tuple[LogLine, ...]
    truncated: bool


class BuildEvent(Reply):
    """A line of a build's stream (JSON lines): output as it happens, then one `image` or one `error`."""

    line: str | None = None
    image: Image | None = None
    error: str | None = None
