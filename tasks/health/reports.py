"""What a round leaves behind: events for what changed, the fleet's table, and the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.runtime import deployment

from tasks import reports
from tasks.health import events, files, table, timeline, upkeep
from tasks.health.findings import Finding
from tasks.health.history import Change, History
from tasks.health.subjects import Subject, subjects

TABLE: Final = "fleet-health"
TIMELINE: Final = "fleet-timeline"


def report(findings: Sequence[Finding]) -> tuple[Change, ...]:
    """Compares with the rounds before, emits events, and publishes table and timeline; gives what has changed."""
    seen, now = subjects(findings), datetime.now(UTC)
    history, changes = _follow(seen, now)
    create_table_artifact(table.rows(seen, history, now), key=TABLE, description=table.summary(seen))
    reports.publish(TIMELINE, timeline.page(history, now), "Who was how when")
    _clean_up()
    return changes


def _follow(seen: Sequence[Subject], now: datetime) -> tuple[History, tuple[Change, ...]]:
    """Events come before the file: a round that is killed in between tells its changes again, as the same events."""
    with files.locked():
        history, changes = files.read().follow(seen, now)
        events.announce(changes)
        files.write(history)
    return history, changes


def _clean_up() -> None:
    with get_client(sync_client=True) as client:
        for key in (TABLE, TIMELINE):
            upkeep.prune_versions(client, key)
        if deployment.id is not None:
            upkeep.prune_rounds(client, UUID(deployment.id))
