"""What a round each minute must not pile up: older versions of its artifacts, and the runs of earlier rounds.

Prefect keeps every version for as long as its run, and every run for as long as the settings say, which is meant for
deploys. A round that is over and was well says nothing that the timeline does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.types import DateTime

VERSIONS: Final = 60
"""Of each artifact: the rounds of the last hour."""
ROUNDS_KEPT: Final = timedelta(days=1)
"""Of the runs that completed; one that failed stays as long as any other run."""
AT_ONCE: Final = 20
"""So many go in a round at most: more than come, and few enough that no round takes long over it."""


def prune_versions(client: SyncPrefectClient, key: str) -> int:
    """Deletes versions of an artifact beyond the newest `VERSIONS`; gives how many."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    old = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=AT_ONCE, offset=VERSIONS)
    return _delete(client.delete_artifact, (one.id for one in old))


def prune_rounds(client: SyncPrefectClient, deployment: UUID, now: datetime | None = None) -> int:
    """Deletes completed runs of this deployment that ended over `ROUNDS_KEPT` ago, the oldest first; gives how many."""
    before = (now or datetime.now(UTC)) - ROUNDS_KEPT
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
        end_time=FlowRunFilterEndTime(before_=DateTime.instance(before)),
    )
    old = client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.START_TIME_ASC, limit=AT_ONCE)
    return _delete(client.delete_flow_run, (one.id for one in old))


def _delete(delete: Callable[[UUID], None], ids: Iterable[UUID]) -> int:
    gone = 0
    for one in ids:
        try:
            delete(one)
            gone += 1
        except ObjectNotFound:  # another round was faster
            continue
    return gone
