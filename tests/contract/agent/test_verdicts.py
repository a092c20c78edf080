"""Verdicts through the controller's client and the real agent: logs by observer, the droplet itself, clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import keys, wire
from agent.client import AgentClient
from agent.runs import Runs
from agent.server.secret_files import write_private
from tests.contract.agent.serving import Droplet, droplet
from tests.unit.agent.builders import DROPLET, KINDS, NAME, TOKEN, release

EVERY_MINUTE = {**KINDS["scheduled"], "cron": wire.Cron(expression="* * * * *")}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    with droplet(tmp_path) as running:
        running.engine.head_start = timedelta(minutes=1)
        yield running


@pytest.fixture
def client(lab: Droplet) -> Iterator[AgentClient]:
    with lab.client() as made:
        yield made


def ask(lab: Droplet, path: str, ahead: timedelta) -> dict[str, Any]:
    """An answer to somebody whose clock is so far behind the droplet's."""
    with lab.keyed() as http:
        answer = http.get(path, params={"clock": (datetime.now(UTC) - ahead).isoformat()})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def current(client: AgentClient, observer: str) -> wire.Verdict:
    """The service's verdict in the sweep of an observer."""
    found = next(one for one in client.node(observer).containers if one.role == "current").verdict
    assert found is not None
    return found


def test_a_sweep_and_a_check_of_one_service_by_two_observers_hide_nothing_from_each_other(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1)
    lab.engine.say(NAME, "ERROR the disk is full")
    assert current(client, "sweep").verdict == "degraded"
    assert client.health(NAME, "person").verdict == "degraded"
    assert (current(client, "sweep").verdict, client.health(NAME, "person").verdict) == ("healthy", "healthy")


def test_an_error_that_was_written_just_before_the_next_release_came_is_told(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    for observer in ("sweep", "person"):
        client.node(observer)
    lab.engine.say(NAME, "ERROR an order was lost")
    lab.deploy(2)
    client.retire(NAME, wire.Retire())
    for observer in ("sweep", "person"):
        seen = current(client, observer)
        assert (seen.verdict, seen.evidence["log"]) == ("degraded", "ERROR an order was lost")
        assert seen.evidence["note"].endswith(f"are of the container before it, release {release(1)}")
        assert current(client, observer).verdict == "healthy"


def test_what_was_written_while_docker_did_not_answer_is_told_when_it_does(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    lab.engine.say(NAME, "ERROR told already")
    assert current(client, "sweep").verdict == "degraded"
    lab.engine.say(NAME, "ERROR during the outage")
    lab.engine.down = True
    assert client.node("sweep").containers == ()
    lab.engine.down = False
    seen = current(client, "sweep")
    assert (seen.evidence["errors"], seen.evidence["log"]) == ("1", "ERROR during the outage")


def test_errors_that_a_release_ignores_and_fewer_than_count_are_told_and_do_not_degrade_it(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1, log={"ignore": [r"client \d+ timed out"], "min_errors": 2})
    lab.engine.say(NAME, "ERROR client 7 timed out")
    lab.engine.say(NAME, "ERROR the queue is full")
    seen = client.health(NAME)
    assert seen.verdict == "healthy"
    assert {key: seen.evidence[key] for key in ("errors", "ignored")} == {"errors": "1", "ignored": "1"}
    for _ in range(2):
        lab.engine.say(NAME, "ERROR the queue is full")
    assert client.health(NAME).verdict == "degraded"


def test_the_node_judges_the_droplet_itself(lab: Droplet, client: AgentClient) -> None:
    write_private(lab.settings.certificate, keys.identity(keys.droplet_secret(TOKEN, DROPLET), DROPLET).certificate)
    found = client.node().vitals
    assert set(found) == {"disk", "memory", "certificate", "clock"}
    assert found["certificate"].verdict == "healthy"
    assert "bytes" in found["disk"].evidence["the system"]
    assert found["clock"].evidence["ahead by"].startswith("0.")


@pytest.mark.parametrize(("ahead", "said"), [(600, "600 s ahead of"), (-600, "600 s behind")])
def test_a_clock_that_is_not_the_controllers_is_told(lab: Droplet, ahead: int, said: str) -> None:
    clock = ask(lab, "/node", timedelta(seconds=ahead))["vitals"]["clock"]
    assert clock["verdict"] == "degraded"
    assert said in clock["reason"]


def test_with_clocks_apart_nobody_says_that_a_run_was_missed(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1, **EVERY_MINUTE)
    (made,) = lab.engine.instances()
    Runs(lab.settings.state).watch(NAME, made.id, datetime.now(UTC) - timedelta(hours=1))
    assert client.health(NAME).verdict == "unhealthy"
    apart = ask(lab, f"/{NAME}/health", timedelta(seconds=45))
    assert apart["verdict"] == "unknown"
    assert apart["reason"].startswith("clock skew: ")


def test_an_observer_that_does_not_say_what_time_it_is_is_answered_as_before(lab: Droplet) -> None:
    lab.deploy(1)
    with lab.keyed() as http:
        found = wire.Node.model_validate_json(http.get("/node").content)
        assert http.get("/node", params={"clock": "2026-11-24T00:00:00"}).status_code == 422
    assert "ahead by" not in found.vitals["clock"].evidence


def test_an_answer_of_an_agent_that_judges_nothing_of_itself_is_understood(client: AgentClient) -> None:
    told = client.node().model_dump(mode="json", exclude={"vitals"})
    assert wire.Node.model_validate(told).vitals == {}


def test_a_service_that_ignores_nothing_is_sent_as_to_an_agent_that_cannot_ignore(lab: Droplet) -> None:
    assert "log" not in lab.spec(1).model_dump(exclude_defaults=True)
    assert "log" in lab.spec(1, log={"min_errors": 2}).model_dump(exclude_defaults=True)
