"""The last step of the ladder: a dead droplet gives way to a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet import naming, retirement
from fleet.remediation.state import Pause
from flows.finish_undeploys import finish_undeploys
from flows.remediate import remediate
from tests.flows.fleet_of_fakes import DOMAIN
from tests.flows.machines import Machine
from tests.flows.ward import Ward, open_ward
from tests.flows.warding import current, serve, twice


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
