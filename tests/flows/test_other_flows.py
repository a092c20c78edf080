"""The flows `health-check` and `logs`, with real agents on fake droplets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from agent import wire
from agent.runs import Runs
from blocks.digitalocean import DigitalOceanCredentials
from fleet.errors import InvalidInput, PermanentError
from flows.deploy import deploy
from flows.health_check import health_check
from flows.logs import logs
from tasks import health, jobs, plans
from tasks import logs as log_tasks
from tasks.health import events, upkeep
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN, Fleet


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
        ("healthy", "(through the edge)", DOMAIN),
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
    rows = json.loads(latest("fleet-health"))
    found = {row["droplet"]: row for row in rows if row["container"] == name}
    assert found[dead.name]["verdict"].endswith(" unhealthy")
    assert "exit code 3" in found[dead.name]["reason"]
    assert found[complaining.name]["verdict"].endswith(" degraded")
    assert "1 error(s) in the log" in found[complaining.name]["reason"]


@pytest.mark.engine
def test_a_health_check_tells_what_changed_since_the_round_before_and_keeps_the_versions_of_an_hour(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(events.announce, "__defaults__", (lambda **event: told.append(_brief(event)),))
    monkeypatch.setattr("tasks.health.upkeep.VERSIONS", 2)
    deploy(fleet.service())
    dead = fleet.machines[0]
    name = next(iter(dead.engine.instances())).name
    health_check(fleet.environment())
    assert told == [], "a first look that is well is no news"
    dead.engine.exit(name, 3)
    for _ in range(3):
        health_check(fleet.environment())
    key = f"deployer.container.demo-prod.{dead.name}.{name}"
    assert [one for one in told if one[1] == key] == [("deployer.verdict.unhealthy", key)]
    assert "🟢 healthy → 🔴 unhealthy" in latest("fleet-timeline")
    with get_client(sync_client=True) as client:
        for artifact in ("fleet-health", "fleet-timeline"):
            wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[artifact]))
            assert len(client.read_artifacts(artifact_filter=wanted)) == 2
            assert upkeep.prune_versions(client, artifact) == 0, "once more changes nothing"


def _brief(event: dict[str, Any]) -> tuple[str, str]:
    return event["event"], event["resource"]["prefect.resource.id"]


@pytest.mark.engine
def test_an_environment_whose_droplets_nobody_can_list_is_told_and_hides_no_other(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    nowhere = DigitalOceanCredentials.model_validate({"token": "dop_v1_x", "api_url": "https://127.0.0.1:1"})
    environments = [fleet.environment(name="staging", digitalocean=nowhere), fleet.environment()]
    monkeypatch.setattr("tasks.health.list_environments", lambda: environments)
    health_check()
    rows = json.loads(latest("fleet-health"))
    assert [(row["environment"], row["droplet"], row["verdict"].split()[-1]) for row in rows] == [
        ("demo-staging", "(all)", "unknown"),
        *[("demo-prod", fleet.machines[0].name, "healthy")] * 2,
        ("demo-prod", "(through the edge)", "healthy"),
    ]
    assert "DigitalOcean at https://127.0.0.1:1 did not answer" in rows[0]["reason"]


@pytest.mark.engine
def test_a_service_that_visitors_do_not_reach_is_found_though_its_droplet_is_well(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    fleet.machines[0].router.update(lambda known: known.model_copy(update={"routes": ()}))
    health_check(fleet.environment())
    found = {row["container"]: row["verdict"].split()[-1] for row in json.loads(latest("fleet-health"))}
    assert found.pop(DOMAIN) == "unhealthy"
    assert set(found.values()) == {"healthy"}


@pytest.mark.engine
def test_logs_shows_the_lines_of_all_droplets_by_their_times(fleet: Fleet) -> None:
    deploy(fleet.service())
    first, second = fleet.machines
    for number, machine in enumerate((first, second, first)):
        machine.engine.say(next(iter(machine.engine.instances())).name, f"line {number} ```")
    logs(fleet.service())
    shown = latest("logs-hello")
    said = [line.split()[2:5] for line in shown.splitlines() if " line " in line]
    assert said == [[first.name, "line", "0"], [second.name, "line", "1"], [first.name, "line", "2"]]
    assert shown.count("```") == 2, "a fence in a line does not end the block"
    logs(fleet.service(), since=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert "(no lines)" in latest("logs-hello"), "none is as young as that"


@pytest.mark.engine
def test_logs_names_a_droplet_that_does_not_answer_and_shows_the_others(fleet: Fleet) -> None:
    deploy(fleet.service())
    well, silent = fleet.machines
    well.engine.say(next(iter(well.engine.instances())).name, "all is well")
    silent.silence()
    logs(fleet.service())
    shown = latest("logs-hello")
    assert "all is well" in shown
    assert f"⚠️ {silent.name}: cannot be read: " in shown


def test_the_runs_of_a_scheduled_service_are_shown_with_what_became_of_them(fleet: Fleet) -> None:
    nightly = fleet.service(replicas=1, runs={"kind": "scheduled", "cron": "0 4 * * *", "ok_codes": [0, 3]})
    deploy(nightly)
    (machine,) = fleet.machines
    name = machine.engine.instances()[0].name
    release = machine.releases["current"]
    kept = Runs(machine.folder / "state")
    ends: tuple[dict[str, Any], ...] = ({"exit_code": 3}, {"exit_code": 137, "oom": True}, {"outcome": "skipped"})
    for day, changes in enumerate(ends):
        due = datetime(2026, 11, 21 + day, 4, tzinfo=UTC)
        fields = {"outcome": "ended", "started_at": due, "ended_at": due + timedelta(minutes=2), **changes}
        kept.append(name, wire.JobRun(scheduled_for=due, release=release, **fields))
    found = jobs.read(nightly, [fleet.droplets.all[one] for one in fleet.droplets.all], 10)
    assert [(one.cells()[4:6], one.well) for one in found] == [
        (("skipped", ""), True),
        (("ended, out of memory", "137"), False),
        (("ended", "3"), True),
    ]
    order = plans.order(nightly)
    log_tasks.report(order, [], found)
    cells = f"{machine.name} | 2026-11-22 04:00:00 | 2026-11-22 04:00:00 | 2026-11-22 04:02:00 | ended, out of memory"
    assert f"| {cells} | 137 | {release} |" in latest("logs-hello")
    machine.silence()
    (told,) = jobs.read(nightly, [fleet.droplets.all[one] for one in fleet.droplets.all], 10)
    assert told.run is None
    assert "did not answer" in told.cells()[4]


def test_what_is_not_scheduled_has_no_runs(fleet: Fleet) -> None:
    with pytest.raises(InvalidInput, match="hello is not a scheduled service"):
        jobs.check(fleet.service())


def test_logs_of_a_service_that_runs_nowhere_says_what_to_do(fleet: Fleet) -> None:
    with pytest.raises(PermanentError, match=r"hello runs on no droplet that answers\. Deploy it first\."):
        logs(fleet.service())


@pytest.mark.parametrize("lines", [0, 2001])
def test_logs_of_too_many_lines_are_refused(fleet: Fleet, lines: int) -> None:
    with pytest.raises(InvalidInput, match=r"Ask for 1 to 2000\."):
        logs(fleet.service(), lines)


@pytest.mark.parametrize("since", ["yesterday", "10", "10y", "999999d"])
def test_logs_since_what_is_no_time_are_refused(fleet: Fleet, since: str) -> None:
    with pytest.raises(InvalidInput, match="neither an age nor a time"):
        logs(fleet.service(), since=since)


@pytest.mark.engine
def test_an_environment_that_has_several_blocks_is_looked_at_once_by_the_one_with_its_title(fleet: Fleet) -> None:
    for name, size in (("a-copy", "s-2vcpu-4gb"), ("demo-prod", "s-1vcpu-1gb"), ("z-copy", "s-4vcpu-8gb")):
        fleet.environment(size=size).save(name, overwrite=True)
    found = [one for one in health.list_environments() if one.title() == "demo-prod"]
    assert [one.size for one in found] == ["s-1vcpu-1gb"]
