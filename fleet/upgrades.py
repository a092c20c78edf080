"""Which droplets' agents are to be replaced by which version, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.state import Droplet


@dataclass(frozen=True)
class AgentSeen:
    """The agent of one droplet, as it described itself."""

    droplet: Droplet
    version: str = ""
    wheel: str = ""
    """The digest of what it was installed from; empty: nobody noted it."""
    dependencies: str = ""
    """The digest of the lock of what it needs."""
    under_way: bool = False
    """An upgrade has begun, and nobody has confirmed it yet."""
    error: str = ""
    """Why nothing is known of it."""


@dataclass(frozen=True)
class UpgradePlan:
    """What is to be done, in this order."""

    version: str
    first: tuple[AgentSeen, ...]
    """The droplet that goes first, alone: a bad version gets no further. Empty: there is nothing to do."""
    rest: tuple[AgentSeen, ...]
    done: tuple[AgentSeen, ...]
    """Those that have the version already."""
    silent: tuple[AgentSeen, ...]
    """Those of which nothing is known; nothing is done to them."""

    @property
    def at_rest(self) -> bool:
        """Whether every agent that answers has the version."""
        return not self.first

    def lines(self) -> Sequence[str]:
        """The plan for people, a droplet a line."""
        return [
            *(f"{one.droplet.name}: {one.version} → {self.version}, first" for one in self.first),
            *(f"{one.droplet.name}: {one.version} → {self.version}" for one in self.rest),
            *(f"{one.droplet.name}: has {one.version} already" for one in self.done),
            *(f"{one.droplet.name}: left alone: {one.error}" for one in self.silent),
        ]


def plan_upgrade(seen: Iterable[AgentSeen], version: str, wheel: str) -> UpgradePlan:
    """One droplet first, then the rest, each in the order of their names; the same wheel is the same version.

    An upgrade that was begun and not confirmed comes first: it is gone on with.
    """
    ordered = sorted(seen, key=lambda one: (not one.under_way, one.droplet.name))
    silent = tuple(one for one in ordered if one.error)
    done = tuple(one for one in ordered if not one.error and one.wheel == wheel and not one.under_way)
    behind = [one for one in ordered if one not in (*silent, *done)]
    return UpgradePlan(version, tuple(behind[:1]), tuple(behind[1:]), done, silent)
