"""What a round each minute must not pile up, on a real Prefect server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed, Running

from tasks.health import upkeep


@flow
def rounds() -> None:
    """Stands in for the health check."""


def ran(client: SyncPrefectClient, deployment: UUID, *states: State[None]) -> UUID:
    """A run that went through these states just now."""
    run = client.create_flow_run_from_deployment(deployment)
    for state in states:
        client.set_flow_run_state(run.id, state, force=True)
    return run.id


def left(client: SyncPrefectClient, deployment: UUID) -> set[UUID]:
    """The runs that are there."""
    wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
    return {one.id for one in client.read_flow_runs(flow_run_filter=wanted)}


@pytest.mark.usefixtures("prefect")
def test_rounds_that_were_well_go_after_a_day_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    with get_client(sync_client=True) as client:
        name = client.create_flow(rounds)
        mine, other = (client.create_deployment(name, one) for one in ("rounds-of-a-test", "others-of-a-test"))
        for _ in range(3):
            ran(client, mine, Running(), Completed())
        kept = {ran(client, mine, Running(), Failed()), ran(client, mine, Running())}
        stranger = ran(client, other, Running(), Completed())
        assert upkeep.prune_rounds(client, mine) == 0, "they have just ended"
        later = datetime.now(UTC) + upkeep.ROUNDS_KEPT + timedelta(minutes=1)
        monkeypatch.setattr(upkeep, "AT_ONCE", 2)
        assert [upkeep.prune_rounds(client, mine, later) for _ in range(3)] == [2, 1, 0]
        assert left(client, mine) == kept
        assert left(client, other) == {stranger}
