"""Snapshots that nobody needs: found, shown, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.environment import Environment
from blocks.snapshot import Snapshot as SnapshotBlock
from fleet import naming, pruning
from fleet.errors import InvalidInput
from fleet.pruning import Fate, Use
from fleet.state import Snapshot
from tasks.health import list_environments
from tasks.mirrors import age
from tasks.policy import step
from tasks.reports import publish, table
from tasks.snapshots import log

MOST = 100


@dataclass(frozen=True)
class PruneOrder:
    """What was asked for, checked."""

    keep_last: int
    only: str = ""
    """Id of the one snapshot that is to go; empty: all that may."""


def check(environment: Environment, keep_last: int, snapshot: SnapshotBlock | None) -> PruneOrder:
    """Whether what was filled in makes sense.

    Raises:
        InvalidInput: it does not.
    """
    if not 1 <= keep_last <= MOST:
        raise InvalidInput(f"keep_last is {keep_last}.", hint=f"Keep 1 to {MOST}.")
    return PruneOrder(keep_last, snapshot.snapshot_id if snapshot else "")


@step("which snapshots may go")
def decide(order: PruneOrder, environment: Environment) -> tuple[Fate, ...]:
    """What becomes of each snapshot, or of the one that was named.

    Raises:
        InvalidInput: that one is in use, not ours, or not there.
    """
    found, use = environment.digitalocean.client().snapshots.read_all(), _use(environment)
    if not order.only:
        return pruning.plan_prune(found, use, order.keep_last, datetime.now(UTC))
    named = next((one for one in found if one.id == order.only), None)
    if named is None:
        raise InvalidInput(f"The snapshot {order.only} is not there any more.", hint="Choose another.")
    return (pruning.plan_remove(named, use),)


def remove_all(fates: Sequence[Fate], environment: Environment) -> list[Snapshot]:
    """Those that are to go, gone; gives them."""
    return [fate.snapshot for fate in fates if fate.goes and remove(fate.snapshot, environment)]


@step("snapshot {snapshot.name}: delete")
def remove(snapshot: Snapshot, environment: Environment) -> bool:
    """Deletes it, unless somebody has begun to use it since it was decided about."""
    if needed := _use(environment).of(snapshot):
        log(f"The snapshot {snapshot.name} stays: by now it is in use ({needed}).")
        return False
    environment.digitalocean.client().snapshots.remove(snapshot.id)
    return True


def report(fates: Sequence[Fate], gone: Sequence[Snapshot], plan_only: bool) -> None:
    """What went, what stays and why, and what is saved."""
    going = [fate for fate in fates if (fate.goes if plan_only else fate.snapshot in gone)]
    saved = sum(fate.dollars for fate in going)
    verb = "would go" if plan_only else "deleted"
    rows = [
        (
            fate.snapshot.name,
            naming.snapshot_state(fate.snapshot.tags),
            verb if fate in going else "stays",
            fate.reason if fate in going or not fate.goes else "in use by now",
            age(fate.snapshot.created_at),
            f"{fate.snapshot.size_gigabytes:.2f} GB",
            f"${fate.dollars:.2f}",
        )
        for fate in fates
    ]
    told = f"{len(going)} of {len(fates)} {verb}: ${saved:.2f} a month less."
    head = ("snapshot", "state", "fate", "reason", "age", "size", "a month")
    publish("prune-snapshots", f"# Snapshots pruned\n\n**{told}**\n\n{table(head, rows)}", told)


def _use(environment: Environment) -> Use:
    """Asked each time anew: a droplet may be made at any moment."""
    environments = {one.title(): one for one in [*list_environments(), environment]}
    defaults = {title: one.snapshot.snapshot_id for title, one in environments.items() if one.snapshot}
    return pruning.use_of(environment.digitalocean.client().droplets.read_all(), defaults)
