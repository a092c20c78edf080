"""Drills on machines: each fault is noticed, all is well again, and nothing of it is left."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from tests.e2e.lab import Lab, reference, service
from tests.e2e.scenes import change_environment, change_service, eventually, ours, state_of

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.long]

WHERE = reference("environment", "lab-prod")
FAULTS = {
    "container": {},
    "agent-hang": {},
    "agent-kill": {},
    "nginx": {"seconds": 15},
    "docker": {},
    "disk": {"seconds": 10, "fill_mib": 50},
    "droplet": {"seconds": 15},
    "network-controller": {"seconds": 15},
    "provider": {"seconds": 10},
}
UNNOTICED = {"disk", "docker", "agent-kill"}
"""What may be over before anybody looks, or is of no consequence."""


def drill(lab: Lab, fault: str, **options: Any) -> dict[str, str]:
    """The row of a drill that has to complete."""
    run = lab.run("drill", environment=WHERE, fault=fault, droplet=ours(lab)[0], **options)
    assert run.completed, run.log
    rows = json.loads(lab.artifact(run.id))
    print(json.dumps(rows[0]))
    return cast(dict[str, str], rows[0])


def test_in_production_nothing_happens_unless_it_is_forced(lab: Lab) -> None:
    refused = lab.run("drill", environment=WHERE)
    assert not refused.completed
    assert "lab-prod is marked as production" in refused.log
    assert drill(lab, "container", force=True)["outcome"] == "well again"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_noticed_and_all_is_well_again(lab: Lab, fault: str) -> None:
    change_environment(production=False)
    row = drill(lab, fault, **FAULTS[fault])
    assert row["fault"] == fault
    assert row["outcome"] in ({"well again", "nobody noticed anything"} if fault in UNNOTICED else {"well again"})
    first = ours(lab)[0]
    state = lab.inside(first, "systemctl", "is-active", "nginx", "docker", "deployer-agent", "deployer-drill").split()
    assert state == ["active", "active", "active", "inactive"]
    assert "drill.fill" not in lab.inside(first, "ls", "/var/lib/deployer")
    assert set(lab.droplets()) == set(ours(lab))


def test_a_worker_that_is_killed_leaves_a_droplet_that_ends_its_drill_by_itself(lab: Lab) -> None:
    change_environment(production=False)
    first = ours(lab)[0]
    run = lab.start("drill", environment=WHERE, fault="nginx", droplet=first, seconds=20)
    active = ("systemctl", "is-active", "nginx")
    eventually(lambda: lab.inside(first, *active).strip() == "inactive", "nginx is stopped")
    lab.inside(first, "systemctl", "kill", "--signal=SIGKILL", "deployer-drill")
    eventually(lambda: lab.inside(first, *active).strip() == "active", "nginx runs again", 30)
    eventually(lambda: state_of(run) == "COMPLETED", "the run has ended")


def test_a_release_on_another_port_is_refused_with_its_cause(lab: Lab) -> None:
    """The agent sees into a container's network with the few rights that it has."""
    runs = service("hello").runs
    change_service(runs=runs.model_copy(update={"port": 8081}))
    try:
        refused = lab.run("deploy", service=reference("service", "hello"))
    finally:
        change_service(runs=runs)
    assert not refused.completed
    assert "Cause: wrong port: it should listen on port 8081 for everybody; it listens on " in refused.log
    assert "| wrong port | " in lab.artifact(refused.id)
