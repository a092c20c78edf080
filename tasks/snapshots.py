"""Droplet snapshots: ordered, taken, and found ready or rejected. What they are is written on them at DigitalOcean."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from agent.keys import boot_secret
from blocks.base_image import BaseImage
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.snapshot import Snapshot as SnapshotBlock
from fleet import checks, lineage, naming
from fleet.errors import InvalidInput, PermanentError
from fleet.lineage import Lineage
from fleet.spec import check_word
from fleet.state import Action, Droplet, Snapshot
from tasks import base_images, plans
from tasks.droplets import ACTION_DEADLINE, list_tagged, wait_action
from tasks.policy import SIGNALS, step
from tasks.userdata import droplet_user_data
from tasks.waits import Overdue
from tasks.workbench import Bench, clear


@dataclass(frozen=True)
class SnapshotOrder:
    """A snapshot that was asked for, checked."""

    name: str
    kind: Literal["base", "custom"]
    environment: str
    base: str = ""
    """For a custom one: id of the base snapshot."""
    image: base_images.Base | None = None
    """For a custom one: what its image is made from."""
    description: str = ""
    existing: Snapshot | None = None
    """The snapshot of that name, when there is one that is ready."""
    keep_failed: bool = False

    @property
    def purpose(self) -> str:
        """What its workbench is for."""
        return f"{self.environment}:{self.name}"

    @property
    def probe(self) -> str:
        """What the workbench is for on which it is proven."""
        return f"{self.purpose}:probe"

    @property
    def tags(self) -> frozenset[str]:
        """What the snapshot will carry."""
        return naming.snapshot_tags(self.kind)


@step("check what was filled in")
def check(
    environment: Environment,
    name: str,
    kind: Literal["base", "custom"],
    base: SnapshotBlock | None,
    context: str,
    dockerfile: str,
    image: BaseImage | None = None,
    description: str = "",
) -> SnapshotOrder:
    """Everything that can be known to fail, fails here, before anything has been made.

    Raises:
        InvalidInput: a value is missing or cannot work; the message says what to write.
        Refused: the token was not accepted.
    """
    check_word("snapshot", name)
    checks.check_description(description)
    # The environment's own default may be long gone: what matters is what this one is made from.
    plans.check_region(environment, replace(environment.spec(), snapshot=base.snapshot_id if base else None))
    existing = _ready(name, environment.digitalocean.client().snapshots.read_all())
    if existing and naming.snapshot_kind(existing.tags) != kind:
        raise InvalidInput(f"There is a snapshot {name} of another kind.", hint="Choose another name.")
    order = SnapshotOrder(name, kind, environment.title(), description=description, existing=existing)
    if kind == "base" or existing:
        return order
    if base is None:
        raise InvalidInput("A custom snapshot needs a base snapshot to start from.", hint="Fill in `base`.")
    if base.kind != "base":
        raise InvalidInput("A custom snapshot starts from a base snapshot.", hint="Choose one of kind base.")
    return replace(order, base=base.snapshot_id, image=base_images.check(image, context, dockerfile))


def remove_leftovers(order: SnapshotOrder, environment: Environment) -> None:
    """What an earlier run of this name left when it was killed, or kept: snapshots that were never ready, benches."""
    benches = [Bench(purpose, "", ()) for purpose in (order.purpose, order.probe)]
    droplets = [one for bench in benches for one in list_tagged(bench.tag, environment.digitalocean)]
    remove_unproven(order.name, frozenset(one.id for one in droplets), environment)
    for bench in benches:
        clear(bench, environment)


@step("snapshots {name} that were never ready: remove")
def remove_unproven(name: str, benches: frozenset[int], environment: Environment) -> None:
    """Removes the snapshots of this name that nothing may be made from, and that nothing is.

    One without a tag yet is ours when it was taken of one of these droplets.
    """
    cloud = environment.digitalocean.client()
    for found in cloud.snapshots.read_all():
        state = naming.snapshot_state(found.tags)
        ours = state in ("unproven", "rejected") or (state == "foreign" and found.droplet in benches)
        if found.name != name or not ours:
            continue
        if found.id in {one.image for one in cloud.droplets.read_tagged(naming.TAG) if one.id not in benches}:
            log(f"The snapshot {name} ({found.id}) is not ready, and stays: droplets were made from it.")
        else:
            log(f"Removing the snapshot {name} ({found.id}), which is {state}.")
            cloud.snapshots.remove(found.id)


def take_snapshot(droplet: Droplet, name: str, tags: frozenset[str], credentials: DigitalOceanCredentials) -> Snapshot:
    """The snapshot of the switched-off droplet, labelled as ours; nothing is made from it before it is ready.

    When that fails or is cancelled, one without its label goes: once its droplet is gone, nobody knows it for ours.
    """
    try:
        action = start_snapshot(droplet, name, credentials)
        return finish_snapshot(droplet, name, action, tags, credentials)
    except (Exception, *SIGNALS):
        try:
            remove_unlabelled(droplet, name, credentials)
        except Exception as error:  # the run fails by its own error
            log(f"A snapshot {name} of {droplet.name} may be left without a label: {error} Remove it by hand.")
        raise


@step("{droplet.name}: remove the snapshot {name} without a label")
def remove_unlabelled(droplet: Droplet, name: str, credentials: DigitalOceanCredentials) -> None:
    """Removes what was made of this droplet under this name and has no tag of ours yet; absent is fine."""
    snapshots = credentials.client().snapshots
    for found in snapshots.read_all():
        if (found.name, found.droplet) == (name, droplet.id) and naming.snapshot_state(found.tags) == "foreign":
            log(f"Removing the snapshot {name} ({found.id}), which was not labelled any more.")
            snapshots.remove(found.id)


@step("{droplet.name}: snapshot {name}")
def start_snapshot(droplet: Droplet, name: str, credentials: DigitalOceanCredentials) -> Action | None:
    """Has a snapshot taken unless one was taken of this very droplet."""
    cloud = credentials.client()
    return None if _taken_of(droplet, name, cloud.snapshots.read_all()) else cloud.droplets.snapshot(droplet.id, name)


@step("{droplet.name}: wait for the snapshot {name}", timeout=ACTION_DEADLINE + timedelta(minutes=2))
def finish_snapshot(
    droplet: Droplet, name: str, action: Action | None, tags: frozenset[str], credentials: DigitalOceanCredentials
) -> Snapshot:
    """The snapshot, once it is complete and labelled.

    Raises:
        PermanentError: the action did not end in time, or ended badly, or left nothing.
    """
    cloud = credentials.client()
    try:
        if action:
            wait_action(action, credentials)
    except Overdue as error:
        raise PermanentError(f"{error.message} The snapshot {name} was given up.", hint="Run this again.") from error
    found = _taken_of(droplet, name, cloud.snapshots.read_all())
    if found is None:
        raise PermanentError(
            f"DigitalOcean took the snapshot {name} of {droplet.name}, and does not list it.",
            hint="Look for it in the control panel, then run this again.",
        )
    cloud.snapshots.tag(found.id, tags)
    return replace(found, tags=found.tags | tags)


@step("snapshot {snapshot.name}: {tag}")
def conclude(snapshot: Snapshot, tag: str, known: Lineage, credentials: DigitalOceanCredentials) -> Snapshot:
    """Writes on the snapshot what is known of it, and last of all the tag that says `ready` or `rejected`."""
    cloud, description = credentials.client(), lineage.write(known)
    cloud.snapshots.describe(snapshot.id, description)
    cloud.snapshots.tag(snapshot.id, frozenset({tag}))
    return replace(snapshot, tags=snapshot.tags | {tag}, description=description)


def user_data(environment: Environment) -> Callable[[str], str]:
    """What a droplet of the environment is born with, by its name."""
    token = environment.digitalocean.token.get_secret_value()
    return lambda name: droplet_user_data(name, boot_secret(token, name))


def log(line: str) -> None:
    """One line of progress into the run's log; callable from any thread."""
    logging.getLogger("prefect.flow_runs").info("%s", line)


def _ready(name: str, snapshots: list[Snapshot]) -> Snapshot | None:
    ready = (one for one in snapshots if naming.snapshot_state(one.tags) == "ready")
    return next((one for one in ready if one.name == name), None)


def _taken_of(droplet: Droplet, name: str, snapshots: list[Snapshot]) -> Snapshot | None:
    return next((one for one in snapshots if (one.name, one.droplet) == (name, droplet.id)), None)
