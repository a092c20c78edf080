"""The ladder of a droplet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.remediation.decide import decide
from fleet.remediation.observations import Calls, Said, Witness
from fleet.remediation.state import DropletFacts, Lease, Pause
from tests.unit.fleet.remediation.scenes import (
    AGENT_DEAD,
    BLIND,
    HELLO,
    HUNG,
    OFF,
    UNSEEN,
    WELL,
    Scene,
    droplet,
)

ONE = droplet(1)


@pytest.fixture
def scene() -> Scene:
    """Ten droplets, looked at once while all is well."""
    made = Scene()
    assert made.look() == {}
    return made


def test_a_droplet_that_is_off_leaves_dns_in_the_round_that_sees_it(scene: Scene) -> None:
    decision = scene.look({1: OFF})[ONE]
    assert (decision.action, decision.names) == ("remove from DNS", ("hello.example.com",))
    assert scene.alerts() == [f"{ONE}: dead"]


def test_a_droplet_that_is_on_and_silent_leaves_dns_in_the_third_round(scene: Scene) -> None:
    assert scene.look({1: HUNG}) == {}
    assert scene.look({1: HUNG}) == {}
    assert scene.look({1: HUNG})[ONE].action == "remove from DNS"


def test_a_droplet_that_is_off_is_replaced_two_minutes_later(scene: Scene) -> None:
    done = [scene.acts(1, {1: OFF}) for _ in range(4)]
    assert done == [["remove from DNS"], [], ["replace"], []]


def test_a_hung_droplet_is_power_cycled_after_five_minutes_and_replaced_ten_after_that(scene: Scene) -> None:
    done = [(number, word) for number in range(20) for word in scene.acts(1, {1: HUNG})]
    assert done == [(2, "remove from DNS"), (5, "power-cycle"), (15, "replace")]


def test_a_droplet_that_comes_back_is_given_back_its_names_after_two_good_rounds(scene: Scene) -> None:
    assert scene.acts(1, {1: OFF}) == ["remove from DNS"]
    scene.own[1] = replace(scene.facts, names=())
    assert scene.acts(1) == []
    decision = scene.look()[ONE]
    assert (decision.action, decision.names) == ("return to DNS", ("hello.example.com",))
    assert decision.cleared == ("dead",)


def test_an_agent_that_is_silent_while_its_service_answers_is_told_once_and_left_alone(scene: Scene) -> None:
    assert scene.acts(60, {1: AGENT_DEAD}) == []
    assert scene.alerts() == [f"{ONE}: silent"]


def test_a_droplet_that_one_witness_calls_dead_is_left_alone(scene: Scene) -> None:
    alone: dict[Witness, Said] = {"agent": "silent", "edge": "unknown", "provider": "on"}
    assert scene.acts(60, {1: alone}) == []
    assert scene.alerts() == [f"{ONE}: silent"]


def test_a_peer_is_a_witness_where_there_is_no_edge(scene: Scene) -> None:
    told: dict[Witness, Said] = {"agent": "silent", "peer": "silent", "provider": "on"}
    assert scene.acts(3, {1: told}) == ["remove from DNS"]


def test_nothing_is_done_about_a_droplet_that_nobody_could_look_at(scene: Scene) -> None:
    assert scene.acts(60, {1: UNSEEN}) == []
    assert scene.alerts() == []


def test_death_that_is_interrupted_by_a_word_of_life_is_counted_anew(scene: Scene) -> None:
    assert scene.acts(4, {1: HUNG}) == ["remove from DNS"]
    assert scene.acts(1, {1: AGENT_DEAD}) == []
    assert scene.acts(4, {1: HUNG}) == []


def test_a_hung_droplet_is_not_replaced_while_the_provider_says_nothing_of_it(scene: Scene) -> None:
    told: dict[Witness, Said] = {"agent": "silent", "edge": "silent", "provider": "unknown"}
    assert scene.acts(30, {1: told}) == ["remove from DNS"]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (DropletFacts((HELLO,), (), False, ()), "nobody has opted in to its replacement"),
        (DropletFacts((HELLO,), (), True, ("data",)), "data would be lost: data"),
        (DropletFacts((HELLO,), (), True, None), "nobody knows whether data would be lost"),
    ],
)
def test_a_droplet_that_may_not_be_replaced_is_told_and_left(scene: Scene, facts: DropletFacts, why: str) -> None:
    scene.own[1] = facts
    assert scene.acts(30, {1: OFF}) == []
    assert scene.alerts() == [f"{ONE}: dead"]
    last = [made.decision for made in scene.made if made.decision.target == ONE][-1]
    assert (last.considered, last.because) == ("replace", "G6")
    assert why in last.reason


def test_the_last_host_of_a_name_stays_in_dns_and_is_told(scene: Scene) -> None:
    for number in range(2, 11):
        scene.own[number] = replace(scene.facts, names=("other.example.com",))
    decision = scene.look({1: OFF})[ONE]
    assert decision.names == ()
    assert [one.kind for one in decision.alerts] == ["dead", "last host"]


def test_a_host_of_which_the_other_hosts_are_silent_too_is_the_last_one(scene: Scene) -> None:
    for number in range(3, 11):
        scene.own[number] = replace(scene.facts, names=())
    assert scene.look({1: OFF, 2: HUNG})[ONE].names == ()


def test_a_droplet_that_is_gone_leaves_dns_even_as_the_last_host(scene: Scene) -> None:
    for number in range(2, 11):
        scene.own[number] = replace(scene.facts, names=())
    gone: dict[Witness, Said] = {"agent": "silent", "edge": "silent", "provider": "gone"}
    assert scene.look({1: gone})[ONE].names == ("hello.example.com",)


def test_two_dead_droplets_are_replaced_one_an_hour(scene: Scene) -> None:
    scene.facts = replace(scene.facts, names=())
    done = [(number, word) for number in range(70) for word in scene.acts(1, {1: OFF, 2: OFF}, word="cancelled")]
    assert done == [(2, "replace"), (63, "replace")]


def test_a_droplet_and_what_replaced_it_are_replaced_once_a_day(scene: Scene) -> None:
    scene.facts = replace(scene.facts, names=())
    for _ in range(3):
        scene.look({1: OFF})
    scene.tell(scene.last[0], "helped", successor=2)
    assert scene.acts(23 * 60, {2: OFF}) == []
    assert scene.acts(120, {2: OFF}) == ["replace"]


def test_more_than_a_third_in_trouble_stops_everything_and_is_told_once(scene: Scene) -> None:
    assert scene.acts(60, {number: HUNG for number in range(1, 5)}) == []
    assert scene.alerts() == ["the fleet: breaker"]


def test_after_a_common_trouble_the_death_of_one_is_counted_anew(scene: Scene) -> None:
    scene.facts = replace(scene.facts, names=())
    assert scene.acts(60, {number: HUNG for number in range(1, 5)}) == []
    done = [(number, word) for number in range(7) for word in scene.acts(1, {1: HUNG})]
    assert done == [(5, "power-cycle")]


def test_a_blind_round_decides_nothing_of_any_droplet(scene: Scene) -> None:
    scene.self_test = BLIND
    before = {key: case for key, case in scene.memory.cases.items() if key != "0"}
    assert scene.acts(20, {number: OFF for number in range(1, 11)}) == []
    assert scene.alerts() == ["the fleet: blind"]
    assert {key: case for key, case in scene.memory.cases.items() if key != "0"} == before


def test_an_incident_of_the_provider_stops_everything(scene: Scene) -> None:
    scene.calls = Calls(3, 10)
    assert scene.acts(30, {1: OFF}) == []
    assert scene.alerts() == ["the fleet: breaker"]


@pytest.mark.parametrize(
    "pause", [Pause("everything"), Pause("service", "hello"), Pause("service", HELLO), Pause("droplet", ONE.name)]
)
def test_a_pause_holds_for_as_long_as_it_is_there(scene: Scene, pause: Pause) -> None:
    scene.pauses = (pause,)
    assert scene.acts(30, {1: OFF}) == []
    scene.pauses = ()
    assert scene.acts(1, {1: OFF}) == ["remove from DNS"]


@pytest.mark.parametrize("pause", [Pause("service", "hell"), Pause("service", "other"), Pause("droplet", "demo-prod")])
def test_a_pause_of_something_else_does_not_hold(scene: Scene, pause: Pause) -> None:
    scene.pauses = (pause,)
    assert scene.acts(1, {1: OFF}) == ["remove from DNS"]


def test_a_pause_ends_at_its_time(scene: Scene) -> None:
    scene.pauses = (Pause("everything", until=scene.at.later(90).utc),)
    assert [scene.acts(1, {1: OFF}) for _ in range(2)] == [[], ["remove from DNS"]]


def test_a_persons_operation_on_a_service_of_the_droplet_goes_first(scene: Scene) -> None:
    scene.leases = (Lease(HELLO, "deploy/amber-fox"),)
    assert scene.acts(30, {1: OFF}) == []
    scene.leases = (Lease(HELLO, "remediate/blue-owl", ours=True),)
    assert scene.acts(1, {1: OFF}) == ["remove from DNS"]


def test_two_droplets_of_one_name_are_left_alone(scene: Scene) -> None:
    scene.look({1: OFF})
    made = scene.made[-1]
    decision = decide(replace(made.state, namesakes=2), made.observations, made.at)
    assert (made.decision.action, decision.action, decision.because) == ("remove from DNS", "alert", "G5")


def test_a_droplet_whose_agent_stands_still_has_it_restarted_once_a_day(scene: Scene) -> None:
    scene.own[1] = replace(scene.facts, ill="its watchdog has judged nothing for 90 s")
    assert scene.acts(5) == []
    assert scene.acts(1) == ["restart agent"]
    assert scene.acts(120) == []
    assert scene.alerts() == [f"{ONE}: ill"]


def test_a_droplet_that_says_it_is_ill_is_told_and_left(scene: Scene) -> None:
    ill: dict[Witness, Said] = {**WELL, "agent": "unhealthy"}
    assert scene.acts(30, {1: ill}) == []
    assert scene.alerts() == [f"{ONE}: ill"]


def test_a_droplet_that_falls_and_rises_again_and_again_is_held(scene: Scene) -> None:
    scene.facts = replace(scene.facts, names=(), replaceable=False)
    for _ in range(3):
        scene.acts(1, {1: OFF})
        scene.acts(2)
    assert [made.decision.action for made in scene.made if made.decision.because == "flapping"] == ["hold"]
    scene.own[1] = DropletFacts((HELLO,), ("hello.example.com",), True, ())
    assert scene.acts(20, {1: OFF}) == []
    assert scene.alerts().count(f"{ONE}: flapping") == 1


def test_two_replacements_that_do_not_help_suspend_themselves_and_are_told_once(scene: Scene) -> None:
    scene.facts = replace(scene.facts, names=())
    done = scene.acts(300, {1: OFF, 2: OFF, 3: OFF}, word="unhelpful")
    assert done == ["replace", "replace"]
    assert scene.memory.suspension is not None
    assert scene.alerts().count("the fleet: suspended") == 1
