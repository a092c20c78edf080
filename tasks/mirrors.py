"""The account's snapshots, mirrored into `Snapshot` blocks so that run forms can offer those that are ready."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.snapshot import Snapshot as SnapshotBlock
from fleet import lineage, naming
from fleet.errors import DeployerError, InvalidInput
from fleet.pruning import DOLLARS_PER_GIGABYTE
from fleet.state import Snapshot
from tasks import documents as saved
from tasks.health import list_environments
from tasks.policy import step
from tasks.reports import publish, table
from tasks.snapshots import log

NO_PACKAGES: Mapping[str, Mapping[str, str]] = {}
Packages = Mapping[str, Mapping[str, str]]
"""Packages and their versions, by the id of their snapshot."""
_KEY = "snapshots"


@dataclass(frozen=True)
class Listing:
    """What the accounts' lists said, and which of them said nothing."""

    snapshots: tuple[Snapshot, ...]
    silent: tuple[str, ...] = ()
    lagging: frozenset[str] = frozenset()
    """Ids of snapshots that are in no list, and are there."""


def refresh(given: DigitalOceanCredentials | None = None, packages: Packages = NO_PACKAGES) -> Listing:
    """Makes the blocks those that are ready today, and shows the whole list as an artifact.

    While an account does not answer, what was known of it stays, and the artifact says since when.
    """
    accounts = _accounts(given)
    listing = read(accounts, [one.snapshot_id for one in documents().values()])
    seen = _mirror(listing, packages)
    publish(_KEY, _page(listing, seen), "Snapshots")
    return listing


def refresh_or_tell(given: DigitalOceanCredentials, packages: Packages = NO_PACKAGES) -> None:
    """The same at the end of a run that has succeeded already: the next scheduled one makes up for a failure."""
    try:
        refresh(given, packages)
    except Exception as error:  # whatever it is: the snapshot is there
        log(f"The list of snapshots could not be refreshed: {error} refresh-snapshots will do it within minutes.")


@step("snapshots of every account", retries=1)
def read(accounts: list[DigitalOceanCredentials], known: list[str]) -> Listing:
    """The snapshots of all accounts; one that does not answer is named, and of those in no list each is asked for."""
    found: list[Snapshot] = []
    silent: list[str] = []
    lagging: set[str] = set()
    for account in accounts:
        try:
            cloud = account.client().snapshots
            found += cloud.read_all()
            lagging |= {id for id in set(known) - {one.id for one in found} if cloud.exists(id)}
        except DeployerError as error:
            silent.append(f"{account.api_url}: {error.message}")
    ordered = sorted(found, key=lambda one: (one.name, one.created_at))
    return Listing(tuple(ordered), tuple(silent), frozenset(lagging - {one.id for one in found}))


@step("environment {environment.project}-{environment.name}: default snapshot {name}")
def make_default(name: str, environment: Environment) -> None:
    """New droplets of the environment are made from this snapshot from now on."""
    slug = document_of(environment)
    fresh = cast(Environment, Environment.load(slug))
    fresh.snapshot = cast(SnapshotBlock, SnapshotBlock.load(name))
    fresh.save(slug, overwrite=True)


def document_of(environment: Environment) -> str:
    """The name under which the environment is saved.

    Raises:
        InvalidInput: it is not.
    """
    name: str | None = environment._block_document_name  # Prefect has no public word for it
    if not name:
        raise InvalidInput(
            "The environment is not saved as a block, and so has no default.", hint="Save it, or leave `make_default`."
        )
    return name


def _accounts(given: DigitalOceanCredentials | None) -> list[DigitalOceanCredentials]:
    """Those of all environments, each once."""
    all_of_them = [given] if given else []
    all_of_them += [one.digitalocean for one in list_environments()]
    return list({(one.api_url, one.token.get_secret_value()): one for one in all_of_them}.values())


def _mirror(listing: Listing, packages: Packages) -> datetime | None:
    """Writes the blocks; gives when the oldest of those that stay unseen was last seen."""
    there, now = documents(), datetime.now(UTC)
    ready = [one for one in listing.snapshots if naming.snapshot_state(one.tags) == "ready"]
    for one in ready:
        known = there.get(one.name)
        mine = known.packages if known and known.snapshot_id == one.id else {}
        block = SnapshotBlock.of(one)
        block.seen_at, block.packages = now, dict(packages.get(one.id) or mine)
        block.save(one.name, overwrite=True)
    unseen = there.keys() - {one.name for one in ready}
    if not listing.silent:
        _forget({name for name in unseen if there[name].snapshot_id not in listing.lagging})
        return None
    return min((at for name in unseen if (at := there[name].seen_at)), default=None)


def documents() -> dict[str, SnapshotBlock]:
    """What is offered now, by name."""
    names = [one.name for one in saved.list_all(SnapshotBlock.get_block_type_slug())]
    return {name: cast(SnapshotBlock, SnapshotBlock.load(name)) for name in names if name}


def _forget(names: set[str]) -> None:
    gone = [one.id for one in saved.list_all(SnapshotBlock.get_block_type_slug()) if one.name in names]
    with get_client(sync_client=True) as client:
        for id in gone:
            with suppress(ObjectNotFound):
                client.delete_block_document(id)


def _page(listing: Listing, oldest: datetime | None) -> str:
    parts = ["# Snapshots", f"As of {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC."]
    if listing.silent:
        since = f"the list of {age(oldest)} ago" if oldest else "nothing was known before"
        parts.append(f"⚠️ **No answer** from {'; '.join(listing.silent)}: {since} stays in the forms.")
    head = ("name", "state", "kind", "agent", "base image", "age", "size", "a month")
    parts.append(table(head, [_row(one) for one in listing.snapshots]) if listing.snapshots else "There is none.")
    return "\n\n".join(parts)


def _row(one: Snapshot) -> tuple[object, ...]:
    state, known = naming.snapshot_state(one.tags), lineage.read(one.description)
    told = {"foreign": "foreign: not made here, not offered", "unproven": "unproven: not offered"}
    shown = f"rejected: {known.reason}" if state == "rejected" else told.get(state, state)
    image, size = known.image.removeprefix("sha256:")[:12], one.size_gigabytes
    kind = naming.snapshot_kind(one.tags) or ""
    cost = f"${size * DOLLARS_PER_GIGABYTE:.2f}"
    return (one.name, shown, kind, known.agent, image, age(one.created_at), f"{size:.2f} GB", cost)


def age(since: datetime) -> str:
    """How long ago something was, in its largest unit."""
    seconds = max(time.time() - since.timestamp(), 0)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds:.0f} seconds"
