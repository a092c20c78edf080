"""A scheduled service is exchanged between two runs: one that goes on for long is waited for, and never cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.server.ports import Instance
from fleet.errors import HostsFailed
from flows.deploy import deploy
from flows.roll import roll
from flows.rollback import rollback
from tasks import runs
from tests.fakes.engine import FakeEngine
from tests.flows.conftest import OLD
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.test_roll import target
from tests.histories.lane import Lane, open_lane

LONG = timedelta(minutes=12)
"""Longer than an agent waits in all the tries of a step."""
MOST = timedelta(minutes=45)
NIGHTLY: dict[str, Any] = {
    "replicas": 1,
    "runs": {"kind": "scheduled", "cron": "0 4 * * *", "run_seconds": int(MOST.total_seconds())},
}


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    """The fast lane, where a night takes no time."""
    with open_lane() as opened, opened.open(tmp_path) as fleet:
        fleet.droplets.clock = lambda: opened.time.now() - OLD
        yield opened


@pytest.fixture
def fleet(lane: Lane) -> Fleet:
    return lane.fleet


@pytest.fixture
def run(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], float]:
    """Begins a run of the current release that takes so long, and says when it will have ended."""
    look = FakeEngine.instances
    ends: dict[str, float] = {}

    def looked(engine: FakeEngine, name: str | None = None) -> tuple[Instance, ...]:
        for one in [seen for seen, end in ends.items() if lane.time.monotonic() >= end]:
            del ends[one]
            engine.exit(one, 0)
        return look(engine, name)

    monkeypatch.setattr(FakeEngine, "instances", looked)

    def begin(length: timedelta) -> float:
        engine = lane.fleet.machines[0].engine
        (current,) = [one for one in look(engine) if one.role == "current"]
        engine.start(current.full_name)
        ends[current.full_name] = lane.time.monotonic() + length.total_seconds()
        return ends[current.full_name]

    return begin


def changed(fleet: Fleet) -> str:
    """Another release of the service is current."""
    fleet.write("two")
    deploy(fleet.service(**NIGHTLY))
    return fleet.machines[0].releases["current"]


def test_a_deploy_waits_for_a_long_run_and_cuts_nothing_off(
    lane: Lane, fleet: Fleet, run: Callable[[timedelta], float]
) -> None:
    deploy(fleet.service(**NIGHTLY))
    before = fleet.machines[0].releases["current"]
    end = run(LONG)
    after = changed(fleet)
    assert lane.time.monotonic() >= end
    assert fleet.machines[0].releases == {"current": after, "previous": before}
    ended = next(one for one in fleet.machines[0].engine.instances() if one.release == before)
    assert ended.exit_code == 0, "it was not stopped"


def test_a_rollback_waits_for_it_too(lane: Lane, fleet: Fleet, run: Callable[[timedelta], float]) -> None:
    deploy(fleet.service(**NIGHTLY))
    before = fleet.machines[0].releases["current"]
    changed(fleet)
    end = run(LONG)
    rollback(fleet.service(**NIGHTLY))
    assert lane.time.monotonic() >= end
    assert fleet.machines[0].releases["current"] == before


def test_a_roll_waits_for_as_long_as_the_service_allows(
    lane: Lane, fleet: Fleet, run: Callable[[timedelta], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = fleet.service(**NIGHTLY)
    monkeypatch.setattr("tasks.rolls.list_services", lambda _: [service])
    deploy(service)
    end = run(timedelta(minutes=40))
    roll(fleet.environment(), target(fleet))
    assert lane.time.monotonic() >= end


def test_a_run_without_an_end_fails_the_deploy_in_bounded_time_and_the_release_stays(
    lane: Lane, fleet: Fleet, run: Callable[[timedelta], float]
) -> None:
    deploy(fleet.service(**NIGHTLY))
    before, began = fleet.machines[0].releases["current"], lane.time.monotonic()
    run(4 * MOST)
    fleet.write("two")
    with pytest.raises(HostsFailed, match=r"Waited 2821 s for the run of \w+_demo_prod_hello on .*, in vain\. Its rel"):
        deploy(fleet.service(**NIGHTLY))
    assert lane.time.monotonic() - began < (2 * MOST).total_seconds()
    assert fleet.machines[0].releases["current"] == before
    assert next(one for one in fleet.machines[0].engine.instances() if one.role == "current").running


def test_a_run_of_the_release_that_comes_is_not_waited_for(
    lane: Lane, fleet: Fleet, run: Callable[[timedelta], float]
) -> None:
    service = fleet.service(**NIGHTLY)
    deploy(service)
    current, end = fleet.machines[0].releases["current"], run(LONG)
    hosts, name = list(fleet.droplets.all.values()), fleet.machines[0].engine.instances()[0].name
    runs.let_end(service.spec(), name, current, hosts, service.environment)
    assert lane.time.monotonic() < end
