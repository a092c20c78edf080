"""From a health round to a droplet that was replaced, through Prefect and with agents behind TLS."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.client import AgentClient
from blocks.service import Service
from fleet.errors import TransientError
from fleet.remediation import moments
from fleet.remediation.folders import Folder
from fleet.remediation.moments import Moment
from fleet.remediation.records import DecisionRecord
from flows.deploy import deploy
from flows.health_check import health_check
from flows.remediate import remediate
from tasks.healing import sightings
from tasks.healing.selftest import Heard
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine
from tests.flows.ward import grown

pytestmark = pytest.mark.engine
START = datetime.now(UTC)


class Care:
    """Rounds of a fleet, each a minute after the one before, whatever time has passed."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder = fleet, Folder(folder / "healing")
        self.environment = fleet.environment(replaceable=True, proof_seconds=0)
        self.services: list[Service] = []
        self.asked: list[str] = []
        self.minutes = 0

    def now(self) -> Moment:
        """The controller's clocks."""
        return Moment(START, 0.0, "boot").later(60.0 * self.minutes)

    def until(self, action: str) -> DecisionRecord:
        """Rounds until an action is decided; what else is decided is carried out."""
        for _ in range(12):
            self.minutes += 1
            self.asked.clear()
            health_check()
            for record in [self.folder.records.find(one) for one in self.asked]:
                if record.decision.action == action:
                    return record
                remediate(record.id)
        raise AssertionError(f"{action} was not decided")

    def deploy(self, **changes: Any) -> str:
        """The service, looked at once; gives its container's name."""
        self.services[:] = [self.fleet.service(environment=self.environment, **changes)]
        deploy(self.services[0])
        health_check()
        return next(one.name for one in self.fleet.machines[0].engine.instances() if one.role == "current")

    def power_off(self, machine: Machine) -> None:
        """A droplet ends."""
        found = next(one for one in self.fleet.droplets.all.values() if one.name == machine.name)
        machine.silence()
        self.fleet.droplets.act(found.id, "power_off")


@pytest.fixture
def care(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Care:
    made = Care(fleet, tmp_path)
    monkeypatch.setenv("DEPLOYER_STATE", str(tmp_path))
    monkeypatch.setattr(moments, "read_moment", made.now)
    monkeypatch.setattr(fleet.droplets, "_boot", grown(fleet.droplets._boot))
    for name in ("health", "healing.orders"):
        monkeypatch.setattr(f"tasks.{name}.list_environments", lambda: [made.environment])
    monkeypatch.setattr("tasks.rolls.list_services", lambda _: made.services)
    monkeypatch.setattr("tasks.healing.selftest.ask_address", lambda _: Heard(0.1))
    monkeypatch.setattr("tasks.healing.starting.ensure", made.asked.append)
    return made


def test_a_dead_droplet_leaves_dns_and_is_replaced_unattended(care: Care) -> None:
    care.deploy()
    dead, well = care.fleet.machines
    release = well.releases["current"]
    care.power_off(dead)
    decided = care.until("replace")
    assert care.fleet.records == [("hello.example.localhost", well.address)]
    remediate(decided.id)
    remediate(decided.id)
    there = {one.name for one in care.fleet.droplets.all.values() if "deployer:demo:prod" in one.tags}
    left = [one for one in care.fleet.machines if one.name in there]
    assert dead.name not in there
    assert [one.releases for one in left] == [{"current": release}] * 2
    assert care.fleet.records == sorted(("hello.example.localhost", one.address) for one in left)
    shown = latest(f"decision-{decided.id}")
    assert f"replace: {dead.name}, helped" in shown
    assert "has taken its place" in shown


def test_a_container_that_fell_is_restarted_and_its_last_lines_and_the_cause_are_evidence(care: Care) -> None:
    name = care.deploy(replicas=1)
    (machine,) = care.fleet.machines
    for line in ("ERROR password=hunter2 was refused", "KeyError: 'QUEUE_URL'"):
        machine.engine.say(name, line, "stderr")
    machine.engine.exit(name)
    decided = care.until("restart")
    assert decided.log[-2:] == ("ERROR password=[redacted] was refused", "KeyError: 'QUEUE_URL'")
    assert decided.cause is not None
    assert (decided.cause.word, decided.cause.proof[0]) == ("missing variable", "QUEUE_URL was not given")
    assert "missing variable" in latest(f"decision-{decided.id}")
    remediate(decided.id)
    assert [one.running for one in machine.engine.instances()] == [True]
    assert care.folder.records.find(decided.id).outcomes[-1].outcome.word == "helped"


def test_the_last_lines_are_kept_where_the_cause_cannot_be_asked_for(
    care: Care, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = care.deploy(replicas=1)
    (machine,) = care.fleet.machines
    machine.engine.say(name, "KeyError: 'QUEUE_URL'", "stderr")
    machine.engine.exit(name)
    monkeypatch.setattr(AgentClient, "health", silent)
    decided = care.until("restart")
    assert (decided.log[-1], decided.cause) == ("KeyError: 'QUEUE_URL'", None)


def silent(*_: object, **__: object) -> None:
    """An agent that has fallen silent."""
    raise TransientError("The agent does not answer any more.")


def test_an_agent_that_does_not_do_its_work_is_begun_anew(care: Care) -> None:
    care.deploy(replicas=1)
    (machine,) = care.fleet.machines
    starts = machine.starts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sightings, "_ill", lambda _: "its watchdog stands still")
        decided = care.until("restart agent")
    remediate(decided.id)
    assert machine.starts == starts + 1
    assert care.folder.records.find(decided.id).outcomes[-1].outcome.word == "helped"
