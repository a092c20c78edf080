"""The flow `finish-undeploys`: what could not be taken off droplets that did not answer, taken off now that they do."""

from __future__ import annotations

from prefect.runtime import flow_run

from blocks.environment import Environment
from tasks import benches, health, leftovers, peers, proofs, removal, tombstones
from tasks.healing import retiring
from tasks.runbooks import runbook


def run_name() -> str:
    """Says where it looks."""
    environment = flow_run.parameters.get("environment")
    return f"finish undeploys of {environment.title()}" if environment else "finish undeploys everywhere"


@runbook("finish-undeploys", run_name)
def finish_undeploys(environment: Environment | None = None) -> None:
    """Finishes what undeploys left pending on droplets that did not answer; those that still do not stay pending.

    Droplets that were dead, and whose place another one has taken, are destroyed a day later; those that a killed
    build of a snapshot has left are told of after three hours, and removed by the round after that.

    Args:
        environment: the only one to look at; empty: all that there are.
    """
    if health.another_round_runs():
        return
    with tombstones.each_by_itself() as attempt:
        environments = [environment] if environment else health.list_environments()
        for one in environments:
            attempt(finish, one)
            attempt(benches.sweep, one)
        retiring.clear(environments)


def finish(environment: Environment) -> None:
    """One environment; a service that another run is just changing is left to the next round."""
    world = leftovers.observe_pending(environment)
    if not world.tags:
        return
    owner = leftovers.read_owner(environment)
    with removal.locked(removal.decide_finish(owner, environment, world), None, world, environment, "fail") as held:
        plan = removal.decide_finish(owner, environment, leftovers.observe_pending(environment))
        failed = removal.clear_all(plan, held, environment)
        failed |= removal.end_all(plan, held, environment)
        failed |= peers.forget(environment)
        left = removal.decide_finish(owner, environment, leftovers.observe_pending(environment))
        tombstones.settle_all(left, environment)
    proofs.report_finish(plan, left, failed, environment)
