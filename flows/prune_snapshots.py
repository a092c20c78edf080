"""The flow `prune-snapshots`: snapshots that nobody needs, gone."""

from __future__ import annotations

from blocks.environment import Environment
from blocks.snapshot import Snapshot
from tasks import mirrors, pruning
from tasks.runbooks import runbook


@runbook("prune-snapshots", "snapshots of {environment.project}-{environment.name}'s account: prune")
def prune_snapshots(
    environment: Environment, keep_last: int = 3, snapshot: Snapshot | None = None, plan_only: bool = False
) -> None:
    """Deletes the snapshots of ours that no droplet was made from, no environment has as its default, and are old.

    Snapshots that were not made here are never touched. Ends with what is saved: $0.06 a gigabyte and month.

    Args:
        environment: whose account.
        keep_last: how many of each kind that are ready stay in any case, 1 to 100.
        snapshot: delete this one alone, instead of all that may go; refused while it is in use.
        plan_only: only show what would go, and delete nothing.
    """
    order = pruning.check(environment, keep_last, snapshot)
    fates = pruning.decide(order, environment)
    gone = [] if plan_only else pruning.remove_all(fates, environment)
    pruning.report(fates, gone, plan_only)
    if gone:
        mirrors.refresh_or_tell(environment.digitalocean)
