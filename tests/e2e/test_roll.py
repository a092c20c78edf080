"""Three droplets give way to three from another snapshot, under load, with everything that runs on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from tests.e2e.kills import kill_at_step
from tests.e2e.lab import ROOT, Lab, Run, reference
from tests.e2e.load import Visit, visitors
from tests.e2e.scenes import addresses, change_service, containers, deploy, ours, serving

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.long]

WHERE = reference("environment", "lab-prod")
SLEEP = "import time; time.sleep(9e6)"
OTHERS = {
    "ticker": ({"kind": "worker", "exclusive": True, "steady_seconds": 2}, ["python3", "-c", SLEEP]),
    "cache": ({"kind": "tcp", "port": 6379}, ["python3", "-m", "http.server", "6379"]),
    "nightly": ({"kind": "scheduled", "cron": "0 4 * * *"}, ["python3", "-c", "print('done')"]),
}


@pytest.fixture(scope="module")
def three(lab: Lab, context: Path) -> Iterator[list[str]]:
    """Three droplets that serve, with a service of every other kind somewhere on them; two with one are left."""
    change_service(replicas=3)
    deploy(lab)
    for name, (runs, command) in OTHERS.items():
        made = {"name": name, "environment": Environment.load("lab-prod"), "runs": runs, "command": command}
        service = Service.model_validate({**made, "image": {"kind": "build", "context": str(context)}})
        service.save(name, overwrite=True)
        deploy(lab, name)
    yield ours(lab)
    for name in OTHERS:
        gone = lab.run("undeploy", service=reference("service", name))
        assert gone.completed, gone.log
    change_service(replicas=2)
    deploy(lab, remove_empty=True)


@pytest.fixture(scope="module")
def other(lab: Lab) -> str:
    """The id of a second snapshot."""
    folder = {"base": reference("snapshot", "lab-base"), "context": str(ROOT / "examples" / "base")}
    run = lab.run("build-snapshot", environment=WHERE, name="lab-python-2", kind="custom", **folder)
    assert run.completed, run.log
    return cast(Snapshot, Snapshot.load("lab-python-2")).snapshot_id


def roll(lab: Lab, name: str) -> Run:
    """A run of the flow that has to complete."""
    run = lab.run("roll", environment=WHERE, snapshot=reference("snapshot", name))
    assert run.completed, run.log
    return run


def images(lab: Lab) -> set[str]:
    """What the droplets are made from."""
    return {lab.droplet(name).image for name in ours(lab)}


def places(lab: Lab, service: str) -> int:
    """On how many droplets a service has a current container."""
    return sum("current" in containers(lab, name, service) for name in ours(lab))


def check_served(lab: Lab, visit: Visit) -> None:
    """Nobody was refused, and three droplets serve one release and all the rest."""
    assert visit.errors == []
    assert set(visit.statuses) == {200}
    names = ours(lab)
    assert len(names) == 3
    assert len(serving(lab, names)) == 1
    assert addresses(lab) == {str(lab.droplet(name).public_address) for name in names}
    assert {name: places(lab, name) for name in OTHERS} == dict.fromkeys(OTHERS, 1)


def test_three_droplets_give_way_under_load_and_no_request_is_lost(lab: Lab, three: list[str], other: str) -> None:
    release = lab.ask()["release"]
    with visitors(lab) as visit:
        roll(lab, "lab-python-2")
    check_served(lab, visit)
    assert images(lab) == {other}
    assert not {*ours(lab)} & {*three}
    assert visit.releases == {release}
    again = roll(lab, "lab-python-2")
    assert "nothing to do" in lab.artifact(again.id)
    assert visit.requests / visit.seconds >= 100


@pytest.mark.parametrize("step", ["prepare", "promote", "A record", "stop ", "destroy"])
def test_a_roll_that_is_killed_is_gone_on_with_by_the_next(lab: Lab, three: list[str], other: str, step: str) -> None:
    to = "lab-python" if images(lab) == {other} else "lab-python-2"
    with visitors(lab) as visit:
        assert kill_at_step(lab.start("roll", environment=WHERE, snapshot=reference("snapshot", to)), step)
        roll(lab, to)
    check_served(lab, visit)
    assert len(images(lab)) == 1
