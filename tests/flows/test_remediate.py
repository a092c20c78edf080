"""The flow `remediate` and the rounds that start it: each step of the ladder, and all that keeps it back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import wire
from agent.server import pauses
from fleet import naming, retirement
from fleet.errors import InvalidInput, NotFound, PermanentError
from fleet.remediation.state import Pause
from flows.deploy import deploy
from flows.finish_undeploys import finish_undeploys
from flows.remediate import remediate
from tasks.agents import reach
from tests.fakes.router import Killed
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import DOMAIN
from tests.flows.machines import Machine
from tests.flows.ward import Ward, open_ward

HELLO = "hello"


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """A fleet with nothing on it yet."""
    with open_ward(tmp_path) as opened:
        yield opened


def serve(ward: Ward, replicas: int = 2, **changes: Any) -> str:
    """The service on so many droplets, looked at once; gives its container's name."""
    service = ward.fleet.service(replicas, environment=ward.environment, **changes)
    ward.services[:] = [service]
    deploy(service)
    ward.look()
    return next(one.name for one in ward.machines[0].engine.instances() if one.role == "current")


def twice(ward: Ward, decision: str) -> None:
    """A second run of a decision changes nothing, and says nothing else."""
    before, told = ward.fleet.changes, ward.record(decision).outcomes
    remediate(decision)
    assert ward.fleet.changes == before
    assert ward.record(decision).outcomes == told


def current(machine: Machine) -> Any:
    """The current container of a machine."""
    return next(one for one in machine.engine.instances() if one.role == "current")


def test_a_fleet_that_is_well_is_left_alone_and_leaves_no_record(ward: Ward) -> None:
    serve(ward)
    before = ward.fleet.changes
    ward.look(5)
    assert ward.fleet.changes == before
    assert ward.records() == []


def test_a_container_that_fell_is_restarted(ward: Ward) -> None:
    name = serve(ward)
    ward.machines[0].engine.exit(name)
    decision = ward.until("restart")
    assert ward.carry_out(decision) == "helped"
    assert current(ward.machines[0]).running
    twice(ward, decision)
    assert set(ward.record(decision).outcomes[0].fencing) == {ward.machines[0].name}


def test_a_container_that_serves_again_by_itself_is_not_restarted(ward: Ward) -> None:
    name = serve(ward)
    ward.machines[0].engine.exit(name)
    decision = ward.until("restart")
    ward.machines[0].engine.start(name)
    began = current(ward.machines[0]).started_at
    assert ward.carry_out(decision) == "helped"
    assert current(ward.machines[0]).started_at == began


def test_a_container_that_restarts_do_not_mend_is_made_anew_of_its_release(ward: Ward) -> None:
    name = serve(ward)
    machine, release = ward.machines[0], current(ward.machines[0]).release
    machine.engine.crashing.add(release)
    machine.engine.exit(name)
    old = current(machine).id
    decision = ward.until("recreate", rounds=30)
    machine.engine.crashing.clear()
    assert ward.carry_out(decision) == "helped"
    assert (current(machine).release, current(machine).running) == (release, True)
    assert current(machine).id != old
    twice(ward, decision)


def test_what_is_not_what_its_block_says_is_not_made_anew(ward: Ward) -> None:
    name = serve(ward)
    machine = ward.machines[0]
    machine.engine.crashing.add(current(machine).release)
    machine.engine.exit(name)
    decision = ward.until("recreate", rounds=30)
    ward.services[0] = ward.services[0].model_copy(update={"memory_mib": 64})
    assert ward.carry_out(decision) == "unhelpful"
    assert "Deploy it" in ward.record(decision).outcomes[0].outcome.detail


def test_a_deploy_that_turned_bad_is_taken_back_everywhere(ward: Ward) -> None:
    name = serve(ward)
    good = current(ward.machines[0]).release
    ward.fleet.write("two")
    deploy(ward.services[0])
    bad = current(ward.machines[0]).release
    for machine in ward.machines:
        machine.engine.crashing.add(bad)
        machine.engine.exit(name)
    decision = ward.until("rollback")
    assert ward.carry_out(decision) == "helped"
    assert [current(one).release for one in ward.machines] == [good, good]
    assert ward.fleet.serving == {good}
    twice(ward, decision)


def test_a_dead_droplet_leaves_dns_with_the_round_that_confirms_it_and_comes_back_when_it_is_well(ward: Ward) -> None:
    serve(ward)
    dead, well = ward.machines
    ward.power(dead, "off")
    (decision,) = ward.look()
    assert ward.carry_out(decision) == "helped"
    assert ward.fleet.records == [(DOMAIN, well.address)]
    twice(ward, decision)
    ward.power(dead, "active")
    back = ward.until("return to DNS", rounds=4)
    assert ward.carry_out(back) == "helped"
    assert ward.fleet.records == ward.fleet.everywhere
    twice(ward, back)


def test_the_last_host_of_a_name_stays_in_dns(ward: Ward) -> None:
    serve(ward, replicas=1)
    ward.power(ward.machines[0], "off")
    ward.look()
    assert ward.actions() == []
    assert ward.alerts() == ["dead", "last host"]
    assert len(ward.fleet.records) == 1


def test_a_record_stays_when_the_other_host_left_after_the_decision(ward: Ward) -> None:
    serve(ward)
    dead, well = ward.machines
    ward.power(dead, "off")
    (decision,) = ward.look()
    gone = next(one for one in ward.fleet.dns.all.values() if one.content == well.address)
    del ward.fleet.dns.all[gone.id]
    assert ward.carry_out(decision) == "cancelled"
    assert ward.fleet.records == [(DOMAIN, dead.address)]


def test_a_droplet_that_hangs_is_power_cycled(ward: Ward) -> None:
    serve(ward, replicas=1)
    (machine,) = ward.machines
    machine.silence()
    ward.edge[DOMAIN] = 522
    decision = ward.until("power-cycle")
    ward.fleet.cloud.faults.watch = lambda call: machine.wake() if call == "droplets.act" else None
    assert ward.carry_out(decision) == "helped"
    ward.edge.clear()
    twice(ward, decision)


def test_a_droplet_that_answers_again_is_not_power_cycled(ward: Ward) -> None:
    serve(ward, replicas=1)
    (machine,) = ward.machines
    machine.silence()
    ward.edge[DOMAIN] = 522
    decision = ward.until("power-cycle")
    machine.wake()
    assert ward.carry_out(decision) == "cancelled"
    assert "droplets.act" not in ward.fleet.cloud.faults.calls


def check_replaced(ward: Ward, dead: Machine, release: str, replicas: int = 2) -> None:
    """Others serve in the place of the dead one, which is off and out of its environment, and nothing else is left."""
    left = [one for one in ward.machines if one.name != dead.name]
    assert [one.releases for one in left] == [{"current": release}] * replicas
    assert ward.fleet.records == sorted((DOMAIN, one.address) for one in left)
    assert ward.fleet.serving == {release}
    old = ward.droplet(dead)
    assert old.status == "off"
    assert retirement.retired_at(old.tags) is not None
    assert naming.environment_tag(ward.environment.spec()) not in old.tags


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_dead_droplet_gives_way_to_a_new_one_and_is_kept_for_a_day(ward: Ward, replicas: int) -> None:
    serve(ward, replicas)
    dead, release = ward.machines[0], current(ward.machines[0]).release
    ward.power(dead, "off")
    decision = ward.until("replace")
    assert ward.carry_out(decision) == "helped"
    check_replaced(ward, dead, release, replicas)
    twice(ward, decision)
    ward.look(3)
    assert ward.actions()[-1] == "replace"
    ward.lane.time.sleep(retirement.KEPT.total_seconds() - 600)
    finish_undeploys(ward.environment)
    assert dead.name in {one.name for one in ward.machines}
    ward.lane.time.sleep(1200)
    finish_undeploys(ward.environment)
    assert dead.name not in {one.name for one in ward.machines}
    assert len(ward.machines) == replicas


def test_a_droplet_that_the_provider_lost_gives_way_too(ward: Ward) -> None:
    serve(ward)
    dead, release = ward.machines[0], current(ward.machines[0]).release
    dead.silence()
    del ward.fleet.droplets.all[ward.droplet(dead).id]
    decision = ward.until("replace")
    assert ward.carry_out(decision) == "helped"
    assert ward.fleet.records == sorted((DOMAIN, one.address) for one in ward.machines)
    assert [one.releases for one in ward.machines] == [{"current": release}] * 2


def test_a_droplet_that_somebody_destroyed_in_order_is_not_missed(ward: Ward) -> None:
    serve(ward)
    gone = ward.machines[0]
    gone.silence()
    del ward.fleet.droplets.all[ward.droplet(gone).id]
    for one in [one for one in ward.fleet.dns.all.values() if one.content == gone.address]:
        del ward.fleet.dns.all[one.id]
    ward.look(15)
    assert ward.actions() == []


def test_without_being_opted_in_nothing_is_replaced(tmp_path: Path) -> None:
    with open_ward(tmp_path, replaceable=False) as ward:
        serve(ward)
        ward.power(ward.machines[0], "off")
        for _ in range(20):
            for decision in ward.look():
                ward.carry_out(decision)
        assert ward.actions() == ["remove from DNS"]
        assert len(ward.machines) == 2


@pytest.mark.parametrize("may_go", [False, True])
def test_data_keeps_a_droplet_from_being_replaced_unless_it_may_be_lost(ward: Ward, may_go: bool) -> None:
    serve(ward, 1, volumes=[{"name": "data", "path": "/data"}], volumes_may_go=may_go)
    ward.power(ward.machines[0], "off")
    ward.look(8)
    assert ward.actions() == (["replace"] if may_go else [])


def test_a_replacement_that_does_not_serve_goes_again_and_says_so(ward: Ward) -> None:
    serve(ward, replicas=1)
    dead, release = ward.machines[0], current(ward.machines[0]).release
    ward.power(dead, "off")
    decision = ward.until("replace")
    boot = ward.fleet.droplets._boot

    def bad(*given: Any) -> Machine:
        made = boot(*given)
        made.engine.mute.add(release)
        return made

    ward.fleet.droplets._boot = bad
    assert ward.carry_out(decision) == "unhelpful"
    assert [one.name for one in ward.machines] == [dead.name]
    assert ward.fleet.records == [(DOMAIN, dead.address)]


class Kill(BaseException):
    """The controller's process is killed: nothing of it goes on, and nothing is written down."""


def killed(ward: Ward, decision: str, at: int) -> bool:
    """A run that is killed before its so manieth change, unless it ends before."""
    left = [at]

    def listen(call: str) -> None:
        if call.startswith("agent.") or call.rpartition(".")[2] in ("ensure", "act", "add", "remove"):
            left[0] -= 1
            if left[0] <= 0:  # and nothing after it either, such as the freeing of locks
                raise Kill(call)

    ward.lane.listeners[:] = [listen]
    try:
        remediate(decision)
    except Kill:
        return True
    finally:
        ward.lane.listeners.clear()
    return False


def test_a_replacement_that_is_killed_at_each_of_its_changes_is_gone_on_with(ward: Ward) -> None:
    serve(ward)
    dead, release = ward.machines[0], current(ward.machines[0]).release
    ward.power(dead, "off")
    decision = ward.until("replace")
    kills = 0
    while killed(ward, decision, kills + 1):
        kills += 1
        if kills % 4 == 0:
            remediate(decision)  # the lock of the killed run is not over yet: nothing is done or told
        assert ward.outcome(decision) == ""
        ward.lane.time.sleep(61)
    assert kills > 10
    check_replaced(ward, dead, release)
    assert ward.outcome(decision) == "helped"


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


def test_a_pause_in_the_middle_of_a_replacement_takes_the_new_droplet_back(ward: Ward) -> None:
    serve(ward)
    dead = ward.machines[0]
    ward.power(dead, "off")
    decision = ward.until("replace")

    def listen(call: str) -> None:
        if call == "droplets.ensure":
            ward.pause(Pause("everything", why="wait"))

    ward.lane.listeners.append(listen)
    assert ward.carry_out(decision) == "cancelled"
    assert len(ward.machines) == 2


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


def test_only_a_decision_that_acts_can_be_carried_out(ward: Ward) -> None:
    serve(ward, replicas=1)
    ward.power(ward.machines[0], "off")
    ward.look()
    with pytest.raises(InvalidInput, match="says to do nothing"):
        remediate(ward.records()[0].id)
    with pytest.raises(NotFound, match="no record"):
        remediate("20261124t021530-9fe5e6a1b2")


def test_a_new_droplet_that_never_answers_goes_again(ward: Ward) -> None:
    serve(ward)
    dead = ward.machines[0]
    ward.power(dead, "off")
    decision = ward.until("replace")
    boot = ward.fleet.droplets._boot

    def silent(*given: Any) -> Machine:
        made = boot(*given)
        made.silence()
        return made

    ward.fleet.droplets._boot = silent
    assert ward.carry_out(decision) == "unhelpful"
    assert len(ward.machines) == 2


def test_two_replacements_that_do_not_help_suspend_themselves(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.remediation.limits.REPLACEMENTS_AN_HOUR", 2)
    serve(ward, replicas=9)
    bad = current(ward.machines[0]).release
    boot = ward.fleet.droplets._boot

    def mute(*given: Any) -> Machine:
        made = boot(*given)
        made.engine.mute.add(bad)
        return made

    ward.fleet.droplets._boot = mute
    for machine in ward.machines[:2]:
        ward.power(machine, "off")
        assert ward.carry_out(ward.until("replace")) == "unhelpful"
    ward.look()
    assert "suspended" in ward.alerts()
    ward.power(ward.machines[2], "off")
    for _ in range(20):
        for decision in ward.look():
            ward.carry_out(decision)
    assert ward.actions().count("replace") == 2
