"""What was seen, by whom, and when: the only thing that a decision is made from, beside what is remembered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from fleet.remediation import limits
from fleet.remediation.moments import Moment

Witness = Literal["agent", "edge", "provider", "peer"]
"""The droplet's own agent; the service's address through Cloudflare; DigitalOcean; the agent of another droplet."""
Said = Literal["healthy", "degraded", "unhealthy", "silent", "on", "off", "gone", "unknown"]
"""What a witness said.

`healthy`, `degraded`, `unhealthy`: something answered, and was judged. `silent`: the witness looked, and nothing
answered. `on`, `off`, `gone`: the provider's words; `gone` is a 404 for the droplet's own id, never its absence from a
list. `unknown`: the witness could not look.
"""
ALIVE: Final = frozenset({"healthy", "degraded", "unhealthy"})
DEAD: Final = frozenset({"silent", "off", "gone"})
DETAIL_LIMIT: Final = 300


@dataclass(frozen=True, slots=True)
class Observation:
    """What one witness said of one target."""

    witness: Witness
    at: Moment
    said: Said
    latency: float | None = None
    """Seconds until the answer; None: there was none."""
    detail: str = ""
    """For people: who exactly, and how it is known. No decision follows from it; at most `DETAIL_LIMIT` characters."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the controller tried in its self-test."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Whether the controller itself can see, in this very round; what was not tried has failed."""

    provider: Check | None = None
    public: tuple[Check, ...] = ()
    """Unrelated public addresses, at least two."""
    prefect: Check | None = None
    skew: float | None = None
    """Seconds between this clock and others' (the `Date` of an answer), whichever is ahead."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The latest calls to the provider, and how many of them it failed (5xx, or no answer)."""

    failed: int = 0
    total: int = 0


def alive(seen: Iterable[Observation]) -> list[Witness]:
    """Who says that somebody is there."""
    return sorted({one.witness for one in seen if one.said in ALIVE})


def dead(seen: Iterable[Observation]) -> list[Witness]:
    """Who looked and found nobody; several of a kind count as one, as they may see through the same eyes."""
    return sorted({one.witness for one in seen if one.said in DEAD})


def answers(seen: Iterable[Observation]) -> bool:
    """Whether the droplet's own agent answers, whatever it says."""
    return any(one.witness == "agent" and one.said in ALIVE for one in seen)


def is_off(seen: Iterable[Observation]) -> bool:
    """Whether the provider itself says that the droplet does not run."""
    return any(one.witness == "provider" and one.said in ("off", "gone") for one in seen)


def says(seen: Iterable[Observation], witness: Witness, said: Said) -> bool:
    """Whether a witness said this."""
    return any(one.witness == witness and one.said == said for one in seen)


def newest(seen: Iterable[Observation], now: Moment) -> tuple[Observation, ...]:
    """Those that still say something of now, oldest first, at most `limits.OBSERVATIONS`."""
    fresh = [one for one in seen if now.since(one.at) <= limits.FRESH]
    return tuple(sorted(fresh, key=lambda one: one.at.monotonic)[-limits.OBSERVATIONS :])
