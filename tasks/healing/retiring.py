"""A dead droplet whose place another one has taken: off, out of its environment, kept for a day, then destroyed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from prefect import get_run_logger

from blocks.environment import Environment
from fleet import naming, retirement
from fleet.state import Droplet
from tasks.healing.replacing import retire_power
from tasks.policy import settle, step


def retire(droplet: Droplet | None, environment: Environment) -> None:
    """Switches it off and takes it out of the environment; what does not exist any more needs none of it."""
    if droplet is not None:
        retire_power(droplet, environment)
        mark(droplet, environment)


@step("{droplet.name}: out of its environment")
def mark(droplet: Droplet, environment: Environment) -> None:
    """Tags it as retired, and takes the environment's tag off it; an earlier run's time stays."""
    cloud = environment.digitalocean.client()
    found = cloud.droplets.read(droplet.id)
    if found is None:
        return
    if retirement.retired_at(found.tags) is None:
        for tag in retirement.tags(datetime.now(UTC)):
            cloud.tags.add(tag, droplet.id)
    cloud.tags.remove(naming.environment_tag(environment.spec()), droplet.id)


def clear(environments: Iterable[Environment]) -> None:
    """Destroys the droplets that were retired more than a day ago; one that fails is tried again by the next sweep."""
    accounts = {one.digitalocean.token.get_secret_value(): one for one in environments}
    for environment in accounts.values():
        old = due(environment)
        _, failures = settle([one.name for one in old], [destroy.submit(one, environment) for one in old])
        for name, error in failures.items():
            get_run_logger().error("%s was retired and could not be destroyed: %s", name, error)


@step("retired droplets of {environment.project}-{environment.name}'s team")
def due(environment: Environment) -> list[Droplet]:
    """Those of the team that have been kept for long enough."""
    found = environment.digitalocean.client().droplets.read_tagged(retirement.TAG)
    return retirement.due(found, datetime.now(UTC))


@step("{droplet.name}: destroy, retired")
def destroy(droplet: Droplet, environment: Environment) -> None:
    """Destroys it by its id, if it is still retired and off; absent is fine."""
    cloud = environment.digitalocean.client()
    found = cloud.droplets.read(droplet.id)
    if found is None or not retirement.due([found], datetime.now(UTC)):
        return
    cloud.droplets.remove(droplet.id)
    for tag in found.tags - {retirement.TAG, naming.TAG}:
        cloud.tags.discard(tag)
