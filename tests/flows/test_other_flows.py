"""The flows `undeploy`, `health-check` and `logs`, with real agents on fake droplets."""

from __future__ import annotations

import json

import pytest

from fleet.errors import InvalidInput, PermanentError, TransientError
from flows.deploy import deploy
from flows.health_check import health_check
from flows.logs import logs
from flows.undeploy import undeploy
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, Fleet


def test_an_undeploy_of_one_droplet_leaves_the_others_record_and_one_of_somebody_else(fleet: Fleet) -> None:
    deploy(fleet.service())
    stray = fleet.add_stray_record()
    gone, stays = fleet.machines
    before = stays.ids
    undeploy(fleet.service(), gone.name)
    assert fleet.records == sorted([(DOMAIN, stays.address), (DOMAIN, stray.content)])
    assert stays.ids == before
    assert stays.router.get(DOMAIN)[0] == 200
    assert gone.releases == {}
    assert gone.router.get(DOMAIN)[0] == 421
    assert len(fleet.droplets.all) == 2, "the droplets stay"


def test_an_undeploy_takes_records_before_routes_and_routes_before_containers(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    machine = fleet.machines[0]
    seen: list[tuple[bool, bool, bool]] = []
    machine.engine.crashes.watch = machine.router.crashes.watch = lambda: seen.append(
        (bool(fleet.dns.all), bool(machine.router.table.routes), bool(machine.engine._found))
    )
    undeploy(fleet.service())
    stages = list(dict.fromkeys(seen))
    assert stages == [(True, True, True), (False, True, True), (False, False, True), (False, False, False)]


def test_an_undeploy_twice_changes_nothing_more(fleet: Fleet) -> None:
    deploy(fleet.service())
    undeploy(fleet.service())
    assert fleet.records == []
    assert [machine.releases for machine in fleet.machines] == [{}, {}]
    before = fleet.changes
    undeploy(fleet.service())
    assert fleet.changes == before
    assert "Nothing was there: nothing was changed." in latest("undeploy-demo-prod-hello")


def test_an_undeploy_of_a_droplet_that_is_not_there_changes_nothing(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    before = fleet.changes
    with pytest.raises(InvalidInput, match=f"Its droplets: {fleet.machines[0].name}. Choose one of them."):
        undeploy(fleet.service(), "demo-prod-nothere")
    assert fleet.changes == before


def test_a_silent_droplet_stops_an_undeploy_before_anything_changes(fleet: Fleet) -> None:
    deploy(fleet.service())
    fleet.machines[0].silence()
    before = fleet.changes
    with pytest.raises(TransientError, match="cannot be seen"):
        undeploy(fleet.service())
    assert fleet.changes == before
    assert fleet.records == fleet.everywhere


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
