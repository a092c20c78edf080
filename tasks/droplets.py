"""Droplets: made once for an intent, waited for, switched off, destroyed by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from prefect import unmapped

from agent.keys import boot_secret
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from fleet.errors import NotFound, PermanentError, TransientError
from fleet.state import Action, Droplet, DropletRequest
from tasks.agents import reach
from tasks.policy import gather, step
from tasks.userdata import droplet_user_data
from tasks.waits import wait_for

ACTIVE_DEADLINE = timedelta(minutes=5)
READY_DEADLINE = timedelta(minutes=5)
SHUTDOWN_DEADLINE = timedelta(seconds=90)
"""A guest that does not shut down by then is switched off."""
ACTION_DEADLINE = timedelta(minutes=30)
"""A snapshot of a full disk takes minutes; nothing that we ask for takes longer than this."""
POLL = timedelta(seconds=2)


@step("{request.name}: droplet")
def ensure_droplet(request: DropletRequest, credentials: DigitalOceanCredentials) -> Droplet:
    """The droplet of this request's intent, made unless it is there."""
    return credentials.client().droplets.ensure(request)


@step("{droplet.name}: wait for its address", timeout=ACTIVE_DEADLINE + timedelta(minutes=1))
def wait_active(droplet: Droplet, credentials: DigitalOceanCredentials) -> Droplet:
    """The droplet, active and with its addresses."""
    droplets = credentials.client().droplets

    def look() -> Droplet | None:
        found = droplets.read(droplet.id)
        if found is None:
            raise NotFound(
                f"The droplet {droplet.name} ({droplet.id}) is gone.", hint="Run this again: it makes another."
            )
        return found if found.status == "active" and found.public_address else None

    return wait_for(f"{droplet.name} to become active", look, ACTIVE_DEADLINE, POLL)


@step("{droplet.name}: wait for its agent", timeout=READY_DEADLINE + timedelta(minutes=1))
def wait_ready(droplet: Droplet, environment: Environment) -> Droplet:
    """The droplet, once its agent answers under the droplet's own secret (a new one is enrolled by that)."""

    def look() -> Droplet | None:
        try:
            with reach(environment, droplet) as agent:
                agent.node()
        except TransientError:
            return None
        return droplet

    return wait_for(f"the agent of {droplet.name}", look, READY_DEADLINE, POLL)


@step("{droplet.name}: power off", timeout=SHUTDOWN_DEADLINE * 3)
def power_off(droplet: Droplet, credentials: DigitalOceanCredentials) -> None:
    """Shuts the droplet down in order, and by force when it does not within `SHUTDOWN_DEADLINE`."""
    droplets = credentials.client().droplets
    if _is_off(droplet, credentials):
        return
    droplets.act(droplet.id, "shutdown")
    try:
        wait_for(f"{droplet.name} to shut down", lambda: _is_off(droplet, credentials), SHUTDOWN_DEADLINE, POLL)
    except TransientError:
        wait_action(droplets.act(droplet.id, "power_off"), credentials)
        wait_for(f"{droplet.name} to be off", lambda: _is_off(droplet, credentials), SHUTDOWN_DEADLINE, POLL)


def wait_action(action: Action, credentials: DigitalOceanCredentials) -> None:
    """Waits until an action is completed.

    Raises:
        PermanentError: it ended in an error, which the provider does not explain.
        TransientError: it was not done within `ACTION_DEADLINE`.
    """
    droplets = credentials.client().droplets

    def look() -> Action | None:
        seen = droplets.read_action(action.id)
        return None if seen.status == "in-progress" else seen

    done = wait_for(f"the action {action.type} ({action.id})", look, ACTION_DEADLINE, POLL)
    if done.status == "errored":
        raise PermanentError(
            f"The action {action.type} ({action.id}) ended in an error.",
            hint="DigitalOcean says no more than that; its status page may. Run this again.",
        )


@step("droplets of {tag}")
def list_tagged(tag: str, credentials: DigitalOceanCredentials) -> list[Droplet]:
    """All droplets that carry the tag."""
    return credentials.client().droplets.read_tagged(tag)


@step("{droplet.name}: destroy")
def remove_droplet(droplet: Droplet, credentials: DigitalOceanCredentials) -> None:
    """Destroys the droplet by its id; absent is fine."""
    credentials.client().droplets.remove(droplet.id)


def _is_off(droplet: Droplet, credentials: DigitalOceanCredentials) -> bool | None:
    seen = credentials.client().droplets.read(droplet.id)
    return True if seen is not None and seen.status == "off" else None


def ensure_all(requests: Sequence[DropletRequest], environment: Environment) -> list[Droplet]:
    """Every droplet asked for, made and with its address."""
    names = [request.name for request in requests]
    token = environment.digitalocean.token.get_secret_value()
    ready = [replace(one, user_data=droplet_user_data(one.name, boot_secret(token, one.name))) for one in requests]
    made = gather("Making droplets", names, ensure_droplet.map(ready, unmapped(environment.digitalocean)))
    return gather("Waiting for addresses", names, wait_active.map(made, unmapped(environment.digitalocean)))


def ready_all(droplets: Sequence[Droplet], environment: Environment) -> list[Droplet]:
    """The same droplets, once all their agents answer."""
    names = [droplet.name for droplet in droplets]
    return gather("Waiting for agents", names, wait_ready.map(droplets, unmapped(environment)))
