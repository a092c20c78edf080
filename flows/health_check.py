"""The flow `health-check`: every droplet and every public name of every environment, asked at once."""

from __future__ import annotations

from prefect.runtime import flow_run

from blocks.environment import Environment
from tasks import health, kept, rounds
from tasks.drills import injecting
from tasks.healing import considering
from tasks.runbooks import runbook


def run_name() -> str:
    """Says which environments are looked at."""
    environment = flow_run.parameters.get("environment")
    return f"health of {environment.title()}" if environment else "health of everything"


@runbook("health-check", run_name)
def health_check(environment: Environment | None = None) -> None:
    """Asks every droplet and every public name how it is, and starts what is to be healed; undoes what a drill left.

    It shows what it found as a table (`fleet-health`) and the last hours as a timeline (`fleet-timeline`), and emits an
    event (`deployer.verdict.*`) for each verdict that has changed since the round before. The `Release` blocks, which a
    rollback's form offers, are made those that the droplets have kept.

    Args:
        environment: the only one to look at, and then nothing is healed; empty: all that there are.
    """
    if health.another_round_runs():
        return
    environments = [environment] if environment else health.list_environments()
    injecting.end_overdue(environments)
    findings = health.sweep_all(environments)
    kept.refresh_all(findings)
    changes = health.report(findings)
    if environment is None:
        considering.consider(findings, environments)
    rounds.finish(environments, findings, changes)
