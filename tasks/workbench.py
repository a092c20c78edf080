"""The droplet on which a snapshot is made: there for as long as that takes, and gone afterwards, however it ends."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from prefect import get_run_logger

from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from fleet import naming
from fleet.benches import KEPT_TAG
from fleet.state import Droplet, DropletRequest, Rule
from tasks import droplets, firewalls, keys
from tasks.policy import step

UserData = Callable[[str], str]
"""What a droplet of a given name is born with."""
SLUG = "debian-12-x64"
"""What a base snapshot starts from."""


@dataclass(frozen=True)
class Bench:
    """What a workbench is made from."""

    purpose: str
    """What it is for, in a word: its tag, firewall and key are named after it."""
    image: str
    ports: tuple[str, ...]
    """Where the controller reaches it; nobody else reaches anything."""
    public_key: str | None = None
    keep_failed: bool = False
    """Whether it stays when what is made on it fails, for a look at why."""

    @property
    def tag(self) -> str:
        """The tag that says that a droplet is this workbench."""
        return f"{naming.BAKE_TAG}:{self.purpose}"


@contextmanager
def workbench(bench: Bench, user_data: UserData, environment: Environment) -> Iterator[Droplet]:
    """A droplet with its address, behind a firewall of its own.

    What an earlier run left of the same purpose is removed first: its keys died with it.
    """
    clear(bench, environment)
    kept = False
    try:
        rules = tuple(Rule(port, addresses=tuple(environment.controller_addresses)) for port in bench.ports)
        firewalls.ensure_firewall(bench.tag.replace(":", "-"), rules, (bench.tag,), environment.digitalocean)
        key = keys.ensure_key(bench.tag, bench.public_key, environment.digitalocean) if bench.public_key else None
        request = _request(bench, environment, (key,) if key else ())
        made = droplets.ensure_droplet(replace(request, user_data=user_data(request.name)), environment.digitalocean)
        yield droplets.wait_active(made, environment.digitalocean)
    except Exception:
        kept = bench.keep_failed
        raise
    finally:
        (_keep if kept else clear)(bench, environment)


def clear(bench: Bench, environment: Environment) -> None:
    """Removes every droplet, key and firewall of this purpose; a failure is logged by name, and the rest goes on."""
    credentials = environment.digitalocean
    steps: list[Callable[[], None]] = [
        *(partial(droplets.remove_droplet, one, credentials) for one in droplets.list_tagged(bench.tag, credentials)),
        partial(keys.remove_key, bench.tag, credentials),
        partial(firewalls.remove_firewall, bench.tag.replace(":", "-"), credentials),
    ]
    for remove in steps:
        try:
            remove()
        except Exception as error:  # the rest still has to go; the run fails by its own error, if it has one
            get_run_logger().error("Left over from %s: %s Run build-snapshot again to remove it.", bench.purpose, error)


def _keep(bench: Bench, environment: Environment) -> None:
    for one in droplets.list_tagged(bench.tag, environment.digitalocean):
        mark_kept(one, environment.digitalocean)
    get_run_logger().warning(
        "Kept, as asked: the droplets, key and firewall of %s, tagged %s in %s. They cost money; the next run of "
        "build-snapshot with this name removes them.",
        bench.purpose,
        bench.tag,
        environment.region,
    )


@step("{droplet.name}: kept for a look")
def mark_kept(droplet: Droplet, credentials: DigitalOceanCredentials) -> None:
    """Tags a droplet as kept on request: only a build of its name removes it."""
    credentials.client().tags.add(KEPT_TAG, droplet.id)


def _request(bench: Bench, environment: Environment, ssh_keys: tuple[int, ...]) -> DropletRequest:
    intent = secrets.token_hex(6)
    return DropletRequest(
        name=f"bake-{naming.droplet(environment.spec(), intent)}",
        region=environment.region,
        size=environment.size,
        image=bench.image,
        tags=frozenset({naming.TAG, naming.BAKE_TAG, bench.tag}),
        intent=intent,
        ssh_keys=ssh_keys,
    )
