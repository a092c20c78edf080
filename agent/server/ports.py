"""What the agent needs of Docker and of nginx: two protocols in the agent's own words, and the facts they speak of.

Both are synchronous; the routes call them in threads. The real ones are `engine.DockerEngine` and `router.Router`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, NamedTuple, Protocol, TypeVar

from agent import wire
from agent.docker_api import EngineAbsent, EngineDown, EngineError

__all__ = [
    "BuildRequest",
    "Engine",
    "EngineAbsent",
    "EngineDown",
    "EngineError",
    "Instance",
    "LogEntry",
    "Router",
    "RouterError",
    "Stream",
    "full_name",
]


class RouterError(Exception):
    """nginx could not be asked, or did not take the table; the message says what it answered."""


@dataclass(frozen=True)
class Instance:
    """One container as Docker has it, with the facts that its labels carry."""

    id: str
    name: str
    """The plain name, without the role's suffix."""
    role: wire.Role
    release: str
    image: str
    status: str
    """Docker's word: created, running, restarting, exited, paused, dead."""
    address: str
    port: int | None
    """Where it listens; None for a kind that has no port."""
    hosts: tuple[str, ...]
    health: wire.Health
    drain_seconds: int
    memory_mib: int
    kind: wire.Kind = "web"
    exclusive: bool = False
    steady_seconds: int = 5
    cron: wire.Cron | None = None
    volumes: tuple[wire.Volume, ...] = ()
    log: wire.LogRules = field(default_factory=wire.LogRules)
    restarts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int = 0
    oom: bool = False
    """Docker says that the kernel ended it for its memory."""
    pid: int = 0
    """Its first process, as the droplet numbers it; 0: it has none, or nobody can say."""
    variables: tuple[str, ...] = ()
    """Names of its environment variables."""
    error: str = ""
    """Why Docker could not start it, in Docker's words."""
    created_at: datetime | None = None
    pinned: str = ""
    """The digest of the whole specification: the same release with another specification is a conflict."""

    @property
    def full_name(self) -> str:
        """The name that Docker knows it by: the plain name means the current one."""
        return full_name(self.name, self.role, self.release)

    @property
    def running(self) -> bool:
        """Docker says that its process runs."""
        return self.status == "running"

    @property
    def stopped(self) -> bool:
        """It has no process, and Docker will not give it one by itself."""
        return self.status in {"created", "exited", "dead"}

    @property
    def stops_first(self) -> bool:
        """Whether no other container of the service may run beside it."""
        return self.kind == "tcp" or bool(self.volumes) or (self.kind == "worker" and self.exclusive)

    @property
    def in_turn(self) -> bool:
        """Whether it starts only once it is its turn, and cannot be proven beside the one that it replaces."""
        return self.stops_first or self.kind == "scheduled"


def full_name(name: str, role: wire.Role, release: str = "") -> str:
    """A container's name in Docker: `{name}`, `{name}.{role}`, or `{name}.kept-{release}` of those that are kept."""
    if role == "current":
        return name
    return f"{name}.kept-{release}" if role == "kept" else f"{name}.{role}"


T_co = TypeVar("T_co", covariant=True)


class Stream(Protocol[T_co]):
    """An iterator that another thread may close, which ends a wait for the next item."""

    def __iter__(self) -> Iterator[T_co]:
        """Itself."""

    def __next__(self) -> T_co:
        """The next item; waits for it."""

    def close(self) -> None:
        """End it, from any thread, any number of times."""


class LogEntry(NamedTuple):
    """One line that a container wrote."""

    at: datetime
    stream: str
    text: str


@dataclass(frozen=True)
class BuildRequest:
    """How to build the image of a tar context."""

    tag: str
    dockerfile: str = "Dockerfile"
    labels: dict[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    """Ids of images whose steps may be taken over; without any, Docker uses what was built on this droplet."""
    buildkit: bool = False
    """By BuildKit, which alone can mount something for the time of a step; it takes over only its own steps."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What BuildKit may mount, by id."""


class Engine(Protocol):
    """Docker on this droplet. Every call raises EngineDown when Docker does not answer within its deadline."""

    def version(self) -> str:
        """Docker's version; the cheapest question there is."""

    def instances(self, name: str | None = None) -> tuple[Instance, ...]:
        """All managed containers, or those of one service, running or not."""

    def strangers(self) -> tuple[str, ...]:
        """Names of all containers that are not ours, running or not."""

    def volume_names(self) -> tuple[str, ...]:
        """All volumes that somebody named."""

    def create(self, name: str, spec: wire.ContainerSpec) -> Instance:
        """Create (not start) a candidate with a free address of the droplet's container network.

        Its image gets a tag of the release: it says later that the image may go, once nothing uses it any more.
        """

    def start(self, full_name: str) -> None:
        """Start a container; one that runs stays as it is."""

    def stop(self, full_name: str, seconds: int) -> None:
        """Ask it to end, and kill it after `seconds`; one that does not run stays as it is."""

    def restart(self, full_name: str, seconds: int) -> None:
        """Stop and start in one call, which Docker completes even if the agent dies meanwhile."""

    def rename(self, instance: Instance, role: wire.Role) -> None:
        """Give a container another role. Raises EngineError with status 409 when the role is taken."""

    def remove(self, full_name: str, keep_secrets: bool = False) -> None:
        """Remove a container, running or not; an absent one is no error. Its named volumes stay.

        So do its secrets where they are to be kept, for another container of the same release.
        """

    def remove_runs(self, name: str) -> int:
        """Remove the extra containers in which runs of a scheduled service overlap; how many there were."""

    def remove_volume(self, name: str, volume: str) -> bool:
        """Remove a named volume of a service; says whether there was one of ours.

        Raises EngineError with status 409 when a container has it.
        """

    def logs(
        self, full_name: str, tail: int | None = None, since: datetime | None = None, follow: bool = False
    ) -> Stream[LogEntry]:
        """The lines of a container, oldest first; with `follow` until it ends or the stream is closed.

        It is known by its name or by its id.
        """

    def images(self) -> tuple[wire.Image, ...]:
        """All images on the droplet."""

    def image(self, reference: str) -> wire.Image:
        """One image, by id or tag. Raises EngineAbsent."""

    def architectures(self, image: str) -> tuple[str, str]:
        """What an image is built for, and what Docker runs on, e.g. `amd64`. Raises EngineAbsent."""

    def save(self, image: str) -> Stream[bytes]:
        """The whole archive of an image, as Docker writes it."""

    def load(self, archive: BinaryIO) -> None:
        """Load an archive; layers that it names and lacks must be here already."""

    def tag(self, image: str, tag: str) -> None:
        """Give an image, known by its id, this tag too; one that had it loses it. Raises EngineAbsent."""

    def build(self, context: Iterable[bytes], request: BuildRequest) -> Stream[wire.BuildEvent]:
        """Build a tar context; ends with one event that has `image` or `error`."""

    def pull(self, reference: str, login: wire.RegistryLogin | None = None) -> Stream[wire.BuildEvent]:
        """Pull an image; ends with one event that has `image` or `error`.

        Raises EngineAbsent: the registry has no such image, or wants another login, or one at all.
        """

    def layer_sizes(self, image: str) -> tuple[int, ...]:
        """Bytes of those of an image's layers that hold anything, topmost first. Raises EngineAbsent."""

    def unused(self, keep: frozenset[str]) -> tuple[str, ...]:
        """Ids of images that no container uses, without a tag or run by a release before; none of those in `keep`."""

    def prune(self, keep: frozenset[str]) -> tuple[str, ...]:
        """Remove those that are `unused`; the ids of those removed."""


@dataclass(frozen=True)
class Count:
    """What nginx counted for one release of one container since it started."""

    container: str
    release: str
    in_flight: int
    total: int
    errors: int
    """Answers of 500 and above."""
    seconds: float
    """How long all answers together took."""


class Router(Protocol):
    """nginx on this droplet: a table of routes, and what it counted. Raises RouterError when nginx does not answer."""

    def read(self) -> wire.Routes:
        """The table that nginx uses now."""

    def update(self, change: Callable[[wire.Routes], wire.Routes]) -> bool:
        """Replace the table by what `change` makes of it, keep it across restarts, and read it back.

        One change at a time; says whether anything changed; raises when nginx has another table afterwards.
        """

    def in_flight(self, container: str, release: str) -> int:
        """How many requests of a release are being answered."""

    def counts(self) -> tuple[Count, ...]:
        """What was counted for every release since nginx started."""

    def status(self, host: str, path: str) -> int:
        """What a visitor of this name is answered by nginx here; raises when there is no answer within 2 s."""

    def asks(self) -> bool:
        """Whether it asks the edge for a certificate; one of an older base snapshot does not."""

    def present(self, certificate: bytes, required: bool) -> bool:
        """Have it show this certificate (PEM), which its file holds by now; False: it does already.

        With `required`, whoever shows none of the edge's is refused. Raises when it does not take it up within 10 s.
        """

    def check(self) -> tuple[bool, str]:
        """Whether nginx answers and has the table that it should have, and what is wrong if not."""
