"""Workbenches that a killed build has left: people are told of them in one round, and the next one removes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.types import DateTime

from blocks.environment import Environment
from fleet import benches, naming
from fleet.benches import LEFT_TAG, Left
from fleet.notices import Change
from fleet.state import Droplet
from tasks import droplets, notices, workbench
from tasks.policy import gather, step
from tasks.workbench import Bench

FLOW: Final = "build-snapshot"
FORGOTTEN: Final = timedelta(days=1)
"""A run that began longer ago than this died with its worker, whatever its state says."""
AT_WORK: Final = [StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]


def sweep(environment: Environment) -> None:
    """Removes what people were told of a round ago, and tells them of what is left besides.

    What another controller builds is known by its age alone, see `fleet.benches.OLD`.
    """
    found = droplets.list_tagged(naming.BAKE_TAG, environment.digitalocean)
    if not _left(found, environment):
        return
    building = read_building()
    for one in benches.left_over(found, environment.title(), building, datetime.now(UTC)):
        if one.told:
            remove(one, environment)
        else:
            tell(one, environment)


def tell(left: Left, environment: Environment) -> None:
    """Marks it as told, and tells people."""
    gather("Marking", [one.name for one in left.droplets], [mark.submit(one, environment) for one in left.droplets])
    since = min(one.created_at for one in left.droplets)
    reason = "A build of this snapshot left it behind, and it costs money. The next round removes it."
    hint = f"To keep it for a look, give its droplet the tag {benches.KEPT_TAG} at DigitalOcean."
    notices.tell(environment, [Change(left.subject, "", "left over", reason, since, hint)])


def remove(left: Left, environment: Environment) -> None:
    """Its droplets, key and firewall, by the same steps as the next build of this name."""
    bench = Bench(left.purpose, "", ())
    workbench.clear(bench, environment)
    if not droplets.list_tagged(bench.tag, environment.digitalocean):
        over = Change(left.subject, "left over", "over", "It is removed.", datetime.now(UTC))
        notices.tell(environment, [over])


@step("{droplet.name}: left over")
def mark(droplet: Droplet, environment: Environment) -> None:
    """Tags a droplet as one that people are told of."""
    environment.digitalocean.client().tags.add(LEFT_TAG, droplet.id)


@step("snapshots that are being built")
def read_building() -> frozenset[str]:
    """Their names, from the runs of this controller that are not over."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=AT_WORK)),
                start_time=FlowRunFilterStartTime(after_=DateTime.instance(datetime.now(UTC) - FORGOTTEN)),
            ),
        )
    return frozenset(str(one.parameters.get("name", "")) for one in runs)


def _left(found: list[Droplet], environment: Environment) -> list[Left]:
    return benches.left_over(found, environment.title(), (), datetime.now(UTC))
