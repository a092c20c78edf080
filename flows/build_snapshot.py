"""The flow `build-snapshot`: what droplets are made from."""

from __future__ import annotations

from typing import Literal

from blocks.base_image import BaseImage
from blocks.environment import Environment
from blocks.snapshot import Snapshot
from fleet.state import Snapshot as Taken
from tasks import bake, bases, droplets, sealing, snapshots, userdata
from tasks.runbooks import runbook
from tasks.snapshots import SnapshotOrder
from tasks.workbench import SLUG, Bench, workbench


@runbook("build-snapshot", "{kind} snapshot {name}")
def build_snapshot(
    environment: Environment,
    name: str,
    kind: Literal["base", "custom"] = "custom",
    base: Snapshot | None = None,
    context: str = "",
    dockerfile: str = "Dockerfile",
    image: BaseImage | None = None,
    description: str = "",
) -> None:
    """Makes a snapshot of this name, unless there is one.

    Args:
        environment: in whose account and region.
        name: what the snapshot is called: lower-case letters, digits and dashes.
        kind: `base` is a Debian with Docker, nginx and the node agent, baked over SSH; `custom` is made from a base
            through its agent, with the image `local/base:latest` inside.
        base: for a custom one, the base snapshot to start from.
        context: for a custom one, absolute path of the folder that the image is built from.
        dockerfile: for a custom one, path of the Dockerfile inside that folder.
        image: for a custom one, instead of a folder: git, an archive, a saved image, or packages and files; with
            build secrets, if any.
        description: what it is for, in a line of 140 bytes; the snapshot carries it.
    """
    order = snapshots.check(environment, name, kind, base, context, dockerfile, image, description)
    with snapshots.report(order, environment) as report:
        report.taken = order.existing or (
            bake_base(order, environment) if kind == "base" else add_image(order, environment)
        )
        snapshots.mirror_snapshots(environment.digitalocean)


def bake_base(order: SnapshotOrder, environment: Environment) -> Taken:
    """A base snapshot, over SSH."""
    host_key, bake_key = userdata.new_key_pair("host"), userdata.new_key_pair("bake")
    bench = Bench(order.purpose, SLUG, ports=("22",), public_key=bake_key.public)
    user_data = userdata.bake_user_data(bake_key.public, host_key)
    with workbench(bench, lambda _: user_data, environment) as droplet:
        address = droplet.public_address or ""
        bake.bake(address, bake_key, host_key.public, snapshots.log)
        bake.seal(address, bake_key, host_key.public, snapshots.log)
        droplets.power_off(droplet, environment.digitalocean)
        return snapshots.take_snapshot(droplet, order.name, order.tags, environment.digitalocean)


def add_image(order: SnapshotOrder, environment: Environment) -> Taken:
    """A custom snapshot, through the node agent."""
    bench = Bench(order.purpose, order.base, ports=("9999",))
    with workbench(bench, snapshots.user_data(environment), environment) as made:
        droplet = droplets.wait_ready(made, environment)
        bases.make_base(droplet, order.image, environment)
        sealing.seal(droplet, environment)
        droplets.power_off(droplet, environment.digitalocean)
        return snapshots.take_snapshot(droplet, order.name, order.tags, environment.digitalocean)
