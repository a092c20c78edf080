"""How a release comes to its droplets: all at once, a few at a time, or one of them first and watched."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent import wire
from blocks.environment import Environment
from fleet.errors import DeployerError, PermanentError, TransientError
from fleet.plan import Plan
from fleet.remediation.redaction import last_lines
from fleet.rollback import RollbackPlan
from fleet.state import Container, Droplet, Record
from tasks import causes, containers, dns, images, removal
from tasks.agents import Unproven, reach
from tasks.locks import Lock
from tasks.policy import gather, step

LONGEST_SOAK_SECONDS = 3600
LOOK_SECONDS = 2.0
"""Between two looks at a canary."""
LOG_LINES = 60


@dataclass(frozen=True)
class Pace:
    """How many droplets switch at a time, and whether one of them goes first."""

    canary: bool = False
    soak_seconds: int = 60
    """How long the canary is watched before the others follow."""
    max_parallel: int = 0
    """0: all at a time."""


def waves(hosts: Sequence[Droplet], current: Mapping[str, str], pace: Pace) -> list[list[Droplet]]:
    """The droplets in groups that switch one after the other; a canary is one that has visitors already, if any has."""
    serving = [host for host in hosts if host.name in current] or list(hosts)
    first = serving[:1] if pace.canary else []
    rest = [host for host in hosts if host not in first]
    size = pace.max_parallel or max(len(rest), 1)
    groups = [rest[start : start + size] for start in range(0, len(rest), size)]
    return [first, *groups] if first else groups


def promote(
    lock: Lock, hosts: Sequence[Droplet], plan: Plan, release: str, pace: Pace, environment: Environment
) -> list[tuple[Container, ...]]:
    """The release current on every droplet, group after group; names that it gives up leave DNS just before.

    Raises:
        HostsFailed: a droplet did not switch, or the canary was not well; the groups after it were left alone.
    """
    lock.confirm()  # no agent guards DNS
    _hide(lock, plan.records.drop, environment)
    found: dict[str, tuple[Container, ...]] = {}
    for group in waves(hosts, plan.current, pace):
        states = containers.promote_all(lock, group, release, plan.maintenance, environment)
        first = pace.canary and not found
        found |= dict(zip(containers.names(group), states, strict=True))
        if first:
            soak(lock.name, group, release, pace.soak_seconds, environment)
    return [found[host.name] for host in hosts]


def go_back(lock: Lock, plan: RollbackPlan, environment: Environment) -> list[tuple[Container, ...]]:
    """The release that was kept current on every droplet; names that it does not serve leave DNS just before."""
    lock.confirm()  # no agent guards DNS
    _hide(lock, plan.records.drop, environment)
    page = plan.maintenance
    futures = [containers.go_back.submit(host, lock, plan.release, page, environment) for host in plan.hosts]
    return gather(f"Going back to {plan.release}", containers.names(plan.hosts), futures)


def soak(name: str, canary: Sequence[Droplet], release: str, seconds: int, environment: Environment) -> None:
    """Watches the canary.

    Raises:
        HostsFailed: its verdict was not good, or could not be had.
    """
    futures = [watch.submit(host, name, release, seconds, environment) for host in canary]
    gather(f"The canary with {release}", containers.names(canary), futures)


@step("{droplet.name}: watch {release}", timeout=timedelta(seconds=LONGEST_SOAK_SECONDS + 120), retries=0)
def watch(droplet: Droplet, name: str, release: str, seconds: int, environment: Environment) -> None:
    """Looks at a release for so many seconds; the last look must find it healthy, and none may find it ill.

    Errors in its log count: they are what a canary is for.

    Raises:
        Unproven: it is unhealthy, or wrote errors; its last lines are in the error.
        PermanentError: at the end nobody could say how it was.
    """
    end = time.monotonic() + seconds
    while True:
        seen = _look(droplet, name, release, environment)
        if seen.verdict in ("unhealthy", "degraded"):
            raise _ill(droplet, name, seen, environment)
        if time.monotonic() >= end:
            break
        time.sleep(min(LOOK_SECONDS, max(end - time.monotonic(), 0)))
    if seen.verdict != "healthy":
        raise PermanentError(
            f"{droplet.name}: nobody can say how the canary is: {seen.reason}.",
            hint="Look at the droplet, then deploy again.",
        )


def _ill(droplet: Droplet, name: str, seen: wire.Verdict, environment: Environment) -> Unproven:
    return Unproven(
        f"{droplet.name}: the canary is {seen.verdict}: {seen.reason}.",
        hint="The release before serves again everywhere. Mend it, and deploy again.",
        log=_tail(droplet, name, environment),
        cause=causes.find(seen.symptoms),
    )


def hide_left(lock: Lock, plan: Plan, environment: Environment) -> None:
    """No visitor comes to the droplets that the service leaves any more: their release is not the new one."""
    _hide(lock, plan.records.left, environment)


def leave(lock: Lock, plan: Plan, environment: Environment) -> None:
    """The service off the droplets that it leaves, and that no record leads to: routes, drain, containers."""
    lock.confirm()  # no agent guards droplets
    futures = [containers.remove.submit(host, lock, environment) for host in plan.drain]
    gather(f"Draining {lock.name} away", containers.names(plan.drain), futures)
    images.prune_all([host for host in plan.drain if host not in plan.destroy], environment)
    lock.leave(plan.destroy)
    gone = [removal.destroy.submit(host, (), environment) for host in plan.destroy]
    gather("Destroying empty droplets", containers.names(plan.destroy), gone)


def _hide(lock: Lock, records: Sequence[Record], environment: Environment) -> None:
    """These records gone, and forgotten by the edge."""
    if records:
        lock.confirm()  # no agent guards DNS
        dns.unpoint_all(records, environment)
        dns.let_forget(records)


def _look(droplet: Droplet, name: str, release: str, environment: Environment) -> wire.Verdict:
    """The agent's verdict; one that cannot be had is unknown, and looked for again."""
    try:
        with reach(environment, droplet) as agent:
            verdict = agent.health(name, observer=f"canary-{release}")
            current = [seen for seen in agent.containers().containers if (seen.name, seen.role) == (name, "current")]
    except TransientError as error:
        return _unknown(error.message)
    if [seen.release for seen in current] != [release]:
        return _unknown(f"{release} is not current any more")
    return verdict


def _unknown(reason: str) -> wire.Verdict:
    return wire.Verdict(verdict="unknown", reason=reason, checked_at=datetime.now(UTC))


def _tail(droplet: Droplet, name: str, environment: Environment) -> str:
    try:
        with reach(environment, droplet) as agent:
            return "\n".join(last_lines(line.text for line in agent.logs(name, tail=LOG_LINES).lines))
    except DeployerError as error:
        return f"(its log could not be read: {error})"
