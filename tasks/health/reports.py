"""What a round leaves behind: events for what changed, the fleet's table, and the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import ObjectNotFound

from tasks import reports
from tasks.health import events, files, table, timeline
from tasks.health.findings import Finding
from tasks.health.history import Change, History
from tasks.health.subjects import Subject, subjects

TABLE: Final = "fleet-health"
TIMELINE: Final = "fleet-timeline"
VERSIONS: Final = 60
"""Of each of both: the rounds of the last hour. Prefect itself keeps all for as long as their runs."""
AT_ONCE: Final = 20
"""So many older versions go in a round at most."""


def report(findings: Sequence[Finding]) -> tuple[Change, ...]:
    """Compares with the rounds before, emits events, and publishes table and timeline; gives what has changed."""
    seen, now = subjects(findings), datetime.now(UTC)
    history, changes = _follow(seen, now)
    create_table_artifact(table.rows(seen, history, now), key=TABLE, description=table.summary(seen))
    reports.publish(TIMELINE, timeline.page(history, now), "Who was how when")
    with get_client(sync_client=True) as client:
        for key in (TABLE, TIMELINE):
            prune(client, key)
    return changes


def _follow(seen: Sequence[Subject], now: datetime) -> tuple[History, tuple[Change, ...]]:
    """Events come before the file: a round that is killed in between tells its changes again, as the same events."""
    with files.locked():
        history, changes = files.read().follow(seen, now)
        events.announce(changes)
        files.write(history)
    return history, changes


def prune(client: SyncPrefectClient, key: str) -> int:
    """Deletes versions of an artifact beyond the newest `VERSIONS`, the newest of those first; gives how many."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    old = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=AT_ONCE, offset=VERSIONS)
    gone = 0
    for one in old:
        try:
            client.delete_artifact(one.id)
            gone += 1
        except ObjectNotFound:  # another round was faster
            continue
    return gone
