"""Handing over whom droplets tell: to each of them, whenever it changed, and to none in vain."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import wire
from blocks.environment import Environment
from blocks.notifications import Notifications
from flows.deploy import deploy
from tasks import agents, vigils
from tests.flows.fleet_of_fakes import Fleet

TELL = Notifications.model_validate({"slack_url": "https://hooks.example.com/T0p-s3cret"})


@pytest.fixture(autouse=True)
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this worker keeps what it handed over."""
    monkeypatch.setattr("tasks.notebooks.folder", lambda: tmp_path / "notebooks")
    return tmp_path / "notebooks"


def states(fleet: Fleet, environment: Environment) -> list[wire.VigilState]:
    """How each droplet sees it."""
    found = []
    for one in sorted(fleet.droplets.all.values(), key=lambda one: one.name):
        with agents.reach(environment, one) as agent:
            found.append(agent.vigil())
    return found


def test_every_droplet_gets_the_channels_once(fleet: Fleet, notebooks: Path) -> None:
    deploy(fleet.service())
    environment = fleet.environment(notifications=TELL)
    vigils.hand_over([environment])
    assert [one.channels for one in states(fleet, environment)] == [1, 1]
    sealed = [machine.folder / "state/vigil.sealed" for machine in fleet.machines]
    before = [path.read_bytes() for path in sealed]
    vigils.hand_over([environment])
    assert [path.read_bytes() for path in sealed] == before
    assert "s3cret" not in (notebooks / "vigils.json").read_text()


def test_a_change_and_the_end_of_notifications_reach_every_droplet(fleet: Fleet, notebooks: Path) -> None:
    deploy(fleet.service())
    environment = fleet.environment(notifications=TELL)
    vigils.hand_over([environment])
    both = Notifications.model_validate({"slack_url": "https://a.example.com", "webhook_url": "https://b.example.com"})
    vigils.hand_over([fleet.environment(notifications=both)])
    assert [one.channels for one in states(fleet, environment)] == [2, 2]
    vigils.hand_over([fleet.environment()])
    assert [one.channels for one in states(fleet, environment)] == [0, 0]
    assert (notebooks / "vigils.json").read_text() == "{}"


def test_a_droplet_that_does_not_answer_gets_them_when_it_does(fleet: Fleet) -> None:
    deploy(fleet.service())
    environment = fleet.environment(notifications=TELL)
    fleet.machines[0].silence()
    vigils.hand_over([environment])
    fleet.machines[0].wake()
    assert [one.channels for one in states(fleet, environment)] == [0, 1]
    vigils.hand_over([environment])
    assert [one.channels for one in states(fleet, environment)] == [1, 1]


def test_without_notifications_no_cloud_and_no_droplet_is_asked(fleet: Fleet, notebooks: Path) -> None:
    deploy(fleet.service())
    before = len(fleet.cloud.faults.calls)
    vigils.hand_over([fleet.environment()])
    assert len(fleet.cloud.faults.calls) == before
    assert not notebooks.exists()


def test_a_look_by_the_health_check_is_a_round_and_one_by_anybody_else_is_none(fleet: Fleet) -> None:
    deploy(fleet.service(replicas=1))
    environment, (droplet,) = fleet.environment(), fleet.droplets.all.values()
    with agents.reach(environment, droplet) as agent:
        agent.node("somebody")
        assert agent.vigil().last_round is None
        agent.node(wire.HEALTH_ROUND)
        assert agent.vigil().last_round is not None
