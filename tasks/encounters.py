"""Two runs that began where there was nothing to lock: how each finds out about the other.

A first deploy makes droplets before it can lock anything. Another one may do the same at that time, or may find these
droplets, lock them, deploy to them and be gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent import wire
from blocks.environment import Environment
from fleet import naming
from fleet.errors import PermanentError, TransientError
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet
from tasks.agents import Leased, reach
from tasks.droplets import list_tagged
from tasks.locks import Lock, at_once


def extend(lock: Lock, droplets: Sequence[Droplet], spec: EnvironmentSpec, environment: Environment) -> Lock:
    """The lock with droplets that the run has made, once it is sure that no other run deploys the same service.

    Each of two locks its own, and then looks at the others of the environment: at least one of them finds the other.
    A run that held no lock at all until now looks for what the service has there by now, too; one that slept through
    the lock that it had goes no further with a new one.

    Raises:
        HostsFailed: the lock that it had until now is lost.
        Leased: another run holds the service's lock on droplets of its own.
        PermanentError: another run has deployed it since this one began.
    """
    wider = lock.extend(droplets)
    tagged = [one for one in list_tagged(naming.environment_tag(spec), environment.digitalocean) if one.public_address]
    _check_alone(lock.name, [one for one in tagged if one.name not in wider.fencing], environment)
    if not lock.fencing:
        _check_first(lock.name, list({one.name: one for one in [*tagged, *droplets]}.values()), environment)
    return wider


def _check_alone(name: str, droplets: Sequence[Droplet], environment: Environment) -> None:
    """One that does not answer yet holds nothing."""

    def held(droplet: Droplet) -> list[tuple[Droplet, wire.Lease]]:
        try:
            with reach(environment, droplet) as agent:
                return [(droplet, one) for one in agent.leases().leases if one.service == name]
        except TransientError:
            return []

    for found in at_once(held, droplets):
        for droplet, lease in found:
            message = f"{droplet.name}: {name} is locked: {lease.holder} holds it."
            hint = "Run this again when that run is over: it uses what both have made."
            raise Leased(message, hint=hint, holder=lease.holder, since=lease.since.isoformat())


def _check_first(name: str, droplets: Sequence[Droplet], environment: Environment) -> None:
    """One that does not answer yet has nothing."""

    def has_it(droplet: Droplet) -> bool:
        try:
            with reach(environment, droplet) as agent:
                return any(one.name == name for one in agent.containers().containers)
        except TransientError:
            return False

    found = [one.name for one, there in zip(droplets, at_once(has_it, droplets), strict=True) if there]
    if found:
        raise PermanentError(
            f"Another run has brought {name} to {', '.join(sorted(found))} since this one began. Nothing was changed.",
            hint="Run this again: it goes on from what is there now.",
        )
