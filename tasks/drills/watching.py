"""How a droplet is while it fails on purpose: asked by its agent, through the edge, and of the account."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from agent import wire
from blocks.environment import Environment
from fleet.drills import STEADY, WELL, Look, Seen, times
from fleet.errors import DeployerError, PermanentError
from fleet.remediation.inside import DISK_FREE
from tasks import visits
from tasks.agents import reach
from tasks.drills.orders import DrillOrder, Target
from tasks.policy import step
from tasks.reports import ABSENT

OBSERVER: Final = "drill"
EVERY: Final = 2.0
"""Seconds between two looks."""
AT_FIRST: Final = 0.5
"""The same in the first `SOON` seconds: an agent that was killed is back in two."""
SOON: Final = 30.0
RECOVERY: Final = timedelta(minutes=10)
"""How long all may take to be well again once the fault is undone."""
NOWHERE: Final = "https://127.0.0.1:1"
"""An address where nobody answers, for the drill's own calls of the provider."""
ASKS_ACCOUNT: Final = ("droplet", "provider")
"""Faults that the provider's API tells of; of the others it is not asked, as calls are counted."""


@dataclass
class Watch:
    """The looks of one drill, in seconds since it began."""

    order: DrillOrder
    target: Target
    environment: Environment
    looks: list[Look] = field(default_factory=list)
    began: float = field(default_factory=lambda: time.monotonic())
    is_over: bool = False
    """The fault is undone."""

    def restart(self) -> None:
        """It begins now."""
        self.began = time.monotonic()
        self.looks.clear()

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return round(time.monotonic() - self.began, 1)

    def look(self) -> Look:
        """All vantage points, once; what does not answer is unknown, and not well."""
        seen = [self._agent(), *([self._edge()] if self.target.names else [])]
        seen += [self._account()] if self.order.fault in ASKS_ACCOUNT else []
        return Look(self.elapsed, tuple(seen))

    def _agent(self) -> Seen:
        try:
            with reach(self.environment, self.target.droplet) as agent:
                return Seen("agent", *judge(agent.node(observer=OBSERVER)))
        except DeployerError as error:
            return Seen("agent", "unknown", error.message)

    def _edge(self) -> Seen:
        for name in self.target.names:
            url = f"{self.environment.url(name)}/"
            try:
                status = visits.get(url).status
            except DeployerError as error:
                return Seen("edge", "unknown", error.message)
            if status in ABSENT:
                return Seen("edge", "unhealthy", f"{url} answers {status}")
        return Seen("edge", "healthy", f"{len(self.target.names)} name(s) are answered")

    def _account(self) -> Seen:
        credentials = self.environment.digitalocean
        if self.order.fault == "provider" and not self.is_over:
            credentials = credentials.model_copy(update={"api_url": NOWHERE})
        try:
            found = credentials.client().droplets.read(self.target.droplet.id)
        except DeployerError as error:
            return Seen("provider", "unknown", error.message)
        if found is None or found.status != "active":
            return Seen("provider", "unhealthy", f"the droplet is {found.status if found else 'gone'}")
        return Seen("provider", "healthy", "the droplet is active")


def judge(node: wire.Node) -> tuple[wire.VerdictWord, str]:
    """The worst that an agent says of its droplet, and what."""
    if node.disk.free < DISK_FREE:
        return "unhealthy", f"{node.disk.free >> 20} MiB of the disk are free"
    current = [(one.name, one.verdict) for one in node.containers if one.role == "current" and one.verdict]
    for name, verdict in (("docker", node.docker), ("nginx", node.nginx), *current):
        if verdict.verdict not in WELL:
            return verdict.verdict, f"{name}: {verdict.reason}"
    return "healthy", "all is well"


@step("drill {order.fault}: is all well before?", retries=0)
def check_before(order: DrillOrder, target: Target, environment: Environment) -> None:
    """All vantage points are well; a drill of what is ill already would tell nothing.

    Raises:
        PermanentError: one is not; nothing has been done.
    """
    ill = Watch(order, target, environment, is_over=True).look().ill
    if ill is not None:
        raise PermanentError(
            f"{target.droplet.name} is not well before the drill: the {ill.vantage} says: {ill.reason}.",
            hint="Mend that first: nothing was done.",
        )


def until_well(watch: Watch, seconds: float) -> None:
    """Looks again and again, until it was ill and is well again, or until so many seconds since the drill began."""
    _keep_looking(watch, seconds, lambda looks: times(looks).recovered is not None)


def until_steady(watch: Watch) -> None:
    """Looks until all was well `STEADY` times in a row, from now on, for `RECOVERY` at most."""
    first, rest = len(watch.looks), watch.elapsed + RECOVERY.total_seconds()

    def is_steady(looks: Sequence[Look]) -> bool:
        latest = looks[first:][-STEADY:]
        return len(latest) == STEADY and all(one.ill is None for one in latest)

    _keep_looking(watch, rest, is_steady)


def _keep_looking(watch: Watch, until: float, is_done: Callable[[Sequence[Look]], bool]) -> None:
    while watch.elapsed < until:
        watch.looks.append(watch.look())
        if is_done(watch.looks):
            return
        pause = AT_FIRST if watch.elapsed < SOON else EVERY
        time.sleep(min(pause, max(until - watch.elapsed, 0.0)))
