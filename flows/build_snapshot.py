"""The flow `build-snapshot`: what droplets are made from."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from blocks.base_image import BaseImage
from blocks.environment import Environment
from blocks.snapshot import Snapshot
from tasks import bake, base_images, droplets, mirrors, probes, sealing, snapshots, userdata
from tasks.probes import Made, Proven
from tasks.reports import published
from tasks.runbooks import runbook
from tasks.snapshot_report import BuildReport
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
    make_default: bool = False,
    keep_failed: bool = False,
) -> None:
    """Makes a snapshot of this name, unless there is one; it is offered once a droplet made from it has been examined.

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
        make_default: once it is ready, make the environment's new droplets from it.
        keep_failed: when it fails, keep droplet, key and firewall for a look; the next run of this name removes them.
    """
    order = replace(
        snapshots.check(environment, name, kind, base, context, dockerfile, image, description),
        keep_failed=keep_failed,
    )
    if make_default:
        mirrors.document_of(environment)
    with published(BuildReport(order)) as report:
        snapshots.remove_leftovers(order, environment)
        proven = Proven(order.existing) if order.existing else make(order, environment)
        report.ready, report.packages = proven.snapshot, proven.packages
        mirrors.refresh_or_tell(environment.digitalocean, {proven.snapshot.id: proven.packages})
        if make_default:
            mirrors.make_default(proven.snapshot, environment)


def make(order: SnapshotOrder, environment: Environment) -> Proven:
    """The snapshot, made and proven."""
    made = bake_base(order, environment) if order.kind == "base" else add_image(order, environment)
    return probes.prove(made, order, environment)


def bake_base(order: SnapshotOrder, environment: Environment) -> Made:
    """A base snapshot, over SSH."""
    host_key, bake_key = userdata.new_key_pair("host"), userdata.new_key_pair("bake")
    bench = Bench(order.purpose, SLUG, ports=("22",), public_key=bake_key.public, keep_failed=order.keep_failed)
    user_data = userdata.bake_user_data(bake_key.public, host_key)
    with workbench(bench, lambda _: user_data, environment) as droplet:
        address = droplet.public_address or ""
        baked = bake.bake(address, bake_key, host_key.public, snapshots.log)
        bake.seal(address, bake_key, host_key.public, snapshots.log)
        droplets.power_off(droplet, environment.digitalocean)
        taken = snapshots.take_snapshot(droplet, order.name, order.tags, environment.digitalocean)
        return Made(taken, probes.baked(baked, bake_key, host_key))


def add_image(order: SnapshotOrder, environment: Environment) -> Made:
    """A custom snapshot, through the node agent."""
    bench = Bench(order.purpose, order.base, ports=("9999",), keep_failed=order.keep_failed)
    with workbench(bench, snapshots.user_data(environment), environment) as made:
        droplet = droplets.wait_ready(made, environment)
        origin = probes.built(droplet, order.base, environment)
        base_images.make_base(droplet, order.image, environment)
        sealing.seal(droplet, environment)
        droplets.power_off(droplet, environment.digitalocean)
        return Made(snapshots.take_snapshot(droplet, order.name, order.tags, environment.digitalocean), origin)
