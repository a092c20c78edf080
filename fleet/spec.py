"""What a person wants: an environment and a service in it, checked at the door.

Every check raises `InvalidInput` with a sentence that says what to write instead, before anything has been changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fleet import checks
from fleet.checks import check_word
from fleet.errors import InvalidInput
from fleet.logs import LogRules
from fleet.sources import ArchiveSource, BuildOn, BuildSource, Built, ControllerSource, GitSource, ImageSource, Source

__all__ = [
    "ArchiveSource",
    "BuildOn",
    "BuildSource",
    "Built",
    "ControllerSource",
    "EnvironmentSpec",
    "GitSource",
    "Health",
    "ImageSource",
    "LogRules",
    "Maintenance",
    "Runs",
    "Scheduled",
    "ServiceSpec",
    "Source",
    "Tcp",
    "Volume",
    "Web",
    "Worker",
    "check_in_zone",
    "check_word",
]

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class EnvironmentSpec:
    """Where services run: a project's `prod` or `staging`."""

    project: str
    name: str
    region: str
    size: str
    zone: str
    snapshot: str | None = None
    """Id of the snapshot that new droplets are made from."""
    controller_addresses: tuple[str, ...] = ()
    """Addresses (CIDR) of the machines that run workers: the only ones that reach the agents."""

    def __post_init__(self) -> None:
        check_word("project", self.project)
        check_word("environment", self.name)
        checks.check_droplet_name(self.project, self.name)
        checks.check_domain(self.zone)
        for address in self.controller_addresses:
            checks.check_network(address)


@dataclass(frozen=True)
class Web:
    """An HTTP port behind domains of the environment's zone."""

    port: int
    domains: tuple[str, ...]

    def __post_init__(self) -> None:
        checks.check_port(self.port)
        if not self.domains:
            raise InvalidInput("A web service needs a domain.", hint="Give one inside the environment's zone.")
        for domain in self.domains:
            checks.check_domain(domain)
        checks.check_between("the number of domains", len(self.domains), 1, 20)
        if len(set(self.domains)) < len(self.domains):
            raise InvalidInput("A domain is given twice.", hint="Name each domain once.")


@dataclass(frozen=True)
class Tcp:
    """A port that other services of the environment reach by the service's name."""

    port: int

    def __post_init__(self) -> None:
        checks.check_port(self.port)


@dataclass(frozen=True)
class Worker:
    """A process without a port."""

    exclusive: bool = False
    """No two may ever run: the old one stops before the new one starts."""
    steady_seconds: int = 5
    """How long it must have run without a restart to count as healthy."""

    def __post_init__(self) -> None:
        checks.check_between("the time to be steady (seconds)", self.steady_seconds, 1, 300)


@dataclass(frozen=True)
class Scheduled:
    """A process that is started by a cron line, and ends by itself."""

    cron: str
    """Five fields, as Debian's cron reads them."""
    zone: str = "UTC"
    overlap: bool = False
    """Whether a run may start while the one before it still goes on."""
    timeout_seconds: int = 1800
    ok_codes: tuple[int, ...] = (0,)
    """Exit codes of runs that did well."""
    failure_tolerance: int = 1
    """So many failed runs in a row make it unhealthy."""

    def __post_init__(self) -> None:
        checks.check_cron(self.cron)
        checks.check_zone(self.zone)
        checks.check_between("the longest run (seconds)", self.timeout_seconds, 1, 604_800)
        checks.check_between("the number of exit codes that are good", len(self.ok_codes), 1, 20)
        for code in self.ok_codes:
            checks.check_between("an exit code", code, 0, 255)
        checks.check_between("the failed runs in a row that count", self.failure_tolerance, 1, 100)


Runs = Web | Tcp | Worker | Scheduled
"""What runs, by its kind."""


@dataclass(frozen=True)
class Volume:
    """A named volume: it outlives every release, and pins the service to its droplet."""

    name: str
    path: str

    def __post_init__(self) -> None:
        check_word("volume", self.name)
        checks.check_mount(self.path)


@dataclass(frozen=True)
class Health:
    """How to tell that the service serves; times in seconds."""

    path: str | None = None
    """A GET of it must answer 200 to 399; None: accepting a connection is enough."""
    start_seconds: int = 60
    timeout_seconds: float = 2.0

    def __post_init__(self) -> None:
        if self.path is not None:
            checks.check_path(self.path)
        checks.check_between("the time to start (seconds)", self.start_seconds, 1, 600)
        checks.check_between("the time to answer (seconds)", self.timeout_seconds, 0.1, 60)


@dataclass(frozen=True)
class ServiceSpec:
    """One service of an environment; secrets are never shown by `repr`."""

    name: str
    source: Source
    runs: Runs
    replicas: int = 1
    """On how many droplets it runs."""
    health: Health = Health()
    variables: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    secrets: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False)
    memory_mib: int = 256
    cpus: float = 1.0
    drain_seconds: int = 30
    volumes: tuple[Volume, ...] = ()
    command: tuple[str, ...] = ()
    """What runs instead of the image's own command."""
    keep_releases: int = 5
    """How many older releases stay on its droplets, to be gone back to without a build."""
    log: LogRules = field(default_factory=LogRules)

    def __post_init__(self) -> None:
        check_word("service", self.name)
        checks.check_between("the number of replicas", self.replicas, 1, 100)
        checks.check_between("the memory (MiB)", self.memory_mib, 16, 1_048_576)
        checks.check_between("the number of CPUs", self.cpus, 0.01, 256)
        checks.check_between("the time to drain (seconds)", self.drain_seconds, 1, 600)
        checks.check_between("the number of releases to keep", self.keep_releases, 1, 20)
        checks.check_between("the number of environment variables", len(self.variables), 0, 200)
        checks.check_between("the number of secrets", len(self.secrets), 0, 100)
        for name in [*self.variables, *self.secrets]:
            checks.check_variable(name)
        both = set(self.variables) & set(self.secrets)
        if both:
            raise InvalidInput(
                f"{self.name}: {', '.join(sorted(both))} is a variable and a secret.", hint="Keep it in one of them."
            )
        checks.check_command(self.command)
        self._check_volumes()
        self._check_kind()

    def _check_volumes(self) -> None:
        checks.check_between("the number of volumes", len(self.volumes), 0, 20)
        for what, values in (("volume", [one.name for one in self.volumes]), ("path", [v.path for v in self.volumes])):
            if len(set(values)) < len(values):
                raise InvalidInput(
                    f"{self.name}: a {what} is given twice among its volumes.", hint=f"Name each {what} once."
                )

    def _check_kind(self) -> None:
        if self.health.path is not None and not isinstance(self.runs, Web):
            raise InvalidInput(
                f"{self.name} is not a web service, so no health path can be asked of it.",
                hint="Leave the health path out, or make it a web service.",
            )
        reason = self.single_reason
        if reason and self.replicas > 1:
            raise InvalidInput(
                f"{self.name} cannot run on {self.replicas} droplets: {reason}.",
                hint=f"Set replicas to 1{self._instead()}.",
            )

    def _instead(self) -> str:
        """What else a person could do than have one replica."""
        return ", or keep its data in a service of its own and take its volumes away" if self.volumes else ""

    @property
    def single_reason(self) -> str:
        """Why there may be only one of it; empty when there may be more."""
        if self.volumes:
            return "it has a volume, which is on one droplet"
        match self.runs:
            case Tcp():
                return "a tcp service is reached by its name, which leads to one droplet"
            case Scheduled():
                return "each of them would carry out every run"
            case Worker(exclusive=True):
                return "it is exclusive, so no two may run"
            case _:
                return ""

    @property
    def domains(self) -> tuple[str, ...]:
        """The names that lead to it from outside; only a web service has any."""
        return self.runs.domains if isinstance(self.runs, Web) else ()

    @property
    def port(self) -> int | None:
        """Where it listens, if it does."""
        return self.runs.port if isinstance(self.runs, Web | Tcp) else None


@dataclass(frozen=True)
class Maintenance:
    """What visitors get instead of a web service: a 503 with `Retry-After` and a small page."""

    retry_after_seconds: int = 300
    """When a program that asked may ask again."""
    message: str = ""
    """Plain text for the page, on one line; empty: the page's own words."""

    def __post_init__(self) -> None:
        checks.check_between("the time to retry after (seconds)", self.retry_after_seconds, 1, 86_400)
        checks.check_message(self.message)

    def __str__(self) -> str:
        """In a few words."""
        said = f", {self.message!r}" if self.message else ""
        return f"maintenance page (retry after {self.retry_after_seconds} s{said})"


def check_in_zone(service: ServiceSpec, zone: str) -> None:
    """Whether every domain of a service lies in the zone.

    Raises:
        InvalidInput: one does not, so no record could be made for it.
    """
    for domain in service.domains:
        if domain != zone and not domain.endswith(f".{zone}"):
            raise InvalidInput(
                f"{domain} is not in the zone {zone}.",
                hint=f"Use a domain that ends in .{zone}, or an environment with the other zone.",
            )
