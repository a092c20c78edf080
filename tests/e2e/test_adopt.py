"""Prefect's database is lost while visitors come: the same service again, and not one of them notices."""

from __future__ import annotations

import shutil

import pytest
from prefect.types import SecretDict

from agent import wire
from tasks.agents import reach
from tests.e2e.lab import Lab, reference, schedule, service
from tests.e2e.load import visitors
from tests.installation import SCHEDULED, SECRET

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.long]
WHERE = reference("environment", "lab-prod")
HELLO = reference("service", "hello")


def lose_the_database(lab: Lab) -> None:
    """The controller ends, its Prefect folder is gone, and it is started by the same settings."""
    lab.command("deployments", "down")
    shutil.rmtree(lab.root / "prefect")
    lab.command("deployments", "up")
    for flow in SCHEDULED:
        schedule(flow, active=False)


def test_a_lost_database_costs_no_request_and_with_the_secrets_the_next_deploy_has_nothing_to_do(lab: Lab) -> None:
    before, droplets = lab.ask()["release"], lab.droplets()
    with visitors(lab) as visit:
        lose_the_database(lab)
        plan = lab.run("adopt", environment=WHERE, plan_only=True)
        assert plan.completed, plan.log
        adopted = lab.run("adopt", environment=WHERE)
        assert adopted.completed, adopted.log
    assert (visit.errors, set(visit.statuses), visit.releases) == ([], {200}, {before})
    assert "| hello | to be adopted |" in lab.artifact(plan.id)
    assert "| hello | API_KEY |" in lab.artifact(adopted.id)
    refused = lab.run("deploy", service=HELLO)
    assert not refused.completed
    assert "these secrets are missing, as they could not be read back: API_KEY." in refused.log
    hello = service("hello")
    hello.secrets = SecretDict({"API_KEY": SECRET})
    hello.save("hello", overwrite=True)
    again = lab.run("deploy", service=HELLO)
    assert again.completed, again.log
    assert f"Nothing to do: {before} serves everywhere already" in again.log
    assert (lab.ask()["release"], lab.droplets()) == (before, droplets)


def test_what_another_controller_holds_is_respected_and_named(lab: Lab) -> None:
    environment = service("hello").environment
    droplet = lab.droplet(lab.droplets()[0])
    with reach(environment, droplet) as agent:
        name = agent.containers().containers[0].name
        lease = agent.take_lease(name, wire.LeaseRequest(holder="deploy hello (1) on the laptop", seconds=120))
    try:
        refused = lab.run("deploy", service=HELLO, when_locked="fail")
        assert not refused.completed
        assert "deploy hello (1) on the laptop" in refused.log
    finally:
        with reach(environment, droplet, fencing=lease.fencing) as agent:
            agent.free_lease(name)
