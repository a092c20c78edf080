"""What is known of a service that fails, as facts that the agent, the edge and the provider can supply.

What nobody could tell is None or empty, and speaks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Vantage = Literal["container", "nginx", "direct", "edge"]
"""Where a probe began and ended.

`container`: the agent, at the container's own port. `nginx`: the agent, through the droplet's nginx. `direct`: the
controller, at the droplet's port 443. `edge`: the controller, through Cloudflare.
"""
Refusal = Literal["refused", "timeout", "reset", "unreachable", "name", "tls", "closed"]
"""Why there was no status: of the connection, but for `name` (no address for it) and `tls` (no handshake)."""
LOG_LINES = 200


@dataclass(frozen=True, slots=True)
class Probe:
    """One request, or one connection where there is no HTTP."""

    vantage: Vantage
    status: int | None = None
    """None: there was no answer, or it was only a connection."""
    error: Refusal | None = None
    """None: the connection was made."""
    host: str = ""
    """The Host header; empty: a neutral one, e.g. the address."""
    path: str = ""
    seconds: float = 0.0

    @property
    def is_fine(self) -> bool:
        """Whether it got what a visitor wants."""
        return self.error is None and (self.status is None or 200 <= self.status < 400)

    def __str__(self) -> str:
        """For people."""
        told = f"{self.error}" if self.error else f"{self.status or 'connected'}"
        return f"{self.vantage}{f' as {self.host}' if self.host else ''}{f' {self.path}' if self.path else ''}: {told}"


@dataclass(frozen=True, slots=True)
class Listener:
    """A port on which something inside the container listens."""

    address: str
    """`0.0.0.0` or `::` for everybody; `127.0.0.1` or `::1` for the container alone."""
    port: int

    @property
    def is_local(self) -> bool:
        """Whether nobody outside the container reaches it."""
        return self.address.startswith("127.") or self.address == "::1"


@dataclass(frozen=True, slots=True)
class Disk:
    """The droplet's disk."""

    free: int
    """Bytes."""
    total: int
    free_inodes: int | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a name of the service leads to, as a public resolver says, and what it should lead to."""

    name: str
    found: tuple[str, ...] | None
    """Addresses; empty: there is no such name; None: nobody could ask."""
    expected: tuple[str, ...]
    """Networks or addresses as texts: the edge's for a proxied name."""
    right: bool = False
    """Whether one of those found is one of those expected."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it, about one service on one droplet."""

    status: str = ""
    """Docker's word, from before anybody stopped it: running, restarting, exited, created …"""
    exit_code: int | None = None
    oom: bool = False
    """Docker's own word that the kernel killed it for its memory."""
    docker_error: str = ""
    """Why Docker could not start it."""
    restarts: int = 0
    """Since the release was started."""
    ran: float | None = None
    """Seconds since its last start, or for which it ran."""
    start_seconds: float = 60.0
    """How long it may take to start."""
    port: int | None = None
    """Where it should listen; None: it has no port."""
    listening: tuple[Listener, ...] | None = None
    """None: nobody could look."""
    probes: tuple[Probe, ...] = ()
    log: tuple[str, ...] = ()
    """Its last lines, redacted, oldest first."""
    variables: tuple[str, ...] = ()
    """Names of the variables that it was given; a secret is a file, which who looks for a variable does not find."""
    disk: Disk | None = None
    lookups: tuple[Lookup, ...] = ()
    image_architecture: str = ""
    """Docker's word, e.g. `amd64`."""
    machine_architecture: str = ""

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.status == "running"

    def seen(self, *vantages: Vantage) -> list[Probe]:
        """The probes from these places."""
        return [one for one in self.probes if one.vantage in vantages]

    def is_fine_at(self, vantage: Vantage) -> bool:
        """Whether every probe from there was answered well, and there is one."""
        found = self.seen(vantage)
        return bool(found) and all(one.is_fine for one in found)

    def said(self, *words: str) -> list[str]:
        """Log lines, and Docker's error, that hold one of these words, whatever their case."""
        return [line for line in (self.docker_error, *self.log) if _holds(line, words)]


def _holds(line: str, words: Iterable[str]) -> bool:
    return any(word.lower() in line.lower() for word in words)
