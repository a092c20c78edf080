"""The flow `compare-snapshots`: what is different in another snapshot."""

from __future__ import annotations

from blocks.environment import Environment
from blocks.snapshot import Snapshot
from tasks import comparing
from tasks.runbooks import runbook


@runbook("compare-snapshots", "{before.name} and {after.name}")
def compare_snapshots(environment: Environment, before: Snapshot, after: Snapshot) -> None:
    """Shows packages that were added, removed or changed between two snapshots, and agent, base image and parent.

    A snapshot whose packages this server does not know is examined on a droplet for a minute.

    Args:
        environment: whose account.
        before: the one that is compared with.
        after: the one in which something may be different.
    """
    pair = comparing.find(before, after, environment)
    packages = [comparing.packages_of(block, seen, environment) for block, seen in pair]
    comparing.report(pair, packages)
