"""What keeps a step of the ladder back, and what is written down of each decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import wire
from agent.server import pauses
from fleet.errors import InvalidInput, NotFound, PermanentError
from fleet.remediation.state import Pause
from flows.remediate import remediate
from tasks.agents import reach
from tests.fakes.router import Killed
from tests.flows.artifacts import latest
from tests.flows.ward import Ward
from tests.flows.warding import HELLO, current, serve


def test_whoever_holds_the_lock_goes_first(ward: Ward) -> None:
    name = serve(ward)
    machine = ward.machines[0]
    machine.engine.exit(name)
    decision = ward.until("restart")
    with reach(ward.environment, ward.droplet(machine)) as agent:
        agent.take_lease(name, wire.LeaseRequest(holder="deploy hello (1) on desk", seconds=600))
    assert ward.carry_out(decision) == "cancelled"
    assert "deploy hello" in ward.record(decision).outcomes[0].outcome.detail
    assert not current(machine).running
    assert ward.look(3) == [], "nothing is decided while somebody holds it"


@pytest.mark.parametrize(
    "pause", [Pause("everything"), Pause("service", HELLO), Pause("droplet", "it")], ids=["all", "service", "droplet"]
)
def test_a_pause_after_the_decision_stops_the_step(ward: Ward, pause: Pause) -> None:
    name = serve(ward)
    machine = ward.machines[0]
    machine.engine.exit(name)
    decision = ward.until("restart")
    ward.pause(Pause(pause.scope, machine.name if pause.scope == "droplet" else pause.name, why="we move"))
    assert ward.carry_out(decision) == "cancelled"
    assert "we move" in ward.record(decision).outcomes[0].outcome.detail
    assert not current(machine).running


def test_a_pause_is_handed_to_the_agents_and_holds_a_second_controller_until_it_is_ended(ward: Ward) -> None:
    name = serve(ward)
    ward.pause(Pause("service", HELLO, by="ann", why="we move"))
    ward.look()
    ward.machines[0].engine.exit(name)
    ward.take_over("second")
    ward.look(10)
    assert ward.actions() == []
    assert "paused by ann: we move" in ward.records()[-1].decision.reason
    ward.take_over("state")
    ward.pause()
    ward.look()
    ward.take_over("second")
    assert ward.until("restart")


def test_what_a_controller_that_is_gone_has_paused_lapses_after_a_day(ward: Ward) -> None:
    serve(ward)
    ward.pause(Pause("everything"))
    ward.look()
    ward.take_over("second")
    ward.lane.time.sleep(pauses.LAPSE)
    ward.look()
    assert ward.folder.read_foreign() == ()


def test_a_controller_that_is_blind_does_nothing_and_says_so_once(ward: Ward) -> None:
    serve(ward)
    ward.blind = True
    for machine in ward.machines:
        machine.silence()
    ward.look(20)
    assert ward.actions() == []
    assert ward.alerts() == ["blind"]


def test_a_provider_that_does_not_list_droplets_has_lost_none(ward: Ward) -> None:
    serve(ward)
    ward.unlisted = True
    ward.look(20)
    assert ward.actions() == []


def test_a_droplet_that_is_not_up_yet_is_not_missed_and_one_that_was_is(ward: Ward) -> None:
    serve(ward)
    ward.fleet.droplets.clock = ward.lane.time.now
    for one in list(ward.fleet.droplets.all.values()):
        ward.fleet.droplets.all[one.id] = replace(one, created_at=ward.lane.time.now())
    starting = ward.machines[0]
    ward.power(starting, "off")
    ward.take_over("second")
    ward.look()
    assert ward.records() == [], "a controller that has never heard of it lets it start"
    ward.take_over("state")
    ward.look()
    assert ward.actions() == ["remove from DNS"]


def test_agents_that_crash_everywhere_are_no_reason_to_touch_a_droplet(ward: Ward) -> None:
    serve(ward, replicas=3)
    for machine in ward.machines:
        machine.silence()
    ward.look(20)
    assert ward.actions() == []


def test_a_memory_that_cannot_be_read_stops_everything(ward: Ward) -> None:
    name = serve(ward)
    (ward.folder.path / "memory.json").write_text("{")
    ward.machines[0].engine.exit(name)
    with pytest.raises(PermanentError, match="nothing is done by itself"):
        ward.look()
    assert ward.asked == []


def test_what_is_decided_is_on_the_disk_before_a_run_is_asked_for(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    name = serve(ward)
    ward.machines[0].engine.exit(name)

    def start(decision: str) -> None:
        raise Killed(
            f"{ward.record(decision).decision.action} {ward.folder.read_memory().cases[key].steps[0].decision}"
        )

    key = f"{ward.droplet(ward.machines[0]).id}/{name}"
    monkeypatch.setattr("tasks.healing.starting.ensure", start)
    with pytest.raises(Killed, match=r"restart \d{8}t\d{6}-"):
        ward.look(5)


def test_a_run_that_never_came_is_asked_for_again_until_its_deadline(ward: Ward) -> None:
    name = serve(ward)
    ward.machines[0].engine.exit(name)
    decision = ward.until("restart")
    assert ward.look() == [decision]
    ward.lane.time.sleep(300)
    assert ward.carry_out(decision) == "unhelpful"
    assert "in time" in ward.record(decision).outcomes[0].outcome.detail


def test_every_decision_is_shown_with_its_gates_and_observations_and_what_became_of_it(ward: Ward) -> None:
    name = serve(ward)
    ward.machines[0].engine.exit(name)
    decision = ward.until("restart")
    ward.carry_out(decision)
    shown = latest(f"decision-{decision}")
    for told in (
        "restart",
        "exit code",
        "G1 the controller sees",
        "restarts in 30 min",
        "helped",
        f"replay {decision}",
    ):
        assert told in shown


def test_people_are_told_of_a_trouble_and_its_end_and_of_each_step_and_what_became_of_it(ward: Ward) -> None:
    serve(ward)
    dead = ward.machines[0]
    ward.power(dead, "off")
    (decision,) = ward.look()
    ward.carry_out(decision)
    ward.power(dead, "active")
    ward.carry_out(ward.until("return to DNS"))
    assert [(one.subject.removeprefix(dead.name), one.is_) for one in ward.told] == [
        (": dead", "dead"),
        ("", "remove from DNS"),
        ("", "remove from DNS helped"),
        (": dead", "over"),
        ("", "return to DNS"),
        ("", "return to DNS helped"),
    ]
    assert all("replay" in one.hint for one in ward.told)


def test_only_a_decision_that_acts_can_be_carried_out(ward: Ward) -> None:
    serve(ward, replicas=1)
    ward.power(ward.machines[0], "off")
    ward.look()
    with pytest.raises(InvalidInput, match="says to do nothing"):
        remediate(ward.records()[0].id)
    with pytest.raises(NotFound, match="no record"):
        remediate("20261124t021530-9fe5e6a1b2")
