"""Drills: faults that somebody asks for, and how long it took until they were noticed and until all was well again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from fleet.state import VerdictWord

Fault = Literal[
    "container",
    "agent-hang",
    "agent-kill",
    "nginx",
    "docker",
    "disk",
    "droplet",
    "network-controller",
    "network-edge",
    "provider",
]
Vantage = Literal["agent", "edge", "provider"]
STEADY: Final = 3
"""So many good looks in a row are a recovery."""
WELL: Final[frozenset[VerdictWord]] = frozenset({"healthy", "degraded"})
"""Errors in a log are no sign of a drill."""


@dataclass(frozen=True)
class Kind:
    """One fault: where it is made, what it is, and what undoes it."""

    where: Literal["droplet", "account", "run"]
    """By the droplet itself, by the account's API, or only in the drill's own calls."""
    does: str
    undone: str
    """What ends it."""
    lasting: bool = True
    """It goes on until it is undone; otherwise it is a moment."""


FAULTS: Final[dict[Fault, Kind]] = {
    "container": Kind(
        "droplet", "the current container of a service is killed", "the droplet's watchdog starts it", lasting=False
    ),
    "agent-hang": Kind(
        "droplet", "the agent stops where it is (SIGSTOP)", "systemd ends it after 20 s, or the droplet wakes it"
    ),
    "agent-kill": Kind("droplet", "the agent is killed (SIGKILL)", "systemd starts it", lasting=False),
    "nginx": Kind("droplet", "nginx is stopped", "the droplet starts it"),
    "docker": Kind("droplet", "dockerd is restarted", "nothing is to be undone", lasting=False),
    "disk": Kind("droplet", "one file takes what is free, but for 48 MiB", "the droplet removes it"),
    "droplet": Kind("account", "the droplet is powered off", "it is powered on"),
    "network-controller": Kind("account", "the firewall lets no controller in, to any droplet", "it is as before"),
    "network-edge": Kind("account", "the firewall lets no visitor in, to any droplet", "it is as before"),
    "provider": Kind("run", "the drill's own calls of DigitalOcean lead nowhere", "they lead there again"),
}


@dataclass(frozen=True)
class Seen:
    """What one vantage point said in one look."""

    vantage: Vantage
    verdict: VerdictWord
    reason: str

    @property
    def is_well(self) -> bool:
        """Whether it is as it should be."""
        return self.verdict in WELL


@dataclass(frozen=True)
class Look:
    """All vantage points at one time, in seconds since the fault was made."""

    at: float
    seen: tuple[Seen, ...]

    @property
    def ill(self) -> Seen | None:
        """The first that is not as it should be."""
        return next((one for one in self.seen if not one.is_well), None)


@dataclass(frozen=True)
class Times:
    """When it was noticed, by whom, and when all was well again; in seconds since the fault was made."""

    detected: float | None = None
    """None: nobody noticed anything."""
    by: str = ""
    saw: str = ""
    recovered: float | None = None
    """The first of `STEADY` good looks after the last bad one; None: not yet."""


def times(looks: Sequence[Look]) -> Times:
    """What a drill's looks say, in their order."""
    bad = [one for one in looks if one.ill]
    if not bad:
        return Times()
    first = bad[0]
    ill = first.ill
    after = [one for one in looks if one.at > bad[-1].at]
    recovered = after[0].at if len(after) >= STEADY else None
    return Times(first.at, ill.vantage if ill else "", ill.reason if ill else "", recovered)


@dataclass(frozen=True)
class Record:
    """One drill, as it is kept and shown."""

    at: datetime
    environment: str
    droplet: str
    fault: Fault
    seconds: int
    """How long it was to last at most."""
    times: Times
    undone: float | None = None
    """When it was undone; None: it was over by itself before, or nobody knows."""
    outcome: str = ""

    @property
    def told(self) -> str:
        """The outcome in words."""
        if self.outcome:
            return self.outcome
        if self.times.detected is None:
            return "nobody noticed anything"
        return "well again" if self.times.recovered is not None else "not well again when the drill ended"


def kept(records: Sequence[Record], most: int) -> list[Record]:
    """The latest, oldest first."""
    return sorted(records, key=lambda one: one.at)[-most:]
