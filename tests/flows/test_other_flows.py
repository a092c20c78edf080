"""The flows `health-check` and `logs`, with real agents on fake droplets."""

from __future__ import annotations

import json

import pytest

from fleet.errors import InvalidInput, PermanentError
from flows.deploy import deploy
from flows.health_check import health_check
from flows.logs import logs
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import Fleet


@pytest.mark.engine
def test_a_health_sweep_reports_unknown_for_a_silent_droplet_and_changes_nothing(fleet: Fleet) -> None:
    deploy(fleet.service())
    well, silent = fleet.machines
    silent.silence()
    before, ids = fleet.changes, [machine.ids for machine in fleet.machines]
    health_check(fleet.environment())
    rows = json.loads(latest("fleet-health"))
    assert [(row["verdict"].split()[-1], row["droplet"], row["container"]) for row in rows] == [
        ("unknown", silent.name, "(the droplet)"),
        ("healthy", well.name, "(the droplet)"),
        ("healthy", well.name, next(iter(well.engine.instances())).name),
    ]
    assert "did not answer" in rows[0]["reason"]
    assert fleet.changes == before
    assert [machine.ids for machine in fleet.machines] == ids


@pytest.mark.engine
def test_a_health_sweep_tells_a_container_that_does_not_answer_from_one_that_complains(fleet: Fleet) -> None:
    deploy(fleet.service())
    dead, complaining = fleet.machines
    name = next(iter(dead.engine.instances())).name
    dead.engine.exit(name, 3)
    complaining.engine.say(name, "ERROR the disk is slow", "stderr")
    health_check(fleet.environment())
    found = {row["droplet"]: row for row in json.loads(latest("fleet-health")) if row["container"] == name}
    assert found[dead.name]["verdict"].endswith(" unhealthy")
    assert "exit code 3" in found[dead.name]["reason"]
    assert found[complaining.name]["verdict"].endswith(" degraded")
    assert "1 error(s) in the log" in found[complaining.name]["reason"]


def test_logs_shows_the_last_lines_of_every_droplet(fleet: Fleet) -> None:
    deploy(fleet.service())
    for number, machine in enumerate(fleet.machines):
        machine.engine.say(next(iter(machine.engine.instances())).name, f"line of {number} ```")
    logs(fleet.service())
    shown = latest("logs-hello")
    for number, machine in enumerate(fleet.machines):
        assert f"## {machine.name}" in shown
        assert f"line of {number}" in shown
    assert shown.count("```") == 4, "a fence in a line does not end the block"


def test_logs_of_a_service_that_runs_nowhere_says_what_to_do(fleet: Fleet) -> None:
    with pytest.raises(PermanentError, match=r"hello runs on no droplet that answers\. Deploy it first\."):
        logs(fleet.service())


@pytest.mark.parametrize("lines", [0, 2001])
def test_logs_of_too_many_lines_are_refused(fleet: Fleet, lines: int) -> None:
    with pytest.raises(InvalidInput, match=r"Ask for 1 to 2000\."):
        logs(fleet.service(), lines)
