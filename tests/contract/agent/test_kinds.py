"""The other kinds of service through the controller's client and the real agent: tcp, worker, scheduled; volumes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from agent.runs import Runs
from agent.server import slots
from tests.contract.agent.serving import Droplet, droplet
from tests.contract.agent.test_services import code, roles
from tests.unit.agent.builders import KINDS, NAME, VOLUME, release

HOURLY = {**KINDS["scheduled"], "cron": wire.Cron(expression="0 * * * *")}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    with droplet(tmp_path) as running:
        running.engine.head_start = timedelta(minutes=1)
        yield running


@pytest.fixture
def client(lab: Droplet) -> Iterator[AgentClient]:
    with lab.client() as made:
        yield made


def running(client: AgentClient) -> dict[str, str]:
    return {one.role: one.release for one in client.containers().containers if one.status == "running"}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_asked_twice_of_any_kind_changes_nothing_the_second_time(
    lab: Droplet, client: AgentClient, kind: str
) -> None:
    first, second = (lab.spec(number, **KINDS[kind]) for number in (1, 2))
    for spec in (first, second):
        promote = wire.Promote(release=spec.release)
        assert [client.prepare(NAME, spec).changed for _ in range(2)] == [True, False]
        assert [client.promote(NAME, promote).changed for _ in range(2)] == [True, False]
    assert [client.rollback(NAME, wire.Rollback(release=release(1))).changed for _ in range(2)] == [True, False]
    assert roles(client) == {"current": release(1), "previous": release(2)}
    assert {one.kind for one in client.containers().containers} == {first.kind}
    assert [client.remove(NAME).changed for _ in range(2)] == [True, False]


@pytest.mark.parametrize("kind", ["worker", "tcp"])
def test_a_service_without_hosts_is_healthy_and_has_no_route(lab: Droplet, client: AgentClient, kind: str) -> None:
    lab.deploy(1, **KINDS[kind])
    assert client.health(NAME).verdict == "healthy"
    assert client.routes().routes == ()
    lab.engine.say(NAME, "ERROR the queue is full")
    assert client.health(NAME).verdict == "degraded"
    lab.engine.exit(NAME, 3)
    assert client.health(NAME).reason == "it does not run: exited with exit code 3"


def test_a_worker_that_ends_at_once_is_refused_with_its_log(lab: Droplet, client: AgentClient) -> None:
    lab.engine.crashing.add(release(1))
    with pytest.raises(AgentProblem) as caught:
        client.prepare(NAME, lab.spec(1, **KINDS["worker"]))
    assert code(caught) == "not_healthy"
    assert caught.value.problem.details["log"].endswith("FATAL it cannot go on")


def test_a_worker_is_proven_only_once_it_has_run_for_its_time(lab: Droplet, client: AgentClient) -> None:
    lab.engine.head_start = timedelta(0)
    begun = datetime.now(UTC)
    client.prepare(NAME, lab.spec(1, steady_seconds=1, **KINDS["worker"]))
    assert datetime.now(UTC) - begun >= timedelta(seconds=1)


def test_a_tcp_service_that_fails_in_its_promotion_gives_the_old_one_its_place_back(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1, **KINDS["tcp"])
    lab.engine.mute.add(release(2))
    client.prepare(NAME, lab.spec(2, **KINDS["tcp"]))
    waiting = next(one for one in client.node().containers if one.role == "candidate")
    assert waiting.verdict is not None
    assert waiting.verdict.reason == "made, and not started before it takes the place of the current one"
    with pytest.raises(AgentProblem) as caught:
        client.promote(NAME, wire.Promote(release=release(2)))
    assert code(caught) == "not_healthy"
    assert caught.value.problem.details["log"] == f"{release(2)} starts"
    assert running(client) == {"current": release(1)}


def test_when_neither_the_new_nor_the_old_one_comes_up_the_failure_tells_of_both(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1, **KINDS["tcp"])
    client.prepare(NAME, lab.spec(2, **KINDS["tcp"]))
    lab.engine.mute.update((release(1), release(2)))
    with pytest.raises(AgentProblem, match=r"\.candidate .* And the one that it should replace did not come back: "):
        client.promote(NAME, wire.Promote(release=release(2)))
    assert roles(client) == {"current": release(1), "candidate": release(2)}


def test_a_volume_is_removed_only_by_name_and_only_when_nothing_uses_it(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1, volumes=(VOLUME,))
    with pytest.raises(AgentProblem) as caught:
        client.remove_volume(NAME, VOLUME.name)
    assert code(caught) == "conflict"
    lab.deploy(2, volumes=(VOLUME,))
    client.remove(NAME)
    assert lab.engine.volumes == {f"{NAME}_data": NAME}
    assert [client.remove_volume(NAME, VOLUME.name).changed for _ in range(2)] == [True, False]


def test_a_cron_line_that_debian_would_not_take_is_refused_before_anything_is_made(
    lab: Droplet, client: AgentClient
) -> None:
    for cron in (wire.Cron(expression="0 0 L * *"), wire.Cron(expression="0 0 * * *", zone="Mars/Olympus")):
        with pytest.raises(AgentProblem) as caught:
            client.prepare(NAME, lab.spec(1, **{**KINDS["scheduled"], "cron": cron}))
        assert code(caught) == "invalid"
    assert client.containers().containers == ()


def test_a_scheduled_container_is_judged_by_the_records_of_its_runs(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1, **HOURLY)
    assert client.health(NAME).reason.startswith("it has not been due yet; the next time is ")
    (made,) = lab.engine.instances()
    due = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    runs = Runs(lab.settings.state)
    runs.watch(NAME, made.id, due - timedelta(hours=2))
    assert client.health(NAME).reason.startswith("missed: ")
    for hour in (0, 1):
        time = due + timedelta(hours=hour)
        runs.append(NAME, wire.JobRun(scheduled_for=time, release=release(1), outcome="ended", exit_code=hour * 3))
    assert client.health(NAME).reason.endswith("ended with code 3")
    node = client.node().containers[0]
    assert node.verdict is not None
    assert node.verdict.verdict == "unhealthy"


def test_the_log_of_the_last_run_counts_and_that_of_an_earlier_one_does_not(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1, **HOURLY)
    (made,) = lab.engine.instances()
    runs, due = Runs(lab.settings.state), datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    runs.watch(NAME, made.id, due - timedelta(hours=2))
    well: dict[str, Any] = {"release": release(1), "outcome": "ended", "exit_code": 0}
    runs.append(NAME, wire.JobRun(scheduled_for=due - timedelta(hours=1), **well))
    for time, words in ((due, "ERROR the disk is full"), (datetime.now(UTC), "all is well")):
        begun = datetime.now(UTC)
        lab.engine.say(NAME, words)
        ended: dict[str, Any] = {"started_at": begun, "ended_at": datetime.now(UTC), "container": made.id}
        runs.append(NAME, wire.JobRun(scheduled_for=time, **well, **ended))
        verdict = client.health(NAME)
        assert (verdict.verdict, verdict.evidence.get("log")) == (
            ("degraded", "ERROR the disk is full") if "ERROR" in words else ("healthy", None)
        )


def test_runs_are_given_newest_first_and_are_gone_with_the_service(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1, **HOURLY)
    lab.engine.runs.append(NAME)
    at = datetime(2026, 11, 24, 4, tzinfo=UTC)
    for hour in range(3):
        time = at + timedelta(hours=hour)
        Runs(lab.settings.state).append(NAME, wire.JobRun(scheduled_for=time, release=release(1), outcome="skipped"))
    assert [run.scheduled_for.hour for run in client.runs(NAME).runs] == [6, 5, 4]
    assert [run.scheduled_for.hour for run in client.runs(NAME, limit=1).runs] == [6]
    client.remove(NAME)
    assert client.runs(NAME).runs == ()
    assert lab.engine.runs == []


def test_a_promotion_waits_for_a_run_that_is_going_on_and_says_since_when(
    lab: Droplet, client: AgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "RUN_SECONDS", 0.05)
    lab.deploy(1, **HOURLY)
    client.prepare(NAME, lab.spec(2, **HOURLY))
    lab.engine.start(NAME)
    with pytest.raises(AgentProblem, match=r"A run of .* is going on since ") as caught:
        client.promote(NAME, wire.Promote(release=release(2)))
    assert code(caught) == "busy"
    lab.engine.exit(NAME, 0)
    assert client.promote(NAME, wire.Promote(release=release(2))).changed
