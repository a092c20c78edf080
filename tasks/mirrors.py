"""The account's snapshots, mirrored into `Snapshot` blocks so that run forms can offer those that are ready."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.snapshot import Snapshot as SnapshotBlock
from fleet import lineage, naming
from fleet.errors import DeployerError, InvalidInput, TransientError
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
    owners: Mapping[str, str] = field(default_factory=dict)
    """Whose each snapshot is, by its id: six digits that stand for the account."""


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
    owners: dict[str, str] = {}
    for account in accounts:
        try:
            cloud = account.client()
            owner, listed = cloud.account.read_owner(), cloud.snapshots.read_all()
            found += [one for one in listed if one.id not in owners]  # two tokens of one account
            owners |= {one.id: owner for one in listed}
            lagging |= {id for id in set(known) - {*owners} if cloud.snapshots.exists(id)}
        except DeployerError as error:
            silent.append(f"{account.api_url}: {error.message}")
    ordered = sorted(found, key=lambda one: (one.name, one.created_at))
    return Listing(tuple(ordered), tuple(silent), frozenset(lagging - {*owners}), owners)


@step("environment {environment.project}-{environment.name}: default snapshot {snapshot.name}")
def make_default(snapshot: Snapshot, environment: Environment) -> None:
    """New droplets of the environment are made from this snapshot from now on.

    Raises:
        TransientError: its block is not there yet.
    """
    found = next((name for name, one in documents().items() if one.snapshot_id == snapshot.id), None)
    if found is None:
        raise TransientError(
            f"The snapshot {snapshot.name} has no block yet, and so is not the default.",
            hint="Run refresh-snapshots, then choose it in the Environment block.",
        )
    slug = document_of(environment)
    fresh = cast(Environment, Environment.load(slug))
    fresh.snapshot = cast(SnapshotBlock, SnapshotBlock.load(found))
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
    named = name_blocks(ready, listing.owners, there)
    for name, one in named.items():
        known = there.get(name)
        mine = known.packages if known and known.snapshot_id == one.id else {}
        block = SnapshotBlock.of(one)
        block.seen_at, block.packages = now, dict(packages.get(one.id) or mine)
        block.account = listing.owners.get(one.id, "")
        block.save(name, overwrite=True)
    unseen = there.keys() - named.keys()
    if not listing.silent:
        _forget({name for name in unseen if there[name].snapshot_id not in listing.lagging})
        return None
    return min((at for name in unseen if (at := there[name].seen_at)), default=None)


def name_blocks(
    ready: Iterable[Snapshot], owners: Mapping[str, str], there: Mapping[str, SnapshotBlock]
) -> dict[str, Snapshot]:
    """The snapshots by the names of their blocks: their own, with the account's digits where another has that name.

    Of several of one account and name it is the last given. What has a block keeps its name, as environments refer to
    it; so does the block of an account that does not answer.
    """
    last = {(one.name, owners[one.id]): one for one in ready}
    mine = {block: key for key, one in last.items() if (block := _block_of(one, key[1], there))}
    named = {block: last[key] for block, key in mine.items()}
    for key in sorted(last.keys() - {*mine.values()}):
        name, owner = key
        named[f"{name}-{owner}" if name in named or _is_anothers(there.get(name), owner) else name] = last[key]
    return named


def _block_of(one: Snapshot, owner: str, there: Mapping[str, SnapshotBlock]) -> str | None:
    """The block that stands for the account's snapshot of this name already."""
    names = (one.name, f"{one.name}-{owner}")
    return next((name for name in names if (known := there.get(name)) and _stands_for(known, one, owner)), None)


def _stands_for(known: SnapshotBlock, one: Snapshot, owner: str) -> bool:
    return known.account == owner or (not known.account and known.snapshot_id == one.id)


def _is_anothers(known: SnapshotBlock | None, owner: str) -> bool:
    return known is not None and known.account not in ("", owner)


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
