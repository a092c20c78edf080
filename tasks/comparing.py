"""Two snapshots, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from blocks.environment import Environment
from blocks.snapshot import Snapshot as SnapshotBlock
from fleet import naming, pruning
from fleet.errors import InvalidInput, PermanentError
from fleet.examination import Origin
from fleet.pruning import Difference
from fleet.state import Snapshot
from tasks import probes
from tasks.mirrors import age
from tasks.policy import step
from tasks.reports import publish, table
from tasks.snapshots import SnapshotOrder

Pair = Sequence[tuple[SnapshotBlock, Snapshot]]


@step("{before.name} and {after.name}: find")
def find(before: SnapshotBlock, after: SnapshotBlock, environment: Environment) -> Pair:
    """Both blocks, each with what DigitalOcean has of it today.

    Raises:
        InvalidInput: they are one, or one of them is gone.
    """
    if before.snapshot_id == after.snapshot_id:
        raise InvalidInput("Both are the same snapshot.", hint="Choose two.")
    there = {one.id: one for one in environment.digitalocean.client().snapshots.read_all()}
    gone = [one.name for one in (before, after) if one.snapshot_id not in there]
    if gone:
        raise InvalidInput(
            f"The snapshot {', '.join(gone)} is gone.", hint="Run refresh-snapshots, and choose another."
        )
    return [(one, there[one.snapshot_id]) for one in (before, after)]


def packages_of(block: SnapshotBlock, seen: Snapshot, environment: Environment) -> Mapping[str, str]:
    """Its packages, as they were listed when it was made; where this server does not know them, a droplet is asked.

    Raises:
        PermanentError: that droplet did not answer.
    """
    if block.packages:
        return block.packages
    kind = cast(probes.Kind, naming.snapshot_kind(seen.tags) or "base")
    order = SnapshotOrder(f"{seen.name}-compare", kind, environment.title())
    outside, found = probes.look(seen, order, Origin("base", ""), environment)
    if found is None:
        raise PermanentError(
            f"The snapshot {seen.name} could not be examined: {outside.trouble}",
            hint="Build it anew with build-snapshot.",
        )
    return found.packages


def report(pair: Pair, packages: Sequence[Mapping[str, str]]) -> None:
    """What is different, as an artifact."""
    (_, before), (_, after) = pair
    found = pruning.compare(before, after, *packages)
    title = f"{before.name} → {after.name}"
    publish(f"compare-{before.name}-{after.name}", f"# {title}\n\n{_page(before, after, found)}", title)


def _page(before: Snapshot, after: Snapshot, found: Difference) -> str:
    facts = [("age", age(before.created_at), age(after.created_at))]
    facts += [(name, first or "none", second or "none") for name, (first, second) in found.facts.items()]
    parts = [table(("", before.name, after.name), facts)]
    if found.is_nothing:
        parts.append("The same packages, agent, base image and parent.")
    for head, rows in (
        ("added", [(name, "", version) for name, version in found.added.items()]),
        ("removed", [(name, version, "") for name, version in found.removed.items()]),
        ("changed", [(name, *versions) for name, versions in found.changed.items()]),
    ):
        if rows:
            parts += [f"## {len(rows)} packages {head}", table(("package", before.name, after.name), rows)]
    return "\n\n".join(parts)
