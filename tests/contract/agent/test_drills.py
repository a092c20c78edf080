"""Drills over TLS: off by default, under a lease, one at a time; what carries them out is another process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from agent.server.injection import ENDED, ORDERED, TOLD
from tests.contract.agent.serving import Droplet, droplet

LOCK = "9fe5e6_demo_prod_drills"
ORDER = wire.DrillOrder(fault="nginx", holder="the tests")


def starter(folder: Path) -> tuple[str, ...]:
    """Plays systemd: the drill is under way once this returns."""
    program = 'import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(\'{"phase": "running"}\')'
    return (sys.executable, "-c", program, str(folder / "run" / TOLD))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    (tmp_path / "run").mkdir()
    with droplet(tmp_path, drill_command=starter(tmp_path)) as running:
        yield running


@pytest.fixture
def client(lab: Droplet) -> Iterator[AgentClient]:
    with lab.client(LOCK) as made:
        yield made


def code(caught: pytest.ExceptionInfo[AgentProblem]) -> str:
    return caught.value.problem.code


def test_no_drill_begins_unless_it_was_allowed(lab: Droplet, client: AgentClient) -> None:
    drills = client.drills(LOCK)
    assert drills.read() == wire.Drill()
    with pytest.raises(AgentProblem) as caught:
        drills.begin(ORDER)
    assert code(caught) == "drills_off"
    assert not (lab.settings.run / ORDERED).exists()
    assert drills.allow(60).allowed
    assert not drills.allow(0).allowed
    with pytest.raises(AgentProblem):
        drills.begin(ORDER)


def test_a_drill_is_under_way_until_it_is_told_to_be_over_and_only_one_is(lab: Droplet, client: AgentClient) -> None:
    drills = client.drills(LOCK)
    drills.allow(60)
    begun = drills.begin(ORDER)
    assert (begun.phase, begun.fault, begun.holder, begun.seconds) == ("running", "nginx", "the tests", 60)
    with pytest.raises(AgentProblem) as caught:
        drills.begin(ORDER)
    assert code(caught) == "busy"
    assert [drills.end().phase for _ in range(2)] == ["running", "running"]
    assert (lab.settings.run / ENDED).exists()
    (lab.settings.run / TOLD).write_text(json.dumps({"phase": "over"}))
    assert [drills.end().phase for _ in range(2)] == ["over", "over"]
    assert drills.begin(ORDER).phase == "running", "and another one may begin"
    assert not (lab.settings.run / ENDED).exists()


def test_a_call_without_the_lease_changes_nothing(lab: Droplet, client: AgentClient) -> None:
    client.drills(LOCK).allow(60)
    with lab.keyed() as http:
        bare = AgentClient(http).drills(LOCK)
        calls: list[Callable[[], wire.Drill]] = [lambda: bare.allow(60), lambda: bare.begin(ORDER), bare.end]
        for call in calls:
            with pytest.raises(AgentProblem) as caught:
                call()
            assert code(caught) == "lease_required"
        with pytest.raises(AgentProblem) as caught:
            AgentClient(http, 99).drills(LOCK).begin(ORDER)
        assert code(caught) == "fenced"
    assert client.drills(LOCK).read().phase == "none"


def test_a_droplet_whose_snapshot_knows_no_drills_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with droplet(tmp_path, drill_command=("ls", "/none")) as lab, lab.client(LOCK) as client:
        client.drills(LOCK).allow(60)
        with pytest.raises(AgentProblem) as caught:
            client.drills(LOCK).begin(ORDER)
        assert code(caught) == "drill"
        assert "cannot access '/none'" in caught.value.problem.message
        assert "base snapshot" in caught.value.problem.hint
        assert client.drills(LOCK).read().phase == "none"


def test_a_drill_that_nothing_is_heard_of_keeps_no_other_from_beginning(lab: Droplet, client: AgentClient) -> None:
    drills = client.drills(LOCK)
    drills.allow(60)
    drills.begin(ORDER)
    path = lab.settings.run / ORDERED
    path.write_text(json.dumps({**json.loads(path.read_text()), "began_at": "2026-01-01T00:00:00Z"}))
    assert drills.read().phase == "failed"
    assert drills.begin(ORDER).phase == "running"


def test_a_permission_does_not_outlive_a_boot(lab: Droplet, client: AgentClient) -> None:
    client.drills(LOCK).allow(3600)
    path = lab.settings.state / "drills.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "another"}))
    assert not client.drills(LOCK).read().allowed
