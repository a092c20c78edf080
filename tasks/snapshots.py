"""Droplet snapshots: taken, labelled, and mirrored into `Snapshot` blocks so that run forms can offer them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from prefect.client.orchestration import get_client

from agent.keys import boot_secret
from blocks.base_image import BaseImage
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.snapshot import Snapshot as SnapshotBlock
from fleet import checks, naming
from fleet.errors import InvalidInput, PermanentError
from fleet.spec import check_word
from fleet.state import Droplet, Snapshot
from tasks import bases, plans
from tasks.droplets import ACTION_DEADLINE, wait_action
from tasks.policy import step
from tasks.reports import publish, seconds_since, table
from tasks.userdata import droplet_user_data


@step("{droplet.name}: snapshot {name}", timeout=ACTION_DEADLINE + timedelta(minutes=2))
def take_snapshot(droplet: Droplet, name: str, tags: frozenset[str], credentials: DigitalOceanCredentials) -> Snapshot:
    """The snapshot of this name, taken from the switched-off droplet unless it is there; labelled as ours."""
    cloud = credentials.client()
    found = _named(name, cloud.snapshots.read_all())
    if found is None:
        wait_action(cloud.droplets.snapshot(droplet.id, name), credentials)
        found = _named(name, cloud.snapshots.read_all())
    if found is None:
        raise PermanentError(
            f"DigitalOcean took the snapshot {name} of {droplet.name}, and does not list it.",
            hint="Look for it in the control panel, then run this again.",
        )
    cloud.snapshots.tag(found.id, tags)
    return found


@step("mirror the snapshots into blocks")
def mirror_snapshots(credentials: DigitalOceanCredentials) -> list[str]:
    """Makes the `Snapshot` blocks those that DigitalOcean has today; gives their names."""
    ours = {
        snapshot.name: snapshot
        for snapshot in credentials.client().snapshots.read_all()
        if naming.snapshot_kind(snapshot.tags)
    }
    for name, snapshot in ours.items():
        SnapshotBlock.of(snapshot).save(name, overwrite=True)
    _forget_others(set(ours))
    return sorted(ours)


@dataclass(frozen=True)
class SnapshotOrder:
    """A snapshot that was asked for, checked."""

    name: str
    kind: Literal["base", "custom"]
    environment: str
    base: str = ""
    """For a custom one: id of the base snapshot."""
    image: bases.Base | None = None
    """For a custom one: what its image is made from."""
    description: str = ""
    existing: Snapshot | None = None
    """The snapshot of that name, when there is one."""

    @property
    def purpose(self) -> str:
        """What its workbench is for."""
        return f"{self.environment}:{self.name}"

    @property
    def tags(self) -> frozenset[str]:
        """What the snapshot will carry."""
        about = {naming.description_tag(self.description)} if self.description else set()
        return naming.snapshot_tags(self.kind) | about


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
    existing = _named(name, environment.digitalocean.client().snapshots.read_all())
    if existing and naming.snapshot_kind(existing.tags) != kind:
        raise InvalidInput(f"There is a snapshot {name} of another kind.", hint="Choose another name.")
    order = SnapshotOrder(name, kind, environment.title(), description=description, existing=existing)
    if kind == "base" or existing:
        return order
    if base is None:
        raise InvalidInput("A custom snapshot needs a base snapshot to start from.", hint="Fill in `base`.")
    if base.kind != "base":
        raise InvalidInput("A custom snapshot starts from a base snapshot.", hint="Choose one of kind base.")
    return replace(order, base=base.snapshot_id, image=bases.check(image, context, dockerfile))


@dataclass
class Report:
    """What came of it; filled in while the run goes on."""

    taken: Snapshot | None = None


@contextmanager
def report(order: SnapshotOrder, environment: Environment) -> Iterator[Report]:
    """The artifact of the run, published when the block ends well."""
    began, made = time.monotonic(), Report()
    yield made
    if made.taken:
        rows = [
            ("name", made.taken.name),
            ("id", made.taken.id),
            ("kind", order.kind),
            ("description", order.description),
            ("regions", ", ".join(made.taken.regions)),
            ("billed size", f"{made.taken.size_gigabytes:.2f} GB"),
            ("smallest disk", f"{made.taken.min_disk_gb} GB"),
            ("took", "was there already: nothing was made" if order.existing else seconds_since(began)),
        ]
        publish(f"snapshot-{order.name}", f"# Snapshot {order.name}\n\n{table(('what', 'value'), rows)}", order.name)


def user_data(environment: Environment) -> Callable[[str], str]:
    """What a droplet of the environment is born with, by its name."""
    token = environment.digitalocean.token.get_secret_value()
    return lambda name: droplet_user_data(name, boot_secret(token, name))


def log(line: str) -> None:
    """One line of progress into the run's log; callable from any thread."""
    logging.getLogger("prefect.flow_runs").info("%s", line)


def _named(name: str, snapshots: list[Snapshot]) -> Snapshot | None:
    return next((snapshot for snapshot in snapshots if snapshot.name == name), None)


def _forget_others(names: set[str]) -> None:
    with get_client(sync_client=True) as client:
        for document in client.read_block_documents_by_type(SnapshotBlock.get_block_type_slug()):
            if document.name not in names:
                client.delete_block_document(document.id)
