"""What a droplet can tell of a container that does not serve: facts for whoever looks for the cause."""

from __future__ import annotations

from typing import Literal

from agent.wire.base import Reply


class Socket(Reply):
    """A port on which something inside the container listens."""

    address: str
    """`0.0.0.0` or `::` for everybody; `127.0.0.1` or `::1` for the container alone."""
    port: int


class Ask(Reply):
    """One request of the agent's, or one connection where there is no HTTP, and what came back."""

    vantage: Literal["container", "nginx"]
    """At the container's own port, or through the droplet's nginx."""
    status: int | None = None
    """None: there was no answer, or it was only a connection."""
    error: Literal["refused", "timeout", "reset", "unreachable", "closed"] | None = None
    """None: the connection was made."""
    host: str = ""
    """The Host header; empty: a neutral one, the address."""
    path: str = ""
    seconds: float = 0.0


class Room(Reply):
    """What is left of the disk that images and containers are on."""

    free: int
    """Bytes."""
    total: int
    inodes: int | None = None
    """How many files could still be made; None: this file system does not count them."""


class Symptoms(Reply):
    """All that the agent knows of one container at one time; what could not be looked at is None or empty.

    Lists are bounded: 100 sockets, 4 requests, 40 lines of 500 characters, 300 variables.
    """

    status: str
    """Docker's word, from before the agent stopped it."""
    exit_code: int | None = None
    """Of its last end; None: it has not ended since it was looked at."""
    oom: bool = False
    """Docker says that the kernel killed it for its memory."""
    docker_error: str = ""
    """Why Docker could not start it."""
    restarts: int = 0
    ran_seconds: float | None = None
    """Since its last start, or for which it ran."""
    start_seconds: int = 60
    """How long it may take to start."""
    port: int | None = None
    """Where it should listen; None: its kind has no port."""
    listening: tuple[Socket, ...] | None = None
    asks: tuple[Ask, ...] = ()
    log: tuple[str, ...] = ()
    """Its last lines, oldest first; as it wrote them, so that they may hold anything."""
    variables: tuple[str, ...] = ()
    """Names of its environment variables; never their values."""
    room: Room | None = None
    image_architecture: str = ""
    """Docker's word, e.g. `amd64`."""
    machine_architecture: str = ""
