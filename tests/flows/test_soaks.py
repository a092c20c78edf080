"""After a deploy: a release that turns bad is back on the old one with nobody at the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import wire
from blocks.environment import Environment
from blocks.notifications import Notifications
from blocks.service import Service
from fleet.errors import TransientError
from fleet.remediation.folders import Folder
from fleet.remediation.state import Pause
from fleet.state import Droplet
from flows.deploy import deploy
from flows.rollback import rollback
from tasks import agents, soaks
from tasks.health import AgentAnswer, Finding
from tests.fakes.receiver import Receiver
from tests.flows import artifacts
from tests.flows.fleet_of_fakes import Fleet

PAGE = "soak-demo-prod-hello"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook."""
    with Receiver() as opened:
        yield opened


class Scene:
    """Two droplets with a release that served well for long, and a new one."""

    def __init__(self, fleet: Fleet, receiver: Receiver, began: list[Any]) -> None:
        self.fleet, self.receiver, self.began = fleet, receiver, began
        self.service = self.block()
        deploy(self.service)
        self.old = self.serving
        self.visited(self.old, 10_000, errors=10)
        fleet.write("two")
        deploy(self.service)
        self.new = self.serving

    def block(self, **changes: Any) -> Service:
        """The service, which asks for a soak and has somebody to tell."""
        told = Notifications.model_validate({"webhook_url": self.receiver.url()})
        environment = self.fleet.environment(notifications=told)
        return self.fleet.service(**{"soak_minutes": 10, "environment": environment, **changes})

    @property
    def serving(self) -> str:
        """The release that all droplets serve."""
        (release,) = {machine.releases["current"] for machine in self.fleet.machines}
        return release

    def visited(self, release: str, requests: int, errors: int = 0, seconds: float = 0.0) -> None:
        """Visitors came to every droplet, and some were answered badly, or slowly."""
        for machine in self.fleet.machines:
            name = next(iter(machine.engine.instances())).name
            machine.router.counted[name, release] += requests
            machine.router.failed[name, release] += errors
            machine.router.took[name, release] += seconds

    def round(self) -> None:
        """A health round, and then whatever run it has started."""
        self.look()
        while self.began:
            parameters = self.began.pop()
            rollback(self.service, release=parameters["release"])

    def look(self) -> None:
        """A health round, by what each droplet's agent says, or that it says nothing."""
        environment = self.service.environment
        soaks.watch([environment], [self._finding(one, environment) for one in self.fleet.droplets.all.values()])

    @staticmethod
    def _finding(droplet: Droplet, environment: Environment) -> Finding:
        try:
            with agents.reach(environment, droplet) as agent:
                answer = AgentAnswer(agent.node(wire.HEALTH_ROUND))
        except TransientError as error:
            answer = AgentAnswer(None, error.message, silent=True)
        title = environment.title()
        return Finding(title, droplet.name, "", "", "unknown", "", provider=droplet, agent=answer)

    @property
    def told(self) -> list[str]:
        """What people were told."""
        return [one["is"] for body in self.receiver.bodies for one in body["changes"]]


@pytest.fixture
def scene(fleet: Fleet, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The beginning."""
    began: list[Any] = []
    keys: set[str] = set()

    def run(name: str, parameters: Any, idempotency_key: str, work_queue_name: str, **_: Any) -> None:
        assert (name, work_queue_name) == ("rollback/rollback", "healing"), "not behind people's runs that wait"
        if idempotency_key not in keys:
            keys.add(idempotency_key)
            began.append(parameters)

    monkeypatch.setattr("tasks.notebooks.folder", lambda: tmp_path / "notebooks")
    monkeypatch.setattr("tasks.soak_rollbacks.healing", lambda: tmp_path / "healing")
    monkeypatch.setattr("tasks.soak_rollbacks.run_deployment", run)
    made = Scene(fleet, receiver, began)
    monkeypatch.setattr("tasks.soaks.list_services", lambda _: [made.service])
    return made


def test_a_release_that_turns_bad_is_back_on_the_old_one_unattended(scene: Scene) -> None:
    scene.round()
    scene.visited(scene.new, 50)
    scene.round()
    assert scene.serving == scene.new
    for machine in scene.fleet.machines:
        machine.engine.say(next(iter(machine.engine.instances())).name, "boom: password=hunter2")
    scene.visited(scene.new, 200, errors=100)
    scene.round()
    assert scene.serving == scene.old
    assert scene.fleet.machines[0].releases["previous"] == scene.new
    scene.round()
    scene.round()
    assert scene.told == ["taken back", "over"]
    assert "39.8 % of 502 answers are errors; before: 0.1 % of 20002" in scene.receiver.bodies[0]["text"]
    assert "**back**" in artifacts.latest(PAGE)


def test_the_evidence_holds_the_counts_and_the_end_of_each_log_without_secrets(scene: Scene) -> None:
    scene.round()
    for machine in scene.fleet.machines:
        machine.engine.say(next(iter(machine.engine.instances())).name, "boom: password=hunter2")
    scene.visited(scene.new, 200, errors=100)
    scene.look()
    page = artifacts.latest(PAGE)
    assert f"| {scene.new} | 402 requests, 49.75 % errors" in page
    assert f"| {scene.old} | 20002 requests, 0.10 % errors" in page
    assert page.count("boom: password=[redacted]") == 2
    assert "hunter2" not in page


def test_a_release_that_is_slow_is_taken_back(scene: Scene) -> None:
    scene.round()
    scene.visited(scene.new, 300, seconds=300.0)
    scene.round()
    assert scene.serving == scene.old


def test_ten_bad_answers_take_nothing_back(scene: Scene) -> None:
    scene.round()
    scene.visited(scene.new, 5, errors=5)
    scene.round()
    assert (scene.serving, scene.told) == (scene.new, [])


def test_once_the_time_is_over_nothing_is_taken_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.round()
    late(monkeypatch, minutes=10)
    scene.round()
    scene.visited(scene.new, 200, errors=200)
    scene.round()
    assert (scene.serving, scene.told) == (scene.new, [])


def test_a_worker_that_dies_before_the_rollback_has_begun_begins_it_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.round()
    scene.visited(scene.new, 200, errors=200)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.soak_rollbacks.run_deployment", lambda *_, **__: 1 / 0)
        scene.round()
    scene.round()
    assert scene.serving == scene.new, "not at once: it may have begun"
    late(monkeypatch, minutes=11)
    scene.round()
    assert scene.serving == scene.old


def test_what_is_paused_is_not_taken_back_until_it_is_resumed(scene: Scene, tmp_path: Path) -> None:
    scene.round()
    scene.visited(scene.new, 200, errors=200)
    Folder(tmp_path / "healing").write_pauses((Pause("service", "hello"),))
    scene.round()
    assert scene.serving == scene.new
    Folder(tmp_path / "healing").write_pauses(())
    scene.round()
    assert scene.serving == scene.old


def test_while_no_droplet_answers_nothing_is_decided(scene: Scene) -> None:
    scene.round()
    scene.visited(scene.new, 200, errors=200)
    for machine in scene.fleet.machines:
        machine.silence()
    scene.round()
    for machine in scene.fleet.machines:
        machine.wake()
    assert (scene.serving, scene.told) == (scene.new, [])


def test_a_service_that_does_not_ask_for_it_is_not_looked_at(scene: Scene) -> None:
    scene.service = scene.block(soak_minutes=0)
    scene.visited(scene.new, 200, errors=200)
    scene.round()
    assert scene.serving == scene.new


def late(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    """So much later, for who looks."""
    before: datetime = vars(soaks)["datetime"].now(UTC)

    class Later:
        """A clock that is ahead."""

        @staticmethod
        def now(zone: Any) -> datetime:
            return before + timedelta(minutes=minutes)

    monkeypatch.setattr("tasks.soaks.datetime", Later)
